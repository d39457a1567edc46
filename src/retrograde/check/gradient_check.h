// The run of one check, for check_gradient: what is measured, judged, looked at again and said.
#pragma once

#include <chrono>
#include <vector>

#include "retrograde/check/gradient.h"

namespace retrograde::detail {

inline constexpr int kDraws = 2;  // complex steps an entry: one for the value, one to see rounding

struct Probe {
  std::size_t block, index;
  double order;  // position in its block's list, in [0, 1): sorting by it interleaves the blocks
};

class GradientCheck {
 public:
  GradientCheck(const Objective& f, std::span<const double> theta, std::span<const double> claimed,
                const CheckOptions& options);
  CheckCost predict();
  CheckReport run();

 private:
  std::size_t planned_entries(const Block& block) const;
  void plan();
  double timed_evaluation();
  void prepare_oracle();
  void cross_check();
  bool measure_all();
  std::vector<double> random_direction(std::size_t block, Random& random) const;
  Direction direction(const Probe& probe);
  Derivative measure(const Probe& probe, int draws);
  Derivative differences(Direction v, double scale);
  Entry entry(const Probe& probe);
  void judge();
  bool second_look(std::size_t block);
  void confirm(Probe probe, Entry& e);
  double rounding_by_differences(Direction v, double scale, double value);
  void localise(std::size_t block);
  void sum_up();
  void state_power();
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  Objective f_;
  std::span<const double> theta_, claimed_;
  CheckOptions options_;
  CheckReport report_;
  std::vector<std::size_t> offsets_;
  std::vector<double> steps_;      // [n] a moderate step for each parameter
  std::vector<double> direction_;  // the values of the current direction
  std::vector<Probe> probes_;
  std::vector<std::vector<Entry>> entries_;
  double whole_ = 0;      // the largest |gradient| x step
  bool complex_ = false;  // the oracle
  bool directional_ = false;
  FunctionNoise noise_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Random random_;
};

}  // namespace retrograde::detail
