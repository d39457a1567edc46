// Networks without a head whose loss is the states times given numbers, as checks of layer code have it:
//   loss = factor * (sum h dh + sum h_T dh_T + sum c_T dc_T)
// and the numbers, dL/dh, are among the case's arrays under any name, or are ones.
#pragma once

#include <optional>
#include <vector>

#include "retrograde/doctor/hypothesis.h"

namespace retrograde::doctor {

struct Cotangents {
  Problem problem;
  Sequence states;  // what the states are multiplied with
  double loss_gap;  // relative to the sum of the products' sizes; -1 without a loss
  double doubt;
};

// Every choice of arrays that makes the loss, or without a loss every choice that names suggest.
std::vector<Cotangents> cotangents(const Roles& roles, const Problem& problem, const std::vector<Tape>& tapes,
                                   std::optional<double> loss, double tolerance);

}  // namespace retrograde::doctor
