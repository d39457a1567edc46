#include "retrograde/loss/loss.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

constexpr std::array<std::string_view, 5> kNames{"squared_error", "absolute_error", "huber",
                                                 "softmax_cross_entropy", "binary_cross_entropy"};
constexpr std::array<std::string_view, 3> kReductions{"mean", "mean_batch", "sum"};

double real(double x) { return x; }
double real(std::complex<double> x) { return x.real(); }
double log1p(double x) { return std::log1p(x); }
std::complex<double> log1p(std::complex<double> x) {
  return {std::log1p(x.real()), x.imag() / (1 + x.real())};
}

// One row, in double or complex<double>. A null d: value only.
template <class S>
struct Row {
  std::span<const S> y;
  std::span<const double> target;   // empty where there is a class
  std::span<const double> weights;  // of classes; empty: 1
  std::size_t label = 0;
  double* d = nullptr;

  double weight(std::size_t o) const { return weights.empty() ? 1 : weights[o]; }
};

template <class S>
S squared_error(const Row<S>& row) {
  S sum = 0;
  for (std::size_t o = 0; o < row.y.size(); ++o) {
    const S difference = row.y[o] - row.target[o];
    sum += difference * difference;
    if (row.d) row.d[o] = 2 * real(difference);
  }
  return sum;
}

template <class S>
S absolute_error(const Row<S>& row) {
  S sum = 0;
  for (std::size_t o = 0; o < row.y.size(); ++o) {
    const S difference = row.y[o] - row.target[o];
    const double sign = real(difference) > 0 ? 1 : real(difference) < 0 ? -1 : real(difference);
    sum += real(difference) < 0 ? -difference : difference;
    if (row.d) row.d[o] = sign;
  }
  return sum;
}

template <class S>
S huber(const Row<S>& row, double delta) {
  S sum = 0;
  for (std::size_t o = 0; o < row.y.size(); ++o) {
    const S difference = row.y[o] - row.target[o];
    const bool inside = std::abs(real(difference)) <= delta;
    const S magnitude = real(difference) < 0 ? -difference : difference;
    sum += inside ? 0.5 * difference * difference : delta * (magnitude - 0.5 * delta);
    if (row.d) row.d[o] = inside ? real(difference) : std::copysign(delta, real(difference));
  }
  return sum;
}

// log Σ exp z, by the largest z.
template <class S>
S log_sum_exp(std::span<const S> z, double largest) {
  S sum = 0;
  for (const S& value : z) sum += std::exp(value - largest);
  return std::log(sum) + largest;
}

template <class S>
S softmax_cross_entropy(const Row<S>& row) {
  double largest = real(row.y[0]);
  for (const S& z : row.y) largest = std::max(largest, real(z));
  const S normaliser = log_sum_exp(row.y, largest);
  if (row.target.empty()) {
    const double weight = row.weight(row.label);
    if (row.d)
      for (std::size_t o = 0; o < row.y.size(); ++o)
        row.d[o] = weight * (std::exp(real(row.y[o] - normaliser)) - (o == row.label ? 1 : 0));
    return weight * (normaliser - row.y[row.label]);
  }
  S sum = 0;
  double mass = 0;
  for (std::size_t o = 0; o < row.y.size(); ++o) {
    sum += row.weight(o) * row.target[o] * (normaliser - row.y[o]);
    mass += row.weight(o) * row.target[o];
  }
  if (row.d)
    for (std::size_t o = 0; o < row.y.size(); ++o)
      row.d[o] = mass * std::exp(real(row.y[o] - normaliser)) - row.weight(o) * row.target[o];
  return sum;
}

// The same for all rows of real numbers, through the vectorised softmax.
template <class T, class Weight>
double softmax_rows(const LossRows<T>& rows, const Target<T>& target, std::span<const double> class_weights,
                    Weight row_weight, double denominator, T* d) {
  const std::size_t outputs = rows.outputs;
  std::vector<double> log_sums(rows.rows);
  rows.softmax(rows.rows, outputs, rows.stride, rows.values, d, log_sums.data());
  const auto of_class = [&](std::size_t o) { return class_weights.empty() ? 1.0 : class_weights[o]; };
  double sum = 0;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const T* const z = rows.values + r * rows.stride;
    T* const out = d ? d + r * rows.stride : nullptr;
    const double weight = row_weight(r) / denominator;
    double mass = 0, value = 0;
    const auto add = [&](std::size_t o, double t) {
      mass += t;
      value += t * (log_sums[r] - static_cast<double>(z[o]));
    };
    if (target.values.empty()) {
      const auto label = static_cast<std::size_t>(target.classes[rows.index[r]]);
      add(label, of_class(label));
      if (out) {
        // p − 1 of the class is minus the sum of the others, which keeps its digits where p is almost 1.
        out[label] = 0;
        out[label] = -std::reduce(out, out + outputs);
        for (std::size_t o = 0; o < outputs; ++o) out[o] *= static_cast<T>(weight * mass);
      }
    } else {
      const T* const t = target.values.data() + rows.index[r] * outputs;
      for (std::size_t o = 0; o < outputs; ++o) add(o, of_class(o) * static_cast<double>(t[o]));
      for (std::size_t o = 0; out && o < outputs; ++o)
        out[o] = static_cast<T>(
            weight * (mass * static_cast<double>(out[o]) - of_class(o) * static_cast<double>(t[o])));
    }
    sum += weight * value;
    if (out) std::fill(out + outputs, out + rows.stride, T{});
  }
  return sum;
}

