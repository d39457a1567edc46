// y = x Wᵀ + b over rows, its backward and its weights' gradient: the head.
// Packed: Wᵀ as [k < inputs][padded outputs], W as column panels [column panel][k < outputs][≤ 4 vectors], b.
#pragma once

#include <algorithm>

#include "retrograde/kernels/calls.h"
#include "retrograde/kernels/product.h"

namespace retrograde {

template <class Isa, class T>
struct Affine {
  using V = Vector<Isa, T>;
  static constexpr std::size_t kWidth = static_cast<std::size_t>(kLanes<V>);

  struct Sizes {
    Sizes(std::size_t inputs, std::size_t outputs)
        : y_stride(round_up(outputs, kWidth)), x_stride(round_up(inputs, kWidth)) {}
    std::size_t y_stride, x_stride;
  };

  static std::size_t packed_size(std::size_t inputs, std::size_t outputs) {
    const Sizes n(inputs, outputs);
    return inputs * n.y_stride + outputs * n.x_stride + n.y_stride;
  }

  static void pack(std::size_t inputs, std::size_t outputs, const T* weight, const T* bias, T* packed) {
    const Sizes n(inputs, outputs);
    std::fill_n(packed, packed_size(inputs, outputs), T{});
    T* const transposed = packed + inputs * n.y_stride;
    for (std::size_t o = 0; o < outputs; ++o)
      for (std::size_t k = 0; k < inputs; ++k) {
        packed[k * n.y_stride + o] = weight[o * inputs + k];
        transposed[o * n.x_stride + k] = weight[o * inputs + k];
      }
    if (bias) std::copy_n(bias, outputs, transposed + outputs * n.x_stride);
  }

  static void forward(std::size_t inputs, std::size_t outputs, const T* packed, std::size_t rows, const T* x,
                      std::size_t x_stride, T* y) {
    const Sizes n(inputs, outputs);
    const T* const bias = packed + inputs * n.y_stride + outputs * n.x_stride;
    for (std::size_t r = 0; r < rows; ++r) std::copy_n(bias, n.y_stride, y + r * n.y_stride);
    multiply<Isa, T>(rows, n.y_stride / kWidth, 1, inputs, {x, x_stride}, {packed, n.y_stride}, y,
                     n.y_stride);
  }

  static void backward(std::size_t inputs, std::size_t outputs, const T* packed, std::size_t rows,
                       const T* dy, T* dx, std::size_t dx_stride) {
    const Sizes n(inputs, outputs);
    multiply<Isa, T>(rows, n.x_stride / kWidth, 1, outputs, {dy, n.y_stride},
                     {packed + inputs * n.y_stride, n.x_stride}, dx, dx_stride);
  }

  static void weights(std::size_t inputs, std::size_t outputs, std::size_t rows, const T* x,
                      std::size_t x_stride, const T* dy, T* d_weight, T* d_bias, T* scratch) {
    const Sizes n(inputs, outputs);
    std::fill_n(scratch, inputs * n.y_stride, T{});
    multiply<Isa, T>(inputs, n.y_stride / kWidth, 1, rows, {x, 1, x_stride}, {dy, n.y_stride}, scratch,
                     n.y_stride);
    for (std::size_t k = 0; k < inputs; ++k)
      for (std::size_t o = 0; o < outputs; ++o) d_weight[o * inputs + k] += scratch[k * n.y_stride + o];
    if (d_bias)
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t o = 0; o < outputs; ++o) d_bias[o] += dy[r * n.y_stride + o];
  }

  static constexpr AffineKernels<T> kernels() {
    return {.lanes = kWidth,
            .packed_size = packed_size,
            .pack = pack,
            .forward = forward,
            .backward = backward,
            .weights = weights};
  }
};

}  // namespace retrograde
