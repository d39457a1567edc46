// The one loop nest of all cells: products and the cell's pointwise map, forward and backward, for one layer
// and direction. A is the block of pre-activations [panel][row][slot][lane], dA its gradient.
//   forward,  per step:   A = x W + b + v U, then the map;  v = h, or m ∘ h, or what a first stage made
//   backward, per step:   the map's transpose, then dh += dA Uᵀ
//   once a segment:       A = x W + b;   dx += dA Wᵀ,  dW += xᵀ dA,  dU += vᵀ dA,  db += Σ dA
#pragma once

#include <algorithm>

#include "retrograde/kernels/pack.h"
#include "retrograde/kernels/product.h"
#include "retrograde/kernels/threads.h"

namespace retrograde {

template <class Cell, class Isa, class T>
struct Recurrence : Packing<Cell, Isa, T> {
  using Base = Packing<Cell, Isa, T>;
  using Base::kSlotLanes;
  using Base::kSlots;
  using Base::kWidth;
  using typename Base::Sizes;
  using typename Base::V;
  // A segment is what stays in cache between the sweep and the products that follow it.
  static constexpr std::size_t kSegmentRows = 256;

  static std::size_t segment_rows(StepRows rows) {
    return std::min(std::max(kSegmentRows, rows.batch()), rows.offset[rows.steps]);
  }
  // The end of the segment of steps that begins at `first`, going forward.
  static std::size_t segment_end(StepRows rows, std::size_t first, std::size_t last) {
    std::size_t t = first + 1;
    while (t < last && rows.offset[t + 1] - rows.offset[first] <= kSegmentRows) ++t;
    return t;
  }
  static std::size_t segment_begin(StepRows rows, std::size_t first, std::size_t last) {
    std::size_t t = last - 1;
    while (t > first && rows.offset[last] - rows.offset[t - 1] <= kSegmentRows) --t;
    return t;
  }

  // Scratch: A or dA of a segment, v of a step or of a segment, tape of a step. One row more a panel keeps
  // the panels' addresses off powers of two.
  struct Scratch {
    Scratch(const Sizes& n, StepRows rows, T* p)
        : panel((segment_rows(rows) + 1) * kSlotLanes),
          a{p, kSlotLanes, panel},
          v(p + n.panels * panel),
          tape(v + (segment_rows(rows) + kSlots.stages * rows.batch()) * n.stride),
          end(tape + rows.batch() * n.tape_row) {}
    std::size_t panel;
    Rectangle<T> a;
    T *v, *tape, *end;
  };
  static std::size_t scratch_size(LayerShape shape, StepRows rows) {
    T* const none = nullptr;
    return static_cast<std::size_t>(Scratch(Sizes(shape), rows, none).end - none);
  }

  static Rectangle<T> at(Rectangle<T> a, std::size_t row, std::size_t panel = 0) {
    return {a.p + row * a.row + panel * a.group, a.row, a.group};
  }
  static Rectangle<T> slot(Rectangle<T> a, std::size_t first) {
    return {a.p + first * kWidth, a.row, a.group};
  }
  static Rectangle<const T> read(Rectangle<T> a) { return {a.p, a.row, a.group}; }

  // --- threads

  // Parts of the batch for one call: each with eight sequences or more, and with enough to do between two
  // meetings to be worth one. A cell that calls back into the user's code stays in the user's thread.
  static std::size_t parts(const Cell& cell, const Sizes& n, StepRows rows, std::size_t first,
                           std::size_t last) {
    if constexpr (requires { cell.calls_back(); })
      if (cell.calls_back()) return 1;
    if (std::is_same_v<T, std::complex<double>>) return 1;
    constexpr std::size_t kWork = std::size_t{1} << 21;  // multiplications a part
    const std::size_t together = std::min(segment_rows(rows), rows.offset[last] - rows.offset[first]);
    const std::size_t most = std::min(rows.batch() / 8, together * n.row * (n.units + n.inputs) / kWork);
    return most <= 1 ? 1 : std::min(threads(), most);
  }

