// Backward through a segment of one layer and direction, or one level of a windowed backward:
//   per step   the transpose of the cell's map, then dh += dA Uᵀ
//   all rows   dx += dA Wᵀ,  dW += xᵀ dA,  dU += vᵀ dA,  db += Σ dA
#pragma once

#include "retrograde/kernels/nest.h"

namespace retrograde {

template <class Cell, class Isa, class T>
struct Backward : Nest<Cell, Isa, T> {
  using Base = Nest<Cell, Isa, T>;
  using Base::at, Base::slot, Base::read, Base::load_all, Base::store_all, Base::load_states;
  using Base::kSlotLanes, Base::kSlots, Base::kWidth;
  using typename Base::Scratch, typename Base::Sizes, typename Base::V;

  // Rows of a step, which follow each other, or rows picked anywhere (`row` is not null). Of row i: its row
  // of the tape, where its previous state stands, its sequence.
  struct Rows {
    std::size_t count, row0 = 0, previous0 = 0, sequence0 = 0;
    const std::size_t *rows = nullptr, *previouses = nullptr, *sequences = nullptr;
    std::size_t row(std::size_t i) const { return rows ? rows[i] : row0 + i; }
    std::size_t previous(std::size_t i) const { return rows ? previouses[i] : previous0 + i; }
    std::size_t sequence(std::size_t i) const { return rows ? sequences[i] : sequence0 + i; }
  };

  // delta turns from the gradient by the states after the rows into that before them, da receives the
  // gradient by the pre-activations.
  struct Step {
    const Cell& cell;
    const Sizes& n;
    const PackedOffsets& o;
    const LayerCall<T>& call;
    Rows rows;
    const T* dy;  // [count][stride], added to delta; null: zero
    T* delta[2];  // [count][stride]
    Rectangle<T> da;
    T* dv;  // room, [count][stride]

    void run() const {
      for (std::size_t i = 0; i < rows.count; ++i)
        for (std::size_t p = 0; p < n.panels; ++p) map(p, i);
      if constexpr (kSlots.stages == 2) {
        through_product(1, zero(), dv);
        for (std::size_t i = 0; i < rows.count; ++i)
          for (std::size_t p = 0; p < n.panels; ++p) inner_map(p, i);
      }
      if (call.tape.mask) {
        through_product(0, zero(), dv);
        for (std::size_t i = 0; i < rows.count * n.stride; ++i) delta[0][i] += dv[i];
      } else {
        through_product(0, {delta[0], n.stride, 4 * kWidth}, delta[0]);
      }
    }

   private:
    RETROGRADE_INLINE const T* kept(std::size_t p, std::size_t i) const {
      return call.tape.tape + rows.row(i) * n.tape_row + p * kSlots.tape * kWidth;
    }
    RETROGRADE_INLINE void map(std::size_t p, std::size_t i) const {
      const std::size_t at_unit = i * n.stride + p * kWidth;
      V kept_values[kSlots.tape], state[kSlots.states], next[kSlots.states], d_next[kSlots.states];
      V d_pre[kSlots.slots], d_state[kSlots.states];
      load_all(kept(p, i), kept_values);
      load_states(n, call.tape, rows.previous(i), p, state);
      load_states(n, call.tape, call.rows.batch() + rows.row(i), p, next);
      for (std::size_t s = 0; s < kSlots.states; ++s) d_next[s] = load<V>(delta[s] + at_unit);
      if (dy) d_next[0] += load<V>(dy + at_unit);
      for (auto& d : d_pre) d = V(T(0));
      cell.backward(kept_values, state, next, d_next, d_pre, d_state);
      leave(p, i, d_pre, d_state);
    }
    RETROGRADE_INLINE void inner_map(std::size_t p, std::size_t i) const {
      const std::size_t at_unit = i * n.stride + p * kWidth;
      V kept_values[kSlots.tape], state[kSlots.states], d_pre[kSlots.slots], d_state[kSlots.states];
      load_all(kept(p, i), kept_values);
      load_all(at(da, i, p).p, d_pre);
      load_states(n, call.tape, rows.previous(i), p, state);
      for (std::size_t s = 0; s < kSlots.states; ++s) d_state[s] = load<V>(delta[s] + at_unit);
      cell.inner_backward(kept_values, state, load<V>(dv + at_unit), d_pre, d_state);
      leave(p, i, d_pre, d_state);
    }
    RETROGRADE_INLINE void leave(std::size_t p, std::size_t i, V (&d_pre)[kSlots.slots],
                                 V (&d_state)[kSlots.states]) const {
      Base::clear_padding(n.units_of(p), d_pre);
      Base::clear_padding(n.units_of(p), d_state);
      store_all(at(da, i, p).p, d_pre);
      for (std::size_t s = 0; s < kSlots.states; ++s) store(delta[s] + i * n.stride + p * kWidth, d_state[s]);
    }
    // to = from + dA Uᵀ of a stage, times the mask if there is one.
    void through_product(std::size_t stage, Rectangle<const T> from, T* to) const {
      transposed_product(n, kSlots.recurrent[stage], n.units, rows.count, da,
                         call.packed + o.recurrent_transposed[stage], from, to, n.stride);
      if (!call.tape.mask) return;
      for (std::size_t i = 0; i < rows.count; ++i)
        for (std::size_t u = 0; u < n.stride; ++u)
          to[i * n.stride + u] *= call.tape.mask[rows.sequence(i) * n.stride + u];
    }
  };

