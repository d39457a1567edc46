#include "retrograde/optim/clip.h"

#include <cmath>
#include <cstddef>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

void require_limit(double limit) {
  if (!(limit > 0)) throw UsageError("the clipping limit is {}; it must be above 0", limit);
}

}  // namespace

template <class T>
double norm(std::span<const T> gradients) {
  // Eight running sums, because the compiler may not reorder one.
  constexpr std::size_t kLanes = 8;
  double sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= gradients.size(); i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double g = static_cast<double>(gradients[i + lane]);
      sums[lane] += g * g;
    }
  double total = 0;
  for (; i < gradients.size(); ++i)
    total += static_cast<double>(gradients[i]) * static_cast<double>(gradients[i]);
  for (double sum : sums) total += sum;
  return std::sqrt(total);
}

template <class T>
double clip_norm(std::span<T> gradients, double limit) {
  require_limit(limit);
  const double length = norm(std::span<const T>(gradients));
  const double factor = limit / (length + 1e-6);
  if (factor < 1 && std::isfinite(length))
    for (T& g : gradients) g *= T(factor);
  return length;
}

template <class T>
void clip_value(std::span<T> gradients, double limit) {
  require_limit(limit);
  const T high = T(limit), low = -high;
  for (T& g : gradients) g = g > high ? high : g < low ? low : g;
}

template double norm(std::span<const float>);
template double norm(std::span<const double>);
template double clip_norm(std::span<float>, double);
template double clip_norm(std::span<double>, double);
template void clip_value(std::span<float>, double);
template void clip_value(std::span<double>, double);

}  // namespace retrograde
