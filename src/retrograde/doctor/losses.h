// The losses that a reading may have: which derivative at the head, divided by what, with which penalty.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "retrograde/doctor/network.h"

namespace retrograde::doctor {

struct Objective {
  Loss loss;
  Activation head;
};
// The likeliest first.
std::vector<Objective> objectives(bool head);

struct Reduction {
  double factor;  // of the basic loss (half the summed square, or the sum)
  std::string text;
};
// Sums and means over whatever the problem has several of.
std::vector<Reduction> reductions(const Problem& problem);

// What a relative rounding of one in the head's outputs z makes of the basic loss: where outputs all but meet
// their targets, it is more than the loss.
double loss_rounding(const Problem& problem, const Real& z);

// The problem with a penalty that makes its loss, `basic` before any scale, the given one: believed if its
// factor is a round number.
std::optional<Problem> with_penalty(const Problem& problem, double basic, double loss);

}  // namespace retrograde::doctor
