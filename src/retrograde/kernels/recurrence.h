// The one loop nest of all cells: products and the cell's pointwise map, forward and backward, for one layer
// and direction. A is the block of pre-activations [rows][panel][slot][lane], dA its gradient.
//   forward,  per step:   A = x W + b + v U, then the map;  v = h, or m ∘ h, or what a first stage made
//   backward, per step:   the map's transpose, then dh += dA Uᵀ
//   once a segment:       A = x W + b;   dx += dA Wᵀ,  dW += xᵀ dA,  dU += vᵀ dA,  db += Σ dA
#pragma once

#include <algorithm>
#include <utility>

#include "retrograde/kernels/calls.h"
#include "retrograde/kernels/product.h"

namespace retrograde {

template <class Cell, class Isa, class T>
struct Recurrence {
  using V = Vector<Isa, T>;
  static constexpr std::size_t kWidth = static_cast<std::size_t>(kLanes<V>);
  static constexpr Slots kSlots = Cell::kSlots;
  static constexpr std::size_t kSlotLanes = kSlots.slots * kWidth;
  static constexpr std::size_t kSegmentRows = 256;
  static constexpr std::size_t kColumns = 4;  // vectors of a column panel in the transposed packs

  // Sizes, in elements.
  struct Sizes {
    explicit Sizes(LayerShape shape)
        : inputs(shape.inputs),
          units(shape.units),
          panels((shape.units + kWidth - 1) / kWidth),
          stride(panels * kWidth),
          row(panels * kSlotLanes),
          tape_row(panels * kSlots.tape * kWidth),
          tail(shape.units - (panels - 1) * kWidth) {}
    std::size_t inputs, units, panels, stride, row, tape_row;
    std::size_t tail;  // units of the last panel
    std::size_t units_of(std::size_t panel) const { return panel + 1 == panels ? tail : kWidth; }
  };

  static std::size_t segment_rows(StepRows rows) { return std::max(kSegmentRows, rows.batch()); }
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

  // --- packing
  // -------------------------------------------------------------------------------------------------------

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
    o.input_transposed = take(n.panels * kSlots.input.count * kWidth * round_up(n.inputs, kWidth));
    for (std::size_t s = 0; s < kSlots.stages; ++s)
      o.recurrent_transposed[s] = take(n.panels * kSlots.recurrent[s].count * kWidth * n.stride);
    o.size = at;
    return o;
  }

  // Calls f(k, packed column, row of the weight) for every weight of the slots of a product.
  template <class F>
  static void each_weight(const Sizes& n, SlotRange slots, std::size_t inner, F f) {
    for (std::size_t k = 0; k < inner; ++k)
      for (std::size_t p = 0; p < n.panels; ++p)
        for (std::size_t s = 0; s < slots.count; ++s)
          for (std::size_t lane = 0; lane < n.units_of(p); ++lane)
            f(k, (p * slots.count + s) * kWidth + lane,
              kSlots.gate[slots.first + s] * n.units + p * kWidth + lane);
  }
  template <class F>
  static void each_bias(const Sizes& n, F f) {
    for (std::size_t p = 0; p < n.panels; ++p)
      for (std::size_t s = 0; s < kSlots.slots; ++s)
        for (std::size_t lane = 0; lane < n.units_of(p); ++lane)
          f(s, (p * kSlots.slots + s) * kWidth + lane, kSlots.gate[s] * n.units + p * kWidth + lane);
  }

