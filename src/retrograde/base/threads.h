// Threads for the kernels: a team that sleeps between calls. Work is split so that results do not depend on
// how many there are: every number is made by one thread, in the same order.
#pragma once

#include <cstddef>
#include <memory>

namespace retrograde {

// How many threads a call may use: what set_threads said, else the environment variable RETROGRADE_THREADS,
// else the number of cores. Throws UsageError if the variable is not a number above 0.
std::size_t threads();
// 0: as the environment says. Not while another thread runs a network.
void set_threads(std::size_t count);

// One thread's part of a call.
struct Share {
  std::size_t index = 0, count = 1;
  void (*barrier)() = nullptr;

  struct Range {
    std::size_t first, last;
  };
  // This part's share of 0 .. n − 1.
  Range range(std::size_t n) const { return {n * index / count, n * (index + 1) / count}; }
  // Waits until all parts are here.
  void wait() const {
    if (count > 1) barrier();
  }
};

// Runs run(part, what) for all parts at once; in the caller's thread alone if another caller has the team.
void in_parts(std::size_t parts, void (*run)(const Share&, void*), void* what);

template <class F>
void in_parts(std::size_t parts, F f) {
  if (parts <= 1) return f(Share{});
  in_parts(
      parts, [](const Share& part, void* what) { (*static_cast<F*>(what))(part); }, std::addressof(f));
}

}  // namespace retrograde
