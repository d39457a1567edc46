// A layer's weights as the loop nest reads them, and its gradient as the loop nest leaves it.
//   forward:    panels of units, [panel][k][slot][lane]: all slots of W units end in registers together
//   backward:   the transpose in panels of columns, [column panel][panel][slot][unit's lane][column's lane]
//   gradient:   as the forward's
// PyTorch's matrices are turned into these, and back, by squares of W by W.
#pragma once

#include <algorithm>
#include <utility>

#include "retrograde/kernels/calls.h"
#include "retrograde/kernels/isa.h"

namespace retrograde {

template <class Cell, class Isa, class T>
struct Packing {
  using V = Vector<Isa, T>;
  static constexpr std::size_t kWidth = static_cast<std::size_t>(kLanes<V>);
  static constexpr Slots kSlots = Cell::kSlots;
  static constexpr std::size_t kSlotLanes = kSlots.slots * kWidth;

  // The products that feed the slots: 0 is x W, the others v U of each stage.
  static constexpr std::size_t kProducts = 1 + kSlots.stages;
  static constexpr SlotRange slots_of(std::size_t product) {
    return product == 0 ? kSlots.input : kSlots.recurrent[product - 1];
  }

  // Sizes, and where everything begins, in elements.
  struct Layout {
    std::size_t units, panels, stride, row, tape_row;
    std::size_t tail;  // units of the last panel
    // By product: rows of the matrix, where it stands in the pack and in the gradient, and its transpose.
    std::size_t inner[3], packed[3], transposed[3] = {};
    std::size_t bias, gradient_size, size;  // bias: [panel][slot][lane]

    explicit Layout(LayerShape shape)
        : units(shape.units),
          panels((units + kWidth - 1) / kWidth),
          stride(row_stride(units, kWidth, sizeof(T))),
          row(panels * kSlotLanes),
          tape_row(panels * kSlots.tape * kWidth),
          tail(units - (panels - 1) * kWidth),
          inner{shape.inputs, units, units} {
      std::size_t at = 0;
      const auto take = [&](std::size_t n) { return std::exchange(at, round_up(at + n, 64)); };
      for (std::size_t p = 0; p < kProducts; ++p)
        packed[p] = take(inner[p] * panels * slots_of(p).count * kWidth);
      bias = take(row);
      gradient_size = at;
      for (std::size_t p = 0; p < kProducts; ++p) transposed[p] = take(columns(p) * slot_rows(p) * kWidth);
      size = at;
    }
    // Panels of columns that a transpose has, and rows: lanes of slots.
    std::size_t columns(std::size_t product) const { return (inner[product] + kWidth - 1) / kWidth; }
    std::size_t slot_rows(std::size_t product) const { return panels * slots_of(product).count * kWidth; }
    std::size_t units_of(std::size_t panel) const { return panel + 1 == panels ? tail : kWidth; }
  };
  static std::size_t packed_size(LayerShape shape) { return Layout(shape).size; }
  static std::size_t gradient_size(LayerShape shape) { return Layout(shape).gradient_size; }

  static void pack(LayerShape shape, LayerWeights<const T> w, T* packed) {
    const Layout n(shape);
    each_square(n, w, [&](const T* weight, std::size_t product, Square at) {
      const std::size_t inner = n.inner[product], slots = slots_of(product).count;
      V m[kWidth];
      for (std::size_t i = 0; i < kWidth; ++i)
        m[i] = i < at.rows ? load_first<V>(weight + i * inner, at.columns) : V(T(0));
      T* const transposed = packed + n.transposed[product] + at.k * n.slot_rows(product) +
                            (at.panel * slots + at.slot) * kWidth * kWidth;
      for (std::size_t i = 0; i < kWidth; ++i) store(transposed + i * kWidth, m[i]);
      transpose<1>(m);
      for (std::size_t i = 0; i < std::min(kWidth, at.columns); ++i)
        store(packed + at.packed + i * slots * kWidth, m[i]);
    });
    std::fill_n(packed + n.bias, n.row, T{});
    each_bias(n, w, [&](std::size_t packed_at, const T& value) { packed[n.bias + packed_at] += value; });
  }

  static void unpack(LayerShape shape, const T* gradient, LayerWeights<T> w) {
    const Layout n(shape);
    each_square(n, w, [&](T* weight, std::size_t product, Square at) {
      const std::size_t inner = n.inner[product], slots = slots_of(product).count;
      V m[kWidth];
      for (std::size_t i = 0; i < kWidth; ++i)
        m[i] = i < at.columns ? load<V>(gradient + at.packed + i * slots * kWidth) : V(T(0));
      transpose<1>(m);
      for (std::size_t i = 0; i < std::min(kWidth, at.rows); ++i) add(weight + i * inner, at.columns, m[i]);
    });
    each_bias(n, w, [&](std::size_t packed_at, T& value) { value += gradient[n.bias + packed_at]; });
  }

 private:
  // A square of a weight: W units of a gate by W of its columns, fewer `rows` and `columns` at its ends.
  struct Square {
    std::size_t panel, slot, k, rows, columns, packed;
  };
  // f(corner in the weight, product, square) for all of them.
  template <class U, class F>
  static void each_square(const Layout& n, LayerWeights<U> w, F f) {
    for (std::size_t product = 0; product < kProducts; ++product) {
      const SlotRange slots = slots_of(product);
      const std::size_t inner = n.inner[product];
      for (std::size_t p = 0; p < n.panels; ++p)
        for (std::size_t s = 0; s < slots.count; ++s)
          for (std::size_t k = 0; k < inner; k += kWidth)
            f((product == 0 ? w.weight_ih : w.weight_hh) +
                  (kSlots.gate[slots.first + s] * n.units + p * kWidth) * inner + k,
              product,
              Square{p, s, k, n.units_of(p), inner - k,
                     n.packed[product] + ((p * inner + k) * slots.count + s) * kWidth});
    }
  }
  // f(packed place, value) for all values of the biases that are there.
  template <class U, class F>
  static void each_bias(const Layout& n, LayerWeights<U> w, F f) {
    for (std::size_t p = 0; p < n.panels; ++p)
      for (std::size_t s = 0; s < kSlots.slots; ++s)
        for (std::size_t lane = 0; lane < n.units_of(p); ++lane) {
          const std::size_t at = (p * kSlots.slots + s) * kWidth + lane,
                            row = kSlots.gate[s] * n.units + p * kWidth + lane;
          if (w.bias_ih && kSlots.input.contains(s)) f(at, w.bias_ih[row]);
          if (w.bias_hh && kSlots.stage_of(s) < kSlots.stages) f(at, w.bias_hh[row]);
        }
  }
  // to += x, in `count` lanes and no more.
  RETROGRADE_INLINE static void add(T* to, std::size_t count, V x) {
    if (count >= kWidth) return store(to, load<V>(to) + x);
    T lanes[kWidth];
    store(lanes, x);
    for (std::size_t j = 0; j < count; ++j) to[j] += lanes[j];
  }
};

}  // namespace retrograde