  static void backward(const void* cell_pointer, const BackwardCall<T>& call) {
    const Cell& cell = *static_cast<const Cell*>(cell_pointer);
    const LayerCall<T>& layer = call.layer;
    const Segment segment = call.segment;
    const Sizes n(layer.shape);
    const PackedOffsets o = Base::offsets(layer.shape);
    const Scratch scratch(n, segment.rows(), layer.rows.batch(), layer.scratch);
    const std::size_t batch = layer.rows.count(segment.first), work = segment.rows() * n.row;
    in_parts(Base::parts(cell, batch, work * (n.units + n.inputs)), [&](const Share& part) {
      const NoDenormals<T> flushed;
      const Share::Range own = part.range(batch);
      const std::size_t begin = own.first * n.stride;
      for (std::size_t t = segment.last; t-- > segment.first;) {
        const std::size_t row = layer.rows.offset[t] + own.first, in_segment = row - segment.begin;
        const Rows rows{Base::count_of(layer.rows, t, own), row, layer.rows.previous(t) + own.first,
                        own.first};
        if (rows.count == 0) continue;
        const Step step{cell,
                        n,
                        o,
                        layer,
                        rows,
                        call.dy + in_segment * n.stride,
                        {call.carry[0] + begin, call.carry[1] ? call.carry[1] + begin : nullptr},
                        at(scratch.a, in_segment),
                        scratch.v + begin};
        step.run();
        for (std::size_t i = 0; call.cut && i < rows.count; ++i)
          for (std::size_t s = 0; call.cut[row + i] && s < kSlots.states; ++s)
            std::fill_n(step.delta[s] + i * n.stride, n.stride, T{});
      }
      part.wait();
      segment_weights(part, n, o, {layer, segment, scratch.a.p, scratch.a.group, call.dx, call.gradient},
                      scratch.v);
    });
  }

  static void level(const void* cell_pointer, const LevelCall<T>& call) {
    const Cell& cell = *static_cast<const Cell*>(cell_pointer);
    const LayerCall<T>& layer = call.layer;
    const Sizes n(layer.shape);
    const PackedOffsets o = Base::offsets(layer.shape);
    const Scratch scratch(n, call.count, call.count, layer.scratch);
    const std::size_t work = call.count * n.row * (n.units + (call.dx ? n.inputs : 0));
    in_parts(Base::parts(cell, call.count, work), [&](const Share& part) {
      const NoDenormals<T> flushed;
      const auto [first, last] = part.range(call.count);
      const std::size_t count = last - first, begin = first * n.stride;
      const Rectangle<T> da = at(scratch.a, first);
      const Rows rows{.count = count,
                      .rows = call.row + first,
                      .previouses = call.previous + first,
                      .sequences = call.sequence + first};
      Step{cell,
           n,
           o,
           layer,
           rows,
           nullptr,
           {call.delta[0] + begin, call.delta[1] ? call.delta[1] + begin : nullptr},
           da,
           scratch.v + begin}
          .run();
      if (call.dx) {
        T* const dx = call.dx + first * layer.input.stride;
        transposed_product(n, kSlots.input, n.inputs, count, da, layer.packed + o.input_transposed,
                           {dx, layer.input.stride, 4 * kWidth}, dx, layer.input.stride);
      }
      for (std::size_t p = 0; p < n.panels; ++p)
        for (std::size_t i = 0; i < count; ++i)
          add(kSlotLanes, at(da, i, p).p, call.da_sum + (p * layer.rows.size() + rows.row(i)) * kSlotLanes);
    });
  }

  static void weights(const WeightsCall<T>& call) {
    const NoDenormals<T> flushed;
    const Sizes n(call.layer.shape);
    segment_weights(Share{}, n, Base::offsets(call.layer.shape), call, call.layer.scratch);
  }

 private:
  static Rectangle<const T> zero() {
    static constexpr T zeros[4 * kWidth] = {};
    return {zeros, 0, 0};
  }
  // to += from, whole vectors.
  RETROGRADE_INLINE static void add(std::size_t size, const T* from, T* to) {
    for (std::size_t i = 0; i < size; i += kWidth) store(to + i, load<V>(to + i) + load<V>(from + i));
  }

