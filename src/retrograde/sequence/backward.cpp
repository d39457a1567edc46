#include "retrograde/sequence/backward.h"

#include <algorithm>

#include "retrograde/base/error.h"
#include "retrograde/sequence/layers.h"
#include "retrograde/sequence/passes.h"
#include "retrograde/sequence/window.h"

namespace retrograde {

template <class T>
void Gradients<T>::clear() {
  parameters.fill(T{});
  std::fill(dx.begin(), dx.end(), T{});
  for (auto* states : {&start.h, &start.c})
    for (auto& block : *states) std::fill(block.begin(), block.end(), T{});
}

namespace {

// dz = J(activation)ᵀ dy on output rows [first, last), in place.
template <class T>
void through_activation(const Tape<T>& tape, std::size_t first, std::size_t last, T* d) {
  using V = Vector<IsaGeneric, T>;
  constexpr auto lanes = static_cast<std::size_t>(kLanes<V>);
  const Config& config = tape.config_;
  const std::size_t width = config.output_width(), stride = tape.output_stride_;
  if (!tape.activates()) return;
  for (std::size_t r = first; r < last; ++r, d += stride) {
    if (config.activation.is_softmax()) {
      const T* const y = tape.y() + r * stride;
      T dot{};
      for (std::size_t o = 0; o < width; ++o) dot += d[o] * y[o];
      for (std::size_t o = 0; o < width; ++o) d[o] = y[o] * (d[o] - dot);
    } else {
      for (std::size_t i = 0; i < width; i += lanes) {
        const V slope = config.activation.elementwise().derivative(load<V>(tape.z_ + r * stride + i));
        store(d + i, first_lanes(load<V>(d + i) * slope, std::min(lanes, width - i)));
      }
    }
  }
}

template <class T>
void check_fits(const Network<T>& network, const Tape<T>& tape, const Gradients<T>& gradients) {
  if (!tape.has_tape_) throw UsageError("the forward kept no tape; run it with keep_tape");
  if (network.config().hidden != tape.config_.hidden || network.config().inputs != tape.config_.inputs)
    throw UsageError("the tape is another network's");
  if (gradients.want_dx && tape.config_.tokens)
    throw UsageError("tokens have no gradient; want_dx goes with dense input");
}

// One backward over the whole tape.
template <class T, class Top>
void sweep(Tape<T>& tape, const State<T>* final_state, const Bptt& bptt, Gradients<T>& gradients, Top top) {
  detail::Sweep<T> sweep(tape, bptt, gradients);
  sweep.begin(final_state);
  sweep.run(top);
  sweep.end();
}

}  // namespace

namespace detail {

template <class T>
void check_loss_fits(const Loss& loss, const Target<T>& target, const Config& config, std::size_t batch,
                     std::size_t steps) {
  const auto kind = config.activation.elementwise().kind();
  const bool softmax = config.activation.is_softmax();
  if (loss.kind() == Loss::Kind::softmax_cross_entropy && !softmax && kind != Nonlinearity::Kind::identity)
    throw UsageError(
        "softmax_cross_entropy is taken from the head's pre-activations; the output activation may be "
        "softmax "
        "or identity, not {}",
        config.activation.name());
  if (loss.kind() == Loss::Kind::binary_cross_entropy &&
      (softmax || (kind != Nonlinearity::Kind::identity && kind != Nonlinearity::Kind::sigmoid)))
    throw UsageError(
        "binary_cross_entropy is taken from the head's pre-activations; the output activation may be sigmoid "
        "or identity, not {}",
        config.activation.name());
  const bool every = config.at == At::every;
  const std::size_t entries = batch * (every ? steps : 1);
  const auto fits = [&](const char* what, std::size_t got, std::size_t width) {
    if (got != 0 && got != entries * width)
      throw UsageError("the target has {} {}; {} sequences{} want {}", got, what, batch,
                       every ? fmt::format(" of {} steps", steps) : "", entries * width);
  };
  fits("values", target.values.size(), config.output_width());
  fits("classes", target.classes.size(), 1);
  fits("weights", target.weights.size(), 1);
}

template <class T>
void loss_gradient(Tape<T>& tape, const Loss& loss, const Target<T>& target, double denominator,
                   std::size_t first, std::size_t last, double& value) {
  const bool on_z = loss.on_preactivations();
  T* const dz = reserve(tape.work_.dz, (last - first) * tape.output_stride_);
  loss.add(tape.loss_rows(on_z, first, last), target, denominator, value, dz);
  if (!on_z) through_activation(tape, first, last, dz);
}

template <class T>
Sweep<T>::Sweep(Tape<T>& tape, const Bptt& bptt, Gradients<T>& gradients)
    : tape_(tape), config_(tape.config_), bptt_(bptt), gradients_(gradients) {}

template <class T>
void Sweep<T>::begin(const State<T>* final_state) {
  auto& work = tape_.work_;
  const CellKernels<T>& kernels = config_.cell.template kernels<T>();
  work.d_output.resize(config_.layers());
  for (auto* buffers : {&work.gradient, &work.carry[0], &work.carry[1]})
    buffers->resize(tape_.layers_.size());
  for (std::size_t k = 0; k < config_.layers(); ++k)
    for (std::size_t d = 0; d < config_.directions(); ++d) {
      const std::size_t block = k * config_.directions() + d;
      const auto& layer = tape_.layer(k, d);
      zeros(work.gradient[block], kernels.gradient_size(layer.shape));
      for (std::size_t s = 0; s < config_.states(); ++s)
        final_cotangent(tape_, final_state, k, d, s,
                        zeros(work.carry[s][block], tape_.given_start_.size() * layer.stride));
    }
  if (config_.outputs)
    zeros(work.head_gradient, head_kernels<T>().gradient_size({config_.features(), config_.outputs}));
}

// Rows after which nothing goes back: a step t (t > 0) that begins a chunk, in the direction's own time.
template <class T>
void Sweep<T>::mark_cuts() {
  if (bptt_.kind != Bptt::Kind::chunk) return;
  const Rows& rows = tape_.rows_;
  for (std::size_t d = 0; d < config_.directions(); ++d) {
    auto& cut = tape_.work_.cut[d];
    cut.resize(rows.size());
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::size_t t = rows.step(d == 1 ? rows.reversed(r) : r);
      cut[r] = d == 1 ? (t + 1) % bptt_.length == 0 && t + 1 < rows.length(rows.sequence(r))
                      : t % bptt_.length == 0 && t > 0;
    }
  }
}

// From the head's rows to the last layer's, by the stretch, and the head's own gradient.
template <class T>
const T* Sweep<T>::head(Segment stretch, std::size_t first, std::size_t last) {
  auto& work = tape_.work_;
  const std::size_t width = config_.output_width(), count = last - first;
  const std::size_t stride = output_gradient_stride(tape_, config_.layers() - 1);
  const bool at_last = config_.at == At::last;
  if (!config_.outputs && !at_last && tape_.output_stride_ == stride) return work.dz.data();
  Buffer<T>& d_output = work.d_output[config_.layers() - 1];
  T* const top =
      at_last ? zeros(d_output, stretch.rows() * stride) : reserve(d_output, stretch.rows() * stride);
  T* const d = at_last ? reserve(work.last, count * stride) : top;
  if (config_.outputs) {
    const std::size_t offset[] = {0, count};
    const StepRows one_step{offset, 1};
    const LayerInput<T> x{tape_.head_x_ + first * tape_.head_x_stride_, tape_.head_x_stride_};
    head_kernels<T>().backward(
        nullptr, {.layer = {one_step, {config_.features(), width}, tape_.head_packed_.data(), x},
                  .segment = Segment::of(one_step, 0, 1),
                  .dx = d,
                  .dx_stride = stride,
                  .gradient = work.head_gradient.data(),
                  .da = work.dz.data(),
                  .da_row = tape_.output_stride_,
                  .da_panel = head_kernels<T>().lanes});
  } else {
    for (std::size_t r = 0; r < count; ++r)
      std::copy_n(work.dz.data() + r * tape_.output_stride_, width, d + r * stride);
  }
  for (std::size_t r = 0; at_last && r < count; ++r) {
    const std::size_t b = tape_.rows_.batch() - 1 - (first + r);
    std::copy_n(d + r * stride, stride, top + (tape_.rows_.last(b) - stretch.begin) * stride);
  }
  return top;
}

template <class T>
void Sweep<T>::layer(std::size_t k, std::size_t d, Segment stretch, const T* dy, T* dx) {
  const CellKernels<T>& kernels = config_.cell.template kernels<T>();
  const StepRows rows = tape_.rows_.view();
  const std::size_t block = k * config_.directions() + d;
  auto& work = tape_.work_;
  auto& layer = tape_.layer(k, d);
  BackwardCall<T> call{
      .layer = tape_.call(
          k, d, reserve(work.scratch, kernels.scratch_size(layer.shape, tape_.segment_room(), rows.batch()))),
      .segment = {.first = stretch.last},
      .cut = bptt_.kind == Bptt::Kind::chunk ? work.cut[d].data() : nullptr,
      .dx_stride = layer.input.stride,
      .gradient = work.gradient[block].data()};
  for (std::size_t s = 0; s < config_.states(); ++s) call.carry[s] = work.carry[s][block].data();
  while (call.segment.first > stretch.first) {
    call.segment = segment_until(rows, call.segment.first, stretch.first, tape_.segment_rows());
    const std::size_t row = call.segment.begin - stretch.begin;
    call.dy = dy + row * layer.stride;
    call.dx = dx ? dx + row * call.dx_stride : nullptr;
    kernels.backward(config_.cell.get(), call);
  }
}

template <class T>
void Sweep<T>::stretch(Segment stretch, std::size_t first, std::size_t last) {
  auto& work = tape_.work_;
  const T* dy = head(stretch, first, last);
  if (bptt_.kind == Bptt::Kind::window) return window_backward(tape_, dy, bptt_.length, gradients_);
  for (std::size_t k = config_.layers(); k-- > 0;) {
    const bool want_dx = k > 0 || gradients_.want_dx || config_.embedding;
    const std::size_t in_stride = tape_.layer(k, 0).input.stride, size = stretch.rows() * in_stride;
    T* const dx = want_dx ? reserve(k > 0 ? work.d_output[k - 1] : work.dx, size) : nullptr;
    for (std::size_t d = 0; d < config_.directions(); ++d) {
      T* const own = dx && d == 1 ? reserve(work.dx_reversed, size) : dx;
      layer(k, d, stretch, output_gradient(tape_, k, d, stretch, dy), own);
      if (own != dx) add_reversed(tape_.rows_, in_stride, own, dx);
    }
    if (k > 0) times_dropout(tape_, k - 1, stretch, dx);
    if (k == 0 && want_dx) add_input(tape_, stretch, dx, in_stride, gradients_);
    dy = dx;
  }
}

template <class T>
void Sweep<T>::end() {
  auto& work = tape_.work_;
  for (std::size_t k = 0; k < config_.layers(); ++k)
    for (std::size_t d = 0; d < config_.directions(); ++d) {
      const std::size_t block = k * config_.directions() + d;
      unpack(tape_, k, d, work.gradient[block].data(), gradients_);
      for (std::size_t s = 0; s < config_.states(); ++s)
        add_start(tape_, k, d, s, work.carry[s][block].data(), gradients_);
    }
  if (config_.outputs)
    head_kernels<T>().unpack({config_.features(), config_.outputs}, work.head_gradient.data(),
                             {.weight_ih = gradients_.parameters.find("head.weight"),
                              .bias_ih = gradients_.parameters.find("head.bias")});
}

template class Sweep<float>;
template class Sweep<double>;
#define RETROGRADE_INSTANTIATE(T)                                                                        \
  template void check_loss_fits(const Loss&, const Target<T>&, const Config&, std::size_t, std::size_t); \
  template void loss_gradient(Tape<T>&, const Loss&, const Target<T>&, double, std::size_t, std::size_t, \
                              double&);
RETROGRADE_INSTANTIATE(float)
RETROGRADE_INSTANTIATE(double)
#undef RETROGRADE_INSTANTIATE

}  // namespace detail

