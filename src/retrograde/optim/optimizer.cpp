#include "retrograde/optim/optimizer.h"

#include <cmath>
#include <utility>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

void require(bool holds, std::string_view what, double got, std::string_view expected) {
  if (!holds) throw UsageError("{} is {}; it must be {}", what, got, expected);
}

// Written so that NaN fails.
void require_not_negative(std::string_view what, double value) {
  require(value >= 0 && std::isfinite(value), what, value, "a finite number, 0 or more");
}

void require_fraction(std::string_view what, double value) {
  require(value >= 0 && value < 1, what, value, "at least 0 and below 1");
}

void validate(const Sgd& sgd) {
  require_not_negative("momentum", sgd.momentum);
  require(std::isfinite(sgd.dampening), "dampening", sgd.dampening, "finite");
  if (sgd.nesterov && (sgd.momentum == 0 || sgd.dampening != 0))
    throw UsageError(
        "nesterov needs a momentum above 0 and a dampening of 0; got momentum {} and dampening {}",
        sgd.momentum, sgd.dampening);
}

void validate(const RmsProp& rms) {
  require_fraction("alpha", rms.alpha);
  require_not_negative("eps", rms.eps);
  require_not_negative("momentum", rms.momentum);
}

void validate_adam(double beta1, double beta2, double eps) {
  require_fraction("beta1", beta1);
  require_fraction("beta2", beta2);
  require_not_negative("eps", eps);
}
void validate(const Adam& adam) { validate_adam(adam.beta1, adam.beta2, adam.eps); }
void validate(const AdamW& adamw) { validate_adam(adamw.beta1, adamw.beta2, adamw.eps); }

// The names of the moments that a method keeps, in the order in which its update reads them.
std::vector<std::string_view> moments_of(const Method& method) {
  if (const auto* sgd = std::get_if<Sgd>(&method))
    return sgd->momentum != 0 ? std::vector<std::string_view>{"momentum"} : std::vector<std::string_view>{};
  if (std::holds_alternative<RmsProp>(method)) return {"square", "momentum", "mean"};
  return {"mean", "square"};
}

}  // namespace

std::string_view name(const Method& method) {
  constexpr std::string_view kNames[] = {"sgd", "rmsprop", "adam", "adamw"};
  return kNames[method.index()];
}

Method method_named(std::string_view wanted) {
  for (const Method& method : {Method(Sgd{}), Method(RmsProp{}), Method(Adam{}), Method(AdamW{})})
    if (name(method) == wanted) return method;
  throw UsageError("there is no optimiser \"{}\"; there are sgd, rmsprop, adam, adamw", wanted);
}

double rate(const Method& method) {
  return std::visit([](const auto& m) { return m.rate; }, method);
}

void set_rate(Method& method, double rate) {
  std::visit([rate](auto& m) { m.rate = rate; }, method);
}

void set_weight_decay(Method& method, double weight_decay) {
  std::visit([weight_decay](auto& m) { m.weight_decay = weight_decay; }, method);
}

template <class T>
Optimizer<T>::Optimizer(const Method& method, std::size_t size) : method_(method), size_(size) {
  std::visit(
      [](const auto& m) {
        require_not_negative("rate", m.rate);
        require_not_negative("weight_decay", m.weight_decay);
        validate(m);
      },
      method);
  for (std::string_view moment_name : moments_of(method))
    state_.moments.push_back({std::string(moment_name), std::vector<T>(size, T(0))});
}

template <class T>
void Optimizer<T>::step(std::span<T> parameters, std::span<const T> gradients, double factor) {
  if (parameters.size() != size_ || gradients.size() != size_)
    throw UsageError("the optimiser was made for {} parameters; got {} parameters and {} gradients", size_,
                     parameters.size(), gradients.size());
  ++state_.updates;
  std::visit([&](const auto& method) { update(method, parameters, gradients, factor); }, method_);
}

