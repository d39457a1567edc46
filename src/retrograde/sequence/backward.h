// Back-propagation through time, from cotangents or from a loss.
#pragma once

#include <span>
#include <vector>

#include "retrograde/loss/loss.h"
#include "retrograde/sequence/bptt.h"
#include "retrograde/sequence/forward.h"

namespace retrograde {

// The gradient by the outputs and by the final states, in their shapes (Tape::outputs, Tape::final_state);
// empty: zero.
template <class T>
struct Cotangent {
  std::span<const T> outputs;              // by y, after the output activation
  std::span<const T> head_preactivations;  // by z, before it; added to what comes through y
  const State<T>* final_state = nullptr;
};

// Gradients are added to what is there: clear() begins anew.
template <class T>
struct Gradients {
  explicit Gradients(const Network<T>& network) : parameters(network.parameters().blocks()) {}
  void clear();

  Params<T> parameters;
  bool want_dx = false;     // dense input only
  std::vector<T> dx;        // [B, T, I]; 0 past a sequence's end
  bool want_start = false;  // by the given or zero start states
  State<T> start;
};

// Adds the gradients of ⟨cotangent, results of the forward that left this tape⟩. The network must be the
// tape's.
template <class T>
void backward(const Network<T>& network, Tape<T>& tape, const Cotangent<T>& cotangent, const Bptt& bptt,
              Gradients<T>& gradients);

// The loss of the tape's outputs; for complex<double> too.
template <class T>
SumOf<T> loss_of(const Tape<T>& tape, const Loss& loss, const Target<typename RealOf<T>::type>& target);

// The loss, and its gradients added.
template <class T>
double loss_and_gradients(const Network<T>& network, Tape<T>& tape, const Loss& loss, const Target<T>& target,
                          const Bptt& bptt, Gradients<T>& gradients);

}  // namespace retrograde