  // A part's sequences: as many rows as the others have, whatever the lengths.
  static Share::Range sequences(const Share& part, StepRows rows, std::size_t first, std::size_t last) {
    const std::size_t all = rows.offset[last] - rows.offset[first];
    const auto end = [&](std::size_t index) {
      if (index == part.count) return rows.batch();
      std::size_t b = rows.batch() * index / part.count;
      if (all == rows.batch() * (last - first)) return b;
      for (b = 0; b < rows.batch(); ++b) {
        std::size_t before = 0;
        for (std::size_t t = first; t < last; ++t) before += std::min(rows.count(t), b);
        if (before * part.count >= all * index) break;
      }
      return b;
    };
    return {end(part.index), end(part.index + 1)};
  }
  static std::size_t count_of(StepRows rows, std::size_t t, Share::Range sequences) {
    const std::size_t count = rows.count(t);
    return std::min(count, sequences.last) - std::min(count, sequences.first);
  }

  // --- forward

  // A = b, and x W on the slots that take the input.
  static void input_part(const Sizes& n, const T* packed, const PackedOffsets& o, LayerInput<T> input,
                         std::size_t first, std::size_t count, Rectangle<T> a) {
    constexpr std::size_t slots = kSlots.input.count, lanes = slots * kWidth;
    const T *const bias = packed + o.bias, *const w = packed + o.input;
    if (!input.tokens) {
      const Rectangle<T> to = slot(a, kSlots.input.first);
      multiply<Isa, T, slots>(count, n.panels, n.panels * slots,
                              {{1, n.inputs},
                               {input.x + first * input.stride, input.stride},
                               {w, lanes, 0, n.inputs * lanes},
                               {bias + kSlots.input.first * kWidth, 0, kSlotLanes},
                               to});
    }
    for (std::size_t p = 0; p < n.panels; ++p)
      for (std::size_t s = 0; s < kSlots.slots; ++s) {
        const bool takes_input = kSlots.input.contains(s);
        if (takes_input && !input.tokens) continue;
        const V b = load<V>(bias + (p * kSlots.slots + s) * kWidth);
        for (std::size_t r = 0; r < count; ++r) {
          V sum = b;
          if (takes_input)
            sum += load<V>(w + (p * n.inputs + static_cast<std::size_t>(input.tokens[first + r])) * lanes +
                           (s - kSlots.input.first) * kWidth);
          store(at(a, r, p).p + s * kWidth, sum);
        }
      }
  }

  template <std::size_t Stage>
  static void recurrent_part(const Sizes& n, const T* packed, const PackedOffsets& o, std::size_t panel,
                             std::size_t panels, std::size_t count, const T* v, Rectangle<T> a) {
    constexpr SlotRange slots = kSlots.recurrent[Stage];
    constexpr std::size_t lanes = slots.count * kWidth;
    const Rectangle<T> to = slot(at(a, 0, panel), slots.first);
    const T* const u = packed + o.recurrent[Stage] + panel * n.units * lanes;
    multiply<Isa, T, slots.count>(
        count, panels, n.panels * slots.count,
        {{1, n.units}, {v, n.stride}, {u, lanes, 0, n.units * lanes}, read(to), to});
  }

  template <std::size_t N>
  RETROGRADE_INLINE static void load_all(const T* p, V (&out)[N]) {
    for (std::size_t i = 0; i < N; ++i) out[i] = load<V>(p + i * kWidth);
  }
  template <std::size_t N>
  RETROGRADE_INLINE static void store_all(T* p, const V (&values)[N]) {
    for (std::size_t i = 0; i < N; ++i) store(p + i * kWidth, values[i]);
  }
  // The same for lanes beyond the last unit, which stay zero.
  template <std::size_t N>
  RETROGRADE_INLINE static void clear_padding(std::size_t units, V (&values)[N]) {
    if (units < kWidth)
      for (auto& value : values) value = first_lanes(value, units);
  }

  // out = m ∘ v, row by row.
  static void masked(std::size_t count, std::size_t stride, const T* mask, const T* v, T* out) {
    for (std::size_t i = 0; i < count * stride; ++i) out[i] = mask[i] * v[i];
  }

