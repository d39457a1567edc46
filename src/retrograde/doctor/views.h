// The ways to read an array as a sequence: which axis is time, which is the batch, which the features.
#pragma once

#include <vector>

#include "retrograde/tensor/array.h"

namespace retrograde::doctor {

struct View {
  int T = 0, B = 0, F = 0;          // 0: the array has no such axis
  std::size_t t = 0, b = 0, f = 0;  // strides
  std::string axes;                 // "btf", in the array's order
  double doubt = 0;
  bool spread = false;  // one number a step, which stands alone in the feature of that number: diag(x)
};

std::vector<View> views(const std::vector<std::size_t>& shape);

// The view as a time-major dense array [T,B,F]; axes that the view lacks are repeated.
std::vector<double> read(const View& view, const std::vector<double>& values, int T, int B, int F);

}  // namespace retrograde::doctor
