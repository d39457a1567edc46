// A function on a line through a point, and the noise of its values there: what the differences of
// ridders.cpp and the Taylor remainder see.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "retrograde/base/error.h"
#include "retrograde/check/derivative.h"

namespace retrograde::detail {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

inline void require_direction(std::span<const double> x, Direction v) {
  if (v.values.empty() || v.offset + v.values.size() > x.size())
    throw UsageError("a direction moves entries {} to {} of a vector of {}", v.offset,
                     v.offset + v.values.size(), x.size());
}

// f on the line x + t v.
class Line {
 public:
  Line(const RealFunction& f, std::span<const double> x, Direction v, const FunctionNoise& noise)
      : f_(f), x_(x), v_(v), point_(x.begin(), x.end()), origin_(f(point_)) {
    require_direction(x, v);
    floor_ = std::max(noise.sigma, std::numeric_limits<double>::epsilon() / 4 * std::abs(origin_));
    relative_ = origin_ == 0 ? std::numeric_limits<double>::epsilon()
                             : std::max(std::numeric_limits<double>::epsilon(), floor_ / std::abs(origin_));
    relative_ = std::min(relative_, 1e-2);
    quantum_ = noise.quantum;
  }

  struct Point {
    double t, value;
  };

  // A single parameter is moved to the nearest number there is, and t is where it really went.
  Point at(double t) {
    for (std::size_t k = 0; k < v_.values.size(); ++k)
      point_[v_.offset + k] = x_[v_.offset + k] + t * v_.values[k];
    const double value = f_(point_);
    if (v_.values.size() == 1) t = (point_[v_.offset] - x_[v_.offset]) / v_.values[0];
    return {t, value};
  }

  double origin() const { return origin_; }
  double quantum() const { return quantum_; }
  // The largest step below every other at which f did not change by a bit, and the smallest at which it did.
  double still() const { return still_ < moved_ ? still_ : 0; }
  double moved() const { return moved_; }
  void note(double h, bool changed) {
    if (changed)
      moved_ = std::min(moved_, h);
    else
      still_ = std::max(still_, h);
  }
  // Three standard deviations of the noise in a value of f.
  double noise(double value) const {
    return 3 * (floor_ + relative_ * std::max(0.0, std::abs(value) - std::abs(origin_))) +
           std::numeric_limits<double>::denorm_min();
  }

 private:
  const RealFunction& f_;
  std::span<const double> x_;
  Direction v_;
  std::vector<double> point_;
  double origin_;
  double floor_ = 0, relative_ = 0, quantum_ = 0;
  double still_ = 0, moved_ = std::numeric_limits<double>::infinity();
};

}  // namespace retrograde::detail
