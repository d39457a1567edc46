// Pieces of the forward that a whole sequence (sequence/forward.cpp) and a single step (stream/) share.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <string_view>
#include <type_traits>

#include "retrograde/model/network.h"

namespace retrograde::detail {

// Layer k in direction d, as the kernels' packing wants it.
template <class T>
LayerWeights<const T> weights_of(const Network<T>& network, std::size_t k, std::size_t d) {
  const auto find = [&](std::string_view what) {
    return network.parameters().find(block_name(what, k, d == 1));
  };
  return {find("weight_ih"), find("weight_hh"), find("bias_ih"), find("bias_hh")};
}

template <class T>
void softmax_row(const T* z, std::size_t n, T* y) {
  const auto real = [](T v) {
    if constexpr (std::is_same_v<T, std::complex<double>>)
      return v.real();
    else
      return v;
  };
  auto largest = real(z[0]);
  for (std::size_t o = 1; o < n; ++o) largest = std::max(largest, real(z[o]));
  T sum{};
  for (std::size_t o = 0; o < n; ++o) sum += y[o] = std::exp(z[o] - largest);
  for (std::size_t o = 0; o < n; ++o) y[o] /= sum;
}

// y = the head's activation of z, both [rows][stride].
template <class T>
void activate(const OutputActivation& activation, std::size_t rows, std::size_t width, std::size_t stride,
              const T* z, T* y) {
  using V = Vector<IsaGeneric, T>;
  if (activation.is_softmax()) {
    for (std::size_t r = 0; r < rows; ++r) softmax_row(z + r * stride, width, y + r * stride);
  } else {
    for (std::size_t i = 0; i < rows * stride; i += static_cast<std::size_t>(kLanes<V>))
      store(y + i, activation.elementwise().value(load<V>(z + i)));
  }
}

}  // namespace retrograde::detail
