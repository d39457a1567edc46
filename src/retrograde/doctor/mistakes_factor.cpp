// Family "gate-factor", by enumeration: what one wrong token makes of one factor of the gates' and the cell's
// lines. Every factor is replaced by every other quantity in scope and every simple function of it, at this
// step and its neighbours.
#include <fmt/format.h>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

constexpr Fn kSimple[] = {Fn::value,    Fn::complement,        Fn::square,  Fn::one_minus_square,
                          Fn::logistic, Fn::complement_square, Fn::one_plus};

bool is_gate(Var v) { return v >= Var::a0 && v <= Var::a3; }

// The elementwise quantities that a program has at hand.
std::vector<Var> in_scope(const Problem& problem) {
  std::vector<Var> out;
  for (int g = 0; g < problem.gates; ++g) out.push_back(Var::a0 + g);
  out.push_back(Var::h);
  if (problem.net.cell == Cell::lstm) out.insert(out.end(), {Var::c, Var::m});
  if (problem.net.cell == Cell::gru) out.insert(out.end(), {Var::hn, Var::hs, Var::hp, Var::rh});
  if (problem.net.cell == Cell::gru && problem.net.reset_after)
    out.insert(out.end(), {Var::p, Var::pu, Var::z2, Var::wx2});
  return out;
}

bool simple(Var v) { return is_gate(v) || v == Var::h || v == Var::c || v == Var::m; }

struct Line {
  Network net;
  Back target;
  Factor due;
  bool carried() const { return target == Back::cc || target == Back::hc; }
};

struct Name {
  const char* name;
  double weight;
  std::vector<std::string> aliases;
};

// A slope's formula of something else: c~'s 1 - g**2 where the gate's i (1 - i) is due.
Name name_slope(const Line& line, const Factor& has) {
  if (has.fn == Fn::slope_at_state) return {"derivative-at-state", 0.04, {}};
  if (has.var == line.due.var && has.fn == Fn::slope_of_value)
    return {"derivative-at-preactivation", 0.04, {}};
  if (has.var == activated(line.net.cell, line.due.var) && has.shift == 0)
    return {"activation-for-derivative", 0.08, {"gate-factor"}};
  const bool formula = has.fn == Fn::one_minus_square || has.fn == Fn::logistic;
  const double far = 0.04 * (has.shift != 0);
  if (line.due.var == Var::c && formula && has.fn == Fn::one_minus_square) {
    if (has.var == Var::h) return {"derivative-at-state", 0.02 + far, {}};
    if (has.var == Var::c) return {"derivative-at-preactivation", 0.05 + far, {"derivative-wrong-step"}};
  }
  if (line.net.cell == Cell::gru && has.var == Var::h && formula)
    return {"derivative-at-state", 0.06 + far, {"activation-for-derivative"}};
  if (has.var == activated(line.net.cell, line.due.var)) return {"derivative-wrong-step", 0.08 + far, {}};
  if (is_gate(has.var) && formula)
    return {"gate-factor", 0.07 + far, {"gates-swapped", "derivative-of-other-activation"}};
  return {"activation-for-derivative", (formula ? 0.1 : 0.16) + far, {"gate-factor"}};
}

