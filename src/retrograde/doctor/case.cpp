#include "retrograde/doctor/case.h"

#include <charconv>

#include "retrograde/base/error.h"

namespace retrograde::doctor {

Truncation read_truncation(const std::string& hint) {
  if (hint.empty() || hint == "full") return {};
  const auto at = hint.find_first_of(" :=(");
  const std::string kind = hint.substr(0, at);
  int steps = -1;
  if (at != std::string::npos) std::from_chars(hint.data() + at + 1, hint.data() + hint.size(), steps);
  if (kind == "window" && steps >= 0) return {steps, 0};
  if (kind == "chunk" && steps >= 1) return {-1, steps};
  throw UsageError(
      "the hint truncation={} is none of full, window 4 (earlier steps) and chunk 5 (steps a piece)", hint);
}

}  // namespace retrograde::doctor
