// One step of a simple recurrent network.
//   h' = f(W x + U h + b)                        [B,H]
// Elman 1990, Cognitive Science 14(2).
#pragma once

#include <string_view>
#include <utility>

#include "retrograde/cells/nonlinearity.h"
#include "retrograde/kernels/slots.h"

namespace retrograde {

struct Elman {
  static constexpr std::string_view kName = "elman";
  static constexpr std::string_view kGateNames[] = {"hidden"};
  static constexpr Slots kSlots{.gates = 1, .slots = 1, .tape = 1, .input = {0, 1}, .recurrent = {{{0, 1}}}};

  Nonlinearity nonlinearity = Nonlinearity::Kind::tanh;
  // Whether a step runs the user's code, which must stay in the user's thread.
  bool calls_back() const { return nonlinearity.kind() == Nonlinearity::Kind::custom; }

  // The slope of tanh is told by h' alone.
  bool keeps_tape() const { return nonlinearity.kind() != Nonlinearity::Kind::tanh; }

  // tape: the pre-activation.
  template <class V>
  RETROGRADE_INLINE void forward(const V* a, const V*, V* next, V* tape) const {
    tape[0] = a[0];
    next[0] = nonlinearity.value(a[0]);
  }

  template <class V>
  RETROGRADE_INLINE void backward(const V* tape, const V*, const V* next, const V* d_next, V* da,
                                  V* d_state) const {
    if (keeps_tape())
      da[0] = d_next[0] * nonlinearity.derivative(tape[0]);
    else
      da[0] = d_next[0] * (V(1) - next[0] * next[0]);
    d_state[0] = V(0);
  }
};

}  // namespace retrograde