Name name_factor(const Line& line, const Factor& has) {
  const Factor& due = line.due;
  const double far = 0.04 * (has.shift != 0 && has.shift != due.shift);
  if (has.before == Before::wraps) return {"index-wraps", 0.04, {"state-index-shifted"}};
  if (has.var == due.var && has.fn == due.fn) {
    if (due.var == Var::c) return {"cell-index-shifted", has.shift == 0 ? 0.02 : 0.05, {}};
    if (due.var == Var::m) return {"cell-index-shifted", 0.05, {"gate-factor", "derivative-wrong-step"}};
    if (due.var == Var::h) return {"state-index-shifted", 0.03, {}};
    return {line.carried() ? "carry-wrong-gate" : "gate-factor", 0.05, {"derivative-wrong-step"}};
  }
  if (due.var == Var::hn && has.var == Var::hs) return {"state-index-shifted", 0.03 + far, {"gate-factor"}};
  if (due.var == Var::hn && has.var == Var::hp) return {"sign", 0.05 + far, {"gate-factor"}};
  if (has.var == due.var) {
    const bool complement = (has.fn == Fn::complement && due.fn == Fn::value) ||
                            (has.fn == Fn::value && due.fn == Fn::complement);
    if (line.net.cell == Cell::gru && due.var == Var::a1 && complement)
      return {"update-gate-complemented", 0.02 + far, {"gate-factor"}};
    return {"gate-factor", (has.fn == Fn::square ? 0.06 : complement ? 0.08 : 0.12) + far, {}};
  }
  const double odd = has.fn == Fn::value || has.fn == due.fn ? 0 : 0.06;
  if (line.carried()) return {"carry-wrong-gate", 0.07 + far + odd, {"gate-factor"}};
  if (is_gate(has.var) && is_gate(due.var)) return {"gate-factor", 0.07 + far + odd, {"gates-swapped"}};
  return {"gate-factor", 0.07 + far + odd, {}};
}

class Enumeration {
 public:
  Enumeration(const Problem& problem, const Words& words, std::size_t layer, Mistakes& to)
      : problem_(problem), words_(words), layer_(layer), to_(to), scope_(in_scope(problem)) {}

  void factor(const Step& step, const Site& site) {
    edges(step, site);
    const Line line{problem_.net, step.target, step.terms[site.term].factors[site.factor]};
    if (!line.due.local_slope) lacking(line, site);
    for (Var v : scope_)
      for (Fn fn : kSimple) {
        if (fn != Fn::value && !simple(v)) break;
        for (int shift = -1; shift <= 1; ++shift) replace(line, site, {v, fn, line.due.f, shift, false});
      }
    if (line.due.local_slope && line.due.f == Activation::sigmoid) products(line, site);
  }

  // Programs write sums out, and slip in one of the two summands: dc in (dc_next + dh o (1 - tanh(c)^2)) g as
  // dc_next g + dh o (1 - tanh(c)^2) g; dh (h_prev - n) as dh h_prev - dh n.
  void written_out(const std::vector<Step>& steps, std::size_t s) {
    const Step& step = steps[s];
    if (step.terms.size() != 1) return;
    Step whole{step.target, {step.terms[0], step.terms[0]}};
    std::vector<std::string> parts;
    if (step.terms[0].source == Back::dc) {
      for (std::size_t t = 0; t < 2; ++t) {
        whole.terms[t] = steps[1].terms[t];
        const auto& factors = step.terms[0].factors;
        whole.terms[t].factors.insert(whole.terms[t].factors.end(), factors.begin(), factors.end());
      }
      parts = {"that comes from dh", "that comes from dc_next"};
    } else if (!step.terms[0].factors.empty() && step.terms[0].factors[0].var == Var::hn) {
      const bool keeps = problem_.net.update_keeps;
      whole.terms[keeps ? 0 : 1].factors[0] = {Var::h, Fn::value, Activation::tanh, -1, false};
      whole.terms[keeps ? 1 : 0].factors[0] = {Var::a2, Fn::value, Activation::tanh, 0, false};
      whole.terms[1].coefficient = -1;
      parts = {keeps ? "that has h[t-1]" : "that has n[t]", keeps ? "that has n[t]" : "that has h[t-1]"};
    } else {
      return;
    }
    for (std::size_t t = 0; t < 2; ++t) {
      const std::string part =
          fmt::format("in the part of {} {}", text_of(problem_.net.cell, step.target), parts[t]);
      slips_of_summand(whole, s, t, part);
    }
  }

