// Backward through a segment of one layer and direction, or one level of a windowed backward:
//   per step   the transpose of the cell's map, then dh += dA Uᵀ
//   all rows   dx += dA Wᵀ,  dW += xᵀ dA,  dU += vᵀ dA,  db += Σ dA
#pragma once

#include "retrograde/kernels/nest.h"

namespace retrograde {

template <class Cell, class Isa, class T>
struct Backward : Nest<Cell, Isa, T> {
  using Base = Nest<Cell, Isa, T>;
  using Base::at, Base::read, Base::slots_of, Base::load_all, Base::load_lanes, Base::store_all;
  using Nest<Cell, Isa, T>::Nest;
  using Base::call, Base::n, Base::cell, Base::scratch;
  using Base::kSlotLanes, Base::kSlots, Base::kWidth;
  using typename Base::Rows, typename Base::V;

  static void backward(const void* cell_pointer, const BackwardCall<T>& to_do) {
    const LayerCall<T>& call = to_do.layer;
    const Segment segment = to_do.segment;
    const Backward nest(cell_pointer, call, segment.rows(), call.rows.batch());
    const Rectangle<const T> da =
        to_do.da ? Rectangle<const T>{to_do.da, to_do.da_row, to_do.da_panel} : read(nest.scratch_a());
    const std::size_t batch = call.rows.count(segment.first), work = segment.rows() * nest.n.row;
    nest.in_parts_of(batch, work * (call.shape.units + call.shape.inputs), [&](const Share& part) {
      const Share::Range own = part.range(batch);
      if constexpr (kSlots.stages > 0)
        for (std::size_t t = segment.last; !to_do.da && t-- > segment.first;) nest.step_back(to_do, t, own);
      part.wait();
      nest.weights(part, to_do, da);
    });
  }

  static void level(const void* cell_pointer, const LevelCall<T>& to_do) {
    const LayerCall<T>& call = to_do.layer;
    const Backward nest(cell_pointer, call, to_do.count, to_do.count);
    const auto& n = nest.n;
    const std::size_t work = to_do.count * n.row * (n.units + (to_do.dx ? call.shape.inputs : 0));
    nest.in_parts_of(to_do.count, work, [&](const Share& part) {
      const auto [first, last] = part.range(to_do.count);
      const Rows rows{.count = last - first,
                      .rows = to_do.row + first,
                      .previouses = to_do.previous + first,
                      .sequences = to_do.sequence + first};
      const Rectangle<T> da = at(nest.scratch_a(), first);
      nest.run({rows, first, nullptr, to_do.delta, da});
      if (to_do.dx) {
        T* const dx = to_do.dx + first * call.input.stride;
        nest.template transposed<0>(rows.count, read(da), {dx, call.input.stride, kWidth}, dx,
                                    call.input.stride);
      }
      part.wait();  // two rows may have one place: sums are shared out by panels
      for (std::size_t p = part.range(n.panels).first; p < part.range(n.panels).last; ++p)
        for (std::size_t i = 0; i < to_do.count; ++i)
          add(kSlotLanes, at(nest.scratch_a(), i, p).p,
              to_do.da_sum + (p * call.rows.size() + to_do.row[i]) * kSlotLanes);
    });
  }

 private:
  // One step: delta turns from the gradient by the states after the rows into that before them, da receives
  // the gradient by the pre-activations.
  struct Step {
    Rows rows;
    std::size_t first;  // row of delta, and of the room for dv
    const T* dy;        // [count][stride], added to delta; null: zero
    T* const* delta;    // [..][stride]
    Rectangle<T> da;
  };

  void step_back(const BackwardCall<T>& to_do, std::size_t t, Share::Range own) const {
    const Rows rows = Base::rows_of(t, own);
    const std::size_t in_segment = rows.row0 - to_do.segment.begin;
    if (rows.count > 0)
      run({rows, own.first, to_do.dy + in_segment * n.stride, to_do.carry,
           at(Base::scratch_a(), in_segment)});
    for (std::size_t i = 0; to_do.cut && i < rows.count; ++i)
      for (std::size_t s = 0; to_do.cut[rows.row0 + i] && s < kSlots.states; ++s)
        std::fill_n(to_do.carry[s] + (own.first + i) * n.stride, n.stride, T{});
  }

