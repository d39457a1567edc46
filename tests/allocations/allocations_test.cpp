// Counts what is taken from the heap: a step of training takes memory once, the first time, and a stream
// when it is made; and a checkpointed step needs little of it.
#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <numeric>

#include "retrograde/stream/stream.h"
#include "retrograde/train/trainer.h"

namespace {

std::atomic<std::size_t> allocations = 0, live = 0, peak = 0;
constexpr std::size_t kHeader = 64;  // keeps the alignment of cache lines; holds the size

void* take(std::size_t size) {
  char* const block =
      static_cast<char*>(std::aligned_alloc(kHeader, (size + 2 * kHeader - 1) / kHeader * kHeader));
  if (!block) throw std::bad_alloc();
  *reinterpret_cast<std::size_t*>(block) = size;
  ++allocations;
  live += size;
  if (live > peak) peak = live.load();
  return block + kHeader;
}
void give_back(void* p) noexcept {
  if (!p) return;
  char* const block = static_cast<char*>(p) - kHeader;
  live -= *reinterpret_cast<std::size_t*>(block);
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) { return take(size); }
void* operator new(std::size_t size, std::align_val_t) { return take(size); }
void operator delete(void* p) noexcept { give_back(p); }
void operator delete(void* p, std::size_t) noexcept { give_back(p); }
void operator delete(void* p, std::align_val_t) noexcept { give_back(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { give_back(p); }

namespace retrograde {
namespace {

const std::vector<Cell> kCells{Elman{}, Gru{}, Gru{.reset_after = false}, Lstm{}};

// Random sequences of unequal lengths and what they should give.
struct Data {
  std::size_t batch, steps, inputs, outputs;
  std::vector<float> x, y;
  std::vector<std::int32_t> classes;
  std::vector<std::size_t> lengths;

  Data(std::size_t b, std::size_t t, std::size_t in, std::size_t out)
      : batch(b), steps(t), inputs(in), outputs(out) {
    Random random(5);
    for (std::size_t i = 0; i < b * t * in; ++i) x.push_back(static_cast<float>(random.normal()));
    for (std::size_t i = 0; i < b * t * out; ++i) y.push_back(static_cast<float>(random.uniform()));
    for (std::size_t i = 0; i < b * t; ++i) classes.push_back(static_cast<std::int32_t>(random.below(out)));
    for (std::size_t i = 0; i < b; ++i) lengths.push_back(t - i * 3 % t);
  }
  BatchView<float> view(bool of_classes) const {
    BatchView<float> batch_view{.input = {.batch = batch, .steps = steps, .x = x, .lengths = lengths}};
    (of_classes ? void(batch_view.target.classes = classes) : void(batch_view.target.values = y));
    return batch_view;
  }
};

std::size_t allocations_after_the_first(const Config& config, const TrainerOptions& options,
                                        const Method& method) {
  const Data data(5, 23, config.inputs, config.outputs);
  Network<float> network(config);
  Trainer<float> trainer(network, method, options);
  const auto batch = data.view(options.loss.kind() == Loss::Kind::softmax_cross_entropy);
  trainer.step(batch);
  const std::size_t before = allocations;
  for (int i = 0; i < 3; ++i) {
    const StepReport report = trainer.step(batch);
    EXPECT_FALSE(report.failure);
  }
  return allocations - before;
}

TEST(Allocations, OfAStepOfTrainingAreNoneAfterTheFirst) {
  for (const Cell& cell : kCells)
    for (const bool bidirectional : {false, true})
      for (const bool checkpoint : {false, true}) {
        if (checkpoint && bidirectional) continue;
        const Config config{.cell = cell,
                            .inputs = 7,
                            .hidden = {13, 11},
                            .outputs = 3,
                            .bidirectional = bidirectional,
                            .dropout = 0.2,
                            .recurrent_dropout = 0.1,
                            .learned_start = true};
        const TrainerOptions options{.checkpoint = checkpoint, .clip_norm = 1};
        EXPECT_EQ(allocations_after_the_first(config, options, Adam{}), 0u)
            << cell.name() << " in both directions: " << bidirectional << ", checkpoint: " << checkpoint;
      }
}

TEST(Allocations, AreNoneForEveryTruncationLossAndMethod) {
  const Config config{.cell = Gru{}, .inputs = 7, .hidden = {13}, .outputs = 3};
  for (const Bptt& bptt : {chunk(5), window(4)})
    EXPECT_EQ(allocations_after_the_first(config, {.bptt = bptt, .clip_value = 1}, Adam{}), 0u)
        << to_string(bptt);
  for (const char* loss : {"absolute_error", "huber", "softmax_cross_entropy", "binary_cross_entropy"})
    EXPECT_EQ(allocations_after_the_first(config, {.loss = Loss(loss)}, Adam{}), 0u) << loss;
  for (const Method& method : std::vector<Method>{Sgd{.momentum = 0.9}, RmsProp{}, AdamW{}})
    EXPECT_EQ(allocations_after_the_first(config, {}, method), 0u) << name(method);
}

TEST(Allocations, OfAStreamAreNone) {
  for (const Cell& cell : kCells) {
    const Network<float> network(Config{.cell = cell, .inputs = 7, .hidden = {13, 11}, .outputs = 3});
    Stream<float> stream(network, 2);
    const std::vector<float> x(14, 0.5f);
    const std::size_t before = allocations;
    for (int i = 0; i < 5; ++i) stream.step(std::span<const float>(x));
    EXPECT_EQ(allocations - before, 0u) << cell.name();
  }
}

// Memory that a step of training takes.
std::size_t room_of_a_step(const Cell& cell, const Data& data, bool checkpoint) {
  Network<float> network(
      Config{.cell = cell, .inputs = data.inputs, .hidden = {32}, .outputs = data.outputs});
  Trainer<float> trainer(network, Adam{}, {.checkpoint = checkpoint});
  const auto batch = data.view(false);
  const std::size_t before = live;
  peak = before;
  trainer.step(batch);
  return peak - before;
}

TEST(Allocations, OfACheckpointedStepAreATwentiethOfTheTape) {
  const Data data(16, 4096, 3, 1);
  const std::size_t rows = std::accumulate(data.lengths.begin(), data.lengths.end(), std::size_t{0});
  for (const Cell& cell : {Cell(Gru{}), Cell(Lstm{})}) {
    const std::size_t tape = rows * (cell.slots().tape + cell.slots().states) * 32 * sizeof(float);
    EXPECT_GE(room_of_a_step(cell, data, false), tape) << cell.name();
    EXPECT_LE(room_of_a_step(cell, data, true), tape / 20) << cell.name();
  }
}

}  // namespace
}  // namespace retrograde