 private:
  void slips_of_summand(const Step& whole, std::size_t s, std::size_t t, const std::string& part) {
    const auto put = [&](const Name& name, const std::string& sentence, auto&& change) {
      Step slipped = whole;
      change(slipped.terms[t]);
      Mistake m = layer_mistake(
          layer_, name.name, text_of(problem_.net.cell, whole.target), part + ", " + sentence,
          name.weight + 0.02,
          {Site{s, 0, 0}.entry(layer_), Site{s, 0, 1}.entry(layer_), Site{s, 0, kSource}.entry(layer_)},
          [s, slipped](LayerPlan& plan) {
            if (s < plan.steps.size()) plan.steps[s] = slipped;
          });
      m.aliases = name.aliases;
      m.fix = words_.line(problem_, static_cast<int>(layer_), whole);
      m.yours = words_.line(problem_, static_cast<int>(layer_), slipped);
      to_.push_back(std::move(m));
    };
    put({"sign", 0.05, {"parenthesis"}}, "the sign is wrong", [](Term& x) { x.coefficient *= -1; });
    put({"carry-dropped", 0.08, {"parenthesis"}}, "nothing stands: it is missing",
        [](Term& x) { x.coefficient = 0; });
    for (int g = 0; g < problem_.gates; ++g)
      for (Fn fn : {Fn::value, Fn::complement}) {
        const Factor more{Var::a0 + g, fn, problem_.net.activation, 0, false};
        put({"gate-factor", 0.1, {}},
            fmt::format("there is the further factor {}", text_of(problem_.net, more)),
            [&](Term& x) { x.factors.push_back(more); });
      }
    for (std::size_t f = 0; f < whole.terms[t].factors.size(); ++f) {
      const Line line{problem_.net, whole.target, whole.terms[t].factors[f]};
      for (const Factor& has : likely(line)) {
        Name name = line.due.local_slope ? name_slope(line, has) : name_factor(line, has);
        if (has.fn == Fn::one)
          name = {line.due.local_slope ? "derivative-missing" : "gate-factor", 0.06, {"parenthesis"}};
        put(name,
            fmt::format("{}{} stands where {} is due", has.fn == Fn::one ? "nothing" : text_of(line.net, has),
                        has.before == Before::wraps ? " (at t = 0 the last one)" : "",
                        text_of(line.net, line.due)),
            [&](Term& x) { x.factors[f] = has; });
      }
    }
  }

  void add(const Line& line, const Site& site, const Name& name, const std::string& has,
           std::function<void(std::vector<Factor>&)> change) {
    const std::string target = text_of(line.net.cell, line.target), due = text_of(line.net, line.due);
    Mistake m =
        layer_mistake(layer_, name.name, target,
                      has.empty() ? fmt::format("{} lacks the factor {}", target, due)
                                  : fmt::format("{} is multiplied by {}, where {} is due", target, has, due),
                      name.weight, {site.entry(layer_)}, [site, change = std::move(change)](LayerPlan& plan) {
                        if (find_factor(plan, site)) change(find_term(plan, site)->factors);
                      });
    m.aliases = name.aliases;
    to_.push_back(std::move(m));
  }

  void lacking(const Line& line, const Site& site) {
    add(line, site, {"gate-factor", 0.03, {}}, "",
        [f = site.factor](std::vector<Factor>& factors) { factors[f].fn = Fn::one; });
  }

  void replace(const Line& line, const Site& site, const Factor& has) {
    if (has.var == line.due.var && has.fn == line.due.fn && has.shift == line.due.shift) return;
    // A slope of its own activated value is the derivative family's.
    if (line.due.local_slope && has.var == activated(line.net.cell, line.due.var) && has.shift == 0) return;
    add(line, site, line.due.local_slope ? name_slope(line, has) : name_factor(line, has),
        text_of(line.net, has), [f = site.factor, has](std::vector<Factor>& factors) { factors[f] = has; });
  }

  // The step before the first: an index that wraps, or a start that is right where later steps are wrong.
  void edges(const Step& step, const Site& site) {
    const Line line{problem_.net, step.target, step.terms[site.term].factors[site.factor]};
    const bool state = line.due.var == Var::c || line.due.var == Var::h;
    Factor value = line.due;
    if (line.due.local_slope)
      value.var = activated(line.net.cell, line.due.var), value.fn = Fn::slope_of_value;
    const auto at = [&](int shift, Before before, const char* name, const std::string& more) {
      Factor has = value;
      has.shift = shift, has.before = before;
      add(line, site, {name, 0.05, {"index-wraps", "gate-factor"}}, text_of(line.net, has) + more,
          [f = site.factor, has](std::vector<Factor>& factors) { factors[f] = has; });
    };
    const char* shifted = state || line.due.var == Var::m ? "cell-index-shifted"
                          : line.due.local_slope          ? "derivative-wrong-step"
                                                          : "gate-factor";
    const std::string wraps = " (at t = 0 the last one)";
    if (value.shift == 0) at(-1, Before::wraps, shifted, wraps);
    if (value.shift != -1 || !state) return;
    at(-1, Before::wraps, "index-wraps", wraps);
    at(-2, Before::start, shifted, "");
    at(-2, Before::wraps, shifted, wraps);
    at(0, Before::right, shifted, " (at t = 0 it is right)");
  }

