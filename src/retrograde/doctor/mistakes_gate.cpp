// Family "variables": a gate's factor left out, squared, of another step, or taken from another gate; deltas
// copied.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

// One gate's whole delta used in another's place, in the carry too.
void add_copied_deltas(const Problem& problem, std::size_t l, const std::vector<Step>& steps, Mistakes& to) {
  for (std::size_t s = 0; s < steps.size(); ++s)
    for (std::size_t from = 0; from < steps.size(); ++from) {
      const auto gate = [&](std::size_t i) {
        return steps[i].target >= Back::da0 && steps[i].target <= Back::da3;
      };
      if (s == from || !gate(s) || !gate(from)) continue;
      Mistake m;
      m.name = "gate-copied";
      m.where = text_of(problem.net.cell, steps[s].target);
      m.sentence = fmt::format("{} is a copy of {}", m.where, text_of(problem.net.cell, steps[from].target));
      m.fix = fmt::format("compute {} from its own gate's factors", m.where);
      m.layer = static_cast<int>(l);
      m.weight = 0.06;
      m.entries = {static_cast<int>(1000 * l + 100 * s), static_cast<int>(1000 * l + 100 * s + 1)};
      m.patch = [l, s, from](Plan& plan) {
        plan.layers[l].steps[s].terms = plan.layers[l].steps[from].terms;
      };
      to.push_back(std::move(m));
    }
}

// Two gates exchange a factor: di = dc * i and dg = dc * g, or each other's derivative formula.
void add_swapped_factors(const Problem& problem, std::size_t l, const std::vector<Step>& steps,
                         Mistakes& to) {
  const auto gate = [&](std::size_t s) {
    return steps[s].target >= Back::da0 && steps[s].target <= Back::da3 && steps[s].terms.size() == 1;
  };
  for (std::size_t a = 0; a < steps.size(); ++a)
    for (std::size_t b = a + 1; b < steps.size(); ++b)
      for (std::size_t k = 0; k < 2 && gate(a) && gate(b); ++k) {
        const Factor &fa = steps[a].terms[0].factors[k], &fb = steps[b].terms[0].factors[k];
        const std::string one = text_of(problem.net.cell, steps[a].target),
                          two = text_of(problem.net.cell, steps[b].target);
        to.push_back(layer_mistake(
            l, "gates-swapped", fmt::format("{} and {}", one, two),
            fmt::format("{} and {} have each other's factor: {} has {} and {} has {}", one, two, one,
                        text_of(problem.net, fb), two, text_of(problem.net, fa)),
            0.05, {Site{a, 0, k}.entry(l), Site{b, 0, k}.entry(l)}, [a, b, k](LayerPlan& plan) {
              Factor *first = find_factor(plan, {a, 0, k}), *second = find_factor(plan, {b, 0, k});
              if (first && second) std::swap(*first, *second);
            }));
        to.back().aliases = {"gate-factor"};
      }
}

