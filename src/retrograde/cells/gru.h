// One step of a gated recurrent unit.
//   r = σ(W_r x + U_r h + b_r)                   [B,H]  reset
//   z = σ(W_z x + U_z h + b_z)                   [B,H]  update
//   n = tanh(W_n x + b_n + r ∘ (U_n h + c_n))    [B,H]  candidate, reset after the product (PyTorch, cuDNN)
//   n = tanh(W_n x + b_n + U_n (r ∘ h) + c_n)    [B,H]  candidate, reset before it (Cho's original)
//   h' = (1 − z) ∘ n + z ∘ h                     [B,H]
// Stacked blocks hold r, z, n. Cho et al. 2014, arXiv:1406.1078.
#pragma once

#include <string_view>

#include "retrograde/kernels/activations.h"
#include "retrograde/kernels/slots.h"

namespace retrograde {

// Reset after the product. Slots: W_n x, r, z, U_n h.
struct GruResetAfter {
  static constexpr std::string_view kName = "gru";
  static constexpr std::string_view kGateNames[] = {"reset", "update", "candidate"};
  static constexpr Slots kSlots{
      .gates = 3, .slots = 4, .tape = 4, .gate = {2, 0, 1, 2}, .input = {0, 3}, .recurrent = {{{1, 3}}}};

  // tape: r, z, n, U_n h + c_n.
  template <class V>
  RETROGRADE_INLINE void forward(const V* a, const V* state, V* next, V* tape) const {
    const V r = sigmoid(a[1]), z = sigmoid(a[2]);
    const V n = tanh(a[0] + r * a[3]);
    next[0] = n + z * (state[0] - n);
    tape[0] = r, tape[1] = z, tape[2] = n, tape[3] = a[3];
  }

  template <class V>
  RETROGRADE_INLINE void backward(const V* tape, const V* state, const V*, const V* d_next, V* da,
                                  V* d_state) const {
    const V one(1);
    const V r = tape[0], z = tape[1], n = tape[2], u = tape[3];
    const V dh = d_next[0];
    const V dn = dh * (one - z) * (one - n * n);  // h' = n + z ∘ (h − n);  n = tanh(a_n + r ∘ u)
    da[0] = dn;
    da[1] = dn * u * r * (one - r);
    da[2] = dh * (state[0] - n) * z * (one - z);
    da[3] = dn * r;
    d_state[0] = dh * z;
  }
};

// Reset before the product: two stages. Slots: r, z, n.
struct GruResetBefore {
  static constexpr std::string_view kName = "gru";
  static constexpr std::string_view kGateNames[] = {"reset", "update", "candidate"};
  static constexpr Slots kSlots{.gates = 3,
                                .slots = 3,
                                .tape = 3,
                                .gate = {0, 1, 2},
                                .input = {0, 3},
                                .stages = 2,
                                .recurrent = {{{0, 2}, {2, 1}}}};

  // tape: r, z, n. The first stage makes v = r ∘ h, which the second multiplies by U_n.
  template <class V>
  RETROGRADE_INLINE void inner_forward(const V* a, const V* state, V& v, V* tape) const {
    tape[0] = sigmoid(a[0]);
    v = tape[0] * state[0];
  }
  template <class V>
  RETROGRADE_INLINE void forward(const V* a, const V* state, V* next, V* tape) const {
    const V z = sigmoid(a[1]), n = tanh(a[2]);
    next[0] = n + z * (state[0] - n);
    tape[1] = z, tape[2] = n;
  }

  template <class V>
  RETROGRADE_INLINE void backward(const V* tape, const V* state, const V*, const V* d_next, V* da,
                                  V* d_state) const {
    const V one(1);
    const V z = tape[1], n = tape[2], dh = d_next[0];
    da[1] = dh * (state[0] - n) * z * (one - z);  // h' = n + z ∘ (h − n)
    da[2] = dh * (one - z) * (one - n * n);
    d_state[0] = dh * z;
  }
  template <class V>
  RETROGRADE_INLINE void inner_backward(const V* tape, const V* state, V dv, V* da, V* d_state) const {
    const V r = tape[0];
    da[0] = dv * state[0] * r * (V(1) - r);  // v = r ∘ h
    d_state[0] = d_state[0] + dv * r;
  }
};

}  // namespace retrograde