  void run(const Step& step) const {
    T *const dv = scratch_v() + step.first * n.stride, *const dh = step.delta[0] + step.first * n.stride;
    each_row(step, [&](const Row& row, std::size_t p) { map(row, p); });
    if constexpr (kSlots.stages == 2) {
      through_product<2>(step, zero(), dv);
      each_row(step, [&](const Row& row, std::size_t p) { inner_map(row, p); });
    }
    if (call.tape.mask) {
      through_product<1>(step, zero(), dv);
      add(step.rows.count * n.stride, dv, dh);
    } else {
      through_product<1>(step, {dh, n.stride, kWidth}, dh);
    }
  }
  // to = from + dA Uᵀ of a stage, times the mask if there is one.
  template <std::size_t Product>
  void through_product(const Step& step, Rectangle<const T> from, T* to) const {
    transposed<Product>(step.rows.count, read(step.da), from, to, n.stride);
    if (!call.tape.mask) return;
    for (std::size_t i = 0; i < step.rows.count; ++i)
      for (std::size_t u = 0; u < n.stride; ++u)
        to[i * n.stride + u] *= call.tape.mask[step.rows.sequence(i) * n.stride + u];
  }

  // What a row's maps read and leave. Its pointers are its own: through the call they would be read again for
  // every panel.
  struct Row {
    const T *tape, *dy, *dv;
    const T *state[kSlots.states], *next[kSlots.states];  // before the step, after it
    T* delta[kSlots.states];
    Rectangle<T> da;
  };
  template <class F>
  void each_row(const Step& step, F f) const {
    for (std::size_t i = 0; i < step.rows.count; ++i) {
      const std::size_t at_row = (step.first + i) * n.stride, in_tape = step.rows.row(i);
      Row row{call.tape.tape ? call.tape.tape + in_tape * n.tape_row : nullptr,
              step.dy ? step.dy + i * n.stride : nullptr,
              scratch_v() + at_row,
              {},
              {},
              {},
              at(step.da, i)};
      for (std::size_t s = 0; s < kSlots.states; ++s) {
        row.state[s] = call.tape.states[s] + step.rows.previous(i) * n.stride;
        row.next[s] = call.tape.states[s] + (call.rows.batch() + in_tape) * n.stride;
        row.delta[s] = step.delta[s] + at_row;
      }
      for (std::size_t p = 0; p < n.panels; ++p) f(row, p);
    }
  }

  struct Lanes {
    V kept[kSlots.tape], state[kSlots.states], d_pre[kSlots.slots], d_state[kSlots.states];
  };
  RETROGRADE_INLINE Lanes get(const Row& row, std::size_t p) const {
    Lanes x{};
    if (row.tape) load_all(row.tape + p * kSlots.tape * kWidth, x.kept);
    load_lanes(row.state, p, x.state);
    return x;
  }
  RETROGRADE_INLINE void put(const Row& row, std::size_t p, Lanes& x) const {
    Base::clear_padding(p, x.d_pre);
    Base::clear_padding(p, x.d_state);
    store_all(at(row.da, 0, p).p, x.d_pre);
    for (std::size_t s = 0; s < kSlots.states; ++s) store(row.delta[s] + p * kWidth, x.d_state[s]);
  }
  RETROGRADE_INLINE void map(const Row& row, std::size_t p) const {
    Lanes x = get(row, p);
    V next[kSlots.states], d_next[kSlots.states];
    load_lanes(row.next, p, next);
    load_lanes(row.delta, p, d_next);
    if (row.dy) d_next[0] += load<V>(row.dy + p * kWidth);
    cell->backward(x.kept, x.state, next, d_next, x.d_pre, x.d_state);
    put(row, p, x);
  }
  RETROGRADE_INLINE void inner_map(const Row& row, std::size_t p) const {
    Lanes x = get(row, p);
    load_lanes(row.delta, p, x.d_state);
    load_all(at(row.da, 0, p).p, x.d_pre);
    cell->inner_backward(x.kept, x.state, load<V>(row.dv + p * kWidth), x.d_pre, x.d_state);
    put(row, p, x);
  }

  // out = from + dA Wᵀ, or dA Uᵀ of a stage. Lanes beyond the last unit are skipped.
  template <std::size_t Product>
  void transposed(std::size_t count, Rectangle<const T> da, Rectangle<const T> from, T* out,
                  std::size_t out_row) const {
    constexpr SlotRange slots = slots_of(Product);
    constexpr std::size_t lanes = slots.count * kWidth;
    const std::size_t full = n.tail == kWidth ? n.panels : n.panels - 1;
    const Rectangle<T> to{out, out_row, kWidth};
    const auto run = [&](std::size_t panel, Terms terms, std::size_t a_outer, std::size_t b_outer) {
      multiply<Isa, T, 1>(count, n.columns(Product), n.columns(Product),
                          {terms,
                           {at(da, 0, panel, slots.first).p, da.row, 1, a_outer},
                           {call.packed + n.transposed[Product] + panel * lanes * kWidth, kWidth,
                            b_outer * kWidth, n.slot_rows(Product) * kWidth},
                           from,
                           to});
      from = read(to);
    };
    if (full > 0) run(0, {full, lanes}, da.group, lanes);
    if (full < n.panels) run(full, {slots.count, n.tail}, kWidth, kWidth);
  }

