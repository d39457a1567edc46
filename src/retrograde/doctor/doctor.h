// The doctor: given somebody else's failing BPTT gradient, say where and why it is wrong.
//
//   doctor::Case c{.arrays = {{"W", W}, {"dW", dW}, ..., {"x", x}, {"target", y}, {"loss", l}}};
//   std::cout << doctor::diagnose(c).text();
//
// It recognises the network from the arrays' shapes and values, computes the right gradient with its own
// double-precision reference, and searches a catalogue of mistakes for the ones that reproduce the claim. A
// finding is certain only if it reproduces the wrong entries to the claim's precision and nothing simpler
// does; a gradient that rounding can explain is never accused.
#pragma once

#include <functional>
#include <string>

#include "retrograde/doctor/case.h"
#include "retrograde/doctor/report.h"

namespace retrograde::doctor {

struct Options {
  double seconds = 3;  // for the search; the report says so if it was not enough
  // Called with what is being done; returning false stops the search.
  std::function<bool(const std::string&)> progress;
};

// Throws DataError if the arrays cannot be a gradient case (no parameter with a gradient of its size, NaN in
// a parameter, ...), UsageError for hints that name no array.
Report diagnose(const Case& given, const Options& options = {});

}  // namespace retrograde::doctor
