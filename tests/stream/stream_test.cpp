#include "retrograde/stream/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "retrograde/base/error.h"
#include "retrograde/base/random.h"
#include "retrograde/sequence/forward.h"

namespace {

// Counts what the program allocates, so that a test can say: nothing.
std::size_t allocations = 0;

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const auto to = static_cast<std::size_t>(alignment);
  if (void* p = std::aligned_alloc(to, (size + to - 1) / to * to)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace retrograde {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::size_t kBatch = 3, kSteps = 11, kInputs = 5;

Config config(Cell cell) {
  return {.cell = std::move(cell), .inputs = kInputs, .hidden = {7, 13}, .outputs = 2, .learned_start = true};
}

template <class T>
Network<T> network(const Config& config) {
  Network<T> net(config);
  Random random(5);
  for (T& w : net.parameters().flat()) w = static_cast<T>(random.normal() * 0.5);
  return net;
}

template <class T>
std::vector<T> numbers(std::size_t count) {
  Random random(9);
  std::vector<T> values(count);
  for (T& v : values) v = static_cast<T>(random.normal());
  return values;
}

// Step t of x [B, T, width].
template <class T>
std::vector<T> at_step(const std::vector<T>& x, std::size_t t, std::size_t width) {
  std::vector<T> step;
  for (std::size_t b = 0; b < kBatch; ++b)
    for (std::size_t i = 0; i < width; ++i) step.push_back(x[(b * kSteps + t) * width + i]);
  return step;
}

template <class T>
class StreamOf : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(StreamOf, Scalars);

TYPED_TEST(StreamOf, StepByStepEqualsForwardBitForBit) {
  using T = TypeParam;
  const auto x = numbers<T>(kBatch * kSteps * kInputs);
  for (const Cell& cell : {Cell(Lstm{}), Cell(Gru{}), Cell(Gru{.reset_after = false}), Cell(Elman{})}) {
    Config wanted = config(cell);
    wanted.activation = OutputActivation::softmax();
    const Network<T> net = network<T>(wanted);
    Tape<T> tape;
    forward(net, {.batch = kBatch, .steps = kSteps, .x = x}, tape, {.keep_tape = false});
    const std::vector<T> y = tape.outputs(), z = tape.head_preactivations();
    Stream<T> stream(net, kBatch);
    for (std::size_t t = 0; t < kSteps; ++t) {
      EXPECT_THAT(stream.step(at_step(x, t, kInputs)), testing::ElementsAreArray(at_step(y, t, 2))) << t;
      EXPECT_THAT(stream.head_preactivations(), testing::ElementsAreArray(at_step(z, t, 2)));
    }
    EXPECT_EQ(stream.state().h, tape.final_state().h);
    EXPECT_EQ(stream.state().c, tape.final_state().c);
  }
}

TYPED_TEST(StreamOf, TokensOneHotAndEmbeddedEqualForward) {
  using T = TypeParam;
  std::vector<std::int32_t> tokens;
  for (std::size_t i = 0; i < kBatch * kSteps; ++i)
    tokens.push_back(static_cast<std::int32_t>(i * i % kInputs));
  for (const std::size_t embedding : {0u, 3u}) {
    Config wanted = config(Gru{});
    wanted.tokens = true;
    wanted.embedding = embedding;
    const Network<T> net = network<T>(wanted);
    Tape<T> tape;
    forward(net, {.batch = kBatch, .steps = kSteps, .tokens = tokens}, tape, {.keep_tape = false});
    const std::vector<T> y = tape.outputs();
    Stream<T> stream(net, kBatch);
    for (std::size_t t = 0; t < kSteps; ++t)
      EXPECT_THAT(stream.step(at_step(tokens, t, 1)), testing::ElementsAreArray(at_step(y, t, 2))) << t;
  }
}

TYPED_TEST(StreamOf, AStepAllocatesNothing) {
  using T = TypeParam;
  for (const Cell& cell : {Cell(Lstm{}), Cell(Gru{}), Cell(Gru{.reset_after = false}), Cell(Elman{})}) {
    Stream<T> stream(network<T>(config(cell)), kBatch);
    const auto x = numbers<T>(kBatch * kInputs);
    const std::size_t before = allocations;
    for (int i = 0; i < 3; ++i) stream.step(x);
    EXPECT_EQ(allocations, before) << cell.name();
  }
}

TEST(Stream, ResetGoesBackToTheStartAndSetStateToAnyMoment) {
  const Network<double> net = network<double>(config(Lstm{}));
  Stream<double> stream(net);
  const std::vector<double> x{1, -1, 0.5, 2, -0.25};
  const auto step = [&] {
    const auto y = stream.step(x);
    return std::vector<double>(y.begin(), y.end());
  };
  const auto first = step();
  const State<double> after_one = stream.state();
  const auto second = step();
  EXPECT_NE(second, first);
  stream.reset();
  EXPECT_EQ(step(), first);
  step();
  stream.set_state(after_one);
  EXPECT_EQ(step(), second);
}

TEST(Stream, ANetworkWithoutAHeadGivesItsStates) {
  Config wanted = config(Gru{});
  wanted.outputs = 0;
  Stream<double> stream(network<double>(wanted));
  const auto y = stream.step(numbers<double>(kInputs));
  EXPECT_THAT(y, testing::ElementsAreArray(stream.state().h[1]));
}

TEST(Stream, RefusesWhatDoesNotFit) {
  Config both = config(Lstm{});
  both.bidirectional = true;
  EXPECT_THAT([&] { Stream<float>{Network<float>(both)}; },
              ThrowsMessage<UsageError>(HasSubstr("bidirectional")));
  Stream<float> stream(network<float>(config(Lstm{})));
  EXPECT_THAT([&] { stream.step(numbers<float>(4)); },
              ThrowsMessage<UsageError>(HasSubstr("wants [1, 5] (batch, features); got 4 values")));
  const std::vector<std::int32_t> token{1};
  EXPECT_THAT([&] { stream.step(token); }, ThrowsMessage<UsageError>(HasSubstr("got 1 tokens")));
  EXPECT_THROW(stream.set_state({.h = {{1}}}), UsageError);
  Config tokens = config(Lstm{});
  tokens.tokens = true;
  Stream<float> of_tokens(network<float>(tokens));
  const std::vector<std::int32_t> unknown{5};
  EXPECT_THAT([&] { of_tokens.step(unknown); },
              ThrowsMessage<UsageError>(HasSubstr("token 0 is 5; the network knows 0 .. 4")));
}

}  // namespace
}  // namespace retrograde