  // Rows of one step: `previous` and `next` are their first rows in the buffers of states.
  struct Step {
    std::size_t count, previous, next;
    Rectangle<T> a;
    T* tape;        // null: not kept
    const T* mask;  // null: none
    T* v[2];        // by stage: room for what is multiplied by U, where that is not the previous state
    bool upwards;
  };

  static void forward(const void* cell_pointer, const ForwardCall<T>& call) {
    const Cell& cell = *static_cast<const Cell*>(cell_pointer);
    const Sizes n(call.shape);
    in_parts(parts(cell, n, call.rows, call.first, call.last),
             [&](const Share& part) { forward_part(part, cell, n, call); });
  }

  static void forward_part(const Share& part, const Cell& cell, const Sizes& n, const ForwardCall<T>& call) {
    const NoDenormals<T> flushed;
    const PackedOffsets o = Base::offsets(call.shape);
    const Scratch scratch(n, call.rows, call.scratch);
    const LayerTape<T>& tape = call.tape;
    const Share::Range own = sequences(part, call.rows, call.first, call.last);
    for (std::size_t begin = call.first, end; begin < call.last; begin = end) {
      end = segment_end(call.rows, begin, call.last);
      const std::size_t row0 = call.rows.offset[begin];
      const Rectangle<T> a = tape.preactivations
                                 ? Rectangle<T>{tape.preactivations + row0 * n.row, n.row, kSlotLanes}
                                 : scratch.a;
      const Share::Range rows = part.range(call.rows.offset[end] - row0);
      input_part(n, call.packed, o, call.input, row0 + rows.first, rows.last - rows.first, at(a, rows.first));
      part.wait();
      for (std::size_t t = begin; t < end; ++t) {
        const std::size_t row = call.rows.offset[t] + own.first;
        Step step{.count = count_of(call.rows, t, own),
                  .previous = call.rows.previous(t) + own.first,
                  .next = call.rows.batch() + row,
                  .a = at(a, row - row0),
                  .tape = nullptr,
                  .mask = tape.mask ? tape.mask + own.first * n.stride : nullptr,
                  .v = {},
                  .upwards = t % 2 == 0};
        if (tape.tape) step.tape = tape.tape + row * n.tape_row;
        if (!tape.tape && kSlots.stages == 2) step.tape = scratch.tape + own.first * n.tape_row;
        for (std::size_t s = 0; s < kSlots.stages; ++s)
          step.v[s] = tape.product_input[s] ? tape.product_input[s] + row * n.stride
                                            : scratch.v + (s * call.rows.batch() + own.first) * n.stride;
        if (step.count > 0) forward_step(cell, n, o, call.packed, tape, step);
      }
      part.wait();
    }
  }

  static void forward_step(const Cell& cell, const Sizes& n, const PackedOffsets& o, const T* packed,
                           const LayerTape<T>& tape, const Step& step) {
    const T* v = tape.states[0] + step.previous * n.stride;
    if (step.mask) {
      masked(step.count, n.stride, step.mask, v, step.v[0]);
      v = step.v[0];
    }
    if constexpr (kSlots.stages == 2) {
      each_panels<0>(n, step, [&](std::size_t panel, std::size_t panels) {
        recurrent_part<0>(n, packed, o, panel, panels, step.count, v, step.a);
        for (std::size_t p = panel; p < panel + panels; ++p)
          for (std::size_t b = 0; b < step.count; ++b) inner_map(cell, n, p, tape, step, b);
      });
      if (step.mask) masked(step.count, n.stride, step.mask, step.v[1], step.v[1]);
      v = step.v[1];
    }
    each_panels<kSlots.stages - 1>(n, step, [&](std::size_t panel, std::size_t panels) {
      recurrent_part<kSlots.stages - 1>(n, packed, o, panel, panels, step.count, v, step.a);
      for (std::size_t p = panel; p < panel + panels; ++p)
        for (std::size_t b = 0; b < step.count; ++b) map(cell, n, p, tape, step, b);
    });
  }

