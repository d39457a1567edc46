// A layer's weights as the loop nest reads them, and its gradient as the loop nest leaves it.
//   forward:    panels of units, [panel][k][slot][lane]: all slots of W units end in registers together
//   backward:   the transpose in panels of four column vectors, [column panel][slot row][<= 4 vectors]
//   gradient:   as the forward's
// PyTorch's matrices are turned into these, and back, by squares of W by W.
#pragma once

#include <algorithm>
#include <utility>

#include "retrograde/kernels/calls.h"
#include "retrograde/kernels/isa.h"

namespace retrograde {

// A square from the corner of a matrix that may end before it does: zero beyond.
template <class V, std::size_t W>
RETROGRADE_INLINE void load_square(const ScalarOf<V>* p, std::size_t stride, std::size_t rows,
                                   std::size_t columns, V (&m)[W]) {
  for (std::size_t i = 0; i < W; ++i)
    m[i] = i < rows ? load_first<V>(p + i * stride, columns) : V(ScalarOf<V>(0));
}
template <class V, std::size_t W>
RETROGRADE_INLINE void add_square(ScalarOf<V>* p, std::size_t stride, std::size_t rows, std::size_t columns,
                                  const V (&m)[W]) {
  for (std::size_t i = 0; i < std::min(rows, W); ++i) {
    ScalarOf<V>* const to = p + i * stride;
    if (columns >= W) {
      store(to, load<V>(to) + m[i]);
    } else {
      ScalarOf<V> lanes[W];
      store(lanes, m[i]);
      for (std::size_t j = 0; j < columns; ++j) to[j] += lanes[j];
    }
  }
}

// Where column vector v of row k stands in a matrix of panels of four column vectors, the last one narrower.
struct ColumnPanels {
  std::size_t rows, vectors, width;  // `width`: numbers in a vector
  std::size_t operator()(std::size_t k, std::size_t v) const {
    const std::size_t first = v / 4 * 4, together = std::min<std::size_t>(4, vectors - first);
    return (first * rows + k * together + (v - first)) * width;
  }
  std::size_t size() const { return rows * vectors * width; }
};

template <class Cell, class Isa, class T>
struct Packing {
  using V = Vector<Isa, T>;
  static constexpr std::size_t kWidth = static_cast<std::size_t>(kLanes<V>);
  static constexpr Slots kSlots = Cell::kSlots;
  static constexpr std::size_t kSlotLanes = kSlots.slots * kWidth;

  // Sizes, in elements.
  struct Sizes {
    explicit Sizes(LayerShape shape)
        : inputs(shape.inputs),
          units(shape.units),
          panels((shape.units + kWidth - 1) / kWidth),
          stride(row_stride(shape.units, kWidth, sizeof(T))),
          row(panels * kSlotLanes),
          tape_row(panels * kSlots.tape * kWidth),
          tail(shape.units - (panels - 1) * kWidth) {}
    std::size_t inputs, units, panels, stride, row, tape_row;
    std::size_t tail;  // units of the last panel
    std::size_t units_of(std::size_t panel) const { return panel + 1 == panels ? tail : kWidth; }
    ColumnPanels transposed(SlotRange slots, std::size_t columns) const {
      return {panels * slots.count * kWidth, (columns + kWidth - 1) / kWidth, kWidth};
    }
  };

  static PackedOffsets offsets(LayerShape shape) {
    const Sizes n(shape);
    PackedOffsets o;
    std::size_t at = 0;
    const auto take = [&](std::size_t size) { return std::exchange(at, round_up(at + size, 64)); };
    o.input = take(n.inputs * n.panels * kSlots.input.count * kWidth);
    for (std::size_t s = 0; s < kSlots.stages; ++s)
      o.recurrent[s] = take(n.units * n.panels * kSlots.recurrent[s].count * kWidth);
    o.bias = take(n.row);
    o.gradient_size = at;
    o.input_transposed = take(n.transposed(kSlots.input, n.inputs).size());
    for (std::size_t s = 0; s < kSlots.stages; ++s)
      o.recurrent_transposed[s] = take(n.transposed(kSlots.recurrent[s], n.units).size());
    o.size = at;
    return o;
  }

