// y = x Wᵀ + b over rows, its backward and its weights' gradient: the head.
// Packed: Wᵀ and W in panels of four column vectors (kernels/pack.h), then b.
#pragma once

#include <algorithm>
#include <cmath>

#include "retrograde/kernels/activations.h"
#include "retrograde/kernels/pack.h"
#include "retrograde/kernels/product.h"

namespace retrograde {

template <class Isa, class T>
struct Affine {
  using V = Vector<Isa, T>;
  static constexpr std::size_t kWidth = static_cast<std::size_t>(kLanes<V>);

  struct Sizes {
    Sizes(std::size_t inputs, std::size_t outputs)
        : forward{inputs, (outputs + kWidth - 1) / kWidth, kWidth},
          backward{outputs, (inputs + kWidth - 1) / kWidth, kWidth},
          y_stride(forward.vectors * kWidth) {}
    ColumnPanels forward, backward;
    std::size_t y_stride;
  };

  static std::size_t packed_size(std::size_t inputs, std::size_t outputs) {
    const Sizes n(inputs, outputs);
    return n.forward.size() + n.backward.size() + n.y_stride;
  }

  // f(first row, first column) for all squares of the weight [outputs, inputs].
  template <class F>
  static void each_square(std::size_t inputs, std::size_t outputs, F f) {
    for (std::size_t o = 0; o < outputs; o += kWidth)
      for (std::size_t k = 0; k < inputs; k += kWidth) f(o, k);
  }

  static void pack(std::size_t inputs, std::size_t outputs, const T* weight, const T* bias, T* packed) {
    const Sizes n(inputs, outputs);
    T* const transposed = packed + n.forward.size();
    each_square(inputs, outputs, [&](std::size_t o, std::size_t k) {
      V m[kWidth];
      load_square(weight + o * inputs + k, inputs, outputs - o, inputs - k, m);
      for (std::size_t i = 0; i < std::min(kWidth, outputs - o); ++i)
        store(transposed + n.backward(o + i, k / kWidth), m[i]);
      transpose<1>(m);
      for (std::size_t i = 0; i < std::min(kWidth, inputs - k); ++i)
        store(packed + n.forward(k + i, o / kWidth), m[i]);
    });
    T* const packed_bias = transposed + n.backward.size();
    std::fill_n(packed_bias, n.y_stride, T{});
    if (bias) std::copy_n(bias, outputs, packed_bias);
  }

  static void forward(std::size_t inputs, std::size_t outputs, const T* packed, std::size_t rows, const T* x,
                      std::size_t x_stride, T* y) {
    const Sizes n(inputs, outputs);
    multiply_columns<Isa, T>(rows, n.forward.vectors, {1, inputs}, {x, x_stride}, packed, {inputs},
                             {packed + n.forward.size() + n.backward.size(), 0, 4 * kWidth},
                             {y, n.y_stride, 4 * kWidth});
  }

  static void backward(std::size_t inputs, std::size_t outputs, const T* packed, std::size_t rows,
                       const T* dy, T* dx, std::size_t dx_stride) {
    const Sizes n(inputs, outputs);
    static constexpr T zeros[4 * kWidth] = {};
    multiply_columns<Isa, T>(rows, n.backward.vectors, {1, outputs}, {dy, n.y_stride},
                             packed + n.forward.size(), {outputs}, {zeros, 0, 0},
                             {dx, dx_stride, 4 * kWidth});
  }

  // The packed gradient is transposed, [inputs][y_stride], and the bias' after it.
  static void weights(std::size_t inputs, std::size_t outputs, std::size_t rows, const T* x,
                      std::size_t x_stride, const T* dy, T* gradient) {
    const Sizes n(inputs, outputs);
    const auto add = [&](std::size_t count, LeftOperand<T> a, T* to) {
      multiply<Isa, T, 1>(count, n.forward.vectors, kOneSum,
                          {{1, rows, true},
                           a,
                           {dy, n.y_stride, 0, kWidth},
                           {to, n.y_stride, kWidth},
                           {to, n.y_stride, kWidth}});
    };
    static constexpr T one{1};
    add(inputs, {x, 1, x_stride}, gradient);
    add(1, {&one, 0, 0}, gradient + inputs * n.y_stride);
  }

  static void unpack(std::size_t inputs, std::size_t outputs, const T* gradient, T* d_weight, T* d_bias) {
    const Sizes n(inputs, outputs);
    each_square(inputs, outputs, [&](std::size_t o, std::size_t k) {
      V m[kWidth];
      for (std::size_t i = 0; i < kWidth; ++i)
        m[i] = k + i < inputs ? load<V>(gradient + (k + i) * n.y_stride + o) : V(T(0));
      transpose<1>(m);
      add_square(d_weight + o * inputs + k, inputs, outputs - o, inputs - k, m);
    });
    for (std::size_t o = 0; d_bias && o < outputs; ++o) d_bias[o] += gradient[inputs * n.y_stride + o];
  }

  // Sums in T, by lanes; only the logarithm is taken in double.
  static void softmax(std::size_t rows, std::size_t width, std::size_t stride, const T* z, T* y,
                      double* log_sums) {
    const auto padded = [&](const T* row, std::size_t i, T padding) {
      V x = load_first<V>(row + i, width - i);
      for (std::size_t lane = width - i; lane < kWidth; ++lane) x.v[lane] = padding;
      return x;
    };
    for (std::size_t r = 0; r < rows; ++r) {
      const T* const row = z + r * stride;
      T* const out = y ? y + r * stride : nullptr;
      V largest = padded(row, 0, row[0]);
      for (std::size_t i = kWidth; i < width; i += kWidth)
        largest = at_least(largest, padded(row, i, row[0]));
      T top = largest.v[0];
      for (std::size_t lane = 1; lane < kWidth; ++lane) top = std::max(top, largest.v[lane]);
      V sums(T(0));
      for (std::size_t i = 0; i < width; i += kWidth) {
        const V e = first_lanes(exp(padded(row, i, top) - V(top)), width - i);
        sums += e;
        if (out) store(out + i, e);
      }
      T sum{};
      for (std::size_t lane = 0; lane < kWidth; ++lane) sum += sums.v[lane];
      for (std::size_t i = 0; out && i < width; i += kWidth) store(out + i, load<V>(out + i) / V(sum));
      log_sums[r] = static_cast<double>(top) + std::log(static_cast<double>(sum));
    }
  }

  static constexpr AffineKernels<T> kernels() {
    AffineKernels<T> k{.lanes = kWidth,
                       .packed_size = packed_size,
                       .pack = pack,
                       .forward = forward,
                       .backward = backward,
                       .weights = weights,
                       .unpack = unpack};
    if constexpr (!std::is_same_v<T, std::complex<double>>) k.softmax = softmax;
    return k;
  }
};

}  // namespace retrograde
