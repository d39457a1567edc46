// Family "variables": a gate's factor left out, squared, of another step, or taken from another gate; deltas
// copied.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

std::string var_text(Cell cell, Var v, Fn fn, int shift) {
  std::string base;
  const int k = static_cast<int>(v);
  if (v >= Var::a0 && v <= Var::a3)
    base = cell == Cell::elman ? "h" : std::string(gate_name(cell, k - static_cast<int>(Var::a0)));
  else if (v >= Var::z0 && v <= Var::z3)
    base = fmt::format("z_{}", gate_name(cell, k - static_cast<int>(Var::z0)));
  else if (v == Var::m)
    base = "tanh_c";
  else if (v == Var::hn)
    base = "(h_prev - n)";
  else if (v == Var::p)
    base = "(U_n h_prev)";
  else
    base = v == Var::c ? "c" : "h";
  const char* step = shift < 0 ? "[t-1]" : shift > 0 ? "[t+1]" : "[t]";
  if (fn == Fn::complement) return fmt::format("(1 - {}{})", base, step);
  return fmt::format("{}{}{}", base, step, fn == Fn::square ? "**2" : "");
}

std::string target_text(Cell cell, Back b) {
  switch (b) {
    case Back::dh:
      return "dh";
    case Back::dc:
      return "dc";
    case Back::hc:
      return "dh_prev";
    case Back::cc:
      return "dc_prev";
    case Back::dp:
      return "the candidate's recurrent delta";
    case Back::q:
      return "d(r h)";
    default:
      return fmt::format("d{}", gate_name(cell, static_cast<int>(b) - static_cast<int>(Back::da0)));
  }
}

struct Replacement {
  Var var;
  Fn fn;
  int shift;
  const char* name;
  double weight;
};

std::vector<Replacement> replacements(const Problem& problem, const Factor& factor) {
  std::vector<Replacement> out;
  out.push_back({factor.var, Fn::one, factor.shift, "gate-factor", 0.03});
  const char* shifted = factor.var == Var::c   ? "cell-index-shifted"
                        : factor.var == Var::h ? "state-index-shifted"
                                               : "carry-wrong-gate";
  for (int s = -1; s <= 1; ++s)
    if (s != factor.shift)
      out.push_back({factor.var, factor.fn, s, shifted, factor.var == Var::c && s == 0 ? 0.02 : 0.05});
  if (factor.fn == Fn::value) out.push_back({factor.var, Fn::square, factor.shift, "gate-factor", 0.06});
  const bool update = problem.net.cell == Cell::gru && factor.var == Var::a1;
  out.push_back({factor.var, factor.fn == Fn::complement ? Fn::value : Fn::complement, factor.shift,
                 update ? "update-gate-complemented" : "gate-factor", update ? 0.02 : 0.08});
  std::vector<Var> others;
  for (int g = 0; g < problem.gates; ++g) others.push_back(Var::a0 + g);
  if (problem.net.cell == Cell::lstm) others.insert(others.end(), {Var::c, Var::m, Var::h});
  if (problem.net.cell == Cell::gru) others.insert(others.end(), {Var::h, Var::p, Var::hn});
  for (Var v : others) {
    if (v == factor.var) continue;
    const bool state = v == Var::c || v == Var::h || v == Var::m;
    for (int s = state && v != Var::m ? -1 : 0; s <= 0; ++s)
      out.push_back(
          {v, Fn::value, s, state || factor.var == Var::hn ? "gate-factor" : "gates-swapped", 0.07});
  }
  return out;
}

void add_factor_mistakes(const Problem& problem, std::size_t l, const std::vector<Step>& steps,
                         Mistakes& to) {
  const Cell cell = problem.net.cell;
  for (std::size_t s = 0; s < steps.size(); ++s)
    for (std::size_t t = 0; t < steps[s].terms.size(); ++t)
      for (std::size_t f = 0; f < steps[s].terms[t].factors.size(); ++f) {
        const Factor& factor = steps[s].terms[t].factors[f];
        if (factor.local_slope) continue;
        const std::string target = target_text(cell, steps[s].target);
        const std::string due = var_text(cell, factor.var, factor.fn, factor.shift);
        for (const Replacement& r : replacements(problem, factor)) {
          Mistake m;
          const bool carry = steps[s].target == Back::cc || steps[s].target == Back::hc;
          m.name = carry && r.var != factor.var ? "carry-wrong-gate" : r.name;
          m.where = target;
          const std::string has = var_text(cell, r.var, r.fn, r.shift);
          m.sentence = r.fn == Fn::one ? fmt::format("{} lacks the factor {}", target, due)
                       : r.fn == Fn::square
                           ? fmt::format("{} has the factor {} twice", target, due)
                           : fmt::format("{} is multiplied by {}, where {} is due", target, has, due);
          m.fix = fmt::format("{}[t] = ... * {}", target, due);
          m.yours = r.fn == Fn::one ? "" : has;
          m.layer = static_cast<int>(l);
          m.weight = r.weight;
          m.entries = {static_cast<int>(1000 * l + 100 * s + 10 * t + f)};
          m.patch = [l, s, t, f, r](Plan& plan) {
            Factor& x = plan.layers[l].steps[s].terms[t].factors[f];
            x.var = r.var;
            x.fn = r.fn;
            x.shift = r.shift;
          };
          to.push_back(std::move(m));
        }
      }
}

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
      m.where = target_text(problem.net.cell, steps[s].target);
      m.sentence =
          fmt::format("{} is a copy of {}", m.where, target_text(problem.net.cell, steps[from].target));
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