  // f(panel, slot of the range, first k, the square's corner in the weights) for all squares of a product.
  template <class F>
  static void each_square(const Sizes& n, SlotRange slots, std::size_t inner, F f) {
    for (std::size_t p = 0; p < n.panels; ++p)
      for (std::size_t s = 0; s < slots.count; ++s)
        for (std::size_t k = 0; k < inner; k += kWidth)
          f(p, s, k, (kSlots.gate[slots.first + s] * n.units + p * kWidth) * inner + k);
  }

  static void pack_product(const Sizes& n, SlotRange slots, std::size_t inner, const T* weight, T* packed,
                           T* transposed) {
    const ColumnPanels panels = n.transposed(slots, inner);
    each_square(n, slots, inner, [&](std::size_t p, std::size_t s, std::size_t k, std::size_t corner) {
      V m[kWidth];
      load_square(weight + corner, inner, n.units_of(p), inner - k, m);
      for (std::size_t i = 0; i < kWidth; ++i)
        store(transposed + panels((p * slots.count + s) * kWidth + i, k / kWidth), m[i]);
      transpose<1>(m);
      for (std::size_t i = 0; i < std::min(kWidth, inner - k); ++i)
        store(packed + ((p * inner + k + i) * slots.count + s) * kWidth, m[i]);
    });
  }

  static void unpack_product(const Sizes& n, SlotRange slots, std::size_t inner, const T* packed, T* weight) {
    each_square(n, slots, inner, [&](std::size_t p, std::size_t s, std::size_t k, std::size_t corner) {
      V m[kWidth];
      for (std::size_t i = 0; i < kWidth; ++i)
        m[i] = k + i < inner ? load<V>(packed + ((p * inner + k + i) * slots.count + s) * kWidth) : V(T(0));
      transpose<1>(m);
      add_square(weight + corner, inner, n.units_of(p), inner - k, m);
    });
  }

  // f(slot, packed place, row of the bias)
  template <class F>
  static void each_bias(const Sizes& n, F f) {
    for (std::size_t p = 0; p < n.panels; ++p)
      for (std::size_t s = 0; s < kSlots.slots; ++s)
        for (std::size_t lane = 0; lane < n.units_of(p); ++lane)
          f(s, (p * kSlots.slots + s) * kWidth + lane, kSlots.gate[s] * n.units + p * kWidth + lane);
  }

  static void pack(LayerShape shape, LayerWeights<const T> w, T* packed) {
    const Sizes n(shape);
    const PackedOffsets o = offsets(shape);
    pack_product(n, kSlots.input, n.inputs, w.weight_ih, packed + o.input, packed + o.input_transposed);
    for (std::size_t s = 0; s < kSlots.stages; ++s)
      pack_product(n, kSlots.recurrent[s], n.units, w.weight_hh, packed + o.recurrent[s],
                   packed + o.recurrent_transposed[s]);
    std::fill_n(packed + o.bias, n.row, T{});
    each_bias(n, [&](std::size_t slot, std::size_t column, std::size_t row) {
      T& bias = packed[o.bias + column];
      if (w.bias_ih && kSlots.input.contains(slot)) bias += w.bias_ih[row];
      if (w.bias_hh && kSlots.stage_of(slot) < kSlots.stages) bias += w.bias_hh[row];
    });
  }

  static void unpack(LayerShape shape, const T* gradient, LayerWeights<T> w) {
    const Sizes n(shape);
    const PackedOffsets o = offsets(shape);
    unpack_product(n, kSlots.input, n.inputs, gradient + o.input, w.weight_ih);
    for (std::size_t s = 0; s < kSlots.stages; ++s)
      unpack_product(n, kSlots.recurrent[s], n.units, gradient + o.recurrent[s], w.weight_hh);
    each_bias(n, [&](std::size_t slot, std::size_t column, std::size_t row) {
      const T value = gradient[o.bias + column];
      if (w.bias_ih && kSlots.input.contains(slot)) w.bias_ih[row] += value;
      if (w.bias_hh && kSlots.stage_of(slot) < kSlots.stages) w.bias_hh[row] += value;
    });
  }
};

}  // namespace retrograde
