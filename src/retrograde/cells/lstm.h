// One step of a long short-term memory with forget gate.
//   i = σ(W_i x + U_i h + b_i)                   [B,H]  input gate
//   f = σ(W_f x + U_f h + b_f)                   [B,H]  forget gate
//   g = tanh(W_g x + U_g h + b_g)                [B,H]  candidate
//   o = σ(W_o x + U_o h + b_o)                   [B,H]  output gate
//   c' = f ∘ c + i ∘ g                           [B,H]
//   h' = o ∘ tanh(c')                            [B,H]
// Stacked blocks hold i, f, g, o. Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000.
#pragma once

#include <string_view>

#include "retrograde/kernels/activations.h"
#include "retrograde/kernels/slots.h"

namespace retrograde {

struct Lstm {
  static constexpr std::string_view kName = "lstm";
  static constexpr std::string_view kGateNames[] = {"input", "forget", "candidate", "output"};
  static constexpr Slots kSlots{.gates = 4,
                                .slots = 4,
                                .states = 2,
                                .tape = 5,
                                .gate = {0, 1, 2, 3},
                                .input = {0, 4},
                                .recurrent = {{{0, 4}}}};

  // tape: i, f, g, o, tanh(c'). state: h, c.
  template <class V>
  RETROGRADE_INLINE void forward(const V* a, const V* state, V* next, V* tape) const {
    const V i = sigmoid(a[0]), f = sigmoid(a[1]), g = tanh(a[2]), o = sigmoid(a[3]);
    const V c = f * state[1] + i * g;
    const V tanh_c = tanh(c);
    next[0] = o * tanh_c;
    next[1] = c;
    tape[0] = i, tape[1] = f, tape[2] = g, tape[3] = o, tape[4] = tanh_c;
  }

  template <class V>
  RETROGRADE_INLINE void backward(const V* tape, const V* state, const V*, const V* d_next, V* da,
                                  V* d_state) const {
    const V one(1);
    const V i = tape[0], f = tape[1], g = tape[2], o = tape[3], tanh_c = tape[4];
    const V dh = d_next[0];
    const V dc = d_next[1] + dh * o * (one - tanh_c * tanh_c);  // h' = o ∘ tanh(c')
    da[0] = dc * g * i * (one - i);                             // c' = f ∘ c + i ∘ g
    da[1] = dc * state[1] * f * (one - f);
    da[2] = dc * i * (one - g * g);
    da[3] = dh * tanh_c * o * (one - o);
    d_state[0] = V(0);
    d_state[1] = dc * f;
  }
};

}  // namespace retrograde
