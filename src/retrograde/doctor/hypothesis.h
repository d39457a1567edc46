// One complete reading of the case: which network, which array is what, and what speaks for it.
#pragma once

#include <string>
#include <vector>

#include "retrograde/doctor/mistake.h"
#include "retrograde/doctor/roles.h"
#include "retrograde/doctor/views.h"

namespace retrograde::doctor {

// An array of the case as a sequence.
struct Sequence {
  std::string name;
  View view;
};

struct Hypothesis {
  Problem problem;
  std::vector<Block> blocks;  // parameters, then claimed state gradients, with their pieces
  Sequence input, target;     // the target, or the upstream gradient
  Words words;
  double loss_gap = -1;  // relative; -1: no loss given, or it is not reproduced
  double outputs_gap = -1;
  double given_loss = 0;
  bool loss_missed = false;  // a loss is given, and it is not this one's
  double agreement = 0;      // share of the claim's blocks that the right gradient reproduces up to a factor
  bool exact = false;        // it reproduces the whole claim
  bool scale_known = false;  // the reduction is known from the loss; else it is read off the gradient
  bool sensitive = true;     // the loss does depend on the weights
  // Something else than the guess itself speaks for it. Many readings are tried: a loss that is met in a few
  // digits only may be met by accident.
  bool confirmed() const {
    return outputs_gap >= 0 || (sensitive && loss_gap >= 0 && (loss_gap < 1e-11 || agreement > 0));
  }
  // Nothing speaks for it, and the loss against it.
  bool refuted() const { return loss_missed && outputs_gap < 0 && agreement == 0; }
  double doubt = 0;
  std::string layout;  // "weights [in, out], arrays (batch, time, features)"
};

// The parts that follow from the problem, the blocks with their pieces and the two sequences: the author's
// words, the claims for x, h0 and c0, and how much of the claim the right gradient reproduces (`single`: in
// single precision). Where the reduction is not known, it is read off the agreeing blocks.
void complete(Hypothesis& h, const Roles& roles);

// How well the outputs are reproduced by the head's outputs z, relative; -1 if they are not.
double gap_of_outputs(const Problem& problem, const Real& z, const Array& outputs);
// Whether the right gradient reproduces a block of the head, up to a factor, or there is none.
bool head_agrees(const Problem& problem, const Real& states, const Real& z, const std::vector<Block>& blocks,
                 bool single);

// "an Elman network, tanh, linear head, half the summed squared error over every step"
std::string describe(const Hypothesis& h);

}  // namespace retrograde::doctor
