#include "retrograde/train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "retrograde/optim/clip.h"
#include "retrograde/train/non_finite.h"

namespace retrograde {
namespace {

template <class T>
std::size_t valid_steps(const Input<T>& input) {
  if (input.lengths.empty()) return input.batch * input.steps;
  return std::accumulate(input.lengths.begin(), input.lengths.end(), std::size_t{0});
}

// What the loss of a piece counts in the loss of its whole, by how the loss is reduced.
template <class T>
double weight_of(const Input<T>& input, Reduction how) {
  switch (how) {
    case Reduction::mean:
      return static_cast<double>(valid_steps(input));
    case Reduction::mean_batch:
      return static_cast<double>(input.batch);
    case Reduction::sum:
      break;
  }
  return 1;
}

}  // namespace

template <class T>
Trainer<T>::Trainer(Network<T>& network, const Method& method, TrainerOptions options)
    : network_(&network),
      options_(std::move(options)),
      optimizer_(method, network.size()),
      gradients_(network) {
  for (const double limit : {options_.clip_norm, options_.clip_value})
    if (!(limit >= 0)) throw UsageError("the clipping limit is {}; it must be above 0, or 0 for none", limit);
  options_.schedule.factor(0);
}

template <class T>
bool Trainer<T>::cuts(const Batch<T>& batch) const {
  const Config& config = network_->config();
  return options_.bptt.kind == Bptt::Kind::chunk && options_.update_each_chunk &&
         batch.input.steps > options_.bptt.length && config.at == At::every && !config.bidirectional;
}

template <class T>
const State<T>* Trainer<T>::start_of(const Batch<T>& batch) const {
  if (!batch.continues || carried_.h.empty()) return nullptr;
  const Config& config = network_->config();
  if (config.bidirectional)
    throw UsageError("a bidirectional network reads a sequence from its end, so it cannot continue one");
  if (carried_.h[0].size() != batch.input.batch * config.hidden[0])
    throw UsageError("the batch continues {} sequences; the batch before it had {}", batch.input.batch,
                     carried_.h[0].size() / config.hidden[0]);
  return &carried_;
}

template <class T>
StepReport Trainer<T>::step(const Batch<T>& batch) {
  StepReport report;
  const State<T>* start = start_of(batch);
  const Reduction how = options_.loss.how();
  if (!cuts(batch)) {
    if (update(batch, start, 1, report)) carried_ = tape_.final_state();
    return report;
  }
  pieces_.begin(batch, options_.bptt.length, network_->config().inputs, network_->config().output_width(),
                start);
  const double whole = weight_of(batch.input, how);
  while (const Batch<T>* piece = pieces_.next()) {
    if (!update(*piece, pieces_.start(), weight_of(piece->input, how) / whole, report)) return report;
    pieces_.carry(tape_.final_state());
  }
  carried_ = pieces_.states();
  return report;
}

template <class T>
bool Trainer<T>::update(const Batch<T>& batch, const State<T>* start, double weight, StepReport& report) {
  const Config& config = network_->config();
  const Random masks = Random::named(options_.seed, fmt::format("dropout of update {}", updates()));
  const bool drops = config.dropout > 0 || config.recurrent_dropout > 0;
  Random dropout = masks;
  forward(*network_, batch.input, tape_, {.start = start, .dropout = drops ? &dropout : nullptr});
  gradients_.clear();
  const double loss =
      loss_and_gradients(*network_, tape_, options_.loss, batch.target, options_.bptt, gradients_);
  report.loss += weight * loss;
  if (!std::isfinite(loss)) {
    dropout = masks;
    report.failure =
        first_non_finite(*network_, batch, {.start = start, .dropout = drops ? &dropout : nullptr});
    if (report.failure->empty()) report.failure = "the sum of the losses is too large for a number";
    return false;
  }

  const std::span<T> g = gradients_.parameters.flat();
  if (options_.clip_value > 0) clip_value(g, options_.clip_value);
  const double length = options_.clip_norm > 0 ? clip_norm(g, options_.clip_norm) : norm<T>(g);
  if (!std::isfinite(length)) {
    report.failure = first_non_finite(gradients_.parameters, "the gradient by ");
    if (report.failure->empty()) report.failure = "the gradient is too long for a number";
    return false;
  }
  report.gradient_norm = std::max(report.gradient_norm, length);
  report.clipped += options_.clip_norm > 0 && length > options_.clip_norm ? 1 : 0;
  report.steps += valid_steps(batch.input);
  optimizer_.step(network_->parameters().flat(), g, options_.schedule.factor(updates()) * rate_scale_);
  ++report.updates;
  return true;
}

template <class T>
double Trainer<T>::rate() const {
  return retrograde::rate(optimizer_.method()) * options_.schedule.factor(updates()) * rate_scale_;
}

template <class T>
TrainerState<T> Trainer<T>::state() const {
  return {optimizer_.state(), carried_, rate_scale_};
}

template <class T>
void Trainer<T>::restore(TrainerState<T> state) {
  optimizer_.restore(std::move(state.optimizer));
  carried_ = std::move(state.carried);
  rate_scale_ = state.rate_scale;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace retrograde
