#include "retrograde/check/derivative.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "retrograde/check/line.h"

namespace retrograde {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();

}  // namespace

TaylorSlope taylor_slope(const RealFunction& f, std::span<const double> x, Direction v, double claimed,
                         double scale, const FunctionNoise& noise) {
  constexpr int kPoints = 6;
  TaylorSlope best;
  detail::Line line(f, x, v, noise);
  for (double start = scale / 8; start > scale / 1e5; start /= 16) {
    double sum = 0, moment = 0, spread = 0, before = detail::kInfinity, bound = detail::kInfinity, y[kPoints];
    bool seen = true;
    for (int i = 0; i < kPoints; ++i) {
      const auto p = line.at(std::ldexp(start, -i));
      const double remainder = std::abs(p.value - line.origin() - p.t * claimed);
      const double rounding =
          line.noise(p.value) + line.noise(line.origin()) + kEps * std::abs(p.t * claimed);
      seen = seen && remainder > 4 * rounding && std::isfinite(remainder);
      const double slope_gap = (remainder + rounding) / std::abs(p.t);
      if (slope_gap >= 0) bound = std::min(bound, std::max(slope_gap, before));
      before = slope_gap;
      const double u = (kPoints - 1) / 2.0 - i;  // log2 of the step, centred
      y[i] = std::log2(remainder);
      sum += u * u;
      moment += u * y[i];
      spread += u * u * std::pow(rounding / remainder / std::log(2), 2);
    }
    best.bound = std::min(best.bound, bound);
    if (!seen) continue;
    double mean = 0, residual = 0;
    for (const double yi : y) mean += yi / kPoints;
    for (int i = 0; i < kPoints; ++i)
      residual += std::pow(y[i] - mean - moment / sum * ((kPoints - 1) / 2.0 - i), 2) / (kPoints - 2);
    const double error = 3 * std::sqrt(residual / sum) + std::sqrt(spread) / sum;
    if (error < best.error) best = {moment / sum, error, best.bound};
  }
  return best;
}

Derivative complex_step(const ComplexFunction& f, std::span<const double> x, Direction v, Random& random,
                        int draws) {
  detail::require_direction(x, v);
  double h = 1e-50;
  for (std::size_t k = 0; k < v.values.size(); ++k)
    if (x[v.offset + k] != 0 && v.values[k] != 0)
      h = std::min(h, 1e-20 * std::abs(x[v.offset + k] / v.values[k]));
  h = std::max(h, 1e-200);

  std::vector<std::complex<double>> point(x.begin(), x.end());
  const auto slope = [&](double step) {
    for (std::size_t k = 0; k < v.values.size(); ++k) point[v.offset + k].imag(step * v.values[k]);
    return f(point).imag() / step;
  };
  Derivative result;
  result.value = slope(h);
  double squares = 0;
  for (int draw = 1; draw < draws; ++draw) {
    for (std::size_t i = 0; i < x.size(); ++i) point[i].real(x[i] * (1 + kEps * random.uniform(-1, 1)));
    const double d = slope(h * random.uniform(1, 2)) - result.value;
    squares += d * d;
  }
  if (!std::isfinite(result.value)) return result;
  result.rounding = std::sqrt(squares / std::max(1, draws - 1));
  result.error = 6 * result.rounding + 4 * kEps * std::abs(result.value);
  return result;
}

}  // namespace retrograde
