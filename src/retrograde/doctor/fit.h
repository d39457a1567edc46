// How well a candidate's numbers reproduce a claim's.
#pragma once

#include "retrograde/doctor/network.h"

namespace retrograde::doctor {

double largest(const double* v, std::size_t n);
double largest(const Real& v);

// claim = scale * made, to a tolerance relative to the claim's largest entry.
struct Fit {
  bool ok = false;
  double scale = 1, miss = 1;
};
Fit fit(const double* claim, const Real& made, double tolerance);

// A number that somebody would choose: at most two significant digits.
bool round_number(double v);

Real transposed(const Real& m, int n);

}  // namespace retrograde::doctor
