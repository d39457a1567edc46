// The random source: xoshiro256++ (Blackman & Vigna 2019), seeded by SplitMix64. The same seed gives the same
// numbers on every machine and compiler, which std's distributions do not promise. Pass it by reference:
// whoever takes a Random draws from it, and nothing else in the library is random.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace retrograde {

class Random {
 public:
  using State = std::array<std::uint64_t, 4>;

  explicit Random(std::uint64_t seed);
  explicit Random(const State& state) : state_(state) {}

  // An independent source for a named purpose ("init", "shuffle", ...), which does not depend on how many
  // numbers were drawn elsewhere from the same seed.
  static Random named(std::uint64_t seed, std::string_view purpose);

  std::uint64_t bits();
  // Uniform in [0, 1), 53 bits.
  double uniform();
  // Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // Standard normal, by the polar method (Marsaglia 1964) without a kept second value.
  double normal();
  // Uniform in {0, ..., n-1}; n > 0. Unbiased (Lemire 2019).
  std::size_t below(std::size_t n);

  template <class T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

  const State& state() const { return state_; }

 private:
  State state_;
};

}  // namespace retrograde