  // f(first panel, panels) for as many panels at a time as a tile takes. They go upwards on even steps and
  // downwards on odd ones: the cache still holds what was touched last.
  template <std::size_t Stage, class F>
  static void each_panels(const Sizes& n, const Step& step, F f) {
    const auto together = static_cast<std::size_t>(
        detail::tile_groups<Isa, static_cast<int>(kSlots.recurrent[Stage].count)>(step.count));
    for (std::size_t p = 0; p < n.panels; p += together) {
      const std::size_t panels = std::min(together, n.panels - p);
      f(step.upwards ? p : n.panels - p - panels, panels);
    }
  }

  RETROGRADE_INLINE static void load_states(const Sizes& n, const LayerTape<T>& tape, std::size_t row,
                                            std::size_t p, V (&state)[kSlots.states]) {
    for (std::size_t s = 0; s < kSlots.states; ++s)
      state[s] = load<V>(tape.states[s] + row * n.stride + p * kWidth);
  }

  RETROGRADE_INLINE static void inner_map(const Cell& cell, const Sizes& n, std::size_t p,
                                          const LayerTape<T>& tape, const Step& step, std::size_t b) {
    V pre[kSlots.slots], state[kSlots.states], kept[kSlots.tape], v[1];
    load_all(at(step.a, b, p).p, pre);
    load_states(n, tape, step.previous + b, p, state);
    T* const kept_at = step.tape + b * n.tape_row + p * kSlots.tape * kWidth;
    load_all(kept_at, kept);
    cell.inner_forward(pre, state, v[0], kept);
    store_all(kept_at, kept);
    clear_padding(n.units_of(p), v);
    store(step.v[1] + b * n.stride + p * kWidth, v[0]);
  }

  RETROGRADE_INLINE static void map(const Cell& cell, const Sizes& n, std::size_t p, const LayerTape<T>& tape,
                                    const Step& step, std::size_t b) {
    V pre[kSlots.slots], state[kSlots.states], next[kSlots.states], kept[kSlots.tape];
    load_all(at(step.a, b, p).p, pre);
    load_states(n, tape, step.previous + b, p, state);
    T* const kept_at = step.tape ? step.tape + b * n.tape_row + p * kSlots.tape * kWidth : nullptr;
    if constexpr (kSlots.stages == 2) load_all(kept_at, kept);
    cell.forward(pre, state, next, kept);
    if (kept_at) store_all(kept_at, kept);
    clear_padding(n.units_of(p), next);
    for (std::size_t s = 0; s < kSlots.states; ++s)
      store(tape.states[s] + (step.next + b) * n.stride + p * kWidth, next[s]);
  }

  // --- backward

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
  static Rectangle<const T> zero() {
    static constexpr T zeros[4 * kWidth] = {};
    return {zeros, 0, 0};
  }

  // Rows of a step or of a level: delta turns from the gradient by the states after the step into that before
  // it, da receives the gradient by the pre-activations. `row`, `previous` and `sequence` give, for row i,
  // its row of the tape, the row of its previous state, and its sequence. `dy` is added to delta; null: zero.
  template <class Row, class Previous, class Sequence>
  struct Back {
    const Cell& cell;
    const Sizes& n;
    const PackedOffsets& o;
    const T* packed;
    const LayerTape<T>& tape;
    std::size_t batch, count;
    Row row;
    Previous previous;
    Sequence sequence;
    const T* dy;
    T* const (&delta)[2];
    Rectangle<T> da;
    T* dv;

    void run() const {
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t p = 0; p < n.panels; ++p) map(p, i);
      if constexpr (kSlots.stages == 2) {
        through_product(1, zero(), dv);
        for (std::size_t i = 0; i < count; ++i)
          for (std::size_t p = 0; p < n.panels; ++p) inner_map(p, i);
      }
      if (tape.mask) {
        through_product(0, zero(), dv);
        for (std::size_t i = 0; i < count * n.stride; ++i) delta[0][i] += dv[i];
      } else {
        through_product(0, {delta[0], n.stride, 4 * kWidth}, delta[0]);
      }
    }

