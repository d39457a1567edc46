#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "retrograde/base/error.h"
#include "retrograde/check/derivative.h"

namespace retrograde {
namespace {

// The deviation of noise in nine values on a line, from their differences of order 3, 4, 5: noise makes the
// three estimates alike, a smooth function makes them fall. Negative where it is smooth or not finite.
double roughness(const std::function<double(int)>& values) {
  constexpr int kPoints = 9;
  std::array<double, kPoints> table{};
  double largest = 0;
  for (int k = 0; k < kPoints; ++k) {
    table[static_cast<std::size_t>(k)] = values(k);
    largest = std::max(largest, std::abs(table[static_cast<std::size_t>(k)]));
  }
  if (largest == 0) return 0;
  for (double& t : table) t /= largest;  // the squares of 1e-200 must not vanish
  double sigma[6] = {}, gamma = 1;
  for (int order = 1; order <= 5; ++order) {
    gamma *= order / (2.0 * (2 * order - 1));  // (k!)^2 / (2k)!
    double sum = 0;
    for (int k = 0; k < kPoints - order; ++k) {
      const auto at = static_cast<std::size_t>(k);
      table[at] = table[at + 1] - table[at];
      sum += table[at] * table[at];
    }
    sigma[order] = std::sqrt(gamma * sum / (kPoints - order));
    if (!std::isfinite(sigma[order])) return -1;
  }
  const bool smooth = sigma[3] > 16 * sigma[5] && sigma[3] > sigma[4] && sigma[4] > sigma[5];
  return smooth ? -1 : largest * std::max({sigma[3], sigma[4], sigma[5]});
}

// The largest |f| at points as far away as the parameters are large.
double largest_elsewhere(const RealFunction& f, std::span<const double> x, Random& random) {
  std::vector<double> point(x.size());
  double largest = 0;
  const auto look = [&](auto factor) {
    for (std::size_t i = 0; i < x.size(); ++i) point[i] = factor() * x[i];
    const double value = std::abs(f(point));
    if (std::isfinite(value)) largest = std::max(largest, value);
  };
  look([] { return 0.0; });
  look([] { return -1.0; });
  for (int i = 0; i < 2; ++i) look([&] { return random.uniform() < 0.5 ? -1.0 : 1.0; });
  return largest;
}

}  // namespace

FunctionNoise measure_noise(const RealFunction& f, std::span<const double> x, std::span<const double> scales,
                            Random& random, int coarsest) {
  if (scales.size() != x.size()) throw UsageError("{} scales for {} parameters", scales.size(), x.size());
  FunctionNoise noise;
  std::vector<double> point(x.begin(), x.end()), v(scales.begin(), scales.end());
  const double origin = f(point);
  for (int i = 0; i < 2; ++i) {
    const double again = f(point);
    if (again != origin && !(std::isnan(again) && std::isnan(origin))) {
      noise.repeatable = false;
      noise.sigma = std::max(noise.sigma, std::abs(again - origin));
    }
  }
  for (double& vi : v) vi *= random.uniform(0.5, 1) * (random.uniform() < 0.5 ? -1 : 1);

  // Spacings from the last bits upwards. Once f is smooth there is nothing more to learn: coarser spacings
  // would take a steep function for noise. Wide ones count only if all before were silent (a single-precision
  // inside). A kink close to x lies on one side of it, noise on both.
  constexpr int kFine = -20;
  bool single = true, constant = true;  // constant: as far as fine spacings go
  for (int exponent = -48; exponent <= coarsest && (exponent <= kFine || noise.sigma == 0); exponent += 4) {
    double sigma = std::numeric_limits<double>::infinity();
    for (const double side : {1.0, -1.0}) {
      const auto values = [&](int k) {
        const double t = side * std::ldexp(k + 1, exponent);
        for (std::size_t i = 0; i < x.size(); ++i) point[i] = x[i] + t * v[i];
        const double value = f(point);
        constant = constant && (exponent > kFine || value == origin);
        single = single && static_cast<double>(static_cast<float>(value)) == value;
        return value;
      };
      sigma = std::min(sigma, roughness(values));
    }
    if (!(sigma >= 0)) break;
    noise.sigma = std::max(noise.sigma, sigma);
  }
  // Where f stays on one number nothing rough is seen. That it only takes float32 values is, and how large it
  // is elsewhere.
  const double elsewhere = largest_elsewhere(f, x, random);
  constexpr double kEps = std::numeric_limits<double>::epsilon(),
                   kEps32 = std::numeric_limits<float>::epsilon();
  if (single) noise.sigma = std::max(noise.sigma, std::abs(origin) * kEps32 / 4);
  noise.quantum = elsewhere * (single ? kEps32 : kEps);
  if (constant) noise.sigma = std::max(noise.sigma, noise.quantum / 4);
  noise.magnitude = std::max(std::abs(origin), std::min(noise.sigma / kEps, elsewhere));
  return noise;
}

}  // namespace retrograde