// Input and candidate gate exchange their factors: di = dc * i, dg = dc * g.
void add_swapped_factors(const Problem& problem, std::size_t l, Mistakes& to) {
  if (problem.net.cell != Cell::lstm) return;
  Mistake m;
  m.name = "gates-swapped";
  m.where = "di and dg";
  m.sentence = "di and dg have each other's factors: di = dc * i and dg = dc * g";
  m.fix = "di[t] = dc[t] * g[t];  dg[t] = dc[t] * i[t]";
  m.layer = static_cast<int>(l);
  m.weight = 0.05;
  m.entries = {static_cast<int>(1000 * l + 300), static_cast<int>(1000 * l + 500)};
  m.patch = [l](Plan& plan) {
    plan.layers[l].steps[3].terms[0].factors[0].var = Var::a0;
    plan.layers[l].steps[5].terms[0].factors[0].var = Var::a2;
  };
  to.push_back(std::move(m));
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

// The forward adds a constant 1 to the forget gate; the backward's derivative forgets it.
void add_forget_bias(const Problem& problem, std::size_t l, Mistakes& to) {
  if (problem.net.cell != Cell::lstm || !problem.net.forget_plus_one) return;
  Mistake m;
  m.name = "forget-bias";
  m.where = "gate f";
  m.sentence = "the forget gate's derivative is taken without the 1 that the forward adds";
  m.fix = "df[t] * f[t] * (1 - f[t]) with f = sigmoid(z_f + 1)";
  m.layer = static_cast<int>(l);
  m.weight = 0.03;
  m.entries = {static_cast<int>(1000 * l + 401)};
  m.patch = [l](Plan& plan) { plan.layers[l].steps[4].terms[0].factors[1].fn = Fn::slope_without_one; };
  to.push_back(std::move(m));
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
  // dz's sign: n - h_prev for h_prev - n.
  m.where = "dz";
  m.sentence = "dz has the sign of (h_prev - n) wrong";
  m.fix = problem.net.update_keeps ? "dz[t] = dh[t] * (h_prev - n) * z * (1 - z)"
                                   : "dz[t] = dh[t] * (n - h_prev) * z * (1 - z)";
  m.name = "sign";
  m.entries = {static_cast<int>(1000 * l + 200)};
  m.patch = [l](Plan& plan) { plan.layers[l].steps[2].terms[0].coefficient = -1; };
  to.push_back(m);
  // The other reset form's backward.
  other = problem;
  other.net.reset_after = !problem.net.reset_after;
  m.name = "reset-gate-before-or-after";
  m.where = "the reset gate";
  m.sentence = problem.net.reset_after ? "the backward belongs to a reset before the product, U (r h); the "
                                         "forward resets after it, r (U h)"
                                       : "the backward belongs to a reset after the product, r (U h); the "
                                         "forward resets before it, U (r h)";
  m.fix = problem.net.reset_after ? "dr = dz_n * (U_n h_prev);  dh_prev += U_n' (dz_n * r)"
                                  : "d = U_n' dz_n;  dr = d * h_prev;  dh_prev += d * r";
  m.entries = {kWholeLayer};
  m.patch = [l, steps = right_plan(other).layers[l].steps, after = other.net.reset_after](Plan& plan) {
    plan.layers[l].steps = steps;
    plan.layers[l].reset_form = after ? 1 : 0;
  };
  to.push_back(m);
}

}  // namespace

void add_gate_mistakes(const Problem& problem, const Words&, Mistakes& to) {
  const Plan right = right_plan(problem);
  for (std::size_t l = 0; l < right.layers.size(); ++l) {
    const auto& steps = right.layers[l].steps;
    add_factor_mistakes(problem, l, steps, to);
    if (problem.net.cell == Cell::elman) continue;
    add_copied_deltas(problem, l, steps, to);
    add_swapped_factors(problem, l, to);
    add_permuted_deltas(problem, l, steps, to);
    add_forget_bias(problem, l, to);
    add_gru_variants(problem, l, to);
  }
}

}  // namespace retrograde::doctor
