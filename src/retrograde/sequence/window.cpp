#include "retrograde/sequence/window.h"

#include <algorithm>

#include "retrograde/sequence/layers.h"

namespace retrograde {
namespace {

// Small enough for a tile to stay in cache through all its levels.
constexpr std::size_t kTileRows = 96;

template <class T>
class WindowSweep {
 public:
  WindowSweep(Tape<T>& tape, const T* d_output, std::size_t reach)
      : tape_(tape),
        config_(tape.config_),
        rows_(tape.rows_),
        d_output_(d_output),
        reach_(static_cast<std::ptrdiff_t>(std::min(reach, rows_.view().steps - 1))) {
    auto& work = tape_.work_;
    work.da_sum.resize(tape_.layers_.size());
    for (auto& start : work.start) start.resize(tape_.layers_.size());
    work.above.resize(config_.layers());
    each_block([&](std::size_t k, std::size_t d, std::size_t i) {
      const auto& layer = tape_.layer(k, d);
      zeros(work.da_sum[i], rows_.size() * layer.stride * config_.cell.slots().slots);
      for (std::size_t s = 0; s < config_.states(); ++s)
        zeros(work.start[s][i], rows_.batch() * layer.stride);
    });
  }

  void run() {
    for (std::size_t begin = 0; begin < rows_.size(); begin += kTileRows) {
      begin_ = begin;
      count_ = std::min(kTileRows, rows_.size() - begin);
      for (std::size_t k = config_.layers(); k-- > 0;) {
        if (k > 0)
          zeros(tape_.work_.above[k - 1], displacements() * kTileRows * tape_.layer(k, 0).input.stride);
        for (std::size_t d = 0; d < config_.directions(); ++d) direction(k, d);
        if (k > 0) dropout(k - 1);
      }
    }
  }

  // From the sums to the gradients of weights, by the start states and by the input.
  void finish(Gradients<T>& gradients) {
    const CellKernels<T>& kernels = config_.cell.template kernels<T>();
    auto& work = tape_.work_;
    const bool want_dx = gradients.want_dx || config_.embedding;
    const std::size_t in_stride = tape_.layer(0, 0).input.stride;
    T* const dx = want_dx ? reserve(work.dx, rows_.size() * in_stride) : nullptr;
    each_block([&](std::size_t k, std::size_t d, std::size_t i) {
      auto& layer = tape_.layer(k, d);
      T* const own = k > 0 || !dx ? nullptr
                     : d == 1     ? reserve(work.dx_reversed, rows_.size() * in_stride)
                                  : dx;
      const StepRows rows = rows_.view();
      const std::size_t slot_lanes = kernels.lanes * config_.cell.slots().slots;
      BackwardCall<T> call{.layer = tape_.call(k, d, scratch(layer, tape_.segment_room())),
                           .segment = {.first = rows.steps},
                           .dx_stride = in_stride,
                           .gradient = work.gradient[i].data(),
                           .da_row = slot_lanes,
                           .da_panel = rows.size() * slot_lanes};
      while (call.segment.first > 0) {
        call.segment = segment_until(rows, call.segment.first, 0, tape_.segment_rows());
        call.da = work.da_sum[i].data() + call.segment.begin * slot_lanes;
        call.dx = own ? own + call.segment.begin * in_stride : nullptr;
        kernels.backward(config_.cell.get(), call);
      }
      for (std::size_t s = 0; s < config_.states(); ++s) std::swap(work.start[s][i], work.carry[s][i]);
      if (own && d == 1) detail::add_reversed(rows_, in_stride, own, dx);
    });
    if (dx)
      detail::add_input(tape_, Segment::of(rows_.view(), 0, rows_.view().steps), dx, in_stride, gradients);
  }

 private:
  template <class F>
  void each_block(F f) {
    for (std::size_t k = 0; k < config_.layers(); ++k)
      for (std::size_t d = 0; d < config_.directions(); ++d) f(k, d, k * config_.directions() + d);
  }

  T* scratch(const typename Tape<T>::Layer& layer, std::size_t rows) {
    return reserve(tape_.work_.scratch, config_.cell.template kernels<T>().scratch_size(
                                            layer.shape, rows, std::max(rows, rows_.batch())));
  }

  // In two directions a displacement is −reach .. reach, else −reach .. 0.
  std::size_t displacements() const { return static_cast<std::size_t>(reach_) * config_.directions() + 1; }
  T* above(std::size_t k, std::ptrdiff_t displacement) {
    const std::size_t stride = tape_.layer(k + 1, 0).input.stride;
    return tape_.work_.above[k].data() + static_cast<std::size_t>(displacement + reach_) * kTileRows * stride;
  }

  // Where every row of the tile stands at a displacement in the direction's own time. A row that is beyond
  // its sequence keeps its own place, with nothing to carry.
  void place(std::size_t d, std::ptrdiff_t displacement) {
    auto& level = tape_.work_.level;
    for (auto* column : {&level.row, &level.previous, &level.sequence}) column->resize(kTileRows);
    level.inside.resize(kTileRows);
    for (std::size_t i = 0; i < count_; ++i) {
      const std::size_t own = d == 1 ? rows_.reversed(begin_ + i) : begin_ + i, b = rows_.sequence(own);
      const std::ptrdiff_t step = static_cast<std::ptrdiff_t>(rows_.step(own)) + displacement;
      level.inside[i] = step >= 0 && step < static_cast<std::ptrdiff_t>(rows_.length(b));
      level.row[i] = level.inside[i] ? rows_.row(b, static_cast<std::size_t>(step)) : own;
      level.previous[i] = rows_.previous()[level.row[i]];
      level.sequence[i] = b;
    }
  }

