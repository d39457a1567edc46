// Which network is it? Every reading of the arrays that their shapes allow is tried against the loss value,
// the outputs, or the gradient blocks that already agree.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "retrograde/doctor/mistake.h"
#include "retrograde/doctor/roles.h"
#include "retrograde/doctor/views.h"
#include "retrograde/doctor/work_clock.h"

namespace retrograde::doctor {

// An array of the case as a sequence.
struct Sequence {
  std::string name;
  View view;
};

// One reading of the case, with what speaks for it.
struct Hypothesis {
  Problem problem;
  std::vector<Block> blocks;  // parameters, then claimed state gradients, with their pieces
  Sequence input, target;     // the target, or the upstream gradient
  Words words;
  double loss_gap = -1;  // relative; -1: no loss given, or it is not reproduced
  double outputs_gap = -1;
  double given_loss = 0;
  double agreement = 0;      // share of the claim's blocks that the right gradient reproduces
  bool scale_known = false;  // the reduction is known from the loss; else it is read off the gradient
  bool sensitive = true;     // the loss does depend on the weights
  // Something else than the guess itself speaks for it. Many readings are tried: a loss that is met in a few
  // digits only may be met by accident.
  bool confirmed() const {
    return outputs_gap >= 0 || (sensitive && loss_gap >= 0 && (loss_gap < 1e-11 || agreement > 0));
  }
  double doubt = 0;
  std::string layout;  // "weights [in, out], arrays (batch, time, features)"
};

// The likeliest first; empty if no reading is possible.
std::vector<Hypothesis> identify(const Roles& roles, const Hints& hints, WorkClock::time_point deadline);

// "an Elman network, tanh, linear head, half the summed squared error over every step"
std::string describe(const Hypothesis& h);

}  // namespace retrograde::doctor
