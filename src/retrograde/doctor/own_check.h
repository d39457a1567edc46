// The family "the check itself": the claim is right, and the author's own numeric gradient is not. Why?
//
// Each cause leaves its mark: a step too large is reproduced by the same difference in exact arithmetic; a
// step too small, or single precision, leaves whole multiples of the loss's last place; a state that earlier
// evaluations left behind is the gradient from another start.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "retrograde/doctor/blocks.h"
#include "retrograde/doctor/report.h"

namespace retrograde::doctor {

struct OwnCheck {
  std::vector<Block> blocks;  // right claims, and `numeric` where the author gave one
  // The loss at the values of such blocks.
  std::function<double(const std::vector<Block>&)> loss;
  const Problem* problem = nullptr;  // of a recognised network, or null
  std::optional<double> step;        // the author's, if known
};

struct CheckFaults {
  std::vector<Finding> findings;
  std::vector<std::string> notes;
};

// Nothing if there is no numeric gradient; a note if it agrees, or if none of the causes fits.
CheckFaults faults_of(const OwnCheck& check);

}  // namespace retrograde::doctor
