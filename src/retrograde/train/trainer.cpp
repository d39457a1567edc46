#include "retrograde/train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
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

// How much the targets count together.
template <class T>
double counted(const BatchView<T>& batch, At at) {
  const auto& weights = batch.target.weights;
  if (!weights.empty()) return std::accumulate(weights.begin(), weights.end(), 0.0);
  return static_cast<double>(at == At::last ? batch.input.batch : valid_steps(batch.input));
}

// What the loss of a piece counts in that of its whole, by how the loss is reduced.
template <class T>
double weight_of(const BatchView<T>& batch, At at, Reduction how) {
  switch (how) {
    case Reduction::mean:
      return counted(batch, at);
    case Reduction::mean_batch:
      return static_cast<double>(batch.input.batch);
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
  if (options_.checkpoint && (network.config().bidirectional || options_.bptt.kind == Bptt::Kind::window))
    throw UsageError("checkpoint is not for {}, which needs its whole tape",
                     network.config().bidirectional ? "a bidirectional network" : "windows");
}

template <class T>
bool Trainer<T>::cuts(const BatchView<T>& batch) const {
  const Config& config = network_->config();
  return options_.bptt.kind == Bptt::Kind::chunk && options_.update_each_chunk &&
         batch.input.steps > options_.bptt.length && config.at == At::every && !config.bidirectional;
}

template <class T>
StepReport Trainer<T>::step(const BatchView<T>& batch) {
  const Config& config = network_->config();
  StepReport report;
  const ForwardOptions<T> beginning = carried_.beginning(config, batch.input.batch, batch.starts);
  if (!cuts(batch)) {
    if (update(batch, beginning, 1, report)) carried_.take(after_);
    return report;
  }
  const auto weight = [&](const BatchView<T>& part) {
    return weight_of(part, config.at, options_.loss.how());
  };
  const double whole = std::max(weight(batch), std::numeric_limits<double>::min());
  pieces_.begin(batch, options_.bptt.length, config.inputs, config.output_width(), beginning);
  while (const BatchView<T>* piece = pieces_.next()) {
    if (!update(*piece, pieces_.beginning(), weight(*piece) / whole, report)) return report;
    pieces_.carry(after_);
  }
  carried_.take(pieces_.states());
  return report;
}

template <class T>
double Trainer<T>::loss_and_gradients(const BatchView<T>& batch, const ForwardOptions<T>& beginning) {
  gradients_.clear();
  if (options_.checkpoint) {
    const double loss = checkpoints_.loss_and_gradients(*network_, batch.input, options_.loss, batch.target,
                                                        options_.bptt, gradients_, beginning);
    after_ = checkpoints_.final_state();
    return loss;
  }
  forward(*network_, batch.input, tape_, beginning);
  tape_.final_state(after_);
  return retrograde::loss_and_gradients(*network_, tape_, options_.loss, batch.target, options_.bptt,
                                        gradients_);
}

template <class T>
bool Trainer<T>::update(const BatchView<T>& batch, ForwardOptions<T> beginning, double share,
                        StepReport& report) {
  const Config& config = network_->config();
  const double targets = counted(batch, config.at);
  report.steps += valid_steps(batch.input);
  report.counted += targets;
  if (!(targets > 0)) {
    beginning.keep_tape = false;
    forward(*network_, batch.input, tape_, beginning);
    tape_.final_state(after_);
    return true;
  }

  Random random = masks();
  if (config.dropout > 0 || config.recurrent_dropout > 0) beginning.dropout = &random;
  const double loss = loss_and_gradients(batch, beginning);
  report.loss += share * loss;
  if (!std::isfinite(loss)) {
    random = masks();
    report.failure = first_non_finite(*network_, batch, beginning);
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
  optimizer_.step(network_->parameters().flat(), g, options_.schedule.factor(updates()) * rate_scale_);
  ++report.updates;
  return true;
}

template <class T>
Random Trainer<T>::masks() const {
  std::array<char, 48> purpose;
  const auto end = fmt::format_to_n(purpose.data(), purpose.size(), "dropout of update {}", updates()).out;
  return Random::named(options_.seed, {purpose.data(), end});
}

template <class T>
double Trainer<T>::rate() const {
  return retrograde::rate(optimizer_.method()) * options_.schedule.factor(updates()) * rate_scale_;
}

template <class T>
TrainerState<T> Trainer<T>::state() const {
  return {optimizer_.state(), carried_.states(), rate_scale_};
}

template <class T>
void Trainer<T>::restore(TrainerState<T> state) {
  optimizer_.restore(std::move(state.optimizer));
  carried_.take(std::move(state.carried));
  rate_scale_ = state.rate_scale;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace retrograde
