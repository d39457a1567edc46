// Numeric derivatives, each with an error bar: |value - true| <= error. No number comes without one.
//
//   complex step    Im f(x + ihv)/h, h = 1e-50 (Squire & Trapp 1998): no subtraction, exact to rounding
//   Ridders         central differences at shrinking steps, extrapolated to step 0 (Ridders 1982)
//   Taylor slope    |f(x + hv) - f(x) - h s| over five halvings falls as h^2 if s is the slope along v, else
//   as h
//
// Rounding of f is measured, never assumed, and enters every bar.
#pragma once

#include <complex>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>

#include "retrograde/base/random.h"

namespace retrograde {

using RealFunction = std::function<double(std::span<const double>)>;
using ComplexFunction = std::function<std::complex<double>(std::span<const std::complex<double>>)>;

// A direction v in parameter space that moves x[offset], x[offset + 1], ... and nothing else.
struct Direction {
  std::size_t offset = 0;
  std::span<const double> values;
};

struct Derivative {
  double value = std::numeric_limits<double>::quiet_NaN();
  double error = std::numeric_limits<double>::infinity();
  // What rounding in float64 does to this derivative (root mean square, measured); NaN if the oracle cannot
  // know.
  double rounding = std::numeric_limits<double>::quiet_NaN();
  // Differences: the smallest step that the value rests on; 0 for other oracles.
  double step = 0;
  // The one-sided derivatives disagree at every step that rounding leaves usable. The error then spans both.
  bool kink = false;
};

// `draws` evaluations with the last bits of x and h changed show what rounding does; at least 2.
Derivative complex_step(const ComplexFunction& f, std::span<const double> x, Direction v, Random& random,
                        int draws = 4);

// How far f(x) is from a smooth function of x, standard deviation, absolute (after ECnoise, Moré & Wild
// 2011): rounding, a single-precision inside, an iteration that stops early.
struct FunctionNoise {
  double sigma = 0;
  bool repeatable = true;  // two calls at the same point gave the same bits
  // How large the numbers are that f(x) is made of, where its noise is that of rounding: log(1 + e^-30) is
  // made of 1.
  double magnitude = 0;
  // The least change that can be expected to show where f stays on one number.
  double quantum = 0;
};

// `scales` [x.size()]: a step that is moderate for each parameter. Nothing coarser than 2^coarsest of it is
// looked at.
FunctionNoise measure_noise(const RealFunction& f, std::span<const double> x, std::span<const double> scales,
                            Random& random, int coarsest = -8);

// `scale`: how far to go along v at first; a wrong one costs evaluations, not correctness.
Derivative ridders(const RealFunction& f, std::span<const double> x, Direction v, double scale,
                   const FunctionNoise& noise);

// 2 where `claimed` is the slope of f along v, 1 where it is not. `error` is infinite where the remainder
// drowns in the noise of f (f is linear along v, or the step is too small to see anything).
struct TaylorSlope {
  double slope = std::numeric_limits<double>::quiet_NaN();
  double error = std::numeric_limits<double>::infinity();
  // |claimed - slope of f| is at most about twice this: the remainder over h, at the two neighbouring steps
  // where it is least (at one step alone the h and h^2 terms might cancel).
  double bound = std::numeric_limits<double>::infinity();
};

TaylorSlope taylor_slope(const RealFunction& f, std::span<const double> x, Direction v, double claimed,
                         double scale, const FunctionNoise& noise);

}  // namespace retrograde
