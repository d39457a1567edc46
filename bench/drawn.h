// Numbers that every program of the comparison draws alike, and what it says of its results: projections on
// drawn directions, so that results are compared before a time counts.
#pragma once

#include <time.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

// The i-th of a series: a linear congruence, scaled to −1 .. 1. The same in peers.py.
inline float drawn(std::uint64_t i, std::uint64_t series) {
  const std::uint64_t n = (i * 7919 + series * 104729) % 65521;
  return static_cast<float>(static_cast<double>((n * n + 12345) % 65521) / 32760.0 - 1.0);
}

inline std::vector<float> drawn_vector(std::size_t n, std::uint64_t series, double scale) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i)
    values[i] = static_cast<float>(static_cast<double>(drawn(i, series)) * scale);
  return values;
}

// Projection on the direction of a series, relative to the two norms.
inline double projection(const float* values, std::size_t n, std::uint64_t series) {
  double dot = 0, a = 0, b = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(drawn(i, series)), v = static_cast<double>(values[i]);
    dot += v * d, a += v * v, b += d * d;
  }
  return dot / std::sqrt(a * b);
}
inline double norm(const float* values, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::sqrt(sum);
}

// Seconds by the wall clock, or of this thread alone. Short calls take the first: their minimum falls between
// two switches of a shared machine, and a thread's own clock may jump there. Long ones take the second.
inline double now(bool wall) {
  timespec t;
  clock_gettime(wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
inline constexpr double kShort = 2e-3;

struct Shape {
  std::size_t batch, units;
};
inline constexpr Shape kGrid[] = {{1, 32},   {1, 128},  {16, 64}, {16, 128}, {64, 128},
                                  {64, 256}, {16, 512}, {7, 100}, {1, 20},   {3, 200}};
inline constexpr std::size_t kSteps = 64;

}  // namespace bench
