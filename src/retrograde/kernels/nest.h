// What the loop nests forward (kernels/forward.h) and backward (kernels/backward.h) share. A is the block of
// pre-activations, [panel][row][slot][lane], dA its gradient.
#pragma once

#include <algorithm>

#include "retrograde/base/threads.h"
#include "retrograde/kernels/pack.h"
#include "retrograde/kernels/product.h"

namespace retrograde {

template <class Cell, class Isa, class T>
struct Nest : Packing<Cell, Isa, T> {
  using Base = Packing<Cell, Isa, T>;
  using Base::kSlotLanes, Base::kSlots, Base::kWidth, Base::slots_of;
  using typename Base::Layout, typename Base::V;

  // Scratch for so many rows at once: A or dA, v of all rows or of a step, tape of a step. One row more a
  // panel keeps the panels' addresses off powers of two.
  struct Scratch {
    std::size_t panel, v, tape, size;
    Scratch(const Layout& n, std::size_t rows, std::size_t batch)
        : panel((rows + 1) * kSlotLanes),
          v(n.panels * panel),
          tape(v + (rows + kSlots.stages * batch) * n.stride),
          size(tape + batch * n.tape_row) {}
  };
  static std::size_t scratch_size(LayerShape shape, std::size_t rows, std::size_t batch) {
    return Scratch(Layout(shape), rows, batch).size;
  }

  // Rows of a step, which follow each other, or rows picked anywhere (`rows` is not null). Of row i: its row
  // of the tape, where its previous state stands, its sequence.
  struct Rows {
    std::size_t count, row0 = 0, previous0 = 0, sequence0 = 0;
    const std::size_t *rows = nullptr, *previouses = nullptr, *sequences = nullptr;
    std::size_t row(std::size_t i) const { return rows ? rows[i] : row0 + i; }
    std::size_t previous(std::size_t i) const { return rows ? previouses[i] : previous0 + i; }
    std::size_t sequence(std::size_t i) const { return rows ? sequences[i] : sequence0 + i; }
  };

  const Cell* const cell;
  const LayerCall<T>& call;
  const Layout n;
  const Scratch scratch;

  Nest(const void* cell_pointer, const LayerCall<T>& layer, std::size_t rows, std::size_t batch)
      : cell(static_cast<const Cell*>(cell_pointer)), call(layer), n(layer.shape), scratch(n, rows, batch) {}
  Rectangle<T> scratch_a() const { return {call.scratch, kSlotLanes, scratch.panel}; }

  // f(part) in parts of `batch` rows that go on side by side: each with eight of them or more, and with
  // enough to do between two meetings to be worth one. A cell that calls back into the user's code stays in
  // the user's thread.
  template <class F>
  void in_parts_of(std::size_t batch, std::size_t multiplications, F f) const {
    constexpr std::size_t kWork = std::size_t{1} << 20;  // of a part
    bool alone = std::is_same_v<T, std::complex<double>>;
    if constexpr (requires { cell->calls_back(); }) alone = alone || cell->calls_back();
    const std::size_t most = alone ? 1 : std::min(batch / 8, multiplications / kWork);
    in_parts(most <= 1 ? 1 : std::min(threads(), most), [&](const Share& part) {
      const NoDenormals<T> flushed;
      f(part);
    });
  }
  // The rows of step t that are a part's own sequences.
  Rows rows_of(std::size_t t, Share::Range own) const {
    const std::size_t count = call.rows.count(t);
    return {std::min(count, own.last) - std::min(count, own.first), call.rows.offset[t] + own.first,
            call.rows.previous(t) + own.first, own.first};
  }

  template <class U>
  static Rectangle<U> at(Rectangle<U> a, std::size_t row, std::size_t panel = 0, std::size_t slot = 0) {
    return {a.p + row * a.row + panel * a.group + slot * kWidth, a.row, a.group};
  }
  static Rectangle<const T> read(Rectangle<T> a) { return {a.p, a.row, a.group}; }
  template <std::size_t N>
  RETROGRADE_INLINE static void load_all(const T* p, V (&out)[N]) {
    for (std::size_t i = 0; i < N; ++i) out[i] = load<V>(p + i * kWidth);
  }
  template <std::size_t N>
  RETROGRADE_INLINE static void store_all(T* p, const V (&values)[N]) {
    for (std::size_t i = 0; i < N; ++i) store(p + i * kWidth, values[i]);
  }
  // The same panel of several rows.
  template <class U, std::size_t N>
  RETROGRADE_INLINE static void load_lanes(U* const (&rows)[N], std::size_t p, V (&out)[N]) {
    for (std::size_t i = 0; i < N; ++i) out[i] = load<V>(rows[i] + p * kWidth);
  }
  // Lanes beyond the last unit stay zero.
  template <std::size_t N>
  RETROGRADE_INLINE void clear_padding(std::size_t p, V (&values)[N]) const {
    if (const std::size_t units = n.units_of(p); units < kWidth)
      for (auto& value : values) value = first_lanes(value, units);
  }
};

}  // namespace retrograde
