#include "retrograde/sequence/backward.h"

#include <algorithm>

#include "retrograde/base/error.h"
#include "retrograde/sequence/layers.h"
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

// dz = J(activation)ᵀ dy by rows, in place.
template <class T>
void through_activation(const Tape<T>& tape, T* d) {
  using V = Vector<IsaGeneric, T>;
  const Config& config = tape.config_;
  const std::size_t count = tape.index_.size(), width = config.output_width(), stride = tape.output_stride_;
  if (!tape.activates()) return;
  if (config.activation.is_softmax()) {
    for (std::size_t r = 0; r < count; ++r) {
      const T* const y = tape.outputs_.data() + r * stride;
      T* const row = d + r * stride;
      T dot{};
      for (std::size_t o = 0; o < width; ++o) dot += row[o] * y[o];
      for (std::size_t o = 0; o < width; ++o) row[o] = y[o] * (row[o] - dot);
    }
  } else {
    for (std::size_t r = 0; r < count; ++r)
      for (std::size_t i = r * stride; i < r * stride + width; i += static_cast<std::size_t>(kLanes<V>)) {
        const std::size_t left = r * stride + width - i;
        const V product =
            load<V>(d + i) * config.activation.elementwise().derivative(load<V>(tape.head_.data() + i));
        store(d + i, left < static_cast<std::size_t>(kLanes<V>) ? first_lanes(product, left) : product);
      }
  }
}

// From the head's rows to the last layer's, and the head's own gradient.
template <class T>
void head_backward(Tape<T>& tape, Gradients<T>& gradients) {
  const Config& config = tape.config_;
  const AffineKernels<T>& affine = affine_kernels<T>();
  const std::size_t inputs = config.features(), width = config.output_width(), count = tape.index_.size();
  const std::size_t stride = detail::output_gradient_stride(tape, config.layers() - 1);
  const bool last = config.at == At::last;
  Buffer<T>& d_output = tape.work_.d_output[config.layers() - 1];
  if (!config.outputs && !last && tape.output_stride_ == stride) return std::swap(d_output, tape.work_.dz);
  const T* const dz = tape.work_.dz.data();
  T* const top =
      last ? zeros(d_output, tape.rows_.size() * stride) : reserve(d_output, tape.rows_.size() * stride);
  T* const d = last ? reserve(tape.work_.last, count * stride) : top;
  if (config.outputs) {
    affine.backward(inputs, width, tape.head_packed_.data(), count, dz, d, stride);
    affine.weights(inputs, width, count, tape.head_x_, tape.head_x_stride_, dz,
                   gradients.parameters["head.weight"].data(), gradients.parameters.find("head.bias"),
                   reserve(tape.work_.scratch, affine.packed_size(inputs, width)));
  } else {
    for (std::size_t r = 0; r < count; ++r) std::copy_n(dz + r * tape.output_stride_, width, d + r * stride);
  }
  if (last)
    for (std::size_t b = 0; b < count; ++b)
      std::copy_n(d + b * stride, stride, top + tape.rows_.last(b) * stride);
}

// Rows after which nothing goes back: a step t (t > 0) that begins a chunk, in the direction's own time.
template <class T>
const std::uint8_t* cuts(Tape<T>& tape, const Bptt& bptt, std::size_t d) {
  if (bptt.kind != Bptt::Kind::chunk) return nullptr;
  const Rows& rows = tape.rows_;
  tape.work_.cut.resize(rows.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::size_t t = rows.step(d == 1 ? rows.reversed(r) : r);
    tape.work_.cut[r] = d == 1 ? (t + 1) % bptt.length == 0 && t + 1 < rows.length(rows.sequence(r))
                               : t % bptt.length == 0 && t > 0;
  }
  return tape.work_.cut.data();
}

}  // namespace

