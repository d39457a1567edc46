// Mistakes between the two directions of a bidirectional layer.
#include <fmt/format.h>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

// Their entries lie beside those of the layer's table, which ends below 700.
constexpr int kShare = 950, kOrder = 951;

}  // namespace

void add_direction_mistakes(const Problem& problem, int layer, Mistakes& to) {
  const auto l = static_cast<std::size_t>(layer);
  const std::string own = layer_name(problem, layer);
  const auto add = [&](const char* name, std::string sentence, std::string fix, int entry, double weight,
                       std::function<void(LayerPlan&)> patch) {
    to.push_back(layer_mistake(l, name, "the outputs' errors", std::move(sentence), weight,
                               {1000 * layer + entry}, std::move(patch)));
    to.back().fix = std::move(fix);
  };
  add("direction-missing", fmt::format("the outputs' errors never reach {}", own), "run its backward too",
      kShare, 0.02, [](LayerPlan& p) {
        for (Step& step : p.steps)
          for (Term& term : step.terms)
            if (term.source == Back::up) term.coefficient = 0;
      });
  to.back().aliases = {"upstream-missing", "zero"};
  if (!problem.net.summed) {
    add("layer-input-wrong", fmt::format("{} gets the other direction's half of dh", own),
        problem.reversed(layer) ? "dh[..., H:]" : "dh[..., :H]", kShare, 0.03,
        [](LayerPlan& p) { p.up_of_other = true; });
    to.back().aliases = {"direction-missing", "output-gradient-at-wrong-step"};
  }
  std::vector<int> entries;
  const std::vector<Step> steps = right_plan(problem).layers[l].steps;
  for (std::size_t s = 0; s < steps.size(); ++s)
    for (std::size_t t = 0; t < steps[s].terms.size(); ++t)
      if (steps[s].terms[t].matrix == Matrix::recurrent) entries.push_back(Site{s, t, kSource}.entry(l));
  to.push_back(
      layer_mistake(l, "carry-wrong-gate", "the carry",
                    fmt::format("{}'s carry goes through the other direction's recurrent matrix", own), 0.04,
                    entries, [](LayerPlan& p) {
                      for (Step& step : p.steps)
                        for (Term& term : step.terms)
                          if (term.matrix == Matrix::recurrent) term.matrix = Matrix::recurrent_of_other;
                    }));
  to.back().aliases = {"carry-identity"};
  if (problem.reversed(layer) && !problem.net.own_ends) {
    add("output-gradient-at-wrong-step",
        fmt::format("the errors enter {} in the order of the input, not reversed as its states are", own),
        "reverse dh in time for it", kOrder, 0.03, [](LayerPlan& p) { p.up_in_order = true; });
    to.back().aliases = {"direction-missing"};
  }
}

}  // namespace retrograde::doctor
