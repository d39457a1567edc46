// Families "accumulation" and "time" of one block: which steps its sum has, and what is multiplied with what.
#include <fmt/format.h>

#include <algorithm>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

class Adder {
 public:
  Adder(const Product& right, std::vector<BlockMistake>& to) : right_(right), to_(to) {}
  template <class F>
  void add(const char* name, std::string sentence, std::string fix, double weight, F&& change) {
    BlockMistake m{name, std::move(sentence), std::move(fix), right_, false, weight, {}, ""};
    change(m.product);
    to_.push_back(std::move(m));
  }
  void also(const char* alias) { to_.back().aliases.push_back(alias); }
  void transposed(std::string sentence) {
    BlockMistake m{"array-transposed", std::move(sentence), "transpose it", right_, true, 0.05, {}, ""};
    to_.push_back(std::move(m));
  }

 private:
  const Product& right_;
  std::vector<BlockMistake>& to_;
};

void add_ranges(int T, int B, Adder& to) {
  if (T < 2) return;
  const char* sum = "add up every step: +=";
  to.add("last-step-only", "each step overwrites the sum (= for +=): only step 0, the last visited, is left",
         sum, 0.03, [](Product& p) { p.only = 0; });
  to.add("last-step-only", "only the last step, T-1, is in it", sum, 0.05, [](Product& p) { p.only = -2; });
  to.add("first-step-skipped", "step 0 is not in the sum", "add up every step, t = 0 included", 0.02,
         [](Product& p) { p.first = 1; });
  to.add("last-step-skipped", "the last step is not in the sum", "add up every step, t = T-1 included", 0.03,
         [](Product& p) { p.last = 1; });
  if (B < T)
    to.add("batch-for-time", "only as many steps as the batch has rows are in the sum", "loop over the steps",
           0.05, [k = T - B](Product& p) { p.last = k; });
  if (B < T)
    to.add("batch-for-time", "only as many of the last steps as the batch has rows are in the sum",
           "loop over the steps", 0.06, [k = T - B](Product& p) { p.first = k; });
  for (int k = 2; k < T; ++k) {
    to.add("first-step-skipped", fmt::format("the first {} steps are not in the sum", k), sum,
           0.08 + 0.005 * k, [k](Product& p) { p.first = k; });
    to.add("last-step-skipped", fmt::format("the last {} steps are not in the sum", k), sum, 0.08 + 0.005 * k,
           [k](Product& p) { p.last = k; });
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
  if (problem.net.cell == Cell::elman)
    to.add("carry-dropped", "only the output's own error is in it, not what later steps sent back",
           "use the whole delta", 0.06, [](Product& p) { p.left = Back::q; });
  to.add("carry-dropped", "only the output's own error is in it, before derivative and carry",
         "use the whole delta", 0.09, [](Product& p) { p.left = Back::up; });
  to.add("gate-copied", "it is made from dh_next, what the next step handed back",
         "use the delta of this step", 0.09, [](Product& p) { p.left = Back::hc, p.left_shift = 1; });
  to.also("upstream-missing");
  to.add("carry-wrong-order", "it is made from what this step hands back to the previous one",
         "use the delta of this step", 0.1, [](Product& p) { p.left = Back::hc; });
  if (problem.net.cell == Cell::gru && !problem.net.reset_after)
    to.add("gate-factor", "it is made from d(r h), the error of the reset state", "use the gate's own delta",
           0.1, [](Product& p) { p.left = Back::q; });
}

// The target's token where the input's is due.
void add_targets(const Problem& problem, const Piece& piece, Adder& to) {
  if (piece.cols != problem.O || problem.net.last_output || problem.net.loss != Loss::softmax_cross_entropy)
    return;
  to.add("layer-input-wrong", "it goes to the target's token, where the input's is due", "use x[t]", 0.06,
         [](Product& p) { p.target_tokens = true; });
  to.also("input-index-shifted"), to.also("loss-and-gradient-disagree");
}

void add_rights(const Problem& problem, const Piece& piece, const Product& right, Adder& to) {
  if (piece.kind == Kind::U) {
    if (right.right == Var::h) {
      to.add("state-index-shifted", "it uses h[t], where the previous state h[t-1] is due", "use h[t-1]",
             0.01, [](Product& p) { p.shift = 0; });
      to.add("state-index-shifted", "it uses h[t-2], where h[t-1] is due", "use h[t-1]", 0.06,
             [](Product& p) { p.shift = -2; });
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
void add_tokens(const Problem& problem, const Piece& piece, Adder& to) {
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

// With two layers: another layer's delta, input or state.
void add_other_layers(const Problem& problem, const Piece& piece, const Product& right, Adder& to) {
  for (int other = 0; other < static_cast<int>(problem.layers.size()); ++other) {
    if (other == piece.layer) continue;
    to.add("blocks-permuted", fmt::format("it is layer {}'s gradient", other + 1),
           "every layer's gradient to its own block", 0.03, [other](Product& p) {
             p.left_layer = other;
             p.right_layer = other;
           });
    if (right.right == Var::none) continue;
    to.add("layer-input-wrong",
           fmt::format("it uses layer {}'s {}", other + 1, right.right == Var::x ? "input" : "state"),
           "use the layer's own", 0.03, [other](Product& p) { p.right_layer = other; });
    if (right.right == Var::x && piece.layer > 0)
      to.add("layer-input-wrong",
             "it uses this layer's own state, where its input (the lower layer's state) is due",
             "use the lower layer's h[t]", 0.05, [](Product& p) { p.right = Var::h; });
    if (right.right == Var::x && piece.layer > 0)
      to.add("layer-input-wrong", "it uses the lower layer's state of the step before",
             "use the lower layer's h[t]", 0.05, [other](Product& p) {
               p.right = Var::h;
               p.shift = -1;
               p.right_layer = other;
             });
    to.add("layer-input-wrong", fmt::format("it is made from layer {}'s delta", other + 1),
           "use the layer's own delta", 0.05, [other](Product& p) { p.left_layer = other; });
  }
}

void add_states(const Problem& problem, const Piece& piece, Adder& to) {
  const bool cell = piece.kind == Kind::dc0;
  const char* name = "initial-state-gradient-wrong";
  const char* fix =
      cell ? "dc0 = dc[0] * f[0]" : "dh0 is what step 0 carries back, through the recurrent matrix";
  if (problem.T > 1)
    to.add(name, "it is what step 1 carried back; step 0 itself is missing", fix, 0.04,
           [](Product& p) { p.shift = 1; });
  to.add(name,
         cell ? "it is dc[0], without the forget gate"
              : "it is dh[0], the error of the first state, not of the start state",
         fix, 0.03, [cell](Product& p) { p.left = cell ? Back::dc : Back::dh; });
  for (int g = 0; g < problem.gates; ++g)
    to.add(name, "it is a delta of step 0, not taken back through the recurrent matrix", fix, 0.06,
           [g](Product& p) { p.left = Back::da0 + g; });
  to.add(name, "it is the output's own error at step 0", fix, 0.06, [](Product& p) { p.left = Back::up; });
  if (problem.B > 1 && !(piece.kind != Kind::P && piece.rows == problem.B)) {
    to.add("bias-reduced-wrongly", "only the batch's first row is in it", "add up the whole batch", 0.05,
           [](Product& p) { p.first_row_only = true; });
    to.also(name);
  }
  to.add(name, cell ? "it is the state's gradient" : "it is the cell's gradient", fix, 0.06,
         [cell](Product& p) { p.left = cell ? Back::hc : Back::cc; });
}

void add_input(const Problem& problem, const Words& words, const Piece& piece, Adder& to) {
  if (problem.layers[0].inputs == problem.layers[0].hidden)
    to.add("input-not-transposed",
           "it goes through the input matrix as the forward uses it, not its transpose",
           fmt::format("dx[t] = {}", words.back_W(piece.layer, 0, "dz[t]")), 0.02,
           [](Product& p) { p.matrix_transposed = true; });
  if (problem.gates == 1) {
    const std::string right = fmt::format("dx[t] = {}", words.back_W(piece.layer, 0, "dz[t]"));
    to.add("derivative-missing", "it is made from dh, before the activation's derivative", right, 0.03,
           [](Product& p) { p.left = Back::dh; });
    to.add("gate-copied", "it is made from what this step hands back to the previous one", right, 0.08,
           [](Product& p) { p.left = Back::hc; });
    to.add("gate-copied", "it is made from dh_next, what the next step handed back", right, 0.08,
           [](Product& p) { p.left = Back::hc, p.left_shift = 1; });
    to.also("derivative-missing");
  }
  for (int g = 0; g < problem.gates && problem.gates > 1; ++g) {
    to.add("carry-wrong-gate", fmt::format("gate {}'s part is missing", gate_name(problem.net.cell, g)),
           "sum over all gates", 0.04, [g](Product& p) { p.without_gate = g; });
    to.add("carry-wrong-gate", fmt::format("only gate {}'s part is in it", gate_name(problem.net.cell, g)),
           "sum over all gates", 0.06, [g](Product& p) { p.only_gate = g; });
  }
}

}  // namespace

// A loop for every output, as in "for t: for k in t .. t-tau": indexed by the outer loop's step, or with the
// delta that entered the inner loop.
void add_windows(const Problem& problem, const Piece& piece, Adder& to) {
  if (problem.net.cell != Cell::elman || problem.T < 2 ||
      piece.layer + 1 != static_cast<int>(problem.layers.size()))
    return;
  if (piece.kind == Kind::W) {
    to.add("input-index-shifted", "it uses x of the outer loop's step t, where the inner loop's x[k] is due",
           "use x[k]", 0.05, [](Product& p) { p.per_output = true; });
    to.also("layer-input-wrong");
  }
  if (piece.kind == Kind::U)
    to.add("state-index-shifted",
           "it uses the state before the outer loop's step t, where the inner loop's h[k-1] is due",
           "use h[k-1]", 0.05, [](Product& p) { p.per_output = true; });
  for (const Back left : {Back::up, Back::q}) {
    to.add(
        left == Back::up ? "derivative-missing" : "carry-dropped",
        left == Back::up
            ? "every step of the inner loop adds the output's error itself, before derivative and carry"
            : "every step of the inner loop adds the output's own delta, not the one that was carried back",
        "use the inner loop's delta", 0.06, [left](Product& p) { p.left = left, p.per_window = true; });
    to.also("carry-dropped");
  }
}

std::vector<BlockMistake> block_mistakes(const Problem& problem, const Words& words, const Piece& piece,
                                         const Product& right) {
  std::vector<BlockMistake> out{{"", "", "", right, false, 0, {}, ""}};
  Adder to(right, out);
  if (piece.kind == Kind::dx || piece.kind == Kind::E) add_input(problem, words, piece, to);
  if (piece.kind >= Kind::P && piece.kind != Kind::dx) add_states(problem, piece, to);
  if (piece.kind >= Kind::P) return out;
  add_ranges(problem.T, problem.B, to);
  if (piece.kind == Kind::E) {
    add_tokens(problem, piece, to);
    add_targets(problem, piece, to);
    for (int s : {-1, 1})
      to.add("input-index-shifted", fmt::format("it takes the token of step t{:+d}, where x[t] is due", s),
             "use x[t]", 0.04, [s](Product& p) { p.shift = s; });
    return out;
  }
  const bool head = piece.kind == Kind::V || piece.kind == Kind::c;
  if (problem.net.cell == Cell::lstm && !head && piece.gate == 1 && problem.T > 1) {
    to.add("initial-state-ignored", "step 0 counts with a zero cell state instead of c0", "use c0 at t = 0",
           0.02, [](Product& p) { p.first = 1; });
    to.also("first-step-skipped");
  }
  if (head && problem.net.last_output && problem.T > 1) {
    to.add("output-gradient-at-wrong-step", "the one output's error counts at every step",
           "add it once, at t = T-1", 0.05, [](Product& p) { p.last_error = true; });
    to.also("counted-twice");
  }
  if (!head) add_lefts(problem, right, to);
  if (!head) add_windows(problem, piece, to);
  add_tokens(problem, piece, to);
  if (piece.kind == Kind::V)
    for (int other = 0; other < piece.layer; ++other)
      to.add("layer-input-wrong",
             fmt::format("it uses layer {}'s state, where the top layer's is due", other + 1),
             "use the top layer's h[t]", 0.03, [other](Product& p) { p.right_layer = other; });
  if (!head) add_other_layers(problem, piece, right, to);
  if (piece.cols > 1 || piece.kind == Kind::W || piece.kind == Kind::U || piece.kind == Kind::V)
    add_rights(problem, piece, right, to);
  if (piece.rows == piece.cols && piece.rows > 1) to.transposed("its rows and columns are exchanged");
  if (problem.B > 1)
    to.add("bias-reduced-wrongly", "only the batch's first row is in it", "add up the whole batch", 0.08,
           [](Product& p) { p.first_row_only = true; });
  return out;
}

std::vector<BlockMistake> own_mistakes(const Problem& problem, const Words& words, const Piece& piece,
                                       const Product& right, const Mistakes& sweep) {
  std::vector<BlockMistake> out;
  const auto layer = static_cast<std::size_t>(piece.layer);
  const Plan plan = right_plan(problem);
  const std::vector<Step>& steps = plan.layers[layer].steps;
  for (const Mistake& m : sweep) {
    if (m.layer != piece.layer || m.entries.size() > 2 || m.entries.front() % 1000 < 10) continue;
    Plan wrong = plan;
    m.patch(wrong);
    const std::vector<Step>& has = wrong.layers[layer].steps;
    std::size_t at = steps.size(), changes = 0;
    for (std::size_t s = 0; s < steps.size() && has.size() == steps.size(); ++s)
      if (!(has[s] == steps[s])) at = s, ++changes;
    if (changes != 1 || has[at].target != right.left) continue;
    BlockMistake b{m.name,
                   fmt::format("in this block alone, {}", m.sentence),
                   words.line(problem, piece.layer, steps[at]),
                   right,
                   false,
                   m.weight + 0.02,
                   m.aliases,
                   words.line(problem, piece.layer, has[at])};
    b.product.own = std::make_shared<const Step>(has[at]);
    out.push_back(std::move(b));
  }
  return out;
}

}  // namespace retrograde::doctor
