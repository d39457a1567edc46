// Retrograde on the grid of shapes, and the machine's limits: one JSON object a line.
//   grid SECONDS_A_SHAPE
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "drawn.h"
#include "retrograde/base/threads.h"
#include "retrograde/kernels/isa.h"
#include "retrograde/sequence/backward.h"

namespace {

using namespace retrograde;

// Fused multiplications and additions with twelve sums in flight, in the widest vector of an instruction set.
#define RETROGRADE_PEAK(name, scalar, bytes, isa)                                                     \
  [[gnu::target(isa)]] double name() {                                                                \
    typedef scalar V __attribute__((vector_size(bytes)));                                             \
    V m = V{} + scalar(0.999), c = V{} + scalar(0.001);                                               \
    V a0 = m, a1 = m, a2 = m, a3 = m, a4 = m, a5 = m, a6 = m, a7 = m, a8 = m, a9 = m, b0 = m, b1 = m; \
    double best = 1e9;                                                                                \
    for (int repeat = 0; repeat < 100; ++repeat) {                                                    \
      const double start = bench::now(true);                                                          \
      for (int k = 0; k < 40000; ++k) {                                                               \
        a0 = a0 * m + c, a1 = a1 * m + c, a2 = a2 * m + c, a3 = a3 * m + c, a4 = a4 * m + c;          \
        a5 = a5 * m + c, a6 = a6 * m + c, a7 = a7 * m + c, a8 = a8 * m + c, a9 = a9 * m + c;          \
        b0 = b0 * m + c, b1 = b1 * m + c;                                                             \
        asm volatile("" : "+v"(a0), "+v"(a1), "+v"(a2), "+v"(a3), "+v"(a4), "+v"(a5));                \
        asm volatile("" : "+v"(a6), "+v"(a7), "+v"(a8), "+v"(a9), "+v"(b0), "+v"(b1));                \
      }                                                                                               \
      best = std::min(best, bench::now(true) - start);                                                \
    }                                                                                                 \
    return 40000.0 * 12 * 2 * (bytes / sizeof(scalar)) / best * 1e-9;                                 \
  }
RETROGRADE_PEAK(peak_float_v4, float, 64, "avx512f")
RETROGRADE_PEAK(peak_double_v4, double, 64, "avx512f")
RETROGRADE_PEAK(peak_float_v3, float, 32, "avx2,fma")
RETROGRADE_PEAK(peak_double_v3, double, 32, "avx2,fma")

// Gigabytes a second read from a block of so many bytes.
[[gnu::target("avx2")]] double bandwidth(std::size_t bytes) {
  typedef float V __attribute__((vector_size(32)));
  const std::size_t n = bytes / sizeof(V);
  Buffer<float> memory(bytes / sizeof(float), 1.0f);
  const V* const p = reinterpret_cast<const V*>(memory.data());
  double best = 1e9;
  const std::size_t sweeps = std::max<std::size_t>(1, (std::size_t{1} << 24) / bytes);
  for (int repeat = 0; repeat < 12; ++repeat) {
    const double start = bench::now(true);
    for (std::size_t s = 0; s < sweeps; ++s) {
      V sums[8] = {};
      for (std::size_t i = 0; i + 8 <= n; i += 8) {
#pragma GCC unroll 8
        for (std::size_t j = 0; j < 8; ++j) sums[j] += p[i + j];
      }
      for (V& sum : sums) asm volatile("" : "+x"(sum));
    }
    best = std::min(best, bench::now(true) - start);
  }
  return static_cast<double>(sweeps * bytes) / best * 1e-9;
}

void machine() {
  const bool wide = isa_level() == IsaLevel::v4, fused = isa_level() >= IsaLevel::v3;
  fmt::print("{{\"machine\":{{\"isa\":\"{}\",\"threads\":{}", name(isa_level()), threads());
  if (fused)
    fmt::print(",\"peak_float\":{:.1f},\"peak_double\":{:.1f}", wide ? peak_float_v4() : peak_float_v3(),
               wide ? peak_double_v4() : peak_double_v3());
  for (const auto& [where, bytes] :
       {std::pair{"L1", 24u << 10}, {"L2", 512u << 10}, {"L3", 8u << 20}, {"DRAM", 256u << 20}})
    fmt::print(",\"read_{}\":{:.1f}", where, bandwidth(bytes));
  fmt::print("}}}}\n");
}

void measure(const char* cell_name, Cell cell, bench::Shape shape, double seconds) {
  const std::size_t batch = shape.batch, units = shape.units, steps = bench::kSteps;
  Network<float> network(Config{.cell = std::move(cell), .inputs = units, .hidden = {units}});
  auto& parameters = network.parameters();
  const double scale = 1 / std::sqrt(static_cast<double>(units));
  std::uint64_t series = 1;
  for (const char* block : {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"})
    std::ranges::copy(bench::drawn_vector(parameters[block].size(), series++, scale),
                      parameters[block].begin());
  // Drawn time-major, as the peers take it; batch-first here.
  std::vector<float> x(batch * steps * units), dy(x.size());
  for (std::size_t t = 0; t < steps; ++t)
    for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t i = 0; i < units; ++i) {
        x[(b * steps + t) * units + i] = bench::drawn((t * batch + b) * units + i, 5);
        dy[(b * steps + t) * units + i] = bench::drawn((t * batch + b) * units + i, 6);
      }
  Tape<float> tape;
  Gradients<float> gradients(network);
  gradients.want_dx = true;
  double best_forward = 1e9, best_backward = 1e9;
  const double end = bench::now(true) + seconds;
  bool wall = true;
  for (int n = 0; n < 4 || bench::now(true) < end; ++n) {
    gradients.clear();
    const double start = bench::now(wall);
    forward(network, {batch, steps, x, {}, {}}, tape);
    const double middle = bench::now(wall);
    backward(network, tape, {dy, {}, nullptr}, full(), gradients);
    const double done = bench::now(wall);
    if (n > 0) {  // the first one makes room
      best_forward = std::min(best_forward, middle - start);
      best_backward = std::min(best_backward, done - middle);
    }
    wall = threads() > 1 || best_forward < bench::kShort;
  }
  const auto outputs = tape.outputs();
  std::vector<float> y(outputs.size());
  for (std::size_t t = 0; t < steps; ++t)
    for (std::size_t b = 0; b < batch; ++b)
      std::copy_n(outputs.data() + (b * steps + t) * units, units, y.data() + (t * batch + b) * units);
  fmt::print(
      "{{\"who\":\"retrograde\",\"cell\":\"{}\",\"batch\":{},\"units\":{},\"forward\":{:.4f},"
      "\"backward\":{:.4f},\"checks\":[",
      cell_name, batch, units, best_forward / steps * 1e6, best_backward / steps * 1e6);
  const auto w_ih = gradients.parameters["weight_ih_l0"], w_hh = gradients.parameters["weight_hh_l0"];
  fmt::print("{:.8g},{:.8g},{:.8g},{:.8g},{:.8g},{:.8g}]}}\n", bench::norm(y.data(), y.size()),
             bench::projection(y.data(), y.size(), 7), bench::norm(w_ih.data(), w_ih.size()),
             bench::projection(w_ih.data(), w_ih.size(), 8), bench::norm(w_hh.data(), w_hh.size()),
             bench::projection(w_hh.data(), w_hh.size(), 9));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 0.2;
  machine();
  for (const auto shape : bench::kGrid) {
    measure("lstm", Lstm{}, shape, seconds);
    measure("gru", Gru{}, shape, seconds);
    measure("elman", Elman{}, shape, seconds);
  }
}
