#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

Mistake layer_mistake(std::size_t layer, std::string name, std::string where, std::string sentence,
                      double weight, std::vector<int> entries, std::function<void(LayerPlan&)> patch) {
  Mistake m;
  m.name = std::move(name), m.where = std::move(where), m.sentence = std::move(sentence);
  m.layer = static_cast<int>(layer), m.weight = weight, m.entries = std::move(entries);
  m.patch = [layer, patch = std::move(patch)](Plan& plan) { patch(plan.layers[layer]); };
  return m;
}

Term* find_term(LayerPlan& plan, const Site& site) {
  if (site.step >= plan.steps.size() || site.term >= plan.steps[site.step].terms.size()) return nullptr;
  return &plan.steps[site.step].terms[site.term];
}

Factor* find_factor(LayerPlan& plan, const Site& site) {
  Term* term = find_term(plan, site);
  return term && site.factor < term->factors.size() ? &term->factors[site.factor] : nullptr;
}

void fill_lines(const Problem& problem, const Words& words, Mistake& m) {
  if (m.layer < 0 || !m.fix.empty()) return;
  const auto l = static_cast<std::size_t>(m.layer);
  const Plan right = right_plan(problem);
  Plan wrong = right;
  m.patch(wrong);
  const auto &good = right.layers[l].steps, &bad = wrong.layers[l].steps;
  for (std::size_t s = 0; s < good.size() && s < bad.size(); ++s) {
    if (good[s] == bad[s]) continue;
    if (!m.fix.empty()) m.fix += ";  ", m.yours += ";  ";
    m.fix += words.line(problem, m.layer, good[s]);
    m.yours += words.line(problem, m.layer, bad[s]);
  }
}

}  // namespace retrograde::doctor
