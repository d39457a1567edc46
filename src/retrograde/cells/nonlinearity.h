// An activation chosen at run time: Elman's hidden one, the head's. Elementwise f(z) and f'(z); the user's
// own is given as value and derivative.
//
//   identity z · tanh · relu max(z, 0) · leaky_relu max(z, 0.01 z) · elu z > 0 ? z : e^z − 1 · sigmoid 1/(1 +
//   e^−z) softsign z/(1 + |z|) · softplus log(1 + e^z) · sin
// Slopes as PyTorch's defaults. At a kink the derivative is the left one, as PyTorch's.
#pragma once

#include <cmath>
#include <complex>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "retrograde/kernels/activations.h"

namespace retrograde {

// Lane by lane through a scalar function, for what has no vector form.
template <class F, class T, int W>
RETROGRADE_INLINE Vec<T, W> each_lane(F f, Vec<T, W> x) {
  Vec<T, W> y;
  for (int lane = 0; lane < W; ++lane) y.v[lane] = static_cast<T>(f(x.v[lane]));
  return y;
}

class Nonlinearity {
 public:
  enum class Kind { identity, tanh, relu, leaky_relu, elu, sigmoid, softsign, softplus, sin, custom };
  using Function = std::function<double(double)>;

  Nonlinearity(Kind kind = Kind::tanh) : kind_(kind) {}
  // By name; throws UsageError with the list of names.
  explicit Nonlinearity(std::string_view name);
  // The user's own. The derivative is used by the backward pass; the gradient check differentiates the value
  // numerically, so a wrong derivative is found.
  Nonlinearity(std::string name, Function value, Function derivative);

  Kind kind() const { return kind_; }
  std::string_view name() const;
  bool operator==(const Nonlinearity& other) const {
    return kind_ == other.kind_ && custom_ == other.custom_;
  }

  template <class V>
  RETROGRADE_INLINE V value(V z) const;
  template <class V>
  RETROGRADE_INLINE V derivative(V z) const;

 private:
  struct Custom {
    std::string name;
    Function value, derivative;
  };
  double numeric_derivative(double z) const;

  Kind kind_;
  std::shared_ptr<const Custom> custom_;
};

namespace detail {

// First order in the imaginary part, with the value and the slope given.
RETROGRADE_INLINE std::complex<double> first_order(std::complex<double> z, double value, double slope) {
  return {value, slope * z.imag()};
}
RETROGRADE_INLINE double logistic(double z) {
  return z > 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z));
}
RETROGRADE_INLINE double softplus(double z) { return (z > 0 ? z : 0) + std::log1p(std::exp(-std::abs(z))); }

}  // namespace detail

template <class V>
RETROGRADE_INLINE V Nonlinearity::value(V z) const {
  const V zero(ScalarOf<V>(0)), one(ScalarOf<V>(1));
  constexpr bool is_complex = std::is_same_v<V, std::complex<double>>;
  switch (kind_) {
    case Kind::identity:
      return z;
    case Kind::tanh:
      return tanh(z);
    case Kind::relu:
      return if_positive(z, z, zero);
    case Kind::leaky_relu:
      return if_positive(z, z, V(ScalarOf<V>(0.01)) * z);
    case Kind::elu:
      return if_positive(z, z, expm1(z));
    case Kind::sigmoid:
      return sigmoid(z);
    case Kind::softsign:
      return z / (one + if_positive(z, z, -z));
    case Kind::softplus:
      if constexpr (is_complex)
        return detail::first_order(z, detail::softplus(z.real()), detail::logistic(z.real()));
      else
        return each_lane([](auto x) { return detail::softplus(x); }, z);
    case Kind::sin:
      if constexpr (is_complex)
        return detail::first_order(z, std::sin(z.real()), std::cos(z.real()));
      else
        return each_lane([](auto x) { return std::sin(x); }, z);
    case Kind::custom:
      break;
  }
  if constexpr (is_complex)
    return detail::first_order(z, custom_->value(z.real()), numeric_derivative(z.real()));
  else
    return each_lane([this](auto x) { return custom_->value(x); }, z);
}

// Only for real vectors: nothing differentiates backwards on complex numbers.
template <class V>
RETROGRADE_INLINE V Nonlinearity::derivative(V z) const {
  const V zero(ScalarOf<V>(0)), one(ScalarOf<V>(1));
  switch (kind_) {
    case Kind::identity:
      return one;
    case Kind::tanh: {
      const V y = tanh(z);
      return (one - y) * (one + y);
    }
    case Kind::relu:
      return if_positive(z, one, zero);
    case Kind::leaky_relu:
      return if_positive(z, one, V(ScalarOf<V>(0.01)));
    case Kind::elu:
      return if_positive(z, one, exp(z));
    case Kind::sigmoid: {
      const V y = sigmoid(z);
      return y * (one - y);
    }
    case Kind::softsign: {
      const V d = one + if_positive(z, z, -z);
      return one / (d * d);
    }
    case Kind::softplus:
      return sigmoid(z);
    case Kind::sin:
      return each_lane([](auto x) { return std::cos(x); }, z);
    case Kind::custom:
      break;
  }
  return each_lane([this](auto x) { return custom_->derivative(x); }, z);
}

}  // namespace retrograde
