// A network over a batch of sequences.
#pragma once

#include <cstdint>
#include <span>

#include "retrograde/base/random.h"
#include "retrograde/model/network.h"
#include "retrograde/sequence/input.h"
#include "retrograde/sequence/tape.h"

namespace retrograde {

template <class T>
struct ForwardOptions {
  const State<T>* start = nullptr;  // null: zero, or the learned one
  // With `start`: 1 for a sequence that begins with it, 0 for one that begins with the network's own start;
  // [B], or empty: all begin with it.
  std::span<const std::uint8_t> given = {};
  // Training: dropout draws its masks from it. The same state of the source gives the same masks whatever the
  // scalar. Null: no dropout.
  Random* dropout = nullptr;
  bool keep_preactivations = false;  // Tape::preactivations
  bool keep_tape = true;             // false: inference; the outputs are the same bits
};

// Runs the network; the results are in the tape. T: float, double, or complex<double> (no backward follows).
// Throws UsageError if the input does not fit the network.
template <class T>
void forward(const Network<T>& network, const Input<T>& input, Tape<T>& tape,
             const ForwardOptions<T>& options = {});

}  // namespace retrograde