  static void pack_product(const Sizes& n, SlotRange slots, std::size_t inner, const T* weight, T* packed,
                           T* transposed) {
    const std::size_t columns = n.panels * slots.count * kWidth, padded = round_up(inner, kWidth);
    std::fill_n(packed, inner * columns, T{});
    std::fill_n(transposed, columns * padded, T{});
    each_weight(n, slots, inner, [&](std::size_t k, std::size_t column, std::size_t row) {
      const T value = weight[row * inner + k];
      packed[k * columns + column] = value;
      // Column panels of kColumns vectors, the last one narrower.
      const std::size_t wide = kColumns * kWidth, first = k / wide * wide,
                        width = std::min(wide, padded - first);
      transposed[first * columns + column * width + (k - first)] = value;
    });
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
    const auto unpack_product = [&](SlotRange slots, std::size_t inner, const T* packed, T* weight) {
      const std::size_t columns = n.panels * slots.count * kWidth;
      each_weight(n, slots, inner, [&](std::size_t k, std::size_t column, std::size_t row) {
        weight[row * inner + k] += packed[k * columns + column];
      });
    };
    unpack_product(kSlots.input, n.inputs, gradient + o.input, w.weight_ih);
    for (std::size_t s = 0; s < kSlots.stages; ++s)
      unpack_product(kSlots.recurrent[s], n.units, gradient + o.recurrent[s], w.weight_hh);
    each_bias(n, [&](std::size_t slot, std::size_t column, std::size_t row) {
      const T value = gradient[o.bias + column];
      if (w.bias_ih && kSlots.input.contains(slot)) w.bias_ih[row] += value;
      if (w.bias_hh && kSlots.stage_of(slot) < kSlots.stages) w.bias_hh[row] += value;
    });
  }

  // --- forward
  // -------------------------------------------------------------------------------------------------------

  static std::size_t scratch_size(LayerShape shape, StepRows rows) {
    const Sizes n(shape);
    return segment_rows(rows) * (n.row + n.tape_row) + 3 * rows.batch() * n.stride;
  }

  // A = b, then A += x W on the slots that take the input.
  static void input_part(const Sizes& n, const T* packed, const PackedOffsets& o, LayerInput<T> input,
                         std::size_t first_row, std::size_t count, T* a) {
    constexpr std::size_t lanes = kSlots.input.count * kWidth;
    const std::size_t columns = n.panels * lanes;
    for (std::size_t r = 0; r < count; ++r) std::copy_n(packed + o.bias, n.row, a + r * n.row);
    if (input.tokens) {
      for (std::size_t r = 0; r < count; ++r) {
        const T* w = packed + o.input + static_cast<std::size_t>(input.tokens[first_row + r]) * columns;
        for (std::size_t p = 0; p < n.panels; ++p) {
          T* out = a + r * n.row + p * kSlotLanes + kSlots.input.first * kWidth;
          for (std::size_t i = 0; i < lanes; ++i) out[i] += w[p * lanes + i];
        }
      }
      return;
    }
    for (std::size_t p = 0; p < n.panels; ++p)
      multiply<Isa, T>(
          count, kSlots.input.count, 1, n.inputs, {input.x + first_row * input.stride, input.stride},
          {packed + o.input + p * lanes, columns}, a + p * kSlotLanes + kSlots.input.first * kWidth, n.row);
  }

  static void recurrent_part(const Sizes& n, const T* packed, const PackedOffsets& o, std::size_t stage,
                             std::size_t panel, std::size_t count, const T* v, T* a) {
    const SlotRange slots = kSlots.recurrent[stage];
    multiply<Isa, T>(
        count, slots.count, 1, n.units, {v, n.stride},
        {packed + o.recurrent[stage] + panel * slots.count * kWidth, n.panels * slots.count * kWidth},
        a + panel * kSlotLanes + slots.first * kWidth, n.row);
  }

  template <std::size_t N>
  RETROGRADE_INLINE static void load_all(const T* p, V (&out)[N], std::size_t step = kWidth) {
    for (std::size_t i = 0; i < N; ++i) out[i] = load<V>(p + i * step);
  }

  // out = m ∘ v, row by row.
  static void masked(std::size_t count, std::size_t stride, const T* mask, const T* v, T* out) {
    for (std::size_t i = 0; i < count * stride; ++i) out[i] = mask[i] * v[i];
  }

