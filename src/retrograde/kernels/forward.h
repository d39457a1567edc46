// Forward through a segment of one layer and direction:
//   all rows   A = x W + b
//   per step   A += v U, then the cell's map;  v = h, or m ∘ h, or what a first stage made
#pragma once

#include "retrograde/kernels/nest.h"

namespace retrograde {

template <class Cell, class Isa, class T>
struct Forward : Nest<Cell, Isa, T> {
  using Base = Nest<Cell, Isa, T>;
  using Base::at, Base::read, Base::load_all, Base::store_all, Base::slots_of;
  using Nest<Cell, Isa, T>::Nest;
  using Base::call, Base::n, Base::cell, Base::scratch;
  using Base::kSlotLanes, Base::kSlots, Base::kWidth;
  using typename Base::Rows, typename Base::V;

  static void forward(const void* cell_pointer, const LayerCall<T>& call, Segment segment) {
    const Forward nest(cell_pointer, call, segment.rows(), call.rows.batch());
    T* const kept = call.tape.preactivations;
    const Rectangle<T> a =
        kept ? Rectangle<T>{kept + segment.begin * nest.n.row, nest.n.row, kSlotLanes} : nest.scratch_a();
    const std::size_t batch = call.rows.count(segment.first), work = segment.rows() * nest.n.row;
    nest.in_parts_of(batch, work * (call.shape.units + call.shape.inputs), [&](const Share& part) {
      const Share::Range rows = part.range(segment.rows()), own = part.range(batch);
      nest.input_part(segment.begin + rows.first, rows.last - rows.first, at(a, rows.first));
      if constexpr (kSlots.stages > 0) {
        part.wait();
        for (std::size_t t = segment.first; t < segment.last; ++t) {
          const Rows step = nest.rows_of(t, own);
          if (step.count > 0) nest.run(step, at(a, step.row0 - segment.begin), t % 2 == 0);
        }
      }
    });
  }

 private:
  // A = b, and x W on the slots that take the input, for rows of it from `first`.
  void input_part(std::size_t first, std::size_t count, Rectangle<T> a) const {
    const LayerInput<T>& input = call.input;
    constexpr std::size_t slots = kSlots.input.count, lanes = slots * kWidth;
    const T *const bias = call.packed + n.bias, *const w = call.packed + n.packed[0];
    if (!input.tokens)
      multiply<Isa, T, slots>(count, n.panels, n.panels * slots,
                              {{1, n.inner[0]},
                               {input.x + first * input.stride, input.stride},
                               {w, lanes, 0, n.inner[0] * lanes},
                               {bias + kSlots.input.first * kWidth, 0, kSlotLanes},
                               at(a, 0, 0, kSlots.input.first)});
    for (std::size_t p = 0; p < n.panels; ++p)
      for (std::size_t s = 0; s < kSlots.slots; ++s) {
        const bool takes_input = kSlots.input.contains(s);
        if (takes_input && !input.tokens) continue;
        const V b = load<V>(bias + (p * kSlots.slots + s) * kWidth);
        for (std::size_t r = 0; r < count; ++r) {
          V sum = b;
          if (takes_input)
            sum += load<V>(w + (p * n.inner[0] + static_cast<std::size_t>(input.tokens[first + r])) * lanes +
                           (s - kSlots.input.first) * kWidth);
          store(at(a, r, p, s).p, sum);
        }
      }
  }

  // The rows of one step. Its pointers are its own: through the call they would be read again for every
  // panel.
  struct Step {
    Rows rows;
    Rectangle<T> a;
    const T* state[kSlots.states];  // before the step
    T* next[kSlots.states];         // after it
    T* tape;                        // null: not kept, but for what two stages need between them
    bool upwards;                   // how its panels go
  };

  void run(const Rows& rows, Rectangle<T> a, bool upwards) const {
    const LayerTape<T>& to = call.tape;
    Step step{rows, a, {}, {}, to.tape ? to.tape + rows.row0 * n.tape_row : nullptr, upwards};
    if (!to.tape && kSlots.stages == 2) step.tape = call.scratch + scratch.tape + rows.sequence0 * n.tape_row;
    for (std::size_t s = 0; s < kSlots.states; ++s) {
      step.state[s] = to.states[s] + rows.previous0 * n.stride;
      step.next[s] = to.states[s] + (call.rows.batch() + rows.row0) * n.stride;
    }
    const T* v = multiplied(0, rows, step.state[0]);
    if constexpr (kSlots.stages == 2) {
      T* const made = room(1, rows);
      each_row<1>(step, v, [&](std::size_t p, std::size_t i) { inner_map(step, p, i, made); });
      v = multiplied(1, rows, made);
    }
    each_row<kSlots.stages>(step, v, [&](std::size_t p, std::size_t i) { map(step, p, i); });
  }