  // out = from + dA Wᵀ on the slots of a product; `columns` = I or H. Lanes beyond the last unit are skipped.
  static void transposed_product(const Sizes& n, SlotRange slots, std::size_t columns, std::size_t count,
                                 Rectangle<T> da, const T* packed, Rectangle<const T> from, T* out,
                                 std::size_t out_row) {
    const ColumnPanels panels = n.transposed(slots, columns);
    const std::size_t lanes = slots.count * kWidth, full = n.tail == kWidth ? n.panels : n.panels - 1;
    const Rectangle<T> to{out, out_row, 4 * kWidth};
    const auto product = [&](std::size_t panel, Terms terms, std::size_t a_outer, std::size_t b_outer) {
      multiply_columns<Isa, T>(count, panels.vectors, terms,
                               {slot(at(da, 0, panel), slots.first).p, da.row, 1, a_outer}, packed,
                               {panels.rows, panel * lanes, b_outer}, from, to);
      from = read(to);
    };
    if (full > 0) product(0, {full, lanes}, da.group, lanes);
    if (full < n.panels) product(full, {slots.count, n.tail}, kWidth, kWidth);
  }

  // Every part has its own rows of dx, and its own panels of the gradients.
  static void segment_weights(const Share& part, const Sizes& n, const PackedOffsets& o,
                              const WeightsCall<T>& call, T* room) {
    const LayerInput<T>& input = call.layer.input;
    const std::size_t count = call.segment.rows();
    const Rectangle<T> da{const_cast<T*>(call.da), kSlotLanes, call.da_panel};
    if (call.dx) {
      const auto [first, last] = part.range(count);
      transposed_product(n, kSlots.input, n.inputs, last - first, at(da, first),
                         call.layer.packed + o.input_transposed, zero(), call.dx + first * input.stride,
                         input.stride);
    }
    if (!call.gradient) return;
    const Share::Range panels = part.range(n.panels);
    const Rectangle<T> own = at(da, 0, panels.first);
    static constexpr T one{1};
    weight_gradient<0, kSlots.slots>(panels, 1, {&one, 0, 0}, count, own, call.gradient + o.bias);
    if (input.tokens)
      token_weights(n.inputs, panels, input.tokens + call.segment.begin, count, da, call.gradient + o.input);
    else
      weight_gradient<kSlots.input.first, kSlots.input.count>(
          panels, n.inputs, {input.x + call.segment.begin * input.stride, 1, input.stride}, count, own,
          call.gradient + o.input);
    recurrent_weights<0>(part, n, o, call, own, room);
    if constexpr (kSlots.stages == 2) recurrent_weights<1>(part, n, o, call, own, room);
  }

  template <std::size_t Stage>
  static void recurrent_weights(const Share& part, const Sizes& n, const PackedOffsets& o,
                                const WeightsCall<T>& call, Rectangle<T> own, T* room) {
    const T* v = call.layer.tape.product_input[Stage];
    v = v ? v + call.segment.begin * n.stride : previous_states(part, n, call, room);
    weight_gradient<kSlots.recurrent[Stage].first, kSlots.recurrent[Stage].count>(
        part.range(n.panels), n.units, {v, 1, n.stride}, call.segment.rows(), own,
        call.gradient + o.recurrent[Stage]);
  }

  // The states before the rows of a segment. Where all sequences run through it they stand as the rows do;
  // else they are brought together.
  static const T* previous_states(const Share& part, const Sizes& n, const WeightsCall<T>& call, T* room) {
    const T* const h = call.layer.tape.states[0];
    const StepRows& rows = call.layer.rows;
    const auto [first, last, begin, end] = call.segment;
    if (rows.previous(last - 1) - rows.previous(first) == rows.offset[last - 1] - begin)
      return h + rows.previous(first) * n.stride;
    const Share::Range steps = part.range(last - first);
    for (std::size_t t = first + steps.first; t < first + steps.last; ++t)
      std::copy_n(h + rows.previous(t) * n.stride, rows.count(t) * n.stride,
                  room + (rows.offset[t] - begin) * n.stride);
    part.wait();
    return room;
  }

  // gradient += vᵀ dA on the slots of a product, for some panels; `own` begins at the first of them.
  template <std::size_t First, std::size_t Count>
  static void weight_gradient(Share::Range panels, std::size_t inner, LeftOperand<T> v, std::size_t count,
                              Rectangle<T> own, T* gradient) {
    constexpr std::size_t lanes = Count * kWidth;
    const Rectangle<T> to{gradient + panels.first * inner * lanes, lanes, inner * lanes};
    multiply<Isa, T, Count>(inner, panels.last - panels.first, kOneSum,
                            {{1, count, true}, v, {slot(own, First).p, own.row, 0, own.group}, read(to), to});
  }

  static void token_weights(std::size_t inputs, Share::Range panels, const std::int32_t* tokens,
                            std::size_t count, Rectangle<T> da, T* gradient) {
    constexpr std::size_t lanes = kSlots.input.count * kWidth;
    for (std::size_t p = panels.first; p < panels.last; ++p)
      for (std::size_t r = count; r-- > 0;)
        add(lanes, slot(at(da, r, p), kSlots.input.first).p,
            gradient + (p * inputs + static_cast<std::size_t>(tokens[r])) * lanes);
  }
};

}  // namespace retrograde
