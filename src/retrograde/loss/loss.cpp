#include "retrograde/loss/loss.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "retrograde/base/error.h"
#include "retrograde/kernels/activations.h"
#include "retrograde/kernels/isa.h"

namespace retrograde {
namespace {

constexpr std::array<std::string_view, 5> kNames{"squared_error", "absolute_error", "huber",
                                                 "softmax_cross_entropy", "binary_cross_entropy"};
constexpr std::array<std::string_view, 3> kReductions{"mean", "mean_batch", "sum"};

// The loss of one output and its slope, on vectors and on complex numbers (where the slope is not used).
template <class V>
struct Term {
  V value, slope;
};

template <class V>
Term<V> squared_error(V y, V t) {
  const V d = y - t;
  return {d * d, d + d};
}

template <class V>
Term<V> absolute_error(V y, V t) {
  const V d = y - t, one(1);
  return {if_positive(-d, -d, d), if_positive(d, one, if_positive(-d, -one, d))};
}

template <class V>
Term<V> huber(V y, V t, double delta) {
  using S = ScalarOf<V>;
  const V d = y - t, size = if_positive(-d, -d, d), edge{S(delta)}, half{S(0.5)};
  const V beyond = size - edge;
  return {if_positive(beyond, edge * (size - half * edge), half * d * d),
          if_positive(beyond, if_positive(d, edge, -edge), d)};
}

// log(1 + e) for e in 0 .. 1, to 4 ulp: 2 artanh(s) with s = e / (2 + e) <= 1/3.
template <class T, int W>
Vec<T, W> log1p_of_fraction(Vec<T, W> e) {
  using V = Vec<T, W>;
  constexpr int kTerms = sizeof(T) == 4 ? 8 : 17;
  const V s = e / (e + V(T(2))), s2 = s * s;
  V p = T(0);
  for (int k = kTerms; k >= 0; --k) p = p * s2 + V(T(2.0 / (2 * k + 1)));
  return p * s;
}
std::complex<double> log1p_of_fraction(std::complex<double> e) {
  return {std::log1p(e.real()), e.imag() / (1 + e.real())};
}

// max(z, 0) − t z + log(1 + e^−|z|)
template <class V>
Term<V> binary_cross_entropy(V z, V t) {
  const V zero(0), one(1), e = exp(if_positive(z, -z, z));
  return {if_positive(z, z, zero) - t * z + log1p_of_fraction(e), if_positive(z, one, e) / (one + e) - t};
}

// f(y, t) over the outputs of a row, times the class weights; the sum of the values.
template <class T, class F>
T elementwise(std::size_t width, const T* y, const typename RealOf<T>::type* target,
              std::span<const double> class_weights, T* d, F f) {
  using V = Vector<IsaGeneric, T>;
  constexpr auto lanes = static_cast<std::size_t>(kLanes<V>);
  V sum(T(0));
  for (std::size_t o = 0; o < width; o += lanes) {
    const std::size_t n = std::min(lanes, width - o);
    T t[lanes] = {}, w[lanes];
    for (std::size_t i = 0; i < n; ++i) t[i] = target[o + i];
    for (std::size_t i = 0; i < n; ++i)
      w[i] = class_weights.empty() ? T(1) : static_cast<T>(class_weights[o + i]);
    const Term<V> term = f(load_first<V>(y + o, n), load<V>(t));
    sum = sum + first_lanes(load_first<V>(w, n) * term.value, n);
    if constexpr (!std::is_same_v<T, std::complex<double>>)
      if (d) store(d + o, first_lanes(load_first<V>(w, n) * term.slope, n));
  }
  T lane[lanes], total{};
  store(lane, sum);
  for (const T& value : lane) total += value;
  return total;
}

// −Σ_o w_o t_o log softmax(z)_o of one row, with log Σ exp z given, and the gradient, for which d holds the
// softmax. `t`: null for a class.
template <class T, class S>
S softmax_cross_entropy(std::size_t width, const T* z, S log_sum, const typename RealOf<T>::type* t,
                        std::size_t label, std::span<const double> class_weights, T* d) {
  const auto weighted = [&](std::size_t o) {
    return (class_weights.empty() ? 1.0 : class_weights[o]) * (t ? static_cast<double>(t[o]) : 1.0);
  };
  if (!t) {
    if constexpr (!std::is_same_v<T, std::complex<double>>) {
      if (d) {
        // p − 1 of the class is minus the sum of the others, which keeps its digits where p is almost 1.
        d[label] = 0;
        d[label] = -std::reduce(d, d + width);
        for (std::size_t o = 0; o < width; ++o) d[o] *= static_cast<T>(weighted(label));
      }
    }
    return weighted(label) * (log_sum - S(z[label]));
  }
  double mass = 0;
  S sum = 0;
  for (std::size_t o = 0; o < width; ++o) {
    mass += weighted(o);
    sum += weighted(o) * (log_sum - S(z[o]));
  }
  if constexpr (!std::is_same_v<T, std::complex<double>>)
    for (std::size_t o = 0; d && o < width; ++o)
      d[o] = static_cast<T>(mass * static_cast<double>(d[o]) - weighted(o));
  return sum;
}

// The user's value on complex numbers, to first order: its slope by each output is found numerically, so that
// a wrong gradient of the user's is found out.
std::complex<double> custom_value(const Loss::Value& value, std::span<const std::complex<double>> at_y,
                                  std::span<const double> target) {
  std::vector<double> y(at_y.size());
  std::transform(at_y.begin(), at_y.end(), y.begin(), [](auto v) { return v.real(); });
  double imaginary = 0;
  for (std::size_t o = 0; o < y.size(); ++o) {
    if (at_y[o].imag() == 0) continue;
    const double at = y[o];
    const auto slope = [&](double h) {
      y[o] = at + h;
      const double up = value(y, target);
      y[o] = at - h;
      const double down = value(y, target);
      y[o] = at;
      return (up - down) / (2 * h);
    };
    const double h = 0.02 * std::max(1.0, std::abs(at));
    const double d1 = slope(h), d2 = slope(h / 2), d4 = slope(h / 4);
    const double r1 = (4 * d2 - d1) / 3, r2 = (4 * d4 - d2) / 3;
    imaginary += (16 * r2 - r1) / 15 * at_y[o].imag();
  }
  return {value(y, target), imaginary};
}

}  // namespace

std::string_view name(Reduction reduction) { return kReductions[static_cast<std::size_t>(reduction)]; }

Reduction reduction(std::string_view name) {
  for (std::size_t i = 0; i < kReductions.size(); ++i)
    if (kReductions[i] == name) return static_cast<Reduction>(i);
  throw UsageError("there is no reduction \"{}\"; there are {}", name, fmt::join(kReductions, ", "));
}

Loss::Loss(std::string_view name, Reduction how) : kind_(Kind::custom), reduction_(how) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) kind_ = static_cast<Kind>(i);
  if (kind_ == Kind::custom)
    throw UsageError("there is no loss \"{}\"; there are {}", name, fmt::join(kNames, ", "));
}

