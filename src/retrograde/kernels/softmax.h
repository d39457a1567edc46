// y = exp(z) / Σ exp(z) of each row, shifted by its largest z, and log Σ exp(z). Sums are taken in T, by
// lanes; only the logarithm is taken in double.
#pragma once

#include <algorithm>
#include <cmath>

#include "retrograde/kernels/activations.h"
#include "retrograde/kernels/calls.h"
#include "retrograde/kernels/isa.h"

namespace retrograde {

template <class Isa, class T>
void softmax(std::size_t rows, std::size_t width, std::size_t stride, const T* z, T* y, SumOf<T>* log_sums) {
  using V = Vector<Isa, T>;
  constexpr auto lanes = static_cast<std::size_t>(kLanes<V>);
  T lane[lanes];
  const auto padded = [&](const T* row, std::size_t i, T padding) {
    if (width - i >= lanes) return load<V>(row + i);
    std::fill(std::copy_n(row + i, width - i, lane), lane + lanes, padding);
    return load<V>(lane);
  };
  for (std::size_t r = 0; r < rows; ++r) {
    const T* const row = z + r * stride;
    T* const out = y ? y + r * stride : nullptr;
    V largest = padded(row, 0, row[0]);
    for (std::size_t i = lanes; i < width; i += lanes) {
      const V x = padded(row, i, row[0]);
      largest = if_positive(x - largest, x, largest);
    }
    store(lane, largest);
    T top = lane[0];
    if constexpr (lanes > 1) top = *std::max_element(lane, lane + lanes);
    V sums(T(0));
    for (std::size_t i = 0; i < width; i += lanes) {
      const V e = first_lanes(exp(padded(row, i, top) - V(top)), width - i);
      sums += e;
      if (out) store(out + i, e);
    }
    store(lane, sums);
    T sum{};
    for (const T& part : lane) sum += part;
    for (std::size_t i = 0; out && i < width; i += lanes) store(out + i, load<V>(out + i) / V(sum));
    if (log_sums) log_sums[r] = SumOf<T>(top) + std::log(SumOf<T>(sum));
  }
}

}  // namespace retrograde