  static void forward(const void* cell_pointer, const ForwardCall<T>& call) {
    const Cell& cell = *static_cast<const Cell*>(cell_pointer);
    const Sizes n(call.shape);
    const PackedOffsets o = offsets(call.shape);
    const LayerTape<T>& tape = call.tape;
    T* const scratch_a = call.scratch;
    T* const scratch_tape = scratch_a + segment_rows(call.rows) * n.row;
    T* const scratch_v = scratch_tape + segment_rows(call.rows) * n.tape_row;

    for (std::size_t begin = call.first, end; begin < call.last; begin = end) {
      end = segment_end(call.rows, begin, call.last);
      const std::size_t row0 = call.rows.offset[begin];
      T* const a = tape.preactivations ? tape.preactivations + row0 * n.row : scratch_a;
      input_part(n, call.packed, o, call.input, row0, call.rows.offset[end] - row0, a);
      for (std::size_t t = begin; t < end; ++t) {
        const std::size_t row = call.rows.offset[t], count = call.rows.count(t),
                          previous = call.rows.previous(t);
        T* const at = a + (row - row0) * n.row;
        T* const tape_t = tape.tape ? tape.tape + row * n.tape_row : scratch_tape + (row - row0) * n.tape_row;
        const auto product_input = [&](std::size_t stage) {
          return tape.product_input[stage] ? tape.product_input[stage] + row * n.stride
                                           : scratch_v + stage * call.rows.batch() * n.stride;
        };
        const T* v = tape.states[0] + previous * n.stride;
        if (tape.mask) {
          T* const out = product_input(0);
          masked(count, n.stride, tape.mask, v, out);
          v = out;
        }
        if constexpr (kSlots.stages == 2) {
          T* const out = product_input(1);
          for (std::size_t p = 0; p < n.panels; ++p) {
            recurrent_part(n, call.packed, o, 0, p, count, v, at);
            for (std::size_t b = 0; b < count; ++b) inner_map(cell, n, p, at, tape_t, tape, previous, b, out);
          }
          if (tape.mask) masked(count, n.stride, tape.mask, out, out);
          v = out;
        }
        // Panels go upwards on even steps and downwards on odd ones: the cache still holds what was touched
        // last.
        for (std::size_t i = 0; i < n.panels; ++i) {
          const std::size_t p = t % 2 ? n.panels - 1 - i : i;
          recurrent_part(n, call.packed, o, kSlots.stages - 1, p, count, v, at);
          for (std::size_t b = 0; b < count; ++b)
            map(cell, n, p, at, tape_t, tape, previous, call.rows.batch() + row, b);
        }
      }
    }
  }

  RETROGRADE_INLINE static void inner_map(const Cell& cell, const Sizes& n, std::size_t p, const T* a,
                                          T* tape_t, const LayerTape<T>& tape, std::size_t previous,
                                          std::size_t b, T* out) {
    V pre[kSlots.slots], state[kSlots.states], kept[kSlots.tape], v;
    load_all(a + b * n.row + p * kSlotLanes, pre);
    for (std::size_t s = 0; s < kSlots.states; ++s)
      state[s] = load<V>(tape.states[s] + (previous + b) * n.stride + p * kWidth);
    T* const kept_at = tape_t + b * n.tape_row + p * kSlots.tape * kWidth;
    load_all(kept_at, kept);
    cell.inner_forward(pre, state, v, kept);
    for (std::size_t i = 0; i < kSlots.tape; ++i) store(kept_at + i * kWidth, kept[i]);
    store(out + b * n.stride + p * kWidth, first_lanes(v, n.units_of(p)));
  }

  RETROGRADE_INLINE static void map(const Cell& cell, const Sizes& n, std::size_t p, const T* a, T* tape_t,
                                    const LayerTape<T>& tape, std::size_t previous, std::size_t next_row,
                                    std::size_t b) {
    V pre[kSlots.slots], state[kSlots.states], next[kSlots.states], kept[kSlots.tape];
    load_all(a + b * n.row + p * kSlotLanes, pre);
    for (std::size_t s = 0; s < kSlots.states; ++s)
      state[s] = load<V>(tape.states[s] + (previous + b) * n.stride + p * kWidth);
    T* const kept_at = tape_t + b * n.tape_row + p * kSlots.tape * kWidth;
    if constexpr (kSlots.stages == 2) load_all(kept_at, kept);
    cell.forward(pre, state, next, kept);
    for (std::size_t i = 0; i < kSlots.tape; ++i) store(kept_at + i * kWidth, kept[i]);
    const std::size_t units = n.units_of(p);
    for (std::size_t s = 0; s < kSlots.states; ++s)
      store(tape.states[s] + (next_row + b) * n.stride + p * kWidth,
            units == kWidth ? next[s] : first_lanes(next[s], units));
  }

