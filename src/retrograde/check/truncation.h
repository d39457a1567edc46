// Truncated gradients: are they right, and what do they cost? Two numbers that are always mixed up.
//
//   implementation   A truncated gradient is the exact gradient of a surrogate: the same loss, with the
//   states that
//                    enter each piece of a chunked sequence, or each output's window, frozen at the values
//                    that the whole forward recorded. surrogate_function() is that loss; it is differentiated
//                    numerically.
//   bias             What the truncated gradient lacks against the full one.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "retrograde/check/network.h"

namespace retrograde {

struct BlockBias {
  double relative_norm = 0;  // |truncated - full| / |full|; NaN where full is zero
  double cosine = 0;
  double sign_agreement = 0;  // share of entries with the same sign
};

struct BiasAt {
  Bptt bptt;
  std::vector<BlockBias> blocks;
  BlockBias whole;  // all parameters as one vector
  // |what this reach adds to the one before| / |full|, by block and for the whole: how much comes from these
  // lags.
  std::vector<double> added;
  double added_whole = 0;
};

struct BiasReport {
  std::vector<std::string> blocks;  // parameters only: x and start states are not trained
  std::vector<BiasAt> at;           // in the order asked for

  std::string text() const;
  nlohmann::ordered_json json() const;
};

// Compares the production gradients of each truncation with the full one; problem.bptt is ignored. The
// verdict on these gradients themselves is check_network's.
BiasReport truncation_bias(const Network<double>& network, const LossProblem& problem,
                           const std::vector<Bptt>& truncations);

// The least window whose relative norm of the whole stays within `bound`: found by doubling and halving, as
// if bias fell with reach, which on the whole it does.
std::size_t smallest_reach(const Network<double>& network, const LossProblem& problem, double bound);

// Windows 0, 1, 2, 3, 5, 8, ... up to the whole sequence.
std::vector<Bptt> windows_up_to(std::size_t steps);

}  // namespace retrograde