  // Every part has its own rows of dx, and its own panels of the gradients.
  void weights(const Share& part, const BackwardCall<T>& to_do, Rectangle<const T> da) const {
    const LayerInput<T>& input = call.input;
    const std::size_t begin = to_do.segment.begin, count = to_do.segment.rows();
    if (to_do.dx) {
      const auto [first, last] = part.range(count);
      transposed<0>(last - first, at(da, first), zero(), to_do.dx + first * to_do.dx_stride, to_do.dx_stride);
    }
    static constexpr T one{1};
    const Share::Range panels = part.range(n.panels);
    gradient<SlotRange{0, kSlots.slots}>(1, panels, {&one, 0, 0}, count, da, to_do.gradient + n.bias);
    if (input.tokens)
      token_gradient(panels, input.tokens + begin, count, da, to_do.gradient + n.packed[0]);
    else
      gradient<kSlots.input>(n.inner[0], panels, {input.x + begin * input.stride, 1, input.stride}, count, da,
                             to_do.gradient + n.packed[0]);
    if constexpr (kSlots.stages > 0) recurrent_gradient<1>(part, to_do, da);
    if constexpr (kSlots.stages > 1) recurrent_gradient<2>(part, to_do, da);
  }
  template <std::size_t Product>
  void recurrent_gradient(const Share& part, const BackwardCall<T>& to_do, Rectangle<const T> da) const {
    const T* v = call.tape.product_input[Product - 1];
    v = v ? v + to_do.segment.begin * n.stride : previous_states(part, to_do.segment);
    gradient<slots_of(Product)>(n.units, part.range(n.panels), {v, 1, n.stride}, to_do.segment.rows(), da,
                                to_do.gradient + n.packed[Product]);
  }
  // to += vᵀ dA on some slots, for some panels.
  template <SlotRange Slots>
  static void gradient(std::size_t inner, Share::Range panels, LeftOperand<T> v, std::size_t count,
                       Rectangle<const T> da, T* gradient) {
    constexpr std::size_t lanes = Slots.count * kWidth;
    const Rectangle<T> to{gradient + panels.first * inner * lanes, lanes, inner * lanes};
    multiply<Isa, T, Slots.count>(
        inner, panels.last - panels.first, kOneSum,
        {{1, count, true}, v, {at(da, 0, panels.first, Slots.first).p, da.row, 0, da.group}, read(to), to});
  }
  void token_gradient(Share::Range panels, const std::int32_t* tokens, std::size_t count,
                      Rectangle<const T> da, T* gradient) const {
    constexpr std::size_t lanes = kSlots.input.count * kWidth;
    for (std::size_t p = panels.first; p < panels.last; ++p)
      for (std::size_t r = count; r-- > 0;)
        add(lanes, at(da, r, p, kSlots.input.first).p,
            gradient + (p * n.inner[0] + static_cast<std::size_t>(tokens[r])) * lanes);
  }

  // The states before the rows of a segment. Where all sequences run through it they stand as the rows do;
  // else they are brought together.
  const T* previous_states(const Share& part, const Segment& segment) const {
    const T* const h = call.tape.states[0];
    const StepRows& rows = call.rows;
    const auto [first, last, begin, end] = segment;
    if (rows.previous(last - 1) - rows.previous(first) == rows.offset[last - 1] - begin)
      return h + rows.previous(first) * n.stride;
    const Share::Range steps = part.range(last - first);
    for (std::size_t t = first + steps.first; t < first + steps.last; ++t)
      std::copy_n(h + rows.previous(t) * n.stride, rows.count(t) * n.stride,
                  scratch_v() + (rows.offset[t] - begin) * n.stride);
    part.wait();
    return scratch_v();
  }

  T* scratch_v() const { return call.scratch + scratch.v; }
  static Rectangle<const T> zero() {
    static constexpr T zeros[kWidth] = {};
    return {zeros, 0, 0};
  }
  // to += from, whole vectors.
  RETROGRADE_INLINE static void add(std::size_t size, const T* from, T* to) {
    for (std::size_t i = 0; i < size; i += kWidth) store(to + i, load<V>(to + i) + load<V>(from + i));
  }
};

}  // namespace retrograde
