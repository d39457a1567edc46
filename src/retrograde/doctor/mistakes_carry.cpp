// Families "carry" and "transpose": what goes back from step t to step t-1, and through which matrix.
#include <fmt/format.h>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

using Patch = std::function<void(LayerPlan&)>;

class Adder {
 public:
  Adder(std::size_t layer, Mistakes& to) : layer_(layer), to_(to) {}

  void add(const char* name, std::string where, std::string sentence, std::string fix, std::string yours,
           double weight, std::vector<int> entries, Patch patch) {
    Mistake m{name,
              std::move(where),
              std::move(sentence),
              std::move(fix),
              std::move(yours),
              static_cast<int>(layer_),
              weight,
              {},
              {},
              {}};
    for (int e : entries) m.entries.push_back(static_cast<int>(1000 * layer_) + e);
    m.patch = [l = layer_, patch = std::move(patch)](Plan& plan) { patch(plan.layers[l]); };
    to_.push_back(std::move(m));
  }

  void also(std::vector<std::string> aliases) { to_.back().aliases = std::move(aliases); }

 private:
  std::size_t layer_;
  Mistakes& to_;
};

std::size_t find(const std::vector<Step>& steps, Back target) {
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (steps[i].target == target) return i;
  return steps.size();
}

template <class F>
void for_source(LayerPlan& plan, Back source, F&& change) {
  for (Step& s : plan.steps)
    for (Term& t : s.terms)
      if (t.source == source && (source == Back::up || t.shift == 1)) change(t);
}

