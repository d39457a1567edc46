// Families "accumulation" and "time" of one block: which steps its sum has, and what is multiplied with what.
#include <fmt/format.h>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

class Adder {
 public:
  Adder(const Product& right, std::vector<BlockMistake>& to) : right_(right), to_(to) {}
  template <class F>
  void add(const char* name, std::string sentence, std::string fix, double weight, F&& change) {
    BlockMistake m{name, std::move(sentence), std::move(fix), right_, false, weight};
    change(m.product);
    to_.push_back(std::move(m));
  }
  void transposed(std::string sentence) {
    BlockMistake m{"array-transposed", std::move(sentence), "transpose it", right_, true, 0.05};
    to_.push_back(std::move(m));
  }

 private:
  const Product& right_;
  std::vector<BlockMistake>& to_;
};

void add_ranges(int T, Adder& to) {
  if (T < 2) return;
  const char* sum = "add up every step: +=";
  to.add("last-step-only", "each step overwrites the sum (= for +=): only step 0, the last visited, is left",
         sum, 0.03, [](Product& p) { p.only = 0; });
  to.add("last-step-only", "only the last step, T-1, is in it", sum, 0.05, [](Product& p) { p.only = -2; });
  to.add("first-step-skipped", "step 0 is not in the sum", "add up every step, t = 0 included", 0.02,
         [](Product& p) { p.first = 1; });
  to.add("last-step-skipped", "the last step is not in the sum", "add up every step, t = T-1 included", 0.03,
         [](Product& p) { p.last = 1; });
  if (T > 2) {
    to.add("first-step-skipped", "steps 0 and 1 are not in the sum", sum, 0.1,
           [](Product& p) { p.first = 2; });
    to.add("last-step-skipped", "the last two steps are not in the sum", sum, 0.1,
           [](Product& p) { p.last = 2; });
  }
  for (int t = 1; t < T - 1; ++t)
    to.add("last-step-only", fmt::format("only step {} is in it", t), sum, 0.2,
           [t](Product& p) { p.only = t; });
}

void add_lefts(const Problem& problem, const Product& right, Adder& to) {
  for (int g = 0; g < problem.gates; ++g)
    if (right.left != Back::da0 + g)
      to.add("gate-copied",
             right.left == Back::dp
                 ? "the candidate's delta lacks the reset gate's factor"
                 : fmt::format("it is made from gate {}'s delta", gate_name(problem.net.cell, g)),
             "use the gate's own delta", 0.04, [g](Product& p) { p.left = Back::da0 + g; });
  if (problem.net.cell == Cell::gru && problem.net.reset_after && right.left != Back::dp)
    to.add("gate-factor", "it is made from the candidate's recurrent delta, which has the reset gate in it",
           "use the gate's own delta", 0.05, [](Product& p) { p.left = Back::dp; });
  to.add("derivative-missing", "it is made from dh, before the activation's derivative",
         "use the delta after the derivative", 0.03, [](Product& p) { p.left = Back::dh; });
  if (problem.net.cell == Cell::lstm)
    to.add("gate-factor", "it is made from dc, before the gate's own factors", "use the gate's own delta",
           0.06, [](Product& p) { p.left = Back::dc; });
  to.add("carry-dropped", "only the output's own error is in it, before derivative and carry",
         "use the whole delta", 0.09, [](Product& p) { p.left = Back::up; });
}

void add_rights(const Problem& problem, const Piece& piece, const Product& right, Adder& to) {
  if (piece.kind == Kind::U) {
    if (right.right == Var::h) {
      to.add("state-index-shifted", "it uses h[t], where the previous state h[t-1] is due", "use h[t-1]",
             0.01, [](Product& p) { p.shift = 0; });
      to.add("state-index-shifted", "it uses h[t-2], where h[t-1] is due", "use h[t-1]", 0.06,
             [](Product& p) { p.shift = -2; });
      to.add("index-wraps", "at t = 0 it uses the last state, h[-1] in Python, where the start state is due",
             "use h0 at t = 0", 0.02, [](Product& p) { p.wraps = true; });
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
    if (problem.net.cell == Cell::gru && piece.gate == 2) {
      to.add("reset-gate-before-or-after", "it uses h[t-1] alone, without the reset gate",
             "dU_n = dz_n' (r * h[t-1])", 0.02, [](Product& p) {
               p.left = Back::da2;
               p.right = Var::h;
               p.shift = -1;
             });
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
  if (piece.kind == Kind::W)
    for (int s : {-1, 1})
      to.add("input-index-shifted", fmt::format("it uses x[t{:+d}], where x[t] is due", s), "use x[t]", 0.04,
             [s](Product& p) { p.shift = s; });
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

}  // namespace

std::vector<BlockMistake> block_mistakes(const Problem& problem, const Words&, const Piece& piece,
                                         const Product& right) {
  std::vector<BlockMistake> out{{"", "", "", right, false, 0}};
  Adder to(right, out);
  if (piece.kind == Kind::dx || piece.kind == Kind::dh0 || piece.kind == Kind::dc0) return out;
  add_ranges(problem.T, to);
  const bool head = piece.kind == Kind::V || piece.kind == Kind::c;
  if (!head) add_lefts(problem, right, to);
  if (piece.cols > 1 || piece.kind == Kind::W || piece.kind == Kind::U || piece.kind == Kind::V)
    add_rights(problem, piece, right, to);
  if (piece.rows == piece.cols && piece.rows > 1) to.transposed("its rows and columns are exchanged");
  if (problem.B > 1)
    to.add("bias-reduced-wrongly", "only the batch's first row is in it", "add up the whole batch", 0.08,
           [](Product& p) { p.first_row_only = true; });
  return out;
}

}  // namespace retrograde::doctor