  // Where what a stage multiplies by U stands, if that is not the previous state.
  T* room(std::size_t stage, const Rows& rows) const {
    T* const kept = call.tape.product_input[stage];
    return kept ? kept + rows.row0 * n.stride
                : call.scratch + scratch.v + (stage * call.rows.batch() + rows.sequence0) * n.stride;
  }
  const T* multiplied(std::size_t stage, const Rows& rows, const T* v) const {
    if (!call.tape.mask) return v;
    const T* const mask = call.tape.mask + rows.sequence0 * n.stride;
    T* const to = room(stage, rows);
    for (std::size_t i = 0; i < rows.count * n.stride; ++i) to[i] = mask[i] * v[i];
    return to;
  }

  // A += v U on a product's slots, and then f(panel, row), for as many panels at a time as a tile takes. They
  // go upwards on even steps and downwards on odd ones: the cache still holds what was touched last.
  template <std::size_t Product, class F>
  void each_row(const Step& step, const T* v, F f) const {
    constexpr SlotRange slots = slots_of(Product);
    constexpr std::size_t lanes = slots.count * kWidth;
    const std::size_t rows = step.rows.count;
    const auto together =
        static_cast<std::size_t>(detail::tile_groups<Isa, static_cast<int>(slots.count)>(rows));
    for (std::size_t begin = 0; begin < n.panels; begin += together) {
      const std::size_t panels = std::min(together, n.panels - begin),
                        first = step.upwards ? begin : n.panels - begin - panels;
      const Rectangle<T> to = at(step.a, 0, first, slots.first);
      const T* const u = call.packed + n.packed[Product] + first * n.units * lanes;
      multiply<Isa, T, slots.count>(
          rows, panels, n.panels * slots.count,
          {{1, n.units}, {v, n.stride}, {u, lanes, 0, n.units * lanes}, read(to), to});
      for (std::size_t p = first; p < first + panels; ++p)
        for (std::size_t i = 0; i < rows; ++i) f(p, i);
    }
  }

  // What a row's maps read and leave, of one panel.
  struct Lanes {
    V pre[kSlots.slots], state[kSlots.states], kept[kSlots.tape];
  };
  RETROGRADE_INLINE Lanes get(const Step& step, std::size_t p, std::size_t i) const {
    Lanes x;
    load_all(at(step.a, i, p).p, x.pre);
    for (std::size_t s = 0; s < kSlots.states; ++s)
      x.state[s] = load<V>(step.state[s] + i * n.stride + p * kWidth);
    if constexpr (kSlots.stages == 2) load_all(kept_at(step, p, i), x.kept);
    return x;
  }
  RETROGRADE_INLINE T* kept_at(const Step& step, std::size_t p, std::size_t i) const {
    return step.tape + i * n.tape_row + p * kSlots.tape * kWidth;
  }
  RETROGRADE_INLINE void inner_map(const Step& step, std::size_t p, std::size_t i, T* made) const {
    Lanes x = get(step, p, i);
    V v[1];
    cell->inner_forward(x.pre, x.state, v[0], x.kept);
    store_all(kept_at(step, p, i), x.kept);
    Base::clear_padding(p, v);
    store(made + i * n.stride + p * kWidth, v[0]);
  }
  RETROGRADE_INLINE void map(const Step& step, std::size_t p, std::size_t i) const {
    Lanes x = get(step, p, i);
    V next[kSlots.states];
    cell->forward(x.pre, x.state, next, x.kept);
    if (step.tape) store_all(kept_at(step, p, i), x.kept);
    Base::clear_padding(p, next);
    for (std::size_t s = 0; s < kSlots.states; ++s) store(step.next[s] + i * n.stride + p * kWidth, next[s]);
  }
};

}  // namespace retrograde
