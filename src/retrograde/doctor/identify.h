// Which network is it? Every reading of the arrays that their shapes allow is tried against the loss value,
// the outputs, or the gradient blocks that already agree.
#pragma once

#include <vector>

#include "retrograde/doctor/case.h"
#include "retrograde/doctor/hypothesis.h"
#include "retrograde/doctor/work_clock.h"

namespace retrograde::doctor {

// The likeliest first; empty if no reading is possible.
std::vector<Hypothesis> identify(const Roles& roles, const Hints& hints, WorkClock::time_point deadline);

}  // namespace retrograde::doctor
