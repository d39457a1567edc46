// The check of our own gradients: any configuration, loss, batch and truncation, by every parameter, the
// input and the start states. The claim is the production backward's; the truth is the complex step through a
// forward on complex<double>, of the loss itself (full) or of the surrogate whose exact gradient the
// truncated one is (check/surrogate.h).
#pragma once

#include <optional>
#include <vector>

#include "retrograde/check/gradient.h"
#include "retrograde/sequence/backward.h"

namespace retrograde {

// The loss of a network on a batch, as views of the caller's memory.
struct LossProblem {
  Input<double> input;
  const State<double>* start = nullptr;  // null: zero, or the learned one
  Loss loss{};
  Target<double> target{};
  Bptt bptt = full();
  // Where training would draw its dropout masks from. Every evaluation draws from a copy: the masks are
  // frozen.
  std::optional<Random> dropout{};
};

// All that the loss depends on, flat: parameters as in the network, x [B, T, I] if dense, then start states
// h0 and c0 if they are given, layer by layer, [B, H].
std::vector<Block> blocks_of(const Network<double>& network, const LossProblem& problem);
std::vector<double> point_of(const Network<double>& network, const LossProblem& problem);

// Names and words of a network's parameter blocks: gates, units, inputs.
std::vector<Block> parameter_blocks(const Config& config);

// The loss on complex numbers, as a function of the flat vector; differentiated through the whole sequence.
ComplexFunction loss_function(const Network<double>& network, const LossProblem& problem);

// The production backward's gradient in that order, computed in T.
template <class T>
std::vector<double> own_gradient(const Network<T>& network, const LossProblem& problem);

// Blocks and claim precision of the options are set here. For a float network the point is its float32
// values.
template <class T>
CheckReport check_network(const Network<T>& network, const LossProblem& problem, CheckOptions options = {});

}  // namespace retrograde
