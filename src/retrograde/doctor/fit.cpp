#include "retrograde/doctor/fit.h"

#include <algorithm>
#include <cmath>

namespace retrograde::doctor {

double largest(const double* v, std::size_t n) {
  double m = 0;
  for (std::size_t i = 0; i < n; ++i) m = std::max(m, std::abs(v[i]));
  return m;
}

double largest(const Real& v) { return largest(v.data(), v.size()); }

Fit fit(const double* claim, const Real& made, double tolerance) {
  const std::size_t n = made.size();
  double cm = 0, mm = 0;
  for (std::size_t i = 0; i < n; ++i) cm += claim[i] * made[i], mm += made[i] * made[i];
  const double top = largest(claim, n);
  if (!std::isfinite(cm) || !std::isfinite(mm)) return {};
  if (mm == 0) return {top == 0, 1, top == 0 ? 0.0 : 1.0};
  if (top == 0) return {true, 0, 0};
  Fit f;
  f.scale = cm / mm;
  // A factor within the tolerance of one is one.
  if (std::abs(f.scale - 1) <= 8 * tolerance) f.scale = 1;
  double gap = 0;
  for (std::size_t i = 0; i < n; ++i) gap = std::max(gap, std::abs(claim[i] - f.scale * made[i]));
  f.miss = gap / top;
  f.ok = f.miss <= tolerance;
  return f;
}

Real transposed(const Real& m, int n) {
  Real t(m.size());
  for (int r = 0; r < n; ++r)
    for (int c = 0; c < n; ++c)
      t[static_cast<std::size_t>(c * n + r)] = m[static_cast<std::size_t>(r * n + c)];
  return t;
}

bool round_number(double v) {
  if (!(v > 0)) return false;
  const double unit = std::pow(10, std::floor(std::log10(v) + 1e-9) - 1);
  return std::abs(v / unit - std::round(v / unit)) < 1e-4 * (v / unit);
}

}  // namespace retrograde::doctor
