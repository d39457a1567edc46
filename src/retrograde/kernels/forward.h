// Forward through a segment of one layer and direction:
//   all rows   A = x W + b
//   per step   A += v U, then the cell's map;  v = h, or m ∘ h, or what a first stage made
#pragma once

#include "retrograde/kernels/nest.h"

namespace retrograde {

template <class Cell, class Isa, class T>
struct Forward : Nest<Cell, Isa, T> {
  using Base = Nest<Cell, Isa, T>;
  using Base::at, Base::slot, Base::read, Base::load_all, Base::store_all, Base::load_states;
  using Base::kSlotLanes, Base::kSlots, Base::kWidth;
  using typename Base::Scratch, typename Base::Sizes, typename Base::V;

  // What a thread works at: its sequences of a segment.
  struct Task {
    const Cell& cell;
    const Sizes& n;
    const PackedOffsets& o;
    const LayerCall<T>& call;
    Rectangle<T> a;  // of the segment
  };
  // Rows of one step: `previous` and `next` are their first rows in the buffers of states.
  struct Step {
    std::size_t count, previous, next;
    Rectangle<T> a;
    T* tape;        // null: not kept
    const T* mask;  // null: none
    T* v[2];        // by stage: room for what is multiplied by U, where that is not the previous state
    bool upwards;
  };

  static void forward(const void* cell_pointer, const LayerCall<T>& call, Segment segment) {
    const Cell& cell = *static_cast<const Cell*>(cell_pointer);
    const Sizes n(call.shape);
    const PackedOffsets o = Base::offsets(call.shape);
    const Scratch scratch(n, segment.rows(), call.rows.batch(), call.scratch);
    T* const kept = call.tape.preactivations;
    const Task task{cell, n, o, call,
                    kept ? Rectangle<T>{kept + segment.begin * n.row, n.row, kSlotLanes} : scratch.a};
    const std::size_t batch = call.rows.count(segment.first), work = segment.rows() * n.row;
    in_parts(Base::parts(cell, batch, work * (n.units + n.inputs)), [&](const Share& part) {
      const NoDenormals<T> flushed;
      const Share::Range rows = part.range(segment.rows()), own = part.range(batch);
      input_part(task, segment.begin + rows.first, rows.last - rows.first, at(task.a, rows.first));
      part.wait();
      for (std::size_t t = segment.first; t < segment.last; ++t) {
        const Step step = step_of(task, scratch, segment, t, own);
        if (step.count > 0) run(task, step);
      }
    });
  }

 private:
  static Step step_of(const Task& task, const Scratch& scratch, Segment segment, std::size_t t,
                      Share::Range own) {
    const auto& [cell, n, o, call, a] = task;
    const std::size_t row = call.rows.offset[t] + own.first;
    Step step{.count = Base::count_of(call.rows, t, own),
              .previous = call.rows.previous(t) + own.first,
              .next = call.rows.batch() + row,
              .a = at(a, row - segment.begin),
              .tape = nullptr,
              .mask = call.tape.mask ? call.tape.mask + own.first * n.stride : nullptr,
              .v = {},
              .upwards = t % 2 == 0};
    if (call.tape.tape) step.tape = call.tape.tape + row * n.tape_row;
    if (!call.tape.tape && kSlots.stages == 2) step.tape = scratch.tape + own.first * n.tape_row;
    for (std::size_t s = 0; s < kSlots.stages; ++s)
      step.v[s] = call.tape.product_input[s] ? call.tape.product_input[s] + row * n.stride
                                             : scratch.v + (s * call.rows.batch() + own.first) * n.stride;
    return step;
  }