Loss::Loss(std::string name, Value value, Gradient gradient, Reduction how)
    : kind_(Kind::custom),
      reduction_(how),
      custom_(std::make_shared<Custom>(Custom{std::move(name), std::move(value), std::move(gradient)})) {}

Loss& Loss::with_class_weights(std::vector<double> weights) {
  if (!on_preactivations())
    throw UsageError("class weights go with softmax_cross_entropy and binary_cross_entropy, not with {}",
                     name());
  for (const double weight : weights)
    if (!(weight >= 0)) throw UsageError("class weights must be 0 or more; one is {}", weight);
  class_weights_ = std::move(weights);
  return *this;
}

Loss& Loss::with_delta(double delta) {
  if (!(delta > 0)) throw UsageError("huber's delta must be above 0; got {}", delta);
  delta_ = delta;
  return *this;
}

std::string_view Loss::name() const {
  return kind_ == Kind::custom ? std::string_view(custom_->name) : kNames[static_cast<std::size_t>(kind_)];
}

template <class T>
void Loss::add_weight(const LossRows<T>& rows, const Target<typename RealOf<T>::type>& target,
                      double& weight) const {
  const std::size_t outputs = rows.outputs;
  if (target.values.empty() == target.classes.empty())
    throw UsageError("the target holds {}; give values or classes",
                     target.values.empty() ? "neither values nor classes" : "both values and classes");
  if (!target.classes.empty() && kind_ != Kind::softmax_cross_entropy)
    throw UsageError("classes go with softmax_cross_entropy; {} wants values", name());
  if (!class_weights_.empty() && class_weights_.size() != outputs)
    throw UsageError("there are {} class weights for {} outputs", class_weights_.size(), outputs);
  for (const std::size_t entry : rows.index.first(rows.rows)) {
    double share = kind_ == Kind::softmax_cross_entropy ? 1 : static_cast<double>(outputs);
    if (!target.classes.empty()) {
      const auto label = target.classes[entry];
      if (label < 0 || static_cast<std::size_t>(label) >= outputs)
        throw UsageError("target {} is class {}, but there are {} outputs", entry, label, outputs);
      share = class_weights_.empty() ? 1 : class_weights_[static_cast<std::size_t>(label)];
    }
    weight += (target.weights.empty() ? 1.0 : static_cast<double>(target.weights[entry])) * share;
  }
}

