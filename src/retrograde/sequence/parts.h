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

// The head, as the kernels' packing wants it.
template <class T>
LayerWeights<const T> head_weights_of(const Network<T>& network) {
  return {.weight_ih = network.parameters().find("head.weight"),
          .bias_ih = network.parameters().find("head.bias")};
}

// y = the head's activation of z, both [rows][stride].
template <class T>
void activate(const OutputActivation& activation, std::size_t rows, std::size_t width, std::size_t stride,
              const T* z, T* y) {
  using V = Vector<IsaGeneric, T>;
  if (activation.is_softmax()) {
    softmax_kernel<T>()(rows, width, stride, z, y, nullptr);
  } else {
    for (std::size_t i = 0; i < rows * stride; i += static_cast<std::size_t>(kLanes<V>))
      store(y + i, activation.elementwise().value(load<V>(z + i)));
  }
}

}  // namespace retrograde::detail