void add_recurrent_matrix(const Problem& problem, const Words& words, std::size_t l,
                          const std::vector<Step>& steps, Adder& to) {
  const int L = static_cast<int>(l);
  const bool elman = problem.net.cell == Cell::elman;
  struct Site {
    std::size_t step, term;
    int gate;
  };
  std::vector<Site> all;
  for (std::size_t s = 0; s < steps.size(); ++s)
    for (std::size_t t = 0; t < steps[s].terms.size(); ++t)
      if (steps[s].terms[t].matrix == Matrix::recurrent) all.push_back({s, t, steps[s].terms[t].gate});
  const int hc = static_cast<int>(100 * find(steps, Back::hc)) + 50;
  auto with = [&](const char* name, std::string where, std::string sentence, std::string fix,
                  std::string yours, double weight, std::vector<Site> sites,
                  std::function<void(Term&)> change) {
    std::vector<int> entries;
    for (const Site& s : sites) entries.push_back(static_cast<int>(100 * s.step + 10 * s.term) + 9);
    to.add(name, std::move(where), std::move(sentence), std::move(fix), std::move(yours), weight, entries,
           [sites, change = std::move(change)](LayerPlan& plan) {
             for (const Site& s : sites)
               if (Term* term = find_term(plan, {s.step, s.term, 0})) change(*term);
           });
  };
  auto matrix = [](Matrix m) { return [m](Term& t) { t.matrix = m; }; };
  const std::string delta = elman ? "dz[t]" : "dz_k[t]";
  const std::string fix = fmt::format("dh[t-1] += {}", words.back_U(L, 0, delta));
  with("recurrent-not-transposed", "the carry",
       "the error goes back through the recurrent matrix as the forward uses it, not through its transpose",
       fix, words.back_U(L, 0, delta, false), 0.01, all, matrix(Matrix::recurrent_transposed));
  with("carry-identity", "the carry", "the error goes back unchanged, without the recurrent matrix", fix,
       delta, 0.04, all, matrix(Matrix::identity));
  if (problem.layers[l].inputs == problem.layers[l].hidden) {
    for (const bool turned : {false, true}) {
      with("carry-wrong-matrix", "the carry",
           "the error goes back through the input's matrix instead of the recurrent one", fix,
           words.back_W(L, 0, delta, !turned), turned ? 0.1 : 0.08, all,
           matrix(turned ? Matrix::input_transposed : Matrix::input));
      to.also({"carry-wrong-gate"});
    }
  }
  for (const Matrix sums : {Matrix::column_sums, Matrix::row_sums}) {
    with("carry-identity", "the carry",
         "the error is not taken back through the recurrent matrix: both have the same index (d[i] for d[j] "
         "in the sum)",
         fix, "", 0.1, all, matrix(sums));
    to.also({"recurrent-not-transposed"});
  }
  const int I = problem.layers[l].inputs;
  for (const bool input_first : {false, true})
    for (const int offset : {input_first ? -I : I, 1, -1}) {
      if (offset == (input_first ? 1 : -1)) continue;
      const std::string sentence = fmt::format(
          "the error goes back through the wrong columns of the joined matrix for {}: {} off the state's",
          input_first ? "[x, h]" : "[h, x]", offset);
      const auto slice = [offset, input_first](Term& t) {
        t.matrix = Matrix::slice, t.offset = offset, t.input_first = input_first;
      };
      with("carry-wrong-matrix", "the carry", sentence, fix, "", 0.09, all, slice);
      to.also({"carry-wrong-gate", "carry-wrong-order"});
      for (const Site& one : all) {
        if (all.size() == 1) continue;
        with("carry-wrong-matrix",
             fmt::format("the carry through gate {}", gate_name(problem.net.cell, one.gate)), sentence, "",
             "", 0.12, {one}, slice);
        to.also({"carry-wrong-gate"});
      }
    }
  if (elman) {
    to.add("derivative-missing", "the carry",
           "the error is carried back as it entered the state, before its activation's derivative", fix,
           words.back_U(L, 0, "dh[t]"), 0.03, {hc, 209},
           [](LayerPlan& p) { p.steps[2].terms[0].source = Back::dh; });
    to.add("carry-identity", "the carry",
           "the state's error itself is handed to the previous step, without derivative and recurrent matrix",
           fix, "dh[t]", 0.05, {hc, 209}, [](LayerPlan& p) {
             p.steps[2].terms[0].source = Back::dh;
             p.steps[2].terms[0].matrix = Matrix::identity;
           });
    to.add("carry-wrong-order", "the carry",
           "the derivative is applied after the recurrent matrix instead of before it", fix, "", 0.05,
           {hc, 209}, [f = problem.net.activation](LayerPlan& p) {
             Term& t = p.steps[2].terms[0];
             t.source = Back::dh;
             t.factors.push_back({Var::z0, Fn::slope, f, 0, true});
           });
    to.add("carry-wrong-order", "the carry",
           "the derivative is applied both before and after the recurrent matrix", fix, "", 0.07, {hc, 209},
           [f = problem.net.activation](LayerPlan& p) {
             p.steps[2].terms[0].factors.push_back({Var::z0, Fn::slope, f, 0, true});
           });
    return;
  }
  for (const Site& one : all) {
    const auto letter = gate_name(problem.net.cell, one.gate);
    const std::string own = fmt::format("dz_{}[t]", letter);
    with("recurrent-not-transposed", fmt::format("the carry through gate {}", letter),
         fmt::format("gate {}'s error goes back through its recurrent matrix without the transpose", letter),
         fmt::format("dh[t-1] += {}", words.back_U(L, one.gate, own)), words.back_U(L, one.gate, own, false),
         0.06, {one}, matrix(Matrix::recurrent_transposed));
    with("carry-wrong-gate", "the carry", fmt::format("gate {}'s part is missing from dh_prev", letter),
         fmt::format("dh[t-1] += {}", words.back_U(L, one.gate, own)), "", 0.04, {one},
         [](Term& t) { t.coefficient = 0; });
    std::vector<Site> rest;
    for (const Site& s : all)
      if (s.gate != one.gate) rest.push_back(s);
    with("carry-wrong-gate", "the carry", fmt::format("only gate {}'s part goes into dh_prev", letter),
         "dh[t-1] is the sum over all gates", "", 0.07, rest, [](Term& t) { t.coefficient = 0; });
    for (const Site& two : all)
      if (two.gate != one.gate)
        with("carry-wrong-gate", "the carry",
             fmt::format("gate {}'s delta goes back through gate {}'s matrix", letter,
                         gate_name(problem.net.cell, two.gate)),
             fmt::format("dh[t-1] += {}", words.back_U(L, one.gate, own)), words.back_U(L, two.gate, own),
             0.08, {one}, [g = two.gate](Term& t) { t.gate = g; });
  }
  for (const Site& one : all)
    for (const Site& two : all) {
      if (one.gate >= two.gate) continue;
      with("carry-wrong-matrix", "the carry",
           fmt::format("the errors of gates {} and {} go back through each other's matrix",
                       gate_name(problem.net.cell, one.gate), gate_name(problem.net.cell, two.gate)),
           "every gate's through its own", "", 0.06, {one, two},
           [a = one.gate, b = two.gate](Term& t) { t.gate = t.gate == a ? b : a; });
      to.also({"carry-wrong-gate", "gates-swapped"});
    }
  for (const Site& one : all) {
    const auto letter = gate_name(problem.net.cell, one.gate);
    std::vector<Site> rest;
    for (const Site& s : all)
      if (s.gate != one.gate) rest.push_back(s);
    with("carry-wrong-gate", "the carry",
         fmt::format("every gate's delta goes back through gate {}'s matrix", letter),
         "every gate's through its own", "", 0.09, rest, [g = one.gate](Term& t) { t.gate = g; });
  }
  if (problem.net.cell == Cell::gru)
    for (std::size_t t = 0; t < steps[find(steps, Back::hc)].terms.size(); ++t) {
      const Term& term = steps[find(steps, Back::hc)].terms[t];
      if (term.matrix != Matrix::none) continue;
      const bool direct = term.source == Back::dh;
      to.add("carry-dropped", direct ? "the direct path" : "the path through the reset state",
             direct ? "dh_prev lacks the direct path through the update gate"
                    : "dh_prev lacks the path through r * h_prev",
             direct ? (problem.net.update_keeps ? "dh_prev += dh * z" : "dh_prev += dh * (1-z)")
                    : "dh_prev += d(r h) * r",
             "", 0.02, {static_cast<int>(100 * find(steps, Back::hc) + 10 * t) + 9},
             [s = find(steps, Back::hc), t](LayerPlan& p) { p.steps[s].terms[t].coefficient = 0; });
    }
}

