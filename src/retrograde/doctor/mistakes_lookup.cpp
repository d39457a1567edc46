// Families "time" and "variables" of one block: what its sum multiplies the delta with, and at which token.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "retrograde/doctor/block_adder.h"

namespace retrograde::doctor {

namespace {

// dz_n * r, as a reset after the product has it.
std::shared_ptr<const Step> reset_delta(Problem problem, int layer) {
  problem.net.reset_after = true, problem.net.no_reset = false;
  const std::vector<Step> steps = right_plan(problem).layers[static_cast<std::size_t>(layer)].steps;
  return std::make_shared<const Step>(steps[step_of(steps, Back::dp)]);
}

}  // namespace

// The target's token where the input's is due.
void add_targets(const Problem& problem, const Piece& piece, BlockAdder& to) {
  if (piece.cols != problem.O || problem.net.last_output || problem.net.loss == Loss::upstream) return;
  const bool tokens = problem.net.loss == Loss::softmax_cross_entropy;
  to.add("layer-input-wrong",
         tokens ? "it goes to the target's token, where the input's is due"
                : "it uses the target (with a series that is its own target: x[t+1]), where the input is due",
         "use x[t]", 0.06, [](Product& p) { p.target_tokens = true; });
  to.also("input-index-shifted"), to.also("loss-and-gradient-disagree");
}

void add_lookups(const Problem& problem, const Piece& piece, const Product& right, BlockAdder& to) {
  if (piece.kind == Kind::U) {
    if (right.right == Var::h) {
      to.add("state-index-shifted", "it uses h[t], where the previous state h[t-1] is due", "use h[t-1]",
             0.01, [](Product& p) { p.shift = 0; });
      to.add("state-index-shifted", "it uses h[t-2], where h[t-1] is due", "use h[t-1]", 0.06,
             [](Product& p) { p.shift = -2; });
      to.add("state-index-shifted", "it uses h[t+1], where h[t-1] is due", "use h[t-1]", 0.09,
             [](Product& p) { p.shift = 1; });
      to.add("state-index-shifted", "it uses h[t], where h[t-1] is due (at t = 0 it is right)", "use h[t-1]",
             0.05, [](Product& p) { p.shift = 0, p.keeps_start = true; });
      for (int length : {1, 2}) {
        to.add("state-index-shifted",
               "it uses h[t-2], where h[t-1] is due, and at t = 0 a last one (index -1)", "use h[t-1]", 0.06,
               [length](Product& p) { p.shift = -2, p.wraps = length; });
        to.also("index-wraps");
      }
      to.add("index-wraps", "at t = 0 it uses the last state, h[-1] in Python, where the start state is due",
             "use h0 at t = 0", 0.02, [](Product& p) { p.wraps = 1; });
      to.add("initial-state-ignored", "step 0 counts with a zero start state instead of h0",
             "use h0 at t = 0", 0.015, [](Product& p) { p.first = 1; });
      to.add("derivative-at-preactivation", "it uses the pre-activation z[t-1] where the state h[t-1] is due",
             "use h[t-1]", 0.06, [](Product& p) { p.right = Var::z0; });
    }
    if (problem.net.cell == Cell::lstm)
      for (int s = -1; s <= 0; ++s)
        to.add("cell-index-shifted",
               fmt::format("it uses the cell state c[{}], where h[t-1] is due", s ? "t-1" : "t"),
               "use h[t-1]", 0.07, [s](Product& p) {
                 p.right = Var::c;
                 p.shift = s;
               });
    if (right.right == Var::rh) {
      to.add("gate-factor", "it uses z * h[t-1], where r * h[t-1] is due", "use r * h[t-1]", 0.06,
             [](Product& p) { p.right = Var::zh; });
      to.also("gates-swapped");
    }
    if (right.right == Var::rh)
      to.add("state-index-shifted", "it uses r * h[t], where r * h[t-1] is due", "use h[t-1]", 0.02,
             [](Product& p) { p.right = Var::rs; });
    if (right.right == Var::rh && piece.gate == 2) {
      to.add("reset-gate-before-or-after",
             "the reset gate multiplies the delta, unit by unit, where it multiplies the state",
             "dU_n = dz_n' (r * h[t-1])", 0.03, [own = reset_delta(problem, piece.layer)](Product& p) {
               p.own = own;
               p.right = Var::h;
               p.shift = -1;
             });
      to.also("gate-factor");
    }
    if (problem.net.cell == Cell::gru && piece.gate == 2) {
      to.add("reset-gate-before-or-after", "it uses h[t-1] alone, without the reset gate",
             "dU_n = dz_n' (r * h[t-1])", 0.02, [](Product& p) {
               p.left = Back::da2;
               p.right = Var::h;
               p.shift = -1;
             });
      to.also("gate-factor");
      to.add("reset-gate-before-or-after",
             "the reset gate multiplies the state (r h), where it multiplies the product",
             "dU_n = (dz_n * r)' h[t-1]", 0.03, [](Product& p) {
               p.left = Back::da2;
               p.right = Var::rh;
               p.shift = 0;
             });
    }
    if (problem.net.cell == Cell::gru && right.right == Var::h && piece.gate < 2)
      to.add("gate-factor", "it uses r * h[t-1], where h[t-1] is due", "use h[t-1]", 0.05, [](Product& p) {
        p.right = Var::rh;
        p.shift = 0;
      });
  }
  if (piece.kind == Kind::W) {
    for (int s : {-1, 1}) {
      to.add("input-index-shifted", fmt::format("it uses x[t{:+d}], where x[t] is due", s), "use x[t]", 0.04,
             [s](Product& p) { p.shift = s; });
      to.also("layer-input-wrong");
    }
    to.add("input-index-shifted", "it uses x[t-1], at t = 0 the last input (index -1), where x[t] is due",
           "use x[t]", 0.04, [](Product& p) { p.shift = -1, p.wraps = 1; });
    to.also("index-wraps"), to.also("layer-input-wrong");
    to.add("input-index-shifted", "it uses x[T-1-t], the inputs in reversed order", "use x[t]", 0.05,
           [](Product& p) { p.replay = Replay::reversed; });
    to.also("layer-input-wrong");
  }
  if (right.right == Var::x)
    for (Replay r : {Replay::last, Replay::first}) {
      to.add("input-index-shifted",
             fmt::format("it uses the {} input at every step", r == Replay::last ? "last" : "first"),
             "use x[t]", 0.08, [r](Product& p) { p.replay = r; });
      to.also("layer-input-wrong");
    }
  if ((piece.kind == Kind::U || piece.kind == Kind::V) && right.right == Var::h) {
    const char* due = piece.kind == Kind::U ? "use h[t-1]" : "use h[t]";
    for (Replay r : {Replay::last, Replay::first})
      for (int s : {0, -1}) {
        to.add("state-index-shifted",
               fmt::format("it uses the state {}{} step at every step", s ? "before the " : "of the ",
                           r == Replay::last ? "last" : "first"),
               due, 0.08, [r, s](Product& p) { p.replay = r, p.shift = s; });
        to.also("layer-input-wrong"), to.also("index-wraps");
      }
    to.add("state-index-shifted", "it uses the states in reversed order", due, 0.08,
           [](Product& p) { p.replay = Replay::reversed; });
    for (int g = 0; g < problem.gates && problem.gates > 1; ++g)
      to.add("layer-input-wrong",
             fmt::format("it uses gate {}, where the state is due", gate_name(problem.net.cell, g)), due,
             0.12, [g](Product& p) {
               p.right = Var::a0 + g;
               p.shift = 0;
             });
    if (problem.net.cell == Cell::lstm)
      for (int s : {right.shift, 0}) {
        to.add("gate-factor",
               fmt::format("it uses tanh(c[t{}]), without the output gate, where the state is due",
                           s ? "-1" : ""),
               due, 0.08 + 0.04 * (s != right.shift), [s](Product& p) {
                 p.right = Var::m;
                 p.shift = s;
               });
        to.also("layer-input-wrong");
      }
    to.add("layer-input-wrong", "it uses the input, where the state is due", due, 0.1, [](Product& p) {
      p.right = Var::x;
      p.shift = 0;
    });
  }
  if (piece.kind == Kind::W && piece.layer == 0) add_targets(problem, piece, to);
  if (piece.kind == Kind::W && right.right == Var::x && piece.layer == 0)
    for (int s : {-1, 0})
      to.add("layer-input-wrong",
             fmt::format("it uses the state h[t{}], where the input is due", s ? "-1" : ""), "use x[t]", 0.1,
             [s](Product& p) {
               p.right = Var::h;
               p.shift = s;
             });
  if (right.right == Var::pool) {
    struct Instead {
      Var v;
      Replay which;
      const char* what;
    };
    for (const Instead& i : {Instead{Var::h, Replay::own, "last step's state"},
                             Instead{Var::h, Replay::first, "first step's state"},
                             Instead{Var::x, Replay::own, "last step's input"}}) {
      to.add("layer-input-wrong", fmt::format("it uses the {}, where the pooled states are due", i.what),
             "use what the head reads", 0.04, [i](Product& p) { p.right = i.v, p.replay = i.which; });
      to.also("state-index-shifted");
    }
    return;
  }
  if (piece.kind == Kind::V) {
    to.add("state-index-shifted", "it uses h[t-1], where the same step's state h[t] is due", "use h[t]", 0.02,
           [](Product& p) { p.shift = -1; });
    to.add("state-index-shifted", "it uses h[t+1], where h[t] is due", "use h[t]", 0.05,
           [](Product& p) { p.shift = 1; });
    to.add("derivative-at-preactivation", "it uses the pre-activation z[t], where the state h[t] is due",
           "use h[t]", 0.05, [](Product& p) { p.right = Var::z0; });
    if (problem.net.cell == Cell::lstm)
      to.add("cell-index-shifted", "it uses the cell state c[t], where h[t] is due", "use h[t]", 0.05,
             [](Product& p) { p.right = Var::c; });
  }
}

// Embedding rows: what is left when a repeated token overwrites its earlier contribution.
void add_tokens(const Problem& problem, const Piece& piece, BlockAdder& to) {
  const bool embedding = piece.kind == Kind::E;
  if (!embedding && (piece.kind != Kind::W || piece.layer != 0 || problem.vocabulary > 0)) return;
  const bool one_hot =
      std::all_of(problem.x.begin(), problem.x.end(), [](double v) { return v == 0 || v == 1; });
  if (!embedding && (!one_hot || problem.I < 2)) return;
  const char* fix = "add up every occurrence: np.add.at(dW, tokens, dz)";
  to.add("repeated-tokens-lost",
         "a token that comes again overwrites its row: the first occurrence alone is left", fix, 0.03,
         [](Product& p) { p.tokens = 1; });
  to.add("repeated-tokens-lost",
         "a token that comes again overwrites its row: the last occurrence alone is left (as with dW[tokens] "
         "+= dz)",
         fix, 0.03, [](Product& p) { p.tokens = 2; });
  if (problem.B > 1) {
    to.add(
        "repeated-tokens-lost",
        "of a token that several rows of the batch have at one step only one counts (as with dW[x[t]] += dz)",
        fix, 0.03, [](Product& p) { p.tokens = 3; });
    to.add("repeated-tokens-lost",
           "a token that comes again overwrites its row: the batch's last occurrence alone is left (as with "
           "dW[tokens] += dx)",
           fix, 0.03, [](Product& p) { p.tokens = 4; });
  }
  if (embedding) return;
  to.add("repeated-tokens-lost", "a repeated token keeps only its first occurrence's own output error", fix,
         0.12, [&](Product& p) {
           p.tokens = 1;
           p.left = problem.net.cell == Cell::elman ? Back::q : Back::dh;
         });
}

}  // namespace retrograde::doctor
