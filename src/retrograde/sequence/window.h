// The windowed backward, level by level. For a tile of output rows: δ at displacement 0 is the outputs'
// errors; the level at displacement −j turns it, at j steps before each output, into its share of dA and into
// δ at j + 1 steps before. All rows of a level are independent, so a level is one large product, and the
// weights' gradients, being linear in dA, are taken once, from the sum. Equal to the double loop over outputs
// and steps.
//
// A path never leaves the `reach` steps on either side of its output: with several layers in two directions a
// displacement may be of either sign, and each layer hands down its gradient by input for every displacement.
#pragma once

#include "retrograde/sequence/backward.h"

namespace retrograde {

// Continues from the gradient by the last layer's output rows, and from what a sweep has begun: work_.carry
// holds the cotangent of the final states and then the gradient by the start states, work_.gradient receives
// the weights'. For backward() only.
template <class T>
void window_backward(Tape<T>& tape, const T* d_output, std::size_t reach, Gradients<T>& gradients);

}  // namespace retrograde
