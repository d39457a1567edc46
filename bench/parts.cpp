// The parts that a step is made of, each alone (Google Benchmark): activations, packing, products, one step.
//   parts --benchmark_filter=Pack
#include <benchmark/benchmark.h>

#include "drawn.h"
#include "retrograde/sequence/backward.h"
#include "retrograde/stream/stream.h"

namespace {

using namespace retrograde;

// A network of one unit without recurrence, a batch of one step: its activation on so many numbers.
void activation(benchmark::State& state, const char* name) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Network<float> network(Config{.cell = Elman{},
                                      .inputs = count,
                                      .hidden = {1},
                                      .outputs = count,
                                      .activation = OutputActivation(name)});
  Stream<float> stream(network);
  const auto x = bench::drawn_vector(count, 5, 3);
  for (auto _ : state) benchmark::DoNotOptimize(stream.step(std::span<const float>(x)).data());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(activation, identity, "identity")->Arg(4096);
BENCHMARK_CAPTURE(activation, tanh, "tanh")->Arg(4096);
BENCHMARK_CAPTURE(activation, sigmoid, "sigmoid")->Arg(4096);
BENCHMARK_CAPTURE(activation, softmax, "softmax")->Arg(4096);

struct Packed {
  LayerShape shape;
  const CellKernels<float>& kernels = Cell(Lstm{}).kernels<float>();
  std::vector<float> w_ih, w_hh, bias;
  Buffer<float> packed;
  explicit Packed(std::size_t units)
      : shape{units, units}, w_ih(4 * units * units), w_hh(w_ih.size()), bias(4 * units) {
    zeros(packed, kernels.packed_size(shape));
  }
};
void pack(benchmark::State& state) {
  Packed p(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state)
    p.kernels.pack(p.shape, {p.w_ih.data(), p.w_hh.data(), p.bias.data(), p.bias.data()}, p.packed.data());
}
void unpack(benchmark::State& state) {
  Packed p(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state)
    p.kernels.unpack(p.shape, p.packed.data(), {p.w_ih.data(), p.w_hh.data(), p.bias.data(), p.bias.data()});
}
BENCHMARK(pack)->Arg(32)->Arg(128)->Arg(512);
BENCHMARK(unpack)->Arg(32)->Arg(128)->Arg(512);

// y = x Wᵀ + b of so many rows, inputs and outputs; counts multiplications and additions.
void product(benchmark::State& state) {
  const auto rows = static_cast<std::size_t>(state.range(0)),
             inputs = static_cast<std::size_t>(state.range(1)),
             outputs = static_cast<std::size_t>(state.range(2));
  const auto& head = head_kernels<float>();
  Buffer<float> packed(head.packed_size({inputs, outputs})), y(rows * round_up(outputs, head.lanes));
  const auto x = bench::drawn_vector(rows * inputs, 5, 1);
  for (auto _ : state) run_head<float>({inputs, outputs}, packed.data(), rows, {x.data(), inputs}, y.data());
  state.SetItemsProcessed(state.iterations() * 2 * state.range(0) * state.range(1) * state.range(2));
}
BENCHMARK(product)
    ->Args({1, 128, 512})
    ->Args({6, 128, 64})
    ->Args({16, 128, 512})
    ->Args({128, 128, 512})
    ->Args({7, 100, 400});

// One step, forward and backward, of an LSTM: batch, units.
void one_step(benchmark::State& state) {
  const auto batch = static_cast<std::size_t>(state.range(0)),
             units = static_cast<std::size_t>(state.range(1));
  const Network<float> network(Config{.cell = Lstm{}, .inputs = units, .hidden = {units}});
  const auto x = bench::drawn_vector(batch * units, 5, 1), dy = bench::drawn_vector(batch * units, 6, 1);
  Tape<float> tape;
  Gradients<float> gradients(network);
  for (auto _ : state) {
    forward(network, {batch, 1, x, {}, {}}, tape);
    backward(network, tape, {dy, {}, nullptr}, full(), gradients);
  }
}
BENCHMARK(one_step)->Args({1, 32})->Args({1, 128})->Args({16, 128})->Args({64, 256});

}  // namespace

BENCHMARK_MAIN();