// The gates' deltas joined in another order than the weights have: blocks and carry see them in each other's
// place.
void add_permuted_deltas(const Problem& problem, std::size_t l, const std::vector<Step>& steps,
                         Mistakes& to) {
  const Cell cell = problem.net.cell;
  std::vector<std::size_t> at(static_cast<std::size_t>(problem.gates));
  for (std::size_t s = 0; s < steps.size(); ++s)
    if (steps[s].target >= Back::da0 && steps[s].target <= Back::da3)
      at[static_cast<std::size_t>(steps[s].target) - static_cast<std::size_t>(Back::da0)] = s;
  std::vector<std::size_t> order(at.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  while (std::next_permutation(order.begin(), order.end())) {
    std::string is, due;
    int moved = 0;
    for (std::size_t g = 0; g < order.size(); ++g) {
      is += gate_name(cell, static_cast<int>(order[g]));
      due += gate_name(cell, static_cast<int>(g));
      moved += order[g] != g;
    }
    if (cell == Cell::gru && order[2] != 2) continue;  // the candidate's delta has two forms
    Mistake m;
    m.name = moved == 2 ? "gates-swapped" : "gate-order";
    m.where = "the gates' deltas, in blocks and carry";
    m.sentence = fmt::format("the gates' deltas stand in the order {} where the weights have {}", is, due);
    m.fix = "join the deltas in the order of the weights' gates";
    m.layer = static_cast<int>(l);
    m.weight = moved == 2 ? 0.04 : 0.08;
    for (std::size_t g = 0; g < order.size(); ++g)
      if (order[g] != g)
        for (int f = 0; f < 2; ++f) m.entries.push_back(static_cast<int>(1000 * l + 100 * at[g]) + f);
    m.patch = [l, at, order](Plan& plan) {
      const std::vector<Step> old = plan.layers[l].steps;
      for (std::size_t g = 0; g < order.size(); ++g)
        plan.layers[l].steps[at[g]].terms = old[at[order[g]]].terms;
    };
    to.push_back(std::move(m));
  }
}

// The forward adds a constant 1 to the forget gate; the backward forgets it.
void add_forget_bias(const Problem& problem, std::size_t l, const std::vector<Step>& steps, Mistakes& to) {
  if (problem.net.cell != Cell::lstm || !problem.net.forget_plus_one) return;
  const Site derivative{4, 0, 1}, gate{steps.size() - 1, 0, 0};
  const auto add = [&](const char* sentence, bool both, bool slope) {
    std::vector<int> entries;
    if (slope) entries.push_back(derivative.entry(l));
    if (both || !slope) entries.push_back(gate.entry(l));
    to.push_back(layer_mistake(l, "forget-bias", "gate f", sentence, 0.03, entries, [=](LayerPlan& plan) {
      if (slope) plan.steps[derivative.step].terms[0].factors[1].fn = Fn::slope_without_one;
      if (both || !slope)
        plan.steps[gate.step].terms[0].factors[0] = {Var::z1, Fn::activation_without_one, Activation::sigmoid,
                                                     0, false};
    }));
  };
  add("the forget gate's derivative is taken without the 1 that the forward adds", false, true);
  add("the whole backward has the forget gate without the 1 that the forward adds", true, true);
  add("dc_next is multiplied by the forget gate without the 1 that the forward adds", false, false);
}

void add_gru_variants(const Problem& problem, std::size_t l, Mistakes& to) {
  if (problem.net.cell != Cell::gru) return;
  Problem other = problem;
  other.net.update_keeps = !problem.net.update_keeps;
  Mistake m;
  m.name = "update-gate-complemented";
  m.where = "every use of z";
  m.sentence = problem.net.update_keeps
                   ? "the backward belongs to h' = (1-z) h + z n, but the forward runs h' = (1-z) n + z h"
                   : "the backward belongs to h' = (1-z) n + z h, but the forward runs h' = (1-z) h + z n";
  m.fix = problem.net.update_keeps ? "dn = dh * (1-z);  dz = dh * (h_prev - n);  dh_prev += dh * z"
                                   : "dn = dh * z;  dz = dh * (n - h_prev);  dh_prev += dh * (1-z)";
  m.layer = static_cast<int>(l);
  m.weight = 0.03;
  m.entries = {kWholeLayer};
  m.patch = [l, steps = right_plan(other).layers[l].steps](Plan& plan) {
    plan.layers[l].steps = steps;
    plan.layers[l].steps[2].terms[0].coefficient = -1;  // hn is recorded in the forward's own convention
  };
  to.push_back(m);
  // Both weights exchanged while dz is right.
  Mistake half = m;
  half.where = "the update gate's two weights";
  half.sentence = problem.net.update_keeps
                      ? "dn and dh_prev have z and 1 - z exchanged: dn = dh * z, dh_prev += dh * (1-z)"
                      : "dn and dh_prev have z and 1 - z exchanged: dn = dh * (1-z), dh_prev += dh * z";
  half.weight = 0.04;
  half.patch = [l](Plan& plan) {
    for (Step& s : plan.layers[l].steps)
      if (s.target == Back::da2 || s.target == Back::hc)
        for (Factor& f : s.terms[0].factors)
          if (f.var == Var::a1) f.fn = f.fn == Fn::value ? Fn::complement : Fn::value;
  };
  to.push_back(half);
  if (!problem.net.reset_after && !problem.net.no_reset) {
    // Parts of the other form: dr from the product U_n h, or the carry through U_n of dz_n * r.
    other = problem;
    other.net.reset_after = true;
    const std::vector<Step> own = right_plan(problem).layers[l].steps,
                            after = right_plan(other).layers[l].steps;
    const std::size_t dr = step_of(own, Back::da0);
    Mistake part = layer_mistake(
        l, "reset-gate-before-or-after", "dr",
        "dr is dz_n * (U_n h[t-1]), as if the reset came after the product", 0.04,
        {Site{dr, 0, 0}.entry(l), Site{dr, 0, 1}.entry(l)},
        [dr, step = after[step_of(after, Back::da0)]](LayerPlan& plan) { plan.steps[dr] = step; });
    part.fix = "dr = (U_n' dz_n) * h[t-1]";
    part.aliases = {"gate-factor"};
    to.push_back(part);
    part = layer_mistake(
        l, "reset-gate-before-or-after", "the carry",
        "the reset gate multiplies dz_n before U_n, where it multiplies what comes back through U_n", 0.04,
        {kWholeLayer}, [delta = after[step_of(after, Back::dp)], carry = after.back()](LayerPlan& plan) {
          plan.steps.insert(plan.steps.end() - 1, delta);
          plan.steps.back().terms.back() = carry.terms.back();
        });
    part.fix = "dh[t-1] += r * (U_n' dz_n)";
    part.aliases = {"gate-factor", "carry-wrong-order"};
    to.push_back(part);
  }
  // Another reset form's backward.
  const char* forward = problem.net.no_reset      ? "the forward leaves the reset gate out, U h"
                        : problem.net.reset_after ? "the forward resets after it, r (U h)"
                                                  : "the forward resets before it, U (r h)";
  for (const bool after : {false, true}) {
    if (!problem.net.no_reset && after == problem.net.reset_after) continue;
    other = problem;
    other.net.reset_after = after, other.net.no_reset = false;
    m.name = "reset-gate-before-or-after";
    m.where = "the reset gate";
    m.sentence = fmt::format("the backward belongs to a reset {} the product, {}; {}",
                             after ? "after" : "before", after ? "r (U h)" : "U (r h)", forward);
    m.fix = problem.net.no_reset      ? "let the forward reset as the backward does"
            : problem.net.reset_after ? "dr = dz_n * (U_n h_prev);  dh_prev += U_n' (dz_n * r)"
                                      : "d = U_n' dz_n;  dr = d * h_prev;  dh_prev += d * r";
    m.entries = {kWholeLayer};
    m.patch = [l, steps = right_plan(other).layers[l].steps, after](Plan& plan) {
      plan.layers[l].steps = steps;
      plan.layers[l].reset_form = after ? 1 : 0;
    };
    to.push_back(m);
  }
}

}  // namespace

void add_gate_mistakes(const Problem& problem, const Words&, Mistakes& to) {
  const Plan right = right_plan(problem);
  for (std::size_t l = 0; l < right.layers.size(); ++l) {
    const auto& steps = right.layers[l].steps;
    if (problem.net.cell == Cell::elman) continue;
    add_copied_deltas(problem, l, steps, to);
    add_swapped_factors(problem, l, steps, to);
    add_permuted_deltas(problem, l, steps, to);
    add_forget_bias(problem, l, steps, to);
    add_gru_variants(problem, l, to);
  }
}

}  // namespace retrograde::doctor
