// Family "carry": what goes back from step t to step t-1, and what it is added to.
#include <fmt/format.h>

#include "retrograde/doctor/carry_adder.h"

namespace retrograde::doctor {

namespace {

template <class F>
void for_source(LayerPlan& plan, Back source, F&& change) {
  for (Step& s : plan.steps)
    for (Term& t : s.terms)
      if (t.source == source && (source == Back::up || t.shift == 1)) change(t);
}

void add_flow(const Problem& problem, const std::vector<Step>& steps, CarryAdder& to) {
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
  const int entry = static_cast<int>(100 * step_of(steps, Back::dc)) + 19;
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
    CarryAdder adder(l, to);
    add_matrix_mistakes(problem, words, l, right.layers[l].steps, adder);
    add_flow(problem, right.layers[l].steps, adder);
  }
}

}  // namespace retrograde::doctor