namespace {

template <class T>
void layers_backward(Tape<T>& tape, const State<T>* final_state, const Bptt& bptt, Gradients<T>& gradients) {
  const Config& config = tape.config_;
  const Rows& rows = tape.rows_;
  const CellKernels<T>& kernels = config.cell.kernels<T>();
  auto& work = tape.work_;
  for (std::size_t k = config.layers(); k-- > 0;) {
    const bool bottom = k == 0;
    const bool want_dx = !bottom || gradients.want_dx || config.embedding;
    const std::size_t in_stride = tape.layer(k, 0).input.stride;
    Buffer<T>& below = bottom ? work.last : work.d_output[k - 1];
    T* const dx = want_dx ? reserve(below, rows.size() * in_stride) : nullptr;
    for (std::size_t d = 0; d < config.directions(); ++d) {
      auto& layer = tape.layer(k, d);
      const T* const dy = detail::output_gradient(tape, k, d, work.dy);
      T* carry[2] = {};
      for (std::size_t s = 0; s < config.states(); ++s) {
        carry[s] = reserve(work.carry[s], rows.batch() * layer.stride);
        detail::final_cotangent(tape, final_state, k, d, s, carry[s]);
      }
      T* const dx_own = dx && d == 1 ? reserve(work.dx_reversed, rows.size() * in_stride) : dx;
      T* const gradient = zeros(work.gradient, kernels.offsets(layer.shape).gradient_size);
      kernels.backward(config.cell.get(),
                       {.rows = rows.view(),
                        .first = 0,
                        .last = rows.view().steps,
                        .shape = layer.shape,
                        .packed = layer.packed.data(),
                        .input = layer.input,
                        .tape = layer.view,
                        .dy = dy,
                        .cut = cuts(tape, bptt, d),
                        .carry = {carry[0], carry[1]},
                        .dx = dx_own,
                        .gradient = gradient,
                        .scratch = reserve(work.scratch, kernels.scratch_size(layer.shape, rows.view()))});
      detail::unpack(tape, k, d, gradient, gradients);
      for (std::size_t s = 0; s < config.states(); ++s) detail::add_start(tape, k, d, s, carry[s], gradients);
      if (dx_own != dx) detail::add_reversed(rows, in_stride, dx_own, dx);
    }
    if (bottom && want_dx) detail::add_input(tape, dx, in_stride, gradients);
    if (!bottom) detail::times_dropout(tape, k - 1, dx);
  }
}

// From the gradient by the head's pre-activations, by rows in work_.dz, all the way down.
template <class T>
void from_rows(const Network<T>& network, Tape<T>& tape, const State<T>* final_state, const Bptt& bptt,
               Gradients<T>& gradients) {
  if (!tape.has_tape_) throw UsageError("the forward kept no tape; run it with keep_tape");
  if (network.config().hidden != tape.config_.hidden || network.config().inputs != tape.config_.inputs)
    throw UsageError("the tape is another network's");
  if (gradients.want_dx && tape.config_.tokens)
    throw UsageError("tokens have no gradient; want_dx goes with dense input");
  tape.work_.d_output.resize(tape.config_.layers());
  head_backward(tape, gradients);
  if (bptt.kind == Bptt::Kind::window)
    window_backward(tape, final_state, bptt.length, gradients);
  else
    layers_backward(tape, final_state, bptt, gradients);
}

void check_loss_fits(const Loss& loss, const Config& config) {
  const bool identity = !config.activation.is_softmax() &&
                        config.activation.elementwise().kind() == Nonlinearity::Kind::identity;
  if (loss.kind() == Loss::Kind::softmax_cross_entropy && !identity && !config.activation.is_softmax())
    throw UsageError(
        "softmax_cross_entropy is taken from the head's pre-activations; the output activation may be "
        "softmax or "
        "identity, not {}",
        config.activation.name());
  if (loss.kind() == Loss::Kind::binary_cross_entropy && !identity &&
      (config.activation.is_softmax() ||
       config.activation.elementwise().kind() != Nonlinearity::Kind::sigmoid))
    throw UsageError(
        "binary_cross_entropy is taken from the head's pre-activations; the output activation may be sigmoid "
        "or "
        "identity, not {}",
        config.activation.name());
}

template <class S>
void check_target(const Config& config, const Rows& rows, const Target<S>& target) {
  const std::size_t entries = rows.batch() * (config.at == At::every ? rows.steps() : 1);
  const auto fits = [&](const char* what, std::size_t got, std::size_t width) {
    if (got != 0 && got != entries * width)
      throw UsageError("the target has {} {}; {} sequences{} want {}", got, what, rows.batch(),
                       config.at == At::every ? fmt::format(" of {} steps", rows.steps()) : "",
                       entries * width);
  };
  fits("values", target.values.size(), config.output_width());
  fits("classes", target.classes.size(), 1);
  fits("weights", target.weights.size(), 1);
}

}  // namespace

template <class T>
void backward(const Network<T>& network, Tape<T>& tape, const Cotangent<T>& cotangent, const Bptt& bptt,
              Gradients<T>& gradients) {
  const std::size_t width = tape.config_.output_width(), stride = tape.output_stride_;
  const std::size_t entries = tape.rows_.batch() * (tape.config_.at == At::every ? tape.rows_.steps() : 1);
  for (const auto given : {cotangent.outputs, cotangent.head_preactivations})
    if (!given.empty() && given.size() != entries * width)
      throw UsageError("a cotangent of the outputs has {} values; the outputs have {}", given.size(),
                       entries * width);
  T* const dz = reserve(tape.work_.dz, tape.index_.size() * stride);
  for (std::size_t r = 0; r < tape.index_.size(); ++r) {
    T* const end = cotangent.outputs.empty() ? dz + r * stride
                                             : std::copy_n(cotangent.outputs.data() + tape.index_[r] * width,
                                                           width, dz + r * stride);
    std::fill(end, dz + (r + 1) * stride, T{});
  }
  through_activation(tape, dz);
  if (!cotangent.head_preactivations.empty())
    for (std::size_t r = 0; r < tape.index_.size(); ++r)
      for (std::size_t o = 0; o < width; ++o)
        dz[r * stride + o] += cotangent.head_preactivations[tape.index_[r] * width + o];
  from_rows(network, tape, cotangent.final_state, bptt, gradients);
}

template <class T>
auto loss_of(const Tape<T>& tape, const Loss& loss, const Target<typename RealOf<T>::type>& target)
    -> std::conditional_t<std::is_same_v<T, float>, double, T> {
  check_loss_fits(loss, tape.config_);
  check_target(tape.config_, tape.rows_, target);
  return loss.evaluate<T>(tape.loss_rows(loss.on_preactivations()), target, nullptr);
}

template <class T>
double loss_and_gradients(const Network<T>& network, Tape<T>& tape, const Loss& loss, const Target<T>& target,
                          const Bptt& bptt, Gradients<T>& gradients) {
  check_loss_fits(loss, tape.config_);
  check_target(tape.config_, tape.rows_, target);
  T* const dz = reserve(tape.work_.dz, tape.index_.size() * tape.output_stride_);
  const double value = loss.evaluate<T>(tape.loss_rows(loss.on_preactivations()), target, dz);
  if (!loss.on_preactivations()) through_activation(tape, dz);
  from_rows<T>(network, tape, nullptr, bptt, gradients);
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
