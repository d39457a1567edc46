// Which array is the gradient of which: by names the field knows (dW, W.grad, grad_W), by any other pair of
// beginnings and ends that the names of a case share (synapse_0 and synapse_0_update), or by the same shapes
// in the same order.
#pragma once

#include <string>
#include <vector>

#include "retrograde/doctor/case.h"

namespace retrograde::doctor {

struct Pair {
  const NamedArray *parameter, *gradient;
};

// Points into the case. Hints override; a numeric gradient (num_W) pairs with nothing. Throws UsageError for
// a hinted pair of unequal sizes.
std::vector<Pair> pair_gradients(const Case& given);

// "grad_W", "dW", "W.grad", ... of "W".
bool names_gradient_of(const std::string& gradient, const std::string& parameter);

// The parameter whose numeric gradient this may be ("num_W": "w"), in lower case; empty for other names.
std::string numeric_stem(const std::string& name);

}  // namespace retrograde::doctor
