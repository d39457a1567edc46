// The right gradient of one reading of the case, what rounding makes of it at this very point, and the
// verdict on every block of the claim.
//
// The noise is measured, not assumed: the reference is run a few times with every intermediate number
// disturbed by one rounding (of double, of single precision), and the largest deviation, with a margin, is
// what a correct computation may deviate by.
#pragma once

#include "retrograde/doctor/identify.h"
#include "retrograde/doctor/report.h"
#include "retrograde/doctor/search.h"

namespace retrograde::doctor {

enum class Precision { double_, single };

// A rounding of the claim's arithmetic, relative.
double unit(Precision precision);

class Judge {
 public:
  explicit Judge(const Hypothesis& h);

  const std::vector<Target>& targets() const { return targets_; }
  // Per target: the right gradient, and how far a correct claim may be from it.
  const Real& right(std::size_t target) const { return right_[target]; }
  double allowed(std::size_t target, Precision precision) const;
  // The targets with the tolerance by which a candidate is said to reproduce them.
  std::vector<Target> search_targets(Precision precision) const;
  // Every block, the worst first.
  std::vector<BlockRow> rows(Precision precision) const;

 private:
  void measure_noise(Precision precision);
  double ordinary_rounding(Precision precision) const;

  const Hypothesis& h_;
  std::vector<Target> targets_;
  std::vector<Real> right_;
  std::vector<double> noise_[2];
};

}  // namespace retrograde::doctor
