// A second forward over pieces of single sequences, with states frozen where they enter a piece and, if asked
// for, with each step's own copy of the parameters. Layer by layer on the production forward, but with its
// own cutting, batching, masks and head: a second witness.
#pragma once

#include "retrograde/check/network.h"

namespace retrograde {

// The loss whose exact gradient the truncated gradient of problem.bptt is: the states that enter each chunk,
// or each output's window, stay at the values that the whole forward recorded. A function of the flat vector
// of blocks_of(). It costs about T times the reach steps for a window.
ComplexFunction surrogate_function(const Network<double>& network, const LossProblem& problem);

// The same with T copies of the parameters, [T][parameters], each used at its own step, then x and start
// states: its gradient by copy t is what step t adds to the gradient. (Learned start states belong to the
// step that reads them.)
ComplexFunction untied_function(const Network<double>& network, const LossProblem& problem);

}  // namespace retrograde
