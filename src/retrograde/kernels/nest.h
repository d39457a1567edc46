// What the loop nests forward (kernels/forward.h) and backward (kernels/backward.h) share. A is the block of
// pre-activations [panel][row][slot][lane], dA its gradient.
#pragma once

#include <algorithm>

#include "retrograde/kernels/pack.h"
#include "retrograde/kernels/product.h"
#include "retrograde/kernels/threads.h"

namespace retrograde {

template <class Cell, class Isa, class T>
struct Nest : Packing<Cell, Isa, T> {
  using Base = Packing<Cell, Isa, T>;
  using Base::kSlotLanes;
  using Base::kSlots;
  using Base::kWidth;
  using typename Base::Sizes;
  using typename Base::V;

  // Scratch for so many rows at once: A or dA, v of all rows or of a step, tape of a step. One row more a
  // panel keeps the panels' addresses off powers of two.
  struct Scratch {
    Scratch(const Sizes& n, std::size_t rows, std::size_t batch, T* p)
        : a{p, kSlotLanes, (rows + 1) * kSlotLanes},
          v(p + n.panels * a.group),
          tape(v + (rows + kSlots.stages * batch) * n.stride),
          end(tape + batch * n.tape_row) {}
    Rectangle<T> a;
    T *v, *tape, *end;
  };
  static std::size_t scratch_size(LayerShape shape, std::size_t rows, std::size_t batch) {
    T* const none = nullptr;
    return static_cast<std::size_t>(Scratch(Sizes(shape), rows, batch, none).end - none);
  }

  static Rectangle<T> at(Rectangle<T> a, std::size_t row, std::size_t panel = 0) {
    return {a.p + row * a.row + panel * a.group, a.row, a.group};
  }
  static Rectangle<T> slot(Rectangle<T> a, std::size_t first) {
    return {a.p + first * kWidth, a.row, a.group};
  }
  static Rectangle<const T> read(Rectangle<T> a) { return {a.p, a.row, a.group}; }

  // Parts of `batch` rows that go on side by side: each with eight of them or more, and with enough to do
  // between two meetings to be worth one. A cell that calls back into the user's code stays in the user's
  // thread.
  static std::size_t parts(const Cell& cell, std::size_t batch, std::size_t multiplications) {
    constexpr std::size_t kWork = std::size_t{1} << 20;  // of a part
    if constexpr (requires { cell.calls_back(); })
      if (cell.calls_back()) return 1;
    if (std::is_same_v<T, std::complex<double>>) return 1;
    const std::size_t most = std::min(batch / 8, multiplications / kWork);
    return most <= 1 ? 1 : std::min(threads(), most);
  }
  // The sequences of a part's own that have a step t.
  static std::size_t count_of(StepRows rows, std::size_t t, Share::Range own) {
    const std::size_t count = rows.count(t);
    return std::min(count, own.last) - std::min(count, own.first);
  }

  template <std::size_t N>
  RETROGRADE_INLINE static void load_all(const T* p, V (&out)[N]) {
    for (std::size_t i = 0; i < N; ++i) out[i] = load<V>(p + i * kWidth);
  }
  template <std::size_t N>
  RETROGRADE_INLINE static void store_all(T* p, const V (&values)[N]) {
    for (std::size_t i = 0; i < N; ++i) store(p + i * kWidth, values[i]);
  }
  RETROGRADE_INLINE static void load_states(const Sizes& n, const LayerTape<T>& tape, std::size_t row,
                                            std::size_t p, V (&state)[kSlots.states]) {
    for (std::size_t s = 0; s < kSlots.states; ++s)
      state[s] = load<V>(tape.states[s] + row * n.stride + p * kWidth);
  }
  // Lanes beyond the last unit stay zero.
  template <std::size_t N>
  RETROGRADE_INLINE static void clear_padding(std::size_t units, V (&values)[N]) {
    if (units < kWidth)
      for (auto& value : values) value = first_lanes(value, units);
  }
};

}  // namespace retrograde