   private:
    RETROGRADE_INLINE const T* kept(std::size_t p, std::size_t i) const {
      return tape.tape + row(i) * n.tape_row + p * kSlots.tape * kWidth;
    }
    RETROGRADE_INLINE void map(std::size_t p, std::size_t i) const {
      const std::size_t at_unit = i * n.stride + p * kWidth;
      V kept_values[kSlots.tape], state[kSlots.states], next[kSlots.states], d_next[kSlots.states];
      V d_pre[kSlots.slots], d_state[kSlots.states];
      load_all(kept(p, i), kept_values);
      load_states(n, tape, previous(i), p, state);
      load_states(n, tape, batch + row(i), p, next);
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
      load_states(n, tape, previous(i), p, state);
      for (std::size_t s = 0; s < kSlots.states; ++s) d_state[s] = load<V>(delta[s] + at_unit);
      cell.inner_backward(kept_values, state, load<V>(dv + at_unit), d_pre, d_state);
      leave(p, i, d_pre, d_state);
    }
    RETROGRADE_INLINE void leave(std::size_t p, std::size_t i, V (&d_pre)[kSlots.slots],
                                 V (&d_state)[kSlots.states]) const {
      clear_padding(n.units_of(p), d_pre);
      clear_padding(n.units_of(p), d_state);
      store_all(at(da, i, p).p, d_pre);
      for (std::size_t s = 0; s < kSlots.states; ++s) store(delta[s] + i * n.stride + p * kWidth, d_state[s]);
    }
    // to = from + dA Uᵀ of a stage, times the mask if there is one.
    void through_product(std::size_t stage, Rectangle<const T> from, T* to) const {
      transposed_product(n, kSlots.recurrent[stage], n.units, count, da,
                         packed + o.recurrent_transposed[stage], from, to, n.stride);
      if (tape.mask)
        for (std::size_t i = 0; i < count; ++i)
          masked(1, n.stride, tape.mask + sequence(i) * n.stride, to + i * n.stride, to + i * n.stride);
    }
  };

  static void backward(const void* cell_pointer, const BackwardCall<T>& call) {
    const Cell& cell = *static_cast<const Cell*>(cell_pointer);
    const Sizes n(call.shape);
    in_parts(parts(cell, n, call.rows, call.first, call.last),
             [&](const Share& part) { backward_part(part, cell, n, call); });
  }

  static void backward_part(const Share& part, const Cell& cell, const Sizes& n,
                            const BackwardCall<T>& call) {
    const NoDenormals<T> flushed;
    const PackedOffsets o = Base::offsets(call.shape);
    const Scratch scratch(n, call.rows, call.scratch);
    const Share::Range own = sequences(part, call.rows, call.first, call.last);
    T* const carry[2] = {call.carry[0] + own.first * n.stride,
                         call.carry[1] ? call.carry[1] + own.first * n.stride : nullptr};
    for (std::size_t end = call.last, begin; end > call.first; end = begin) {
      begin = segment_begin(call.rows, call.first, end);
      const std::size_t row0 = call.rows.offset[begin];
      for (std::size_t t = end; t-- > begin;) {
        const std::size_t count = count_of(call.rows, t, own), first = call.rows.offset[t] + own.first,
                          before = call.rows.previous(t) + own.first;
        if (count == 0) continue;
        const auto row = [&](std::size_t i) { return first + i; };
        const auto previous = [&](std::size_t i) { return before + i; };
        const auto sequence = [&](std::size_t i) { return own.first + i; };
        Back<decltype(row), decltype(previous), decltype(sequence)>{cell,
                                                                    n,
                                                                    o,
                                                                    call.packed,
                                                                    call.tape,
                                                                    call.rows.batch(),
                                                                    count,
                                                                    row,
                                                                    previous,
                                                                    sequence,
                                                                    call.dy + first * n.stride,
                                                                    carry,
                                                                    at(scratch.a, first - row0),
                                                                    scratch.v + own.first * n.stride}
            .run();
        if (call.cut)
          for (std::size_t i = 0; i < count; ++i)
            if (call.cut[first + i])
              for (std::size_t s = 0; s < kSlots.states; ++s)
                std::fill_n(carry[s] + i * n.stride, n.stride, T{});
      }
      part.wait();
      segment_weights(part, n, o,
                      {call.rows, begin, end, call.shape, call.packed, call.input, call.tape, scratch.a.p,
                       scratch.panel, call.dx, call.gradient, scratch.v});
      part.wait();
    }
  }

