// Where numbers stopped being finite: the answer to "loss is NaN".
#pragma once

#include <string>

#include "retrograde/sequence/forward.h"
#include "retrograde/train/batch_view.h"

namespace retrograde {

// Runs the forward of this batch once more and names, in words, what was first not finite: an input, a
// parameter, a gate's pre-activation or a state (with layer, unit, sequence and step, the earliest in time),
// an output of the head, a target;
// "" if all are finite. Indices count from 0. `options` are those of the forward that failed (its dropout
// source as it was before).
template <class T>
std::string first_non_finite(const Network<T>& network, const BatchView<T>& batch, ForwardOptions<T> options);

// The same for a flat vector with these blocks: "gradient of weight_hh_l0[3, 5] is inf"; `what` is "gradient
// of ".
template <class T>
std::string first_non_finite(const Params<T>& values, const std::string& what);

}  // namespace retrograde