template <class T>
void Optimizer<T>::restore(OptimizerState<T> state) {
  const auto expected = moments_of(method_);
  bool fits = state.moments.size() == expected.size();
  for (std::size_t i = 0; fits && i < expected.size(); ++i)
    fits = state.moments[i].name == expected[i] && state.moments[i].values.size() == size_;
  if (!fits)
    throw UsageError("the saved optimiser state is not that of {} with {} parameters", name(method_), size_);
  state_ = std::move(state);
}

template <class T>
void Optimizer<T>::update(const Sgd& sgd, std::span<T> parameters, std::span<const T> gradients,
                          double factor) {
  const T rate = T(sgd.rate * factor), decay = T(sgd.weight_decay), momentum = T(sgd.momentum);
  if (sgd.momentum == 0) {
    for (std::size_t i = 0; i < size_; ++i) parameters[i] -= rate * (gradients[i] + decay * parameters[i]);
    return;
  }
  const bool first = state_.updates == 1;
  const T keep = first ? T(0) : momentum, take = first ? T(1) : T(1 - sgd.dampening);
  // Nesterov steps along g + momentum m, the plain form along m: along a g + b m.
  const T a = sgd.nesterov ? T(1) : T(0), b = sgd.nesterov ? momentum : T(1);
  const auto m = moment(0);
  for (std::size_t i = 0; i < size_; ++i) {
    const T g = gradients[i] + decay * parameters[i];
    m[i] = keep * m[i] + take * g;
    parameters[i] -= rate * (a * g + b * m[i]);
  }
}

template <class T>
void Optimizer<T>::update(const RmsProp& rms, std::span<T> parameters, std::span<const T> gradients,
                          double factor) {
  const T rate = T(rms.rate * factor), decay = T(rms.weight_decay), momentum = T(rms.momentum);
  const T alpha = T(rms.alpha), take = T(1 - rms.alpha), eps = T(rms.eps);
  // Without a branch the loop vectorises: an unused momentum is 0, an unused mean is multiplied by 0.
  const T use_mean = rms.centered ? T(1) : T(0);
  const auto v = moment(0), m = moment(1), mean = moment(2);
  for (std::size_t i = 0; i < size_; ++i) {
    const T g = gradients[i] + decay * parameters[i];
    v[i] = alpha * v[i] + take * g * g;
    mean[i] += take * (g - mean[i]);
    m[i] = momentum * m[i] + g / (std::sqrt(v[i] - use_mean * mean[i] * mean[i]) + eps);
    parameters[i] -= rate * m[i];
  }
}

template <class T>
void Optimizer<T>::update(const Adam& adam, std::span<T> parameters, std::span<const T> gradients,
                          double factor) {
  adam_update(adam, T(1), parameters, gradients, factor);
}

template <class T>
void Optimizer<T>::update(const AdamW& adamw, std::span<T> parameters, std::span<const T> gradients,
                          double factor) {
  const Adam adam{.rate = adamw.rate, .beta1 = adamw.beta1, .beta2 = adamw.beta2, .eps = adamw.eps};
  adam_update(adam, T(1 - adamw.rate * factor * adamw.weight_decay), parameters, gradients, factor);
}

template <class T>
void Optimizer<T>::adam_update(const Adam& adam, T shrink, std::span<T> parameters,
                               std::span<const T> gradients, double factor) {
  const double t = static_cast<double>(state_.updates);
  const T size = T(adam.rate * factor / (1 - std::pow(adam.beta1, t)));
  const T root = T(1 / std::sqrt(1 - std::pow(adam.beta2, t)));
  const T decay = T(adam.weight_decay), eps = T(adam.eps);
  const T take1 = T(1 - adam.beta1), keep2 = T(adam.beta2), take2 = T(1 - adam.beta2);
  const auto m = moment(0), v = moment(1);
  for (std::size_t i = 0; i < size_; ++i) {
    const T g = gradients[i] + decay * parameters[i];
    m[i] += take1 * (g - m[i]);
    v[i] = keep2 * v[i] + take2 * g * g;
    parameters[i] = shrink * parameters[i] - size * m[i] / (std::sqrt(v[i]) * root + eps);
  }
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace retrograde