  static std::size_t level_scratch_size(LayerShape shape, std::size_t count) {
    const Sizes n(shape);
    return (count + 1) * n.row + count * n.stride;
  }

  static void level(const void* cell_pointer, const LevelCall<T>& call) {
    const NoDenormals<T> flushed;
    const Cell& cell = *static_cast<const Cell*>(cell_pointer);
    const Sizes n(call.shape);
    const PackedOffsets o = Base::offsets(call.shape);
    const Rectangle<T> da{call.scratch, kSlotLanes, (call.count + 1) * kSlotLanes};
    const auto row = [&](std::size_t i) { return call.row[i]; };
    const auto previous = [&](std::size_t i) { return call.previous[i]; };
    const auto sequence = [&](std::size_t i) { return call.sequence[i]; };
    Back<decltype(row), decltype(previous), decltype(sequence)>{
        cell,       n,
        o,          call.packed,
        call.tape,  call.batch,
        call.count, row,
        previous,   sequence,
        nullptr,    call.delta,
        da,         call.scratch + (call.count + 1) * n.row}
        .run();
    if (call.dx)
      transposed_product(n, kSlots.input, n.inputs, call.count, da, call.packed + o.input_transposed,
                         {call.dx, call.dx_stride, 4 * kWidth}, call.dx, call.dx_stride);
    for (std::size_t p = 0; p < n.panels; ++p)
      for (std::size_t i = 0; i < call.count; ++i) {
        T* const sum = call.da_sum + (p * call.rows + call.row[i]) * kSlotLanes;
        V added[kSlots.slots], there[kSlots.slots];
        load_all(at(da, i, p).p, added);
        load_all(sum, there);
        for (std::size_t s = 0; s < kSlots.slots; ++s) there[s] += added[s];
        store_all(sum, there);
      }
  }

  static void weights(const WeightsCall<T>& call) {
    const NoDenormals<T> flushed;
    WeightsCall<T> segment = call;
    for (; segment.first < call.last; segment.first = segment.last) {
      segment.last = segment_end(call.rows, segment.first, call.last);
      segment.da = call.da + (call.rows.offset[segment.first] - call.rows.offset[call.first]) * kSlotLanes;
      segment_weights(Share{}, Sizes(call.shape), Base::offsets(call.shape), segment);
    }
  }

  // Every part has its own rows of dx, and its own panels of the gradients.
  static void segment_weights(const Share& part, const Sizes& n, const PackedOffsets& o,
                              const WeightsCall<T>& call) {
    const std::size_t row0 = call.rows.offset[call.first], count = call.rows.offset[call.last] - row0;
    const Rectangle<T> da{const_cast<T*>(call.da), kSlotLanes, call.da_panel};
    if (call.dx) {
      const Share::Range rows = part.range(count);
      transposed_product(n, kSlots.input, n.inputs, rows.last - rows.first, at(da, rows.first),
                         call.packed + o.input_transposed, zero(),
                         call.dx + (row0 + rows.first) * call.input.stride, call.input.stride);
    }
    if (!call.gradient) return;
    const Share::Range panels = part.range(n.panels);
    const Rectangle<T> own = at(da, 0, panels.first);
    static constexpr T one{1};
    const Rectangle<T> bias{call.gradient + o.bias + panels.first * kSlotLanes, 0, kSlotLanes};
    multiply<Isa, T, kSlots.slots>(
        1, panels.last - panels.first, n.panels * kSlots.slots,
        {{1, count}, {&one, 0, 0}, {own.p, own.row, 0, own.group}, read(bias), bias});
    if (call.input.tokens)
      token_weights(n, panels, call.input.tokens + row0, count, da, call.gradient + o.input);
    else
      weight_gradient<kSlots.input.first, kSlots.input.count>(
          n, panels, n.inputs, call.input.x + row0 * call.input.stride, call.input.stride, count, own,
          call.gradient + o.input);
    recurrent_weights<0>(part, n, o, call, own, row0, count);
    if constexpr (kSlots.stages == 2) recurrent_weights<1>(part, n, o, call, own, row0, count);
  }

