// Mistakes about an LSTM whose cell state goes out without an activation, h = o c: the backward of the usual
// one.
#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

void add_cell_mistakes(const Problem& problem, int layer, Mistakes& to) {
  if (!problem.net.plain_cell) return;
  const auto l = static_cast<std::size_t>(layer);
  const std::vector<Step> steps = right_plan(problem).layers[l].steps;
  const auto add = [&](std::string where, std::string sentence, bool slope, bool output) {
    std::vector<int> entries;
    for (std::size_t s = 0; s < steps.size(); ++s)
      for (std::size_t t = 0; t < steps[s].terms.size(); ++t)
        for (std::size_t f = 0; f < steps[s].terms[t].factors.size(); ++f) {
          const Var v = steps[s].terms[t].factors[f].var;
          const bool of_slope = v == Var::c && steps[s].terms[t].factors[f].local_slope;
          if ((slope && of_slope) || (output && v == Var::m)) entries.push_back(Site{s, t, f}.entry(l));
        }
    to.push_back(layer_mistake(l, "derivative-of-other-activation", std::move(where), std::move(sentence),
                               0.03, entries, [slope, output](LayerPlan& p) {
                                 for (Step& step : p.steps)
                                   for (Term& term : step.terms)
                                     for (Factor& f : term.factors) {
                                       if (slope && f.var == Var::c && f.local_slope) f.f = Activation::tanh;
                                       if (output && f.var == Var::m)
                                         f = {Var::c, Fn::activation, Activation::tanh, f.shift, false};
                                     }
                               }));
    to.back().aliases = {"double-activation", "gate-factor"};
  };
  add("dc", "dc takes tanh'(c), and the forward has no tanh of the cell state: h = o c", true, false);
  add("gate o",
      "the output gate's delta takes tanh(c), and the forward has no tanh of the cell state: h = o c", false,
      true);
  add("the cell state's way out", "the backward belongs to h = o tanh(c), the forward is h = o c", true,
      true);
}

}  // namespace retrograde::doctor