template <class T>
void backward(const Network<T>& network, Tape<T>& tape, const Cotangent<T>& cotangent, const Bptt& bptt,
              Gradients<T>& gradients) {
  const std::size_t width = tape.config_.output_width(), stride = tape.output_stride_;
  const std::size_t entries = tape.rows_.batch() * (tape.config_.at == At::every ? tape.rows_.steps() : 1);
  for (const auto given : {cotangent.outputs, cotangent.head_preactivations})
    if (!given.empty() && given.size() != entries * width)
      throw UsageError("a cotangent of the outputs has {} values; the outputs have {}", given.size(),
                       entries * width);
  check_fits(network, tape, gradients);
  sweep(tape, cotangent.final_state, bptt, gradients, [&](std::size_t first, std::size_t last) {
    T* const dz = reserve(tape.work_.dz, (last - first) * stride);
    const auto each_row = [&](std::span<const T> from, auto f) {
      for (std::size_t r = first; r < last; ++r) {
        if (r + 1 < last) expect_row(from.data() + tape.index_[r + 1] * width, width);
        f(from.data() + tape.index_[r] * width, dz + (r - first) * stride);
      }
    };
    std::fill_n(dz, (last - first) * stride, T{});
    if (!cotangent.outputs.empty())
      each_row(cotangent.outputs, [&](const T* from, T* to) { std::copy_n(from, width, to); });
    through_activation(tape, first, last, dz);
    if (!cotangent.head_preactivations.empty())
      each_row(cotangent.head_preactivations, [&](const T* from, T* to) {
        for (std::size_t o = 0; o < width; ++o) to[o] += from[o];
      });
  });
}

