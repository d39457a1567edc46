// How long work says how far it is, and how it is told to stop.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace retrograde {

struct Progress {
  std::string_view what;  // "check", "search", ... ; valid during the call only
  std::size_t done = 0;   // of total; the first call has done = 0 and comes before the work
  std::size_t total = 0;
  double seconds = 0;           // since the start
  double seconds_expected = 0;  // for the whole, predicted; 0 if nobody knows
};

// Returns false to stop. What was reached until then is reported as such; stopping is no error.
using ProgressCallback = std::function<bool(const Progress&)>;

}  // namespace retrograde