double Loss::denominator(double weight, std::size_t batch) const {
  if (reduction_ == Reduction::sum) return 1;
  return reduction_ == Reduction::mean_batch ? static_cast<double>(batch) : weight;
}

template <class T>
SumOf<T> Loss::custom(std::size_t width, const T* y, const typename RealOf<T>::type* t, T* d) const {
  const std::vector<double> target(t, t + width);
  if constexpr (std::is_same_v<T, std::complex<double>>) {
    return custom_value(custom_->value, {y, width}, target);
  } else {
    const std::vector<double> values(y, y + width);
    if (d) {
      std::vector<double> gradient(width);
      custom_->gradient(values, target, gradient);
      std::transform(gradient.begin(), gradient.end(), d, [](double g) { return static_cast<T>(g); });
    }
    return custom_->value(values, target);
  }
}

template <class T>
SumOf<T> Loss::of_row(const LossRows<T>& rows, std::size_t r, const Target<typename RealOf<T>::type>& target,
                      T* d) const {
  using V = Vector<IsaGeneric, T>;
  using S = SumOf<T>;
  const std::size_t width = rows.outputs, entry = rows.index[r];
  const T* const y = rows.values + r * rows.stride;
  const auto* const t = target.values.empty() ? nullptr : target.values.data() + entry * width;
  switch (kind_) {
    case Kind::squared_error:
      return elementwise(width, y, t, {}, d, squared_error<V>);
    case Kind::absolute_error:
      return elementwise(width, y, t, {}, d, absolute_error<V>);
    case Kind::huber:
      return elementwise(width, y, t, {}, d, [&](V a, V b) { return huber(a, b, delta_); });
    case Kind::binary_cross_entropy:
      return elementwise(width, y, t, class_weights_, d, binary_cross_entropy<V>);
    case Kind::softmax_cross_entropy: {
      S log_sum;
      rows.softmax(1, width, rows.stride, y, d, &log_sum);
      const auto label = static_cast<std::size_t>(t ? 0 : target.classes[entry]);
      return softmax_cross_entropy<T, S>(width, y, log_sum, t, label, class_weights_, d);
    }
    case Kind::custom:
      break;
  }
  return custom(width, y, t, d);
}

template <class T, class S>
void Loss::add(const LossRows<T>& rows, const Target<typename RealOf<T>::type>& target, double denominator,
               S& sum, T* d) const {
  for (std::size_t r = rows.rows; r-- > 0;) {
    T* const out = d ? d + r * rows.stride : nullptr;
    const double v = target.weights.empty() ? 1.0 : static_cast<double>(target.weights[rows.index[r]]);
    const double weight = v / denominator;
    sum += weight * of_row(rows, r, target, out);
    if (!out) continue;
    for (std::size_t o = 0; o < rows.outputs; ++o) out[o] *= static_cast<T>(weight);
    std::fill(out + rows.outputs, out + rows.stride, T{});
  }
}

template <class T>
SumOf<T> Loss::evaluate(const LossRows<T>& rows, const Target<typename RealOf<T>::type>& target, T* d) const {
  double weight = 0;
  SumOf<T> sum{};
  add_weight(rows, target, weight);
  add(rows, target, denominator(weight, rows.batch), sum, d);
  return sum;
}

#define RETROGRADE_INSTANTIATE(T, S, R)                                                \
  template S Loss::evaluate(const LossRows<T>&, const Target<R>&, T*) const;           \
  template void Loss::add_weight(const LossRows<T>&, const Target<R>&, double&) const; \
  template void Loss::add(const LossRows<T>&, const Target<R>&, double, S&, T*) const;
RETROGRADE_INSTANTIATE(float, double, float)
RETROGRADE_INSTANTIATE(double, double, double)
RETROGRADE_INSTANTIATE(std::complex<double>, std::complex<double>, double)

}  // namespace retrograde
