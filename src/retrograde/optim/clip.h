// Clipping of a gradient held in one flat vector (Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063), as
// torch.nn.utils.clip_grad_norm_ and clip_grad_value_ do it.
#pragma once

#include <span>

namespace retrograde {

// The Euclidean length, summed in double in an order that depends on the size alone.
template <class T>
double norm(std::span<const T> gradients);

// Multiplies by limit / (norm + 1e-6) if that is below 1. Returns the norm before clipping; if it is not
// finite nothing is changed, so that the caller can still see which entries are to blame.
template <class T>
double clip_norm(std::span<T> gradients, double limit);

// Limits every entry to [-limit, limit]; NaN stays NaN.
template <class T>
void clip_value(std::span<T> gradients, double limit);

}  // namespace retrograde