// max(z, 0) − t z + log(1 + e^−|z|)
template <class S>
S binary_cross_entropy(const Row<S>& row) {
  S sum = 0;
  for (std::size_t o = 0; o < row.y.size(); ++o) {
    const S z = row.y[o];
    const S e = std::exp(real(z) < 0 ? z : -z);
    sum += row.weight(o) * ((real(z) < 0 ? S(0) : z) - row.target[o] * z + log1p(e));
    if (row.d) {
      const double sigma = real(z) < 0 ? real(e) / (1 + real(e)) : 1 / (1 + real(e));
      row.d[o] = row.weight(o) * (sigma - row.target[o]);
    }
  }
  return sum;
}

// The user's value on complex numbers, to first order: its slope by each output is found numerically, so that
// a wrong gradient of the user's is found out.
std::complex<double> custom_value(const Loss::Value& value, const Row<std::complex<double>>& row) {
  std::vector<double> y(row.y.size());
  std::transform(row.y.begin(), row.y.end(), y.begin(), [](auto v) { return v.real(); });
  double imaginary = 0;
  for (std::size_t o = 0; o < y.size(); ++o) {
    if (row.y[o].imag() == 0) continue;
    const double at = y[o];
    const auto slope = [&](double h) {
      y[o] = at + h;
      const double up = value(y, row.target);
      y[o] = at - h;
      const double down = value(y, row.target);
      y[o] = at;
      return (up - down) / (2 * h);
    };
    const double h = 0.02 * std::max(1.0, std::abs(at));
    const double d1 = slope(h), d2 = slope(h / 2), d4 = slope(h / 4);
    const double r1 = (4 * d2 - d1) / 3, r2 = (4 * d4 - d2) / 3;
    imaginary += (16 * r2 - r1) / 15 * row.y[o].imag();
  }
  return {value(y, row.target), imaginary};
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
auto Loss::evaluate(const LossRows<T>& rows, const Target<typename RealOf<T>::type>& target, T* d) const
    -> std::conditional_t<std::is_same_v<T, float>, double, T> {
  using S = std::conditional_t<std::is_same_v<T, float>, double, T>;
  const std::size_t outputs = rows.outputs;
  if (target.values.empty() == target.classes.empty())
    throw UsageError("the target holds {}; give values or classes",
                     target.values.empty() ? "neither values nor classes" : "both values and classes");
  if (!target.classes.empty() && kind_ != Kind::softmax_cross_entropy)
    throw UsageError("classes go with softmax_cross_entropy; {} wants values", name());
  if (!class_weights_.empty() && class_weights_.size() != outputs)
    throw UsageError("there are {} class weights for {} outputs", class_weights_.size(), outputs);

  std::vector<S> y(outputs);
  std::vector<double> t(outputs), gradient(outputs);
  const auto row_weight = [&](std::size_t r) {
    return target.weights.empty() ? 1.0 : static_cast<double>(target.weights[rows.index[r]]);
  };
  double denominator = 0;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    double share = static_cast<double>(outputs);
    if (!target.classes.empty()) {
      const auto label = target.classes[rows.index[r]];
      if (label < 0 || static_cast<std::size_t>(label) >= outputs)
        throw UsageError("target {} is class {}, but there are {} outputs", rows.index[r], label, outputs);
      share = class_weights_.empty() ? 1 : class_weights_[static_cast<std::size_t>(label)];
    } else if (kind_ == Kind::softmax_cross_entropy) {
      share = 1;
    }
    denominator += row_weight(r) * share;
  }
  if (reduction_ == Reduction::sum) denominator = 1;
  if (reduction_ == Reduction::mean_batch) denominator = static_cast<double>(rows.batch);

  if constexpr (std::is_floating_point_v<T>)
    if (kind_ == Kind::softmax_cross_entropy && rows.softmax)
      return softmax_rows(rows, target, class_weights_, row_weight, denominator, d);

  S sum = 0;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    Row<S> row{y, {}, class_weights_, 0, d ? gradient.data() : nullptr};
    std::copy_n(rows.values + r * rows.stride, outputs, y.begin());
    if (target.classes.empty()) {
      std::copy_n(target.values.begin() + static_cast<std::ptrdiff_t>(rows.index[r] * outputs), outputs,
                  t.begin());
      row.target = t;
    } else {
      row.label = static_cast<std::size_t>(target.classes[rows.index[r]]);
    }
    S value{};
    switch (kind_) {
      case Kind::squared_error:
        value = squared_error(row);
        break;
      case Kind::absolute_error:
        value = absolute_error(row);
        break;
      case Kind::huber:
        value = huber(row, delta_);
        break;
      case Kind::softmax_cross_entropy:
        value = softmax_cross_entropy(row);
        break;
      case Kind::binary_cross_entropy:
        value = binary_cross_entropy(row);
        break;
      case Kind::custom:
        if constexpr (std::is_same_v<S, double>) {
          value = custom_->value(y, t);
          if (d) custom_->gradient(y, t, gradient);
        } else {
          value = custom_value(custom_->value, row);
        }
        break;
    }
    const double weight = row_weight(r) / denominator;
    sum += weight * value;
    if (d) {
      T* const out = d + r * rows.stride;
      for (std::size_t o = 0; o < outputs; ++o) out[o] = static_cast<T>(weight * gradient[o]);
      std::fill(out + outputs, out + rows.stride, T{});
    }
  }
  return sum;
}

template double Loss::evaluate(const LossRows<float>&, const Target<float>&, float*) const;
template double Loss::evaluate(const LossRows<double>&, const Target<double>&, double*) const;
template std::complex<double> Loss::evaluate(const LossRows<std::complex<double>>&, const Target<double>&,
                                             std::complex<double>*) const;

}  // namespace retrograde
