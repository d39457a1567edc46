// Short points. Mistakes that hide each other in a whole sequence are told apart where few steps of the
// backward matter: T = 1 from a start state of zero (loss, head, each gate's own derivative), T = 1 from
// another one (previous state, forget gate), T = 2 with an error at the last step alone (one carry), then T =
// 2 and 3. The errors are made small there where targets may be chosen, so that no clip acts. What is found
// at one point is where the search at the next begins.
//
// The author's functions decide which points there are: one that they refuse, or at which the loss is not the
// one that this reading of the case predicts, is left out.
#pragma once

#include <vector>

#include "retrograde/doctor/judge.h"
#include "retrograde/doctor/program.h"

namespace retrograde::doctor {

struct Point {
  int steps = 1;
  bool start = false;      // from a start state that is not zero
  bool last_only = false;  // the errors of all steps but the last are zero
};

// The reading at a short point, with the author's answer there; nothing where there is none.
std::optional<Hypothesis> ask(Program& program, const Hypothesis& whole, Point point, Precision precision);

// The sweep's and the head's mistakes as far as the short points show them: where a search at the whole point
// may begin, the likeliest first. Empty if the points tell nothing.
std::vector<Start> climb(Program& program, const Hypothesis& whole, Precision precision,
                         WorkClock::time_point deadline);

}  // namespace retrograde::doctor