  // --- backward
  // ------------------------------------------------------------------------------------------------------

  // out += dA Wᵀ on the slots of a product; `columns` = I or H.
  static void transposed_product(const Sizes& n, SlotRange slots, std::size_t columns, std::size_t count,
                                 const T* da, const T* packed, T* out, std::size_t out_row) {
    const std::size_t padded = round_up(columns, kWidth), wide = kColumns * kWidth;
    const std::size_t rows_of_k = n.panels * slots.count * kWidth;
    for (std::size_t first = 0; first < padded; first += wide) {
      const std::size_t width = std::min(wide, padded - first);
      multiply<Isa, T>(count, width / kWidth, n.panels, slots.count * kWidth,
                       {da + slots.first * kWidth, n.row, 1, kSlotLanes},
                       {packed + first * rows_of_k, width, slots.count * kWidth * width}, out + first,
                       out_row);
    }
  }

  // Rows of a step or of a level: delta turns from the gradient by the states after the step into that before
  // it, da receives the gradient by the pre-activations. The three functions give, for row i, its row of the
  // tape, the row of its previous state, and its sequence.
  template <class Row, class Previous, class Sequence>
  static void step_backward(const Cell& cell, const Sizes& n, const PackedOffsets& o, const T* packed,
                            const LayerTape<T>& tape, std::size_t batch, std::size_t count, Row row,
                            Previous previous, Sequence sequence, T* const (&delta)[2], T* da, T* dv) {
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t p = 0; p < n.panels; ++p) {
        V kept[kSlots.tape], state[kSlots.states], next[kSlots.states], d_next[kSlots.states];
        V d_pre[kSlots.slots], d_state[kSlots.states];
        load_all(tape.tape + row(i) * n.tape_row + p * kSlots.tape * kWidth, kept);
        for (std::size_t s = 0; s < kSlots.states; ++s) {
          state[s] = load<V>(tape.states[s] + previous(i) * n.stride + p * kWidth);
          next[s] = load<V>(tape.states[s] + (batch + row(i)) * n.stride + p * kWidth);
          d_next[s] = load<V>(delta[s] + i * n.stride + p * kWidth);
        }
        for (auto& d : d_pre) d = V(T(0));
        cell.backward(kept, state, next, d_next, d_pre, d_state);
        store_masked(n, p, d_pre, d_state, da + i * n.row + p * kSlotLanes, delta, i);
      }
    }
    if constexpr (kSlots.stages == 2) {
      through_product(n, o, packed, tape, 1, count, sequence, da, dv, true);
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t p = 0; p < n.panels; ++p) {
          V kept[kSlots.tape], state[kSlots.states], d_pre[kSlots.slots], d_state[kSlots.states];
          load_all(tape.tape + row(i) * n.tape_row + p * kSlots.tape * kWidth, kept);
          load_all(da + i * n.row + p * kSlotLanes, d_pre);
          for (std::size_t s = 0; s < kSlots.states; ++s) {
            state[s] = load<V>(tape.states[s] + previous(i) * n.stride + p * kWidth);
            d_state[s] = load<V>(delta[s] + i * n.stride + p * kWidth);
          }
          cell.inner_backward(kept, state, load<V>(dv + i * n.stride + p * kWidth), d_pre, d_state);
          store_masked(n, p, d_pre, d_state, da + i * n.row + p * kSlotLanes, delta, i);
        }
      }
    }
    if (tape.mask) {
      through_product(n, o, packed, tape, 0, count, sequence, da, dv, true);
      for (std::size_t i = 0; i < count * n.stride; ++i) delta[0][i] += dv[i];
    } else {
      through_product(n, o, packed, tape, 0, count, sequence, da, delta[0], false);
    }
  }

  RETROGRADE_INLINE static void store_masked(const Sizes& n, std::size_t p, V (&d_pre)[kSlots.slots],
                                             V (&d_state)[kSlots.states], T* da, T* const (&delta)[2],
                                             std::size_t i) {
    const std::size_t units = n.units_of(p);
    if (units < kWidth) {
      for (auto& d : d_pre) d = first_lanes(d, units);
      for (auto& d : d_state) d = first_lanes(d, units);
    }
    for (std::size_t s = 0; s < kSlots.slots; ++s) store(da + s * kWidth, d_pre[s]);
    for (std::size_t s = 0; s < kSlots.states; ++s) store(delta[s] + i * n.stride + p * kWidth, d_state[s]);
  }

  // dv (+)= dA Uᵀ of a stage, times the mask if there is one.
  template <class Sequence>
  static void through_product(const Sizes& n, const PackedOffsets& o, const T* packed,
                              const LayerTape<T>& tape, std::size_t stage, std::size_t count,
                              Sequence sequence, const T* da, T* dv, bool overwrite) {
    if (overwrite) std::fill_n(dv, count * n.stride, T{});
    transposed_product(n, kSlots.recurrent[stage], n.units, count, da, packed + o.recurrent_transposed[stage],
                       dv, n.stride);
    if (tape.mask)
      for (std::size_t i = 0; i < count; ++i)
        masked(1, n.stride, tape.mask + sequence(i) * n.stride, dv + i * n.stride, dv + i * n.stride);
  }

  static void backward(const void* cell_pointer, const BackwardCall<T>& call) {
    const Cell& cell = *static_cast<const Cell*>(cell_pointer);
    const Sizes n(call.shape);
    const PackedOffsets o = offsets(call.shape);
    T* const da = call.scratch;
    T* const dv = da + segment_rows(call.rows) * (n.row + n.tape_row);

    for (std::size_t end = call.last, begin; end > call.first; end = begin) {
      begin = segment_begin(call.rows, call.first, end);
      const std::size_t row0 = call.rows.offset[begin];
      for (std::size_t t = end; t-- > begin;) {
        const std::size_t first = call.rows.offset[t], count = call.rows.count(t),
                          previous = call.rows.previous(t);
        const T* const dy = call.dy + first * n.stride;
        for (std::size_t i = 0; i < count * n.stride; ++i) call.carry[0][i] += dy[i];
        step_backward(
            cell, n, o, call.packed, call.tape, call.rows.batch(), count,
            [&](std::size_t i) { return first + i; }, [&](std::size_t i) { return previous + i; },
            [](std::size_t i) { return i; }, call.carry, da + (first - row0) * n.row, dv);
        if (call.cut)
          for (std::size_t i = 0; i < count; ++i)
            if (call.cut[first + i])
              for (std::size_t s = 0; s < kSlots.states; ++s)
                std::fill_n(call.carry[s] + i * n.stride, n.stride, T{});
      }
      weights({call.rows, begin, end, call.shape, call.packed, call.input, call.tape, da, call.dx,
               call.gradient});
    }
  }

  static std::size_t level_scratch_size(LayerShape shape, std::size_t count) {
    const Sizes n(shape);
    return count * (n.row + n.stride);
  }

  static void level(const void* cell_pointer, const LevelCall<T>& call) {
    const Cell& cell = *static_cast<const Cell*>(cell_pointer);
    const Sizes n(call.shape);
    const PackedOffsets o = offsets(call.shape);
    T* const da = call.scratch;
    step_backward(
        cell, n, o, call.packed, call.tape, call.batch, call.count,
        [&](std::size_t i) { return call.row[i]; }, [&](std::size_t i) { return call.previous[i]; },
        [&](std::size_t i) { return call.sequence[i]; }, call.delta, da, da + call.count * n.row);
    if (call.dx)
      transposed_product(n, kSlots.input, n.inputs, call.count, da, call.packed + o.input_transposed, call.dx,
                         call.dx_stride);
    for (std::size_t i = 0; i < call.count; ++i) {
      T* const sum = call.da_sum + call.row[i] * n.row;
      for (std::size_t j = 0; j < n.row; ++j) sum[j] += da[i * n.row + j];
    }
  }

  static void weights(const WeightsCall<T>& call) {
    const Sizes n(call.shape);
    const PackedOffsets o = offsets(call.shape);
    const std::size_t row0 = call.rows.offset[call.first], count = call.rows.offset[call.last] - row0;
    if (call.dx)
      transposed_product(n, kSlots.input, n.inputs, count, call.da, call.packed + o.input_transposed,
                         call.dx + row0 * call.input.stride, call.input.stride);
    if (!call.gradient) return;
    for (std::size_t r = 0; r < count; ++r)
      for (std::size_t j = 0; j < n.row; ++j) call.gradient[o.bias + j] += call.da[r * n.row + j];
    if (call.input.tokens)
      token_weights(n, call.input.tokens + row0, count, call.da, call.gradient + o.input);
    else
      weight_gradient(n, kSlots.input, n.inputs, call.input.x + row0 * call.input.stride, call.input.stride,
                      count, call.da, call.gradient + o.input);
    for (std::size_t s = 0; s < kSlots.stages; ++s) {
      T* const gradient = call.gradient + o.recurrent[s];
      if (const T* v = call.tape.product_input[s]) {
        weight_gradient(n, kSlots.recurrent[s], n.units, v + row0 * n.stride, n.stride, count, call.da,
                        gradient);
        continue;
      }
      // Runs of steps over which the previous states stand as the rows do.
      for (std::size_t begin = call.first, end; begin < call.last; begin = end) {
        const std::size_t from = call.rows.offset[begin], previous = call.rows.previous(begin);
        end = begin + 1;
        while (end < call.last && call.rows.previous(end) - previous == call.rows.offset[end] - from) ++end;
        weight_gradient(n, kSlots.recurrent[s], n.units, call.tape.states[0] + previous * n.stride, n.stride,
                        call.rows.offset[end] - from, call.da + (from - row0) * n.row, gradient);
      }
    }
  }

  // gradient += vᵀ dA on the slots of a product.
  static void weight_gradient(const Sizes& n, SlotRange slots, std::size_t inner, const T* v,
                              std::size_t v_row, std::size_t count, const T* da, T* gradient) {
    const std::size_t columns = n.panels * slots.count * kWidth;
    for (std::size_t p = 0; p < n.panels; ++p)
      multiply<Isa, T>(inner, slots.count, 1, count, {v, 1, v_row},
                       {da + p * kSlotLanes + slots.first * kWidth, n.row},
                       gradient + p * slots.count * kWidth, columns);
  }

  static void token_weights(const Sizes& n, const std::int32_t* tokens, std::size_t count, const T* da,
                            T* gradient) {
    constexpr std::size_t lanes = kSlots.input.count * kWidth;
    for (std::size_t r = 0; r < count; ++r)
      for (std::size_t p = 0; p < n.panels; ++p) {
        T* const out = gradient + (static_cast<std::size_t>(tokens[r]) * n.panels + p) * lanes;
        const T* const from = da + r * n.row + p * kSlotLanes + kSlots.input.first * kWidth;
        for (std::size_t i = 0; i < lanes; ++i) out[i] += from[i];
      }
  }

  // On complex numbers there is only the forward.
  static constexpr CellKernels<T> kernels() {
    CellKernels<T> k{
        .lanes = kWidth, .offsets = offsets, .scratch_size = scratch_size, .pack = pack, .forward = forward};
    if constexpr (!std::is_same_v<T, std::complex<double>>) {
      k.level_scratch_size = level_scratch_size;
      k.unpack = unpack;
      k.backward = backward;
      k.level = level;
      k.weights = weights;
    }
    return k;
  }
};

}  // namespace retrograde