template <class T>
SumOf<T> loss_of(const Tape<T>& tape, const Loss& loss, const Target<typename RealOf<T>::type>& target) {
  detail::check_loss_fits(loss, target, tape.config_, tape.rows_.batch(), tape.rows_.steps());
  return loss.evaluate<T>(tape.loss_rows(loss.on_preactivations(), 0, tape.index_.size()), target, nullptr);
}

template <class T>
double loss_and_gradients(const Network<T>& network, Tape<T>& tape, const Loss& loss, const Target<T>& target,
                          const Bptt& bptt, Gradients<T>& gradients) {
  detail::check_loss_fits(loss, target, tape.config_, tape.rows_.batch(), tape.rows_.steps());
  check_fits(network, tape, gradients);
  double weight = 0, value = 0;
  loss.add_weight(tape.loss_rows(false, 0, tape.index_.size()), target, weight);
  const double denominator = loss.denominator(weight, tape.rows_.batch());
  sweep<T>(tape, nullptr, bptt, gradients, [&](std::size_t first, std::size_t last) {
    detail::loss_gradient(tape, loss, target, denominator, first, last, value);
  });
  return value;
}

#define RETROGRADE_INSTANTIATE(T)                                                                       \
  template struct Gradients<T>;                                                                         \
  template void backward(const Network<T>&, Tape<T>&, const Cotangent<T>&, const Bptt&, Gradients<T>&); \
  template double loss_and_gradients(const Network<T>&, Tape<T>&, const Loss&, const Target<T>&,        \
                                     const Bptt&, Gradients<T>&);
RETROGRADE_INSTANTIATE(float)
RETROGRADE_INSTANTIATE(double)
template double loss_of(const Tape<float>&, const Loss&, const Target<float>&);
template double loss_of(const Tape<double>&, const Loss&, const Target<double>&);
template std::complex<double> loss_of(const Tape<std::complex<double>>&, const Loss&, const Target<double>&);

}  // namespace retrograde