void add_flow(const Problem& problem, const std::vector<Step>& steps, Adder& to) {
  const bool lstm = problem.net.cell == Cell::lstm;
  const std::string sum = problem.net.cell == Cell::elman ? "dh[t] = dh_from_output[t] + dh_from_next_step"
                                                          : "dh[t] = dh_from_output[t] + dh_next";
  to.add("carry-dropped", lstm ? "dh" : "the carry",
         "nothing is carried back from the next step's state: every step sees its own output's error alone",
         sum, "", 0.01, {7},
         [](LayerPlan& p) { for_source(p, Back::hc, [](Term& t) { t.coefficient = 0; }); });
  to.also({"truncated"});
  to.add("carry-overwrites-upstream", "dh",
         "the carried error replaces the output's own error instead of being added to it (= for +=)", sum,
         "dh[t] = dh_next", 0.03, {8},
         [](LayerPlan& p) { for_source(p, Back::up, [](Term& t) { t.only_last_step = true; }); });
  for (double c : {-1.0, 2.0, 0.5})
    to.add(c == -1 ? "sign" : "factor-two", "the carry",
           fmt::format("what is carried back is multiplied by {}", c), sum, "", 0.08, {6},
           [c](LayerPlan& p) { for_source(p, Back::hc, [c](Term& t) { t.coefficient *= c; }); });
  for (int n : {problem.B, problem.T})
    if (n > 2)
      to.add("block-scaled", "the carry",
             fmt::format("what is carried back is divided by {} at every step",
                         n == problem.B ? "the batch size" : "the number of steps"),
             sum, "", 0.09, {6},
             [n](LayerPlan& p) { for_source(p, Back::hc, [n](Term& t) { t.coefficient /= n; }); });
  for (double c : {2.0, 0.5})
    to.add("counted-twice", "dh",
           c == 2 ? "the output's own error is added twice" : "the output's own error is halved", sum, "",
           0.09, {5}, [c](LayerPlan& p) { for_source(p, Back::up, [c](Term& t) { t.coefficient *= c; }); });
  if (!lstm) return;
  const std::string dc = "dc[t] = dc_next * f[t+1] + dh[t] * o[t] * (1 - tanh(c[t])**2)";
  const int entry = static_cast<int>(100 * find(steps, Back::dc)) + 19;
  to.add("carry-dropped", "dc",
         "nothing is carried back in the cell: dc_next is never added (or = stands for +=)", dc, "", 0.01,
         {entry}, [](LayerPlan& p) { for_source(p, Back::cc, [](Term& t) { t.coefficient = 0; }); });
  to.add("carry-dropped", "dh and dc",
         "nothing is carried back from the next step, neither in the state nor in the cell", dc, "", 0.04,
         {entry, 7}, [](LayerPlan& p) {
           for_source(p, Back::cc, [](Term& t) { t.coefficient = 0; });
           for_source(p, Back::hc, [](Term& t) { t.coefficient = 0; });
         });
  to.also({"truncated"});
  to.add("carry-overwrites-upstream", "dc",
         "the carried dc replaces the part that comes from dh instead of being added to it", dc,
         "dc[t] = dc_next", 0.05, {entry - 10},
         [](LayerPlan& p) { p.steps[1].terms[0].only_last_step = true; });
  to.add("carry-wrong-order", "dc",
         "dc_next is passed on as it came: this step's own part is added after it was handed back",
         "dc_prev = dc[t] * f[t]", "dc_prev = dc_next * f[t]", 0.06, {entry - 10, 709}, [](LayerPlan& p) {
           p.steps[7].terms[0].source = Back::cc;
           p.steps[7].terms[0].shift = 1;
         });
  to.add("gate-factor", "dc", "dc_next is multiplied by the forget gate and then by it again", dc, "", 0.09,
         {entry}, [](LayerPlan& p) {
           p.steps[1].terms[1].factors.push_back({Var::a1, Fn::value, Activation::tanh, 0, false});
         });
  to.add("parenthesis", "dc",
         "the carried dc is multiplied by o (1 - tanh(c)^2) too: a parenthesis closes too late", dc,
         "(dh[t] + dc_next) * o[t] * (1 - tanh(c[t])**2)", 0.04, {entry},
         [](LayerPlan& p) { p.steps[1].terms[1].factors = p.steps[1].terms[0].factors; });
  to.add("parenthesis", "dc",
         "the carried dc is multiplied by (1 - tanh(c)^2) too: a parenthesis closes too late", dc,
         "(dh[t] * o[t] + dc_next) * (1 - tanh(c[t])**2)", 0.05, {entry},
         [](LayerPlan& p) { p.steps[1].terms[1].factors.push_back(p.steps[1].terms[0].factors[1]); });
  to.add("parenthesis", "dc", "the carried dc is multiplied by o too: a parenthesis closes too late", dc,
         "(dh[t] * (1 - tanh(c[t])**2) + dc_next) * o[t]", 0.06, {entry},
         [](LayerPlan& p) { p.steps[1].terms[1].factors.push_back(p.steps[1].terms[0].factors[0]); });
  // delta = dc_next g + o (1 - tanh(c)^2) dh g s': the slope multiplies one of the two summands alone.
  const std::vector<std::vector<std::size_t>> scopes = {{3, 4, 5}, {3}, {4}, {5}};
  for (const auto& scope : scopes)
    for (bool carried_bare : {true, false}) {
      std::vector<int> entries;
      std::string gates;
      for (std::size_t s : scope) {
        entries.push_back(static_cast<int>(100 * s) + 9), entries.push_back(static_cast<int>(100 * s) + 1);
        gates += gate_name(Cell::lstm, static_cast<int>(steps[s].target) - static_cast<int>(Back::da0));
      }
      to.add("parenthesis", fmt::format("the delta of gate{} {}", scope.size() > 1 ? "s" : "", gates),
             carried_bare
                 ? "the activation's derivative multiplies only this step's part: the carried dc_next is "
                   "added bare"
                 : "the activation's derivative multiplies only the carried dc_next, not this step's part",
             "(dc_next + dh * o * (1 - tanh(c)**2)) * gate * derivative", "", scope.size() > 1 ? 0.04 : 0.05,
             entries, [scope, carried_bare](LayerPlan& p) {
               const Term own = p.steps[1].terms[0];
               for (std::size_t s : scope) {
                 Term first = p.steps[s].terms[0], second = first;
                 first.source = Back::dh;
                 first.factors.insert(first.factors.end(), own.factors.begin(), own.factors.end());
                 second.source = Back::cc;
                 second.shift = 1;
                 for (Factor& f : (carried_bare ? second : first).factors)
                   if (f.local_slope && f.var != Var::c) f.fn = Fn::one;
                 p.steps[s].terms = {first, second};
               }
             });
    }
  // A gate's delta that sees only this step's dh, not what the cell carried.
  for (std::size_t s = 3; s <= 5; ++s)
    to.add("carry-dropped",
           fmt::format(
               "d{}", gate_name(Cell::lstm, static_cast<int>(steps[s].target) - static_cast<int>(Back::da0))),
           "this gate's delta is made from this step's dh alone, without the carried dc",
           "use dc[t], which includes dc_next", "", 0.07, {static_cast<int>(100 * s) + 9}, [s](LayerPlan& p) {
             const Term own = p.steps[1].terms[0];
             Term& t = p.steps[s].terms[0];
             t.source = Back::dh;
             t.factors.insert(t.factors.end(), own.factors.begin(), own.factors.end());
           });
}

}  // namespace

void add_carry_mistakes(const Problem& problem, const Words& words, Mistakes& to) {
  const Plan right = right_plan(problem);
  for (std::size_t l = 0; l < right.layers.size(); ++l) {
    Adder adder(l, to);
    add_recurrent_matrix(problem, words, l, right.layers[l].steps, adder);
    add_flow(problem, right.layers[l].steps, adder);
  }
}

}  // namespace retrograde::doctor
