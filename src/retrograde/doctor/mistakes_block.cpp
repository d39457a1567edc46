// Families "accumulation" and "time" of one block: which steps its sum has, and what is multiplied with what.
#include <fmt/format.h>

#include <algorithm>

#include "retrograde/doctor/block_adder.h"

namespace retrograde::doctor {

namespace {

void add_ranges(int T, int B, BlockAdder& to) {
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

void add_lefts(const Problem& problem, const Product& right, BlockAdder& to) {
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
  if (right.left >= Back::da0 && right.left <= Back::da3) {
    const int g = static_cast<int>(right.left) - static_cast<int>(Back::da0);
    const bool elman = problem.net.cell == Cell::elman;
    to.add("activation-for-derivative",
           fmt::format("it is made from {} itself, where its error is due",
                       elman ? "the state" : fmt::format("gate {}", gate_name(problem.net.cell, g))),
           "use the delta", 0.14, [=](Product& p) { p.left_value = elman ? Var::h : Var::a0 + g; });
    to.also("gate-factor");
  }
  for (const auto& [replay, which] : {std::pair(Replay::last, "last"), {Replay::first, "first"}})
    to.add("derivative-wrong-step", fmt::format("it uses the {} step's delta at every step", which),
           "use the delta of step t", 0.1, [r = replay](Product& p) { p.left_replay = r; });
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

// The head's: the error of another step, or the output where its error is due.
void add_errors(const Problem& problem, BlockAdder& to) {
  to.add("loss-and-gradient-disagree", "it is made from the output itself, where its error is due", "use dy",
         0.14, [](Product& p) { p.left_output = true; });
  to.also("activation-for-derivative");
  if (problem.T < 2) return;
  if (problem.net.last_output) {
    to.add("output-gradient-at-wrong-step", "the one output's error counts at every step",
           "add it once, at t = T-1", 0.05, [](Product& p) { p.left_replay = Replay::last; });
    to.also("counted-twice");
    return;
  }
  for (const auto& [replay, which] : {std::pair(Replay::last, "last"), {Replay::first, "first"}})
    to.add("output-gradient-at-wrong-step", fmt::format("it uses the {} step's error at every step", which),
           "use dy[t]", 0.08, [r = replay](Product& p) { p.left_replay = r; });
}

// With two layers: another layer's delta, input or state.
void add_other_layers(const Problem& problem, const Piece& piece, const Product& right, BlockAdder& to) {
  for (int other = 0; other < static_cast<int>(problem.layers.size()); ++other) {
    if (other == piece.layer) continue;
    const std::string its = layer_name(problem, other) + "'s";
    to.add("blocks-permuted", fmt::format("it is {} gradient", its),
           "every layer's gradient to its own block", 0.03, [other](Product& p) {
             p.left_layer = other;
             p.right_layer = other;
           });
    if (right.right == Var::none) continue;
    to.add("layer-input-wrong", fmt::format("it uses {} {}", its, right.right == Var::x ? "input" : "state"),
           "use the layer's own", 0.03, [other](Product& p) { p.right_layer = other; });
    if (right.right == Var::x && problem.level(piece.layer) > 0)
      to.add("layer-input-wrong",
             "it uses this layer's own state, where its input (the lower layer's state) is due",
             "use the lower layer's h[t]", 0.05, [](Product& p) { p.right = Var::h; });
    if (right.right == Var::x && problem.level(piece.layer) > 0)
      to.add("layer-input-wrong", "it uses the lower layer's state of the step before",
             "use the lower layer's h[t]", 0.05, [other](Product& p) {
               p.right = Var::h;
               p.shift = -1;
               p.right_layer = other;
             });
    to.add("layer-input-wrong", fmt::format("it is made from {} delta", its), "use the layer's own delta",
           0.05, [other](Product& p) { p.left_layer = other; });
  }
}

// A loop for every output, as in "for t: for k in t .. t-tau": indexed by the outer loop's step, or with the
// delta that entered the inner loop.
void add_windows(const Problem& problem, const Piece& piece, BlockAdder& to) {
  if (problem.net.cell != Cell::elman || problem.T < 2 || problem.net.directions == 2 ||
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
  for (const int shift : {1, -1}) {
    if (piece.kind != Kind::U && piece.kind != Kind::W) break;
    const bool state = piece.kind == Kind::U;
    to.add(state ? "state-index-shifted" : "input-index-shifted",
           fmt::format("the inner loop uses {}, where {} is due (the output's own step is right)",
                       state       ? (shift > 0 ? "h[k]" : "h[k-2]")
                       : shift > 0 ? "x[k+1]"
                                   : "x[k-1]",
                       state ? "h[k-1]" : "x[k]"),
           state ? "use h[k-1]" : "use x[k]", 0.05, [shift](Product& p) { p.carried_shift = shift; });
  }
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

}  // namespace

std::vector<BlockMistake> block_mistakes(const Problem& problem, const Words& words, const Piece& piece,
                                         const Product& right) {
  std::vector<BlockMistake> out{{"", "", "", right, false, 0, {}, ""}};
  BlockAdder to(right, out);
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
    for (const auto& [replay, which] :
         {std::pair(Replay::last, "last step's token at every step"),
          {Replay::first, "first step's token at every step"},
          {Replay::previous, "token of step t-1, at t = 0 the last one (index -1)"},
          {Replay::reversed, "tokens in reversed order"}}) {
      to.add("input-index-shifted", fmt::format("it takes the {}", which), "use x[t]", 0.07,
             [r = replay](Product& p) { p.replay = r; });
      to.also("layer-input-wrong");
    }
    return out;
  }
  const bool head = piece.kind == Kind::V || piece.kind == Kind::c;
  if (problem.net.cell == Cell::lstm && !head && piece.gate == 1 && problem.T > 1) {
    to.add("initial-state-ignored", "step 0 counts with a zero cell state instead of c0", "use c0 at t = 0",
           0.02, [](Product& p) { p.first = 1; });
    to.also("first-step-skipped");
  }
  if (head) add_errors(problem, to);
  if (!head) add_lefts(problem, right, to);
  if (!head) add_windows(problem, piece, to);
  add_tokens(problem, piece, to);
  if (piece.kind == Kind::V && problem.net.directions == 1)
    for (int other = 0; other < piece.layer; ++other)
      to.add("layer-input-wrong",
             fmt::format("it uses layer {}'s state, where the top layer's is due", other + 1),
             "use the top layer's h[t]", 0.03, [other](Product& p) { p.right_layer = other; });
  if (piece.kind == Kind::V && problem.net.directions == 2 && piece.cols < problem.H()) {
    to.add("layer-input-wrong", "it uses the other direction's state", "use this direction's h[t]", 0.03,
           [](Product& p) { p.other_direction = true; });
    to.also("blocks-permuted");
  }
  if (!head) add_other_layers(problem, piece, right, to);
  if (piece.cols > 1 || piece.kind == Kind::W || piece.kind == Kind::U || piece.kind == Kind::V)
    add_lookups(problem, piece, right, to);
  if (piece.rows == piece.cols && piece.rows > 1) to.transposed("its rows and columns are exchanged");
  if (piece.cols == 1 && piece.rows > 1 && right.right == Var::none)
    to.add("bias-reduced-wrongly", "it is added up over the units, too: every entry is the sum of all",
           "add up over steps and batch alone", 0.05, [](Product& p) { p.over_units = true; });
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
