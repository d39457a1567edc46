#include "retrograde/base/threads.h"

#include <gmock/gmock.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include <atomic>
#include <thread>

#include "retrograde/sequence/backward.h"

namespace retrograde {
namespace {

struct Threads : ::testing::Test {
  ~Threads() override { set_threads(0); }
};

// Everything that one training step gives, in one vector.
template <class T>
std::vector<T> step(Cell cell, bool unequal, const Bptt& bptt = full()) {
  const std::size_t batch = 37, steps = 19, inputs = 61;
  const Network<T> network(Config{
      .cell = std::move(cell), .inputs = inputs, .hidden = {131}, .outputs = 3, .recurrent_dropout = 0.2});
  Random random(3);
  std::vector<T> x(batch * steps * inputs), dy(batch * steps * 3);
  for (T& v : x) v = static_cast<T>(random.normal());
  for (T& v : dy) v = static_cast<T>(random.normal());
  std::vector<std::size_t> lengths;
  for (std::size_t b = 0; unequal && b < batch; ++b) lengths.push_back(1 + b * 7 % steps);
  Tape<T> tape;
  ForwardOptions<T> options;
  options.dropout = &random;
  forward(network, {batch, steps, x, {}, lengths}, tape, options);
  Gradients<T> gradients(network);
  gradients.want_dx = true;
  backward(network, tape, {dy, {}, nullptr}, bptt, gradients);
  std::vector<T> all = tape.outputs();
  all.insert(all.end(), gradients.parameters.flat().begin(), gradients.parameters.flat().end());
  all.insert(all.end(), gradients.dx.begin(), gradients.dx.end());
  return all;
}

TEST_F(Threads, DoNotChangeABit) {
  for (const Cell& cell : std::vector<Cell>{Elman{}, Gru{}, Gru{.reset_after = false}, Lstm{}})
    for (const bool unequal : {false, true})
      for (const Bptt& bptt : {full(), window(3)}) {
        set_threads(1);
        const auto one = step<float>(cell, unequal, bptt);
        for (std::size_t count = 2; count <= (bptt == full() ? 4 : 2); ++count) {
          set_threads(count);
          EXPECT_EQ(step<float>(cell, unequal, bptt), one) << cell.name() << " with " << count;
        }
      }
}

TEST_F(Threads, OfTheCallerMayRunNetworksAtTheSameTime) {
  set_threads(2);
  const auto one = step<float>(Lstm{}, false);
  std::vector<float> results[2];
  std::thread others[2];
  for (int i = 0; i < 2; ++i) others[i] = std::thread([&, i] { results[i] = step<float>(Lstm{}, false); });
  for (auto& other : others) other.join();
  for (const auto& result : results) EXPECT_EQ(result, one);
}

TEST_F(Threads, MeetAndShareEverythingOut) {
  for (const std::size_t parts : {1u, 2u, 3u, 5u}) {
    std::vector<int> seen(101);
    std::vector<std::size_t> before(parts);
    std::atomic<std::size_t> ran = 0;  // one, if the machine is too busy for more
    in_parts(parts, [&](const Share& part) {
      ran = part.count;
      const auto [first, last] = part.range(seen.size());
      for (std::size_t i = first; i < last; ++i) ++seen[i];
      part.wait();
      for (const int n : seen) before[part.index] += static_cast<std::size_t>(n);
    });
    EXPECT_THAT(seen, ::testing::Each(1));
    before.resize(ran);
    EXPECT_THAT(before, ::testing::Each(seen.size()));
  }
}

#ifdef __SSE2__
TEST_F(Threads, LeaveTheCallersTreatmentOfDenormalsAsItWas) {
  const unsigned before = _mm_getcsr();
  step<float>(Lstm{}, false);
  EXPECT_EQ(_mm_getcsr() & 0xffc0u, before & 0xffc0u);
}
#endif

}  // namespace
}  // namespace retrograde