  template <std::size_t Stage>
  static void recurrent_weights(const Share& part, const Sizes& n, const PackedOffsets& o,
                                const WeightsCall<T>& call, Rectangle<T> own, std::size_t row0,
                                std::size_t count) {
    const T* v = call.tape.product_input[Stage];
    if (v)
      v += row0 * n.stride;
    else
      v = previous_states(part, n, call, row0);
    weight_gradient<kSlots.recurrent[Stage].first, kSlots.recurrent[Stage].count>(
        n, part.range(n.panels), n.units, v, n.stride, count, own, call.gradient + o.recurrent[Stage]);
  }

  // The states before the rows of a segment. Where all sequences run through it they stand as the rows do;
  // else they are brought together.
  static const T* previous_states(const Share& part, const Sizes& n, const WeightsCall<T>& call,
                                  std::size_t row0) {
    const T* const h = call.tape.states[0];
    const std::size_t last = call.last - 1;
    if (call.rows.previous(last) - call.rows.previous(call.first) == call.rows.offset[last] - row0)
      return h + call.rows.previous(call.first) * n.stride;
    const Share::Range steps = part.range(call.last - call.first);
    for (std::size_t t = call.first + steps.first; t < call.first + steps.last; ++t)
      std::copy_n(h + call.rows.previous(t) * n.stride, call.rows.count(t) * n.stride,
                  call.scratch + (call.rows.offset[t] - row0) * n.stride);
    part.wait();
    return call.scratch;
  }

  // gradient += vᵀ dA on the slots of a product, for some panels; `own` begins at the first of them.
  template <std::size_t First, std::size_t Count>
  static void weight_gradient(const Sizes& n, Share::Range panels, std::size_t inner, const T* v,
                              std::size_t v_row, std::size_t count, Rectangle<T> own, T* gradient) {
    constexpr std::size_t lanes = Count * kWidth;
    const Rectangle<T> to{gradient + panels.first * inner * lanes, lanes, inner * lanes};
    multiply<Isa, T, Count>(
        inner, panels.last - panels.first, n.panels * Count,
        {{1, count}, {v, 1, v_row}, {slot(own, First).p, own.row, 0, own.group}, read(to), to});
  }

  static void token_weights(const Sizes& n, Share::Range panels, const std::int32_t* tokens,
                            std::size_t count, Rectangle<T> da, T* gradient) {
    constexpr std::size_t lanes = kSlots.input.count * kWidth;
    for (std::size_t p = panels.first; p < panels.last; ++p)
      for (std::size_t r = 0; r < count; ++r) {
        T* const out = gradient + (p * n.inputs + static_cast<std::size_t>(tokens[r])) * lanes;
        const T* const from = slot(at(da, r, p), kSlots.input.first).p;
        for (std::size_t i = 0; i < lanes; i += kWidth) store(out + i, load<V>(out + i) + load<V>(from + i));
      }
  }

  // On complex numbers there is only the forward.
  static constexpr CellKernels<T> kernels() {
    CellKernels<T> k{.lanes = kWidth,
                     .offsets = Base::offsets,
                     .scratch_size = scratch_size,
                     .pack = Base::pack,
                     .forward = forward};
    if constexpr (!std::is_same_v<T, std::complex<double>>) {
      k.level_scratch_size = level_scratch_size;
      k.unpack = Base::unpack;
      k.backward = backward;
      k.level = level;
      k.weights = weights;
    }
    return k;
  }
};

}  // namespace retrograde
