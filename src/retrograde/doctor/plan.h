// Back-propagation through time of one network as a table of small named steps. A mistake is a patch of one
// entry of this table, so that mistakes compose; `run` executes the table as it stands, right or wrong.
//
// Backward quantities are [B,H] at every step. A layer's steps, in order, for t = T-1 .. 0:
//   Elman      da = up f'(z) + hc f'(z);   hc' = da U
//   LSTM       dh = up + hc;   dc = dh o f'(c) + cc;   da_o = dh f(c) s'(z_o);   da_i = dc g s'(z_i);
//              da_f = dc c_{t-1} s'(z_f);   da_g = dc i f'(z_g);   hc' = sum_k da_k U_k;   cc' = dc f
//   GRU        dh = up + hc;   da_n = dh (1-z) f'(z_n);   da_z = dh (h_{t-1} - n) s'(z_z);
//              after:  dp = da_n r;  da_r = da_n p s'(z_r);  hc' = dh z + da_r U_r + da_z U_z + dp U_n
//              before: q = da_n U_n; da_r = q h_{t-1} s'(z_r); hc' = dh z + da_r U_r + da_z U_z + q r
// where hc, cc are what step t+1 carried back, and the parameters' gradients are sums over t of da'
// right-hand side.
#pragma once

#include <memory>
#include <vector>

#include "retrograde/doctor/tape.h"