  // What the direction of layer k receives from above at a displacement in its own time, added to δ.
  void receive(std::size_t k, std::size_t d, std::ptrdiff_t displacement, T* delta) {
    const auto& layer = tape_.layer(k, d);
    const bool top = k + 1 == config_.layers();
    if (top && displacement != 0) return;
    const std::size_t stride = detail::output_gradient_stride(tape_, k);
    const T* const from = top ? d_output_ + begin_ * stride : above(k, d == 1 ? -displacement : displacement);
    for (std::size_t i = 0; i < count_; ++i)
      if (tape_.work_.level.inside[i])
        for (std::size_t u = 0; u < layer.shape.units; ++u)
          delta[i * layer.stride + u] += from[i * stride + d * layer.shape.units + u];
  }

  // The final states' cotangent is the error of an output at each sequence's own last step.
  void receive_final(std::size_t k, std::size_t d, T* const (&delta)[2]) {
    const auto& layer = tape_.layer(k, d);
    for (std::size_t s = 0; s < config_.states(); ++s) {
      const T* const final = tape_.work_.carry[s][k * config_.directions() + d].data();
      for (std::size_t i = 0; i < count_; ++i) {
        const std::size_t row = tape_.work_.level.row[i], b = rows_.sequence(row);
        if (row != rows_.last(b)) continue;
        for (std::size_t u = 0; u < layer.stride; ++u)
          delta[s][i * layer.stride + u] += final[b * layer.stride + u];
      }
    }
  }

  // All levels of one direction of one layer.
  void direction(std::size_t k, std::size_t d) {
    const CellKernels<T>& kernels = config_.cell.template kernels<T>();
    const std::size_t block = k * config_.directions() + d;
    const auto& layer = tape_.layer(k, d);
    auto& work = tape_.work_;
    T* delta[2] = {};
    for (std::size_t s = 0; s < config_.states(); ++s)
      delta[s] = zeros(work.delta[s], kTileRows * layer.stride);
    const bool both_ways = config_.bidirectional && k + 1 < config_.layers();
    for (std::ptrdiff_t displacement = both_ways ? reach_ : 0; displacement >= -reach_; --displacement) {
      place(d, displacement);
      receive(k, d, displacement, delta[0]);
      if (displacement == 0) receive_final(k, d, delta);
      kernels.level(config_.cell.get(),
                    {.layer = tape_.call(k, d, scratch(layer, kTileRows)),
                     .count = count_,
                     .row = work.level.row.data(),
                     .previous = work.level.previous.data(),
                     .sequence = work.level.sequence.data(),
                     .delta = {delta[0], delta[1]},
                     .dx = k > 0 ? above(k - 1, d == 1 ? -displacement : displacement) : nullptr,
                     .da_sum = work.da_sum[block].data()});
      leave(layer, block, delta);
    }
  }

  // δ that passed a sequence's first step leaves through the start state; none is carried from beyond its
  // end.
  void leave(const typename Tape<T>::Layer& layer, std::size_t block, T* const (&delta)[2]) {
    const auto& level = tape_.work_.level;
    for (std::size_t i = 0; i < count_; ++i) {
      const bool first = level.inside[i] && rows_.step(level.row[i]) == 0;
      if (!first && level.inside[i]) continue;
      for (std::size_t s = 0; s < config_.states(); ++s) {
        T* const row = delta[s] + i * layer.stride;
        T* const start = tape_.work_.start[s][block].data() + level.sequence[i] * layer.stride;
        for (std::size_t u = 0; first && u < layer.stride; ++u) start[u] += row[u];
        std::fill_n(row, layer.stride, T{});
      }
    }
  }

  // What layer k receives goes through its output's dropout mask, that of the step where each row stands.
  void dropout(std::size_t k) {
    if (!tape_.drops_) return;
    const auto& mask = tape_.dropout_[k];
    const std::size_t stride = tape_.layer(k + 1, 0).input.stride;
    for (std::ptrdiff_t displacement = -reach_; displacement <= (config_.bidirectional ? reach_ : 0);
         ++displacement) {
      place(0, displacement);
      for (std::size_t i = 0; i < count_; ++i)
        for (std::size_t u = 0; u < stride; ++u)
          above(k, displacement)[i * stride + u] *= mask[tape_.work_.level.row[i] * stride + u];
    }
  }

  Tape<T>& tape_;
  const Config& config_;
  const Rows& rows_;
  const T* d_output_;  // the gradient by the last layer's rows
  std::ptrdiff_t reach_;
  std::size_t begin_ = 0, count_ = 0;  // the tile's rows
};

}  // namespace

template <class T>
void window_backward(Tape<T>& tape, const T* d_output, std::size_t reach, Gradients<T>& gradients) {
  WindowSweep<T> sweep(tape, d_output, reach);
  sweep.run();
  sweep.finish(gradients);
}

template void window_backward(Tape<float>&, const float*, std::size_t, Gradients<float>&);
template void window_backward(Tape<double>&, const double*, std::size_t, Gradients<double>&);

}  // namespace retrograde
