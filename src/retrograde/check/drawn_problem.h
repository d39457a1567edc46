// A batch, targets and start states drawn at random for a network, for checks that bring no data of their
// own: unequal lengths, states that are not zero, targets that suit the loss, a weight for every step.
#pragma once

#include <vector>

#include "retrograde/check/network.h"

namespace retrograde {

struct DrawOptions {
  std::size_t batch = 3, steps = 5;
  bool unequal = true;      // lengths
  bool given_start = true;  // else the network's own
  Bptt bptt = full();
};

class DrawnProblem {
 public:
  DrawnProblem(const Config& config, Loss loss, const DrawOptions& options, Random& random);
  DrawnProblem(const DrawnProblem&) = delete;
  DrawnProblem& operator=(const DrawnProblem&) = delete;

  // Views of this object's memory. Dropout, if the network has any, is frozen.
  const LossProblem& view() const { return view_; }
  LossProblem& view() { return view_; }

 private:
  std::vector<double> x_, values_, weights_;
  std::vector<std::int32_t> tokens_, classes_;
  std::vector<std::size_t> lengths_;
  State<double> start_;
  LossProblem view_;
};

// Parameters that hide nothing: normal, of this deviation. (Tiny weights hide a missing transpose, large ones
// saturate.)
void draw_parameters(Network<double>& network, Random& random, double deviation = 0.5);

}  // namespace retrograde
