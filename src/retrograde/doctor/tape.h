// The forward pass of a canonical problem, recorded: every quantity that a backward, right or wrong, may look
// up.
//
// A recorded quantity has T+2 slots, one for each of steps -1..T, each [B,H]: step -1 holds the start state
// where there is one, and a wrong program may ask for step T. Factors are elementwise functions of recorded
// quantities, computed on first use and kept, since thousands of candidate mistakes share them.
#pragma once

#include <map>
#include <vector>

#include "retrograde/doctor/network.h"

namespace retrograde::doctor {

enum class Var : unsigned char {
  none,
  x,  // layer input [B,I]
  h,  // state; slot -1 is h0
  z0,
  z1,
  z2,
  z3,  // pre-activations
  a0,
  a1,
  a2,
  a3,  // gates after their activation
  c,   // LSTM cell state; slot -1 is c0
  m,   // f(c)
  p,   // GRU, reset after: U_n h + c_n
  pu,  // the same without its bias: U_n h
  rh,  // GRU, reset before: r * h_{t-1}
  zh,  // GRU: z * h_{t-1}, another gate in its place
  rs,  // GRU: r * h_t, which a wrong index makes of it
  hn,  // GRU: derivative of h' by the update gate: h_{t-1} - n, or n - h_{t-1}
  hs,  // the same with h_t, which a wrong index makes of it
  hp,  // h_{t-1} + n, which a wrong sign makes of it
  wx0,
  wx1,
  wx2,
  wx3,    // the input's part of a pre-activation, W x + b
  token,  // of the first layer, where an embedding makes x: the one-hot tokens [B, vocabulary]
  zr,     // Elman: the pre-activation of a forward that is repeated from h_t, where h_{t-1} is due
  pool,   // of the last layer, where the head reads the states' mean, sum or maximum: that, at every step
  count
};
inline Var operator+(Var v, int k) { return static_cast<Var>(static_cast<int>(v) + k); }

// What a factor makes of a recorded quantity v: the right forms, and what a slip of the pen makes of them.
enum class Fn : unsigned char {
  one,                // the factor is left out
  value,              // v
  complement,         // 1 - v
  one_plus,           // 1 + v
  square,             // v^2
  one_minus_square,   // 1 - v^2
  one_plus_square,    // 1 + v^2
  complement_square,  // (1 - v)^2
  value_one_plus,     // v (1 + v)
  logistic,           // v (1 - v)
  slope,              // f'(v), right when v is the pre-activation
  slope_at_state,     // f'(f(v))
  slope_of_value,     // the formula for a = f(z), given v itself: 1 - v^2, v (1 - v)
  activation,         // f(v)
  slope_squared,      // f'(v)^2
  value_slope,        // v f'(v)
  slope_without_one,  // f'(v - 1): a constant 1 of the forget gate left out
  activation_without_one,
  one_minus_product,  // 1 - v[t] v[t-1]: a square written of two steps
  one_minus_cube,     // 1 - v^3
  count
};

// Noise of relative size `size`, drawn anew for every number: what rounding does at this point.
struct Rounding {
  double size = 0;
  unsigned long long seed = 1;
  double operator()();  // uniform in [-size, size]
};

class Tape {
 public:
  Tape() = default;
  Tape(const Problem& problem, int layer, const Real& input, Rounding* rounding = nullptr);

  // Quantity v of step t in [-1, T].
  const double* at(Var v, int t) const { return slots(v).data() + (t + 1) * step(v); }
  // Elementwise function fn(inner(v)) of quantity v at step t; f is the activation whose slope is meant.
  const double* factor(Var v, Fn fn, Activation f, int t, Fn inner = Fn::value) const;
  const Real& slots(Var v) const { return vars_[static_cast<std::size_t>(v)]; }
  bool has(Var v) const { return !slots(v).empty(); }
  int step(Var v) const { return batch_ * (v == Var::x ? inputs_ : v == Var::token ? vocabulary_ : hidden_); }
  // States h_0 .. h_{T-1}, contiguous [T,B,H].
  Real outputs() const;

 private:
  double* put(Var v, int t) { return vars_[static_cast<std::size_t>(v)].data() + (t + 1) * step(v); }
  void make(Var v) {
    vars_[static_cast<std::size_t>(v)].assign(static_cast<std::size_t>((steps_ + 2) * step(v)), 0);
  }
  void repeat_forward() const;
  void run_step(const Problem& problem, const Layer& layer, int t);

  int steps_ = 0, batch_ = 0, inputs_ = 0, hidden_ = 0, vocabulary_ = 0;
  Rounding* rounding_ = nullptr;
  Real recurrent_;  // Elman's
  mutable std::vector<Real> vars_{static_cast<std::size_t>(Var::count)};
  mutable std::map<int, Real> factors_;
};

// y = outputs of the head before its activation, [T,B,O], from the last layer's states [T,B,H].
Real head_outputs(const Problem& problem, const Real& states, Rounding* rounding = nullptr);
// What the head reads of the last layer's states [T,B,n], where they are pooled at every step the same.
Real pooled(const Problem& problem, Real states);
// Its derivative by each step's states, [T,B,n].
Real pool_shares(const Problem& problem, const Real& states);
// All layers.
std::vector<Tape> forward(const Problem& problem, Rounding* rounding = nullptr);
// A sequence [T,B,n] with every row's valid steps in reverse.
Real in_reverse(const Problem& problem, const Real& sequence);
// A quantity of a level's directions joined, in the order of the input's steps: slots -1..T of [B,width].
Real joined(const Problem& problem, const std::vector<Tape>& tapes, int level, Var v);
// What the head reads, [T,B,H].
Real top_states(const Problem& problem, const std::vector<Tape>& tapes);
// The states' value of the problem's basic loss (before its scale), per output row t,b; z are head_outputs
// or, without a head, the states.
double basic_loss(const Problem& problem, Loss loss, Activation head_activation, const Real& z);
// What given cotangents of the final states add to the loss: sum h_T dh_T + sum c_T dc_T.
double final_loss(const Problem& problem, const std::vector<Tape>& tapes);
// Whether the output of step t and row b carries the loss.
bool counts(const Problem& problem, int t, int b);

// out[n,k] += a[n,m] w[k,m]: the forward product. Skips zeros of a (one-hot inputs).
void multiply(const double* a, const double* w, double* out, int n, int m, int k);
// out[n,m] += a[n,k] w[k,m]: its transpose.
void multiply_back(const double* a, const double* w, double* out, int n, int k, int m);

}  // namespace retrograde::doctor