namespace retrograde::doctor {

// A backward quantity; `one` is the constant 1. da0.. are the gates' deltas in canonical order.
enum class Back : unsigned char { up, hc, cc, dh, dc, da0, da1, da2, da3, dp, q, one, count };
inline Back operator+(Back b, int k) { return static_cast<Back>(static_cast<int>(b) + k); }

enum class Matrix : unsigned char {
  none,
  recurrent,
  recurrent_transposed,
  input,
  input_transposed,
  identity,
  // With two directions: the other one's recurrent matrix.
  recurrent_of_other,
  // H columns of the joined matrix [h,x] or [x,h] that are not the state's: a slice at the wrong place.
  slice,
  // Both indices the same: d[i] sum_j U[j][i], or U[i][j].
  column_sums,
  row_sums
};

// What an index before the sequence reads: what is kept of the start; as Python has it, the last entry; or
// the right thing after all, where only later steps are wrong.
enum class Before : unsigned char { start, wraps, right };
// Which step's records a wrong program looks up at step t: cache[T-1-t], cache[-1], cache[0], cache[t-1].
enum class Replay : unsigned char { own, reversed, last, first, previous };
inline int replayed(Replay r, int t, int T) {
  switch (r) {
    case Replay::reversed:
      return T - 1 - t;
    case Replay::last:
      return T - 1;
    case Replay::first:
      return 0;
    case Replay::previous:
      return t == 0 ? T - 1 : t - 1;
    default:
      return t;
  }
}

struct Factor {
  Var var = Var::none;
  Fn fn = Fn::one;
  Activation f = Activation::tanh;
  int shift = 0;
  bool local_slope = false;  // an activation's derivative (else a gate or a state)
  Before before = Before::start;
  Replay replay = Replay::own;
  Fn inner = Fn::value;  // what is made of the quantity before fn
  bool operator==(const Factor&) const = default;
};

struct Term {
  double coefficient = 1;
  Back source = Back::up;
  int shift = 0;  // 1: read from step t+1 (carried)
  Matrix matrix = Matrix::none;
  int gate = 0;                 // of the matrix
  int offset = 0;               // of a slice, from the state's own columns
  bool input_first = false;     // of a slice: [x,h]
  std::vector<Factor> factors;  // after the matrix
  std::vector<Factor> before;   // before it
  bool only_last_step = false;  // the term counts at t = T-1 alone
  // What is made of the product v at last: max(v, 0), as in dh[dh <= 0] = 0; or v (1 - v^2), v (1 - v), the
  // derivative's formula given the error.
  enum class Form : unsigned char { plain, rectified, tanh_formula, sigmoid_formula } form = Form::plain;
  bool operator==(const Term&) const = default;
};

struct Step {
  Back target;
  std::vector<Term> terms;
  bool operator==(const Step&) const = default;
};

// A parameter gradient: sum over t of left[t]' right[t + shift].
struct Product {
  Back left = Back::da0;
  Var right = Var::none;  // none: the constant 1 (a bias)
  int shift = 0;
  int wraps = 0;             // length of the array whose index wraps below zero: 1 T, 2 T+1 (with the start)
  bool keeps_start = false;  // step 0 reads what it should
  Replay replay = Replay::own;
  int first = 0, last = 0;  // steps left out at the beginning and at the end
  int left_shift = 0;       // left[t + left_shift]
  int only = -1;            // one step alone (-2: T-1)
  bool first_row_only = false;
  bool over_units = false;  // every row is the sum of all rows
  // left[t] is what output t's error makes of all steps together: a loop for every output, indexed by the
  // outer loop's step.
  bool per_output = false;
  bool per_window = false;  // left[t] counts once for every step that output t's window has
  // Of the error that later steps sent back alone the right-hand side is of step t + shift + carried_shift.
  int carried_shift = 0;
  bool target_tokens = false;        // the target's one-hot rows as the right-hand side
  Replay left_replay = Replay::own;  // the error of another step
  Var left_value = Var::none;        // the quantity itself, where its error is due
  bool left_output = false;          // the same of the head: the output, where its error is due
  // Embedding rows written with = or by a fancy index: 1 each token keeps the first of its steps, 2 the last;
  // 3 of one step's batch only the last row of a token counts; 4 as 2, the batch's rows one after the other.
  int tokens = 0;
  int left_layer = -1, right_layer = -1;  // another layer's delta or state
  bool matrix_transposed = false;         // dx: W where W' is due
  bool recurrent_matrix = false;          // dx: U where W is due, of equal shape
  int columns_off = 0;                    // dx: so many columns off W's own; beyond them stands the bias
  int without_gate = -1, only_gate = -1;  // dx: which gates' parts it has
  // dx with two directions: the part of one alone; the second's not turned back into the input's order.
  int only_direction = -1;
  bool own_order = false;
  bool other_direction = false;  // of a head's matrix for one direction: the other's states
  // The left-hand side as this block alone has it, made anew by this step from the sweep's deltas.
  std::shared_ptr<const Step> own;
};

struct LayerPlan {
  std::vector<Step> steps;
  int first = 0, last = 0;  // steps left out of the whole sweep at the beginning and the end
  int up_early = 0;         // the errors from above enter this many steps before their own
  int chunk = 0;            // the carry is cut where (t - offset) is a multiple of this
  int chunk_offset = 0;
  int reach = -1;  // window: steps an output's error goes back; -1 is all
  bool cut_h = true, cut_c = true;
  bool window_last_only = false;
  // In a loop for every output t the carry's derivative is of the outer loop's step: 1 t, 2 t-1.
  int outer_slope = 0;
  Replay replay = Replay::own;  // of everything that the steps and the blocks look up
  // What goes down to the layer below.
  Product below;
  double below_coefficient = 1;
  bool below_upstream = false;   // the outputs' own error, not this layer's
  bool below_only_last = false;  // of step T-1 alone
  // With two directions: the outputs' errors not in this direction's own order; the other direction's share
  // of them.
  bool up_in_order = false, up_of_other = false;
  bool drop_final_cell = false;  // the given dL/dc_T
  int reset_form = -1;           // GRU: the steps' own reset form, 1 after, 0 before; -1 the network's
};

// How a wrong head or loss derivative differs from the right one.
struct HeadPlan {
  Loss loss = Loss::squared;
  double coefficient = 1;
  Fn slope = Fn::slope;                // of the head's activation, in dV and dc
  Fn slope_up = Fn::count;             // on the way up, if different
  bool slope_of_target = false;        // 1 - target**2 for 1 - output**2
  double output_factor = 1;            // 0: the target alone
  Replay output_replay = Replay::own;  // the output of another step
  // Of the softmax: p - t; p; the diagonal of the Jacobian alone, at the target or beside p - t; softmax of a
  // softmax; p, and at the target 1 - p or -1; -1/p at the target alone; y - t without the softmax.
  enum class Softmax : unsigned char {
    right,
    untargeted,
    diagonal,
    diagonal_again,
    twice,
    turned_at_target,
    overwritten_at_target,
    of_logarithm,
    left_out
  } softmax = Softmax::right;
  double target_factor = 1;  // -1: the target is added, not subtracted
  int target_class = -1;     // the one-hot row of this class at every step
  Replay target_replay = Replay::own;
  int target_shift = 0;  // the target of another step; beyond the edge
  enum class Edge : unsigned char { none, wraps, clamped } target_edge = Edge::none;
  bool target_is_input = false;  // the input's token where the target's is due
  bool transposed = false;       // V where V' is due
  bool identity = false;         // no V on the way up
  int columns_off = 0;           // so many columns off V's own; beyond them stands the bias
  // Which output's error enters at step t: 0 its own; +1/-1 its neighbour's.
  int shift = 0;
  bool shift_wraps = false;
  enum class Inject : unsigned char {
    own,
    first,            // all at step 0
    last,             // all at step T-1
    everywhere,       // all at every step
    last_only,        // the last one at its own step, no other
    first_only,       // the first one
    last_everywhere,  // the last one at every step
    first_everywhere,
    reversed,  // step T-1-t's
    earlier,   // every one at its own step and at all before it
    none
  } inject = Inject::own;
  // With one output a sequence: its error stands at step 0, in dV and on the way up; its activation's slope
  // too.
  bool at_first = false, slope_at_first = false;
  bool ignore_lengths = false;
  bool index_minus_one = false;  // where a target of -1 says that there is none, the last class is meant
  int length_shift = 0;          // the mask ends this many steps late
  double up_coefficient = 1;
};

struct Plan {
  HeadPlan head;
  std::vector<LayerPlan> layers;
  bool drop_final_gradient = false;  // the given dL/dh_T
};

// The right table.
Plan right_plan(const Problem& problem);

inline std::size_t step_of(const std::vector<Step>& steps, Back target) {
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (steps[i].target == target) return i;
  return steps.size();
}

// All deltas of one layer, [T+1 slots][B,H], slot T zero.
struct Deltas {
  std::vector<Real> back{static_cast<std::size_t>(Back::count)};
  int row = 0;  // B*H
  const double* at(Back b, int t) const { return back[static_cast<std::size_t>(b)].data() + t * row; }
  double* at(Back b, int t) { return back[static_cast<std::size_t>(b)].data() + t * row; }
  const Real& slots(Back b) const { return back[static_cast<std::size_t>(b)]; }
};

// The outputs [T,B,O] as the head's activation makes them of z.
Real activated_outputs(const Problem& problem, const Real& z);
// dL/d(head pre-activation) [T,B,O] by the head plan; z are head_outputs.
Real output_deltas(const Problem& problem, const HeadPlan& head, const Real& z, bool way_up,
                   Rounding* rounding = nullptr);
// dL/dh [T,B,H] entering the last layer. `shares`: where the head reads a pool of the states, what it has of
// each.
Real upstream(const Problem& problem, const HeadPlan& head, const Real& deltas, const Real& shares,
              Rounding* rounding = nullptr);
// A matrix [rows, cols] as a slice sees it that is so many columns off, with the bias beyond its columns.
Real columns_off(const double* w, const double* bias, int rows, int cols, int off);
// One layer's sweep.
Deltas run(const Problem& problem, int layer, const LayerPlan& plan, const Tape& tape, const Real& up,
           Rounding* rounding = nullptr);
// What each step's own error makes of all steps' da0 together, [T][B,H].
Real per_output(const Problem& problem, int layer, const LayerPlan& plan, const Tape& tape, const Real& up);
// What one step makes of a finished sweep's deltas, [T][B,H].
Real remade(const Problem& problem, int layer, const Tape& tape, const Deltas& deltas, const Step& step);
// The error sent down to the layer below, or to the input: [T,B,inputs].
Real input_gradient(const Problem& problem, int layer, const Deltas& deltas, const Product& product = {});

}  // namespace retrograde::doctor
