// How far errors go back through time.
//   full            the exact gradient of the whole sequence's loss
//   chunk(steps)    the sequence is cut every `steps`; the state is carried across a cut, the gradient is not
//   window(reach)   every output's error goes back through its own step and `reach` earlier ones: 0 is its
//   own step only,
//                   T − 1 and more is full. In the reverse direction "earlier" is in that direction's own
//                   time; no path goes further than `reach` steps from its output.
// Williams & Zipser 1995.
#pragma once

#include <cstddef>
#include <string>

namespace retrograde {

struct Bptt {
  enum class Kind { full, chunk, window };
  Kind kind = Kind::full;
  std::size_t length = 0;  // steps of a chunk, or the reach of a window

  bool operator==(const Bptt&) const = default;
};

inline Bptt full() { return {}; }
Bptt chunk(std::size_t steps);  // throws UsageError if 0
inline Bptt window(std::size_t reach) { return {Bptt::Kind::window, reach}; }

// "full", "chunk:50", "window:20"; throws UsageError.
Bptt parse_bptt(const std::string& text);
std::string to_string(const Bptt& bptt);

}  // namespace retrograde
