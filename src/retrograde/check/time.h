// Where in time an error lies: every step gets its own copy of the parameters (untied), so that what a
// backward adds at step t can be judged for itself, as a strip of steps by blocks.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "retrograde/check/gradient.h"

namespace retrograde {

struct TimeStrip {
  std::vector<std::string> blocks;
  std::vector<std::vector<BlockResult>> steps;  // [step][block]

  Verdict verdict() const;
  // "right for t >= 3, wrong for t <= 2: the fault is in the step back from 3"
  std::string where() const;
  // A row for each block, a column for each step: . agrees, X differs, ? cannot tell.
  std::string text() const;
  nlohmann::ordered_json json() const;
};

// `f` takes [steps][parameters], copy t being used at step t alone (untied_function() makes such an f of one
// of our networks); `claimed` [steps][parameters] is what the backward under test adds at each step;
// options.blocks are those of one copy. f may take more behind the copies: `theta` holds it, `claimed` does
// not.
TimeStrip time_strip(const Objective& f, std::span<const double> theta, std::span<const double> claimed,
                     std::size_t steps, CheckOptions options = {});

}  // namespace retrograde