  // A = b, and x W on the slots that take the input.
  static void input_part(const Task& task, std::size_t first, std::size_t count, Rectangle<T> a) {
    const Sizes& n = task.n;
    const LayerInput<T>& input = task.call.input;
    constexpr std::size_t slots = kSlots.input.count, lanes = slots * kWidth;
    const T *const bias = task.call.packed + task.o.bias, *const w = task.call.packed + task.o.input;
    if (!input.tokens)
      multiply<Isa, T, slots>(count, n.panels, n.panels * slots,
                              {{1, n.inputs},
                               {input.x + first * input.stride, input.stride},
                               {w, lanes, 0, n.inputs * lanes},
                               {bias + kSlots.input.first * kWidth, 0, kSlotLanes},
                               slot(a, kSlots.input.first)});
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

  static void run(const Task& task, const Step& step) {
    const std::size_t stride = task.n.stride;
    const T* v = task.call.tape.states[0] + step.previous * stride;
    const auto masked = [&](const T* from, T* to) {
      for (std::size_t i = 0; i < step.count * stride; ++i) to[i] = step.mask[i] * from[i];
    };
    if (step.mask) masked(v, step.v[0]), v = step.v[0];
    if constexpr (kSlots.stages == 2) {
      each_row<0>(task, step, v, [&](std::size_t p, std::size_t i) { inner_map(task, step, p, i); });
      v = step.v[1];
      if (step.mask) masked(v, step.v[1]);
    }
    each_row<kSlots.stages - 1>(task, step, v, [&](std::size_t p, std::size_t i) { map(task, step, p, i); });
  }

  // A += v U on a stage's slots, and then f(panel, row), for as many panels at a time as a tile takes. They
  // go upwards on even steps and downwards on odd ones: the cache still holds what was touched last.
  template <std::size_t Stage, class F>
  static void each_row(const Task& task, const Step& step, const T* v, F f) {
    constexpr SlotRange slots = kSlots.recurrent[Stage];
    constexpr std::size_t lanes = slots.count * kWidth;
    const Sizes& n = task.n;
    const auto together =
        static_cast<std::size_t>(detail::tile_groups<Isa, static_cast<int>(slots.count)>(step.count));
    for (std::size_t begin = 0; begin < n.panels; begin += together) {
      const std::size_t panels = std::min(together, n.panels - begin),
                        first = step.upwards ? begin : n.panels - begin - panels;
      const Rectangle<T> to = slot(at(step.a, 0, first), slots.first);
      const T* const u = task.call.packed + task.o.recurrent[Stage] + first * n.units * lanes;
      multiply<Isa, T, slots.count>(
          step.count, panels, n.panels * slots.count,
          {{1, n.units}, {v, n.stride}, {u, lanes, 0, n.units * lanes}, read(to), to});
      for (std::size_t p = first; p < first + panels; ++p)
        for (std::size_t i = 0; i < step.count; ++i) f(p, i);
    }
  }

  RETROGRADE_INLINE static T* kept_at(const Task& task, const Step& step, std::size_t p, std::size_t i) {
    return step.tape ? step.tape + i * task.n.tape_row + p * kSlots.tape * kWidth : nullptr;
  }

  RETROGRADE_INLINE static void inner_map(const Task& task, const Step& step, std::size_t p, std::size_t i) {
    V pre[kSlots.slots], state[kSlots.states], kept[kSlots.tape], v[1];
    load_all(at(step.a, i, p).p, pre);
    load_states(task.n, task.call.tape, step.previous + i, p, state);
    T* const to = kept_at(task, step, p, i);
    load_all(to, kept);
    task.cell.inner_forward(pre, state, v[0], kept);
    store_all(to, kept);
    Base::clear_padding(task.n.units_of(p), v);
    store(step.v[1] + i * task.n.stride + p * kWidth, v[0]);
  }

  RETROGRADE_INLINE static void map(const Task& task, const Step& step, std::size_t p, std::size_t i) {
    V pre[kSlots.slots], state[kSlots.states], next[kSlots.states], kept[kSlots.tape];
    load_all(at(step.a, i, p).p, pre);
    load_states(task.n, task.call.tape, step.previous + i, p, state);
    T* const to = kept_at(task, step, p, i);
    if constexpr (kSlots.stages == 2) load_all(to, kept);
    task.cell.forward(pre, state, next, kept);
    if (to) store_all(to, kept);
    Base::clear_padding(task.n.units_of(p), next);
    for (std::size_t s = 0; s < kSlots.states; ++s)
      store(task.call.tape.states[s] + (step.next + i) * task.n.stride + p * kWidth, next[s]);
  }
};

}  // namespace retrograde