  // i (1 - f) or f (1 - i) where i (1 - i) is due.
  void products(const Line& line, const Site& site) {
    const Var own = activated(line.net.cell, line.due.var);
    for (int g = 0; g < problem_.gates; ++g) {
      const Var other = Var::a0 + g;
      if (other == own) continue;
      for (const auto& [first, second] : {std::pair(own, other), std::pair(other, own)}) {
        const Factor a{first, Fn::value, line.due.f, 0, false},
            b{second, Fn::complement, line.due.f, 0, false};
        add(line, site, {"gate-factor", 0.08, {"gates-swapped", "activation-for-derivative"}},
            fmt::format("{} * {}", text_of(line.net, a), text_of(line.net, b)),
            [f = site.factor, a, b](std::vector<Factor>& factors) {
              factors[f] = a;
              factors.push_back(b);
            });
      }
    }
  }

  std::vector<Factor> likely(const Line& line) const {
    const Factor& due = line.due;
    std::vector<Factor> out;
    const auto put = [&](Var v, Fn fn, int shift) {
      Factor has{v, fn, due.f, shift, false};
      if (v != due.var || fn != due.fn || shift != due.shift) out.push_back(has);
    };
    if (due.local_slope) {
      const Var own = activated(line.net.cell, due.var);
      put(due.var, Fn::one, 0), put(due.var, Fn::slope_of_value, 0), put(due.var, Fn::slope_at_state, 0);
      for (Fn fn :
           {Fn::value, Fn::complement, Fn::square, Fn::one_plus, Fn::one_plus_square, Fn::complement_square})
        put(own, fn, 0);
      for (int shift : {-1, 1}) put(own, Fn::slope_of_value, shift);
      for (int g = 0; g < problem_.gates; ++g)
        for (Fn fn : {Fn::one_minus_square, Fn::logistic})
          if (Var::a0 + g != own) put(Var::a0 + g, fn, 0);
      return out;
    }
    put(due.var, Fn::one, due.shift), put(due.var, Fn::complement, due.shift),
        put(due.var, Fn::square, due.shift);
    for (int shift : {-1, 0, 1}) put(due.var, Fn::value, shift);
    if ((due.var == Var::c || due.var == Var::h) && due.shift == -1) {
      Factor wraps = due;
      wraps.before = Before::wraps;
      out.push_back(wraps);
    }
    for (Var v : scope_)
      if (v != due.var) put(v, Fn::value, v == Var::c || v == Var::h ? -1 : 0), put(v, Fn::value, 0);
    return out;
  }

  const Problem& problem_;
  const Words& words_;
  std::size_t layer_;
  Mistakes& to_;
  std::vector<Var> scope_;
};

}  // namespace

void add_factor_mistakes(const Problem& problem, const Words& words, Mistakes& to) {
  if (problem.net.cell == Cell::elman) return;  // its one factor is the derivative family's
  const Plan right = right_plan(problem);
  for (std::size_t l = 0; l < right.layers.size(); ++l) {
    Enumeration all(problem, words, l, to);
    const auto& steps = right.layers[l].steps;
    for (std::size_t s = 0; s < steps.size(); ++s)
      for (std::size_t t = 0; t < steps[s].terms.size(); ++t)
        for (std::size_t f = 0; f < steps[s].terms[t].factors.size(); ++f) all.factor(steps[s], {s, t, f});
    for (std::size_t s = 0; s < steps.size(); ++s) all.written_out(steps, s);
  }
}

}  // namespace retrograde::doctor
