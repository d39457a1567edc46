// Activations on vectors, and on complex numbers for complex-step derivatives: there f(x + iε) is taken to
// first order in ε, f(x) + iε f'(x), with f' by its own accurate formula; the real part chooses the branch.
//
//   function   valid range   maximum error (float and double)
//   exp        all           2 ulp, flushed to 0 below the smallest normal number
//   expm1      all           4 ulp
//   tanh       all           6 ulp, never beyond ±1
//   sigmoid    all           6 ulp where it is a normal number
//
// The argument of exp is reduced as in Cody & Waite (1980); the polynomial is Taylor's on |r| <= ln(2)/2.
#pragma once

#include <array>
#include <cmath>
#include <complex>

#include "retrograde/kernels/vector.h"

namespace retrograde {

namespace detail {

inline constexpr auto kInverseFactorial = [] {
  std::array<double, 15> inverse{1};
  for (double k = 1, factorial = 1; k < 15; ++k) inverse[static_cast<std::size_t>(k)] = 1 / (factorial *= k);
  return inverse;
}();

template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  static constexpr float kMax = 88.37f, kMin = -87.33f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f,
                         kMagic = 0x1.8p23f;
  static constexpr int kDegree = 7, kMantissa = 23;
};
template <>
struct ExpConstants<double> {
  static constexpr double kMax = 709.4, kMin = -708.39, kLn2High = 6.93147180369123816490e-01,
                          kLn2Low = 1.90821492927058770002e-10, kMagic = 0x1.8p52;
  static constexpr int kDegree = 13, kMantissa = 52;
};

template <class T, int W>
struct Reduced {
  Vec<T, W> expm1_r, two_n;
};

// x = n ln 2 + r with |r| <= ln(2)/2: returns e^r − 1 and 2^n. x is clamped to where 2^n is a normal number.
template <class T, int W>
RETROGRADE_INLINE Reduced<T, W> reduce(Vec<T, W> x) {
  using C = ExpConstants<T>;
  using V = Vec<T, W>;
  const V low(C::kMin), high(C::kMax), magic(C::kMagic), one(T(1));
  x = clamp(low, x, high);
  const V shifted = x * V(T(1.44269504088896340736)) + magic;
  const V n = shifted - magic;
  const V r = (x - n * V(C::kLn2High)) - n * V(C::kLn2Low);
  V p = T(kInverseFactorial[C::kDegree]);
  for (std::size_t k = C::kDegree - 1; k >= 1; --k) p = p * r + V(T(kInverseFactorial[k]));
  using Bits = typename V::Bits;
  const Bits bits = (Bits)one.v + ((Bits)shifted.v << C::kMantissa);
  return {p * r, V((typename V::Native)bits)};
}

}  // namespace detail

template <class T, int W>
RETROGRADE_INLINE Vec<T, W> exp(Vec<T, W> x) {
  const auto e = detail::reduce(x);
  return e.expm1_r * e.two_n + e.two_n;
}

template <class T, int W>
RETROGRADE_INLINE Vec<T, W> expm1(Vec<T, W> x) {
  const auto e = detail::reduce(x);
  return e.expm1_r * e.two_n + (e.two_n - Vec<T, W>(T(1)));
}
RETROGRADE_INLINE std::complex<double> expm1(std::complex<double> x) {
  return {std::expm1(x.real()), std::exp(x.real()) * x.imag()};
}

// In single precision x P(x²)/Q(x²), the 13/6 rational of Eigen's tanh scaled to Q(0) = 1.
template <int W>
RETROGRADE_INLINE Vec<float, W> tanh(Vec<float, W> x) {
  using V = Vec<float, W>;
  constexpr double p[] = {4.89352455891786e-03, 6.37261928875436e-04,  1.48572235717979e-05,
                          5.12229709037114e-08, -8.60467152213735e-11, 2.00018790482477e-13,
                          -2.76076847742355e-16};
  constexpr double q[] = {4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04,
                          1.19825839466702e-06};
  x = clamp(V(-7.99881172f), x, V(7.99881172f));
  const V x2 = x * x;
  V numerator = V(p[6] / q[0]), denominator = V(q[3] / q[0]);
  for (int k = 5; k >= 0; --k) numerator = numerator * x2 + V(p[k] / q[0]);
  for (int k = 2; k >= 0; --k) denominator = denominator * x2 + V(q[k] / q[0]);
  return x * numerator / denominator;
}
template <class T, int W>
RETROGRADE_INLINE Vec<T, W> tanh(Vec<T, W> x) {
  const Vec<T, W> magnitude = if_positive(x, x, -x);
  const Vec<T, W> e = expm1(Vec<T, W>(T(-2)) * magnitude);
  const Vec<T, W> y = -e / (e + Vec<T, W>(T(2)));
  return if_positive(x, y, -y);
}
RETROGRADE_INLINE std::complex<double> tanh(std::complex<double> x) {
  const double cosh = std::cosh(x.real());
  return {std::tanh(x.real()), x.imag() / cosh / cosh};
}

template <class T, int W>
RETROGRADE_INLINE Vec<T, W> sigmoid(Vec<T, W> x) {
  const Vec<T, W> one(T(1));
  return one / (one + exp(-x));
}
RETROGRADE_INLINE std::complex<double> sigmoid(std::complex<double> x) {
  const double e = std::exp(-std::abs(x.real()));
  const double y = x.real() > 0 ? 1 / (1 + e) : e / (1 + e);
  return {y, x.imag() * e / ((1 + e) * (1 + e))};
}

}  // namespace retrograde
