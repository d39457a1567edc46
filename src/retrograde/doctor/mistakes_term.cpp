// By enumeration: what one wrong token makes of one term of the table. The term is left out, has the wrong
// sign or counts twice; it has a factor too many; it is made from another delta, or from its own delta as it
// was before a factor was applied.
#include <fmt/format.h>

#include <algorithm>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

bool is_gate(Back b) { return b >= Back::da0 && b <= Back::da3; }

class Enumeration {
 public:
  Enumeration(const Problem& problem, std::size_t layer, Mistakes& to)
      : problem_(problem), layer_(layer), steps_(right_plan(problem).layers[layer].steps), to_(to) {}

  void run() {
    for (std::size_t s = 0; s < steps_.size(); ++s) {
      if (problem_.net.cell == Cell::elman && steps_[s].target == Back::q) continue;
      for (std::size_t t = 0; t < steps_[s].terms.size(); ++t) {
        if (t == 0) accumulates(s), overwritten(s);
        if (steps_[s].target == Back::hc && t == 0) accumulates_onto_error(s);
        coefficients(s, t);
        further_factors(s, t);
        sources(s, t);
        earlier_forms(s, t);
        values(s, t);
        inlined(s, t);
      }
    }
  }

 private:
  using Change = std::function<void(Term&)>;

  std::string target(std::size_t s) const { return text_of(problem_.net.cell, steps_[s].target); }
  std::string what(const Term& term) const {
    if (term.source == Back::hc) return "what the next step carried back";
    if (term.source == Back::cc) return "what the next step's cell carried back";
    if (term.source == Back::up) return "the output's own error";
    if (term.matrix != Matrix::none)
      return fmt::format("gate {}'s part", gate_name(problem_.net.cell, term.gate));
    return text_of(problem_.net.cell, term.source);
  }
  bool carried(std::size_t s) const { return steps_[s].target == Back::hc || steps_[s].target == Back::cc; }

  void add(const char* name, std::size_t s, std::size_t t, Part part, std::string sentence, double weight,
           Change change, std::vector<std::string> aliases = {}) {
    Mistake m =
        layer_mistake(layer_, name, target(s), std::move(sentence), weight, {Site{s, t, part}.entry(layer_)},
                      [s, t, change = std::move(change)](LayerPlan& plan) {
                        if (Term* term = find_term(plan, {s, t, 0})) change(*term);
                      });
    m.aliases = std::move(aliases);
    to_.push_back(std::move(m));
  }

  // = for +=: of a sum of several parts only some are left.
  void overwritten(std::size_t s) {
    const std::size_t n = steps_[s].terms.size();
    if (n < 3) return;
    for (std::size_t kept = 1; kept + 1 < (std::size_t{1} << n); ++kept) {
      std::string parts;
      std::vector<int> entries;
      for (std::size_t t = 0; t < n; ++t) {
        entries.push_back(Site{s, t, kCoefficient}.entry(layer_));
        if (kept >> t & 1) parts += (parts.empty() ? "" : " and ") + what(steps_[s].terms[t]);
      }
      Mistake m = layer_mistake(layer_, "carry-overwrites-upstream", target(s),
                                fmt::format("only {} is left in {} (= for +=)", parts, target(s)), 0.07,
                                entries, [s, kept](LayerPlan& plan) {
                                  for (std::size_t t = 0;
                                       s < plan.steps.size() && t < plan.steps[s].terms.size(); ++t)
                                    if (!(kept >> t & 1)) plan.steps[s].terms[t].coefficient = 0;
                                });
      m.aliases = {"carry-wrong-gate", "carry-dropped"};
      to_.push_back(std::move(m));
    }
  }

  // += for =: the next step's value is still in it.
  void accumulates(std::size_t s) {
    const Back b = steps_[s].target;
    Mistake m = layer_mistake(
        layer_, "counted-twice", target(s),
        fmt::format("{} adds up over the steps (+= for =): the later steps' is still in it", target(s)), 0.06,
        {Site{s, 0, kExtra - 1}.entry(layer_)}, [s, b](LayerPlan& plan) {
          Term again;
          again.source = b, again.shift = 1;
          if (s < plan.steps.size()) plan.steps[s].terms.push_back(again);
        });
    m.aliases = {"not-zeroed", "self-accumulated"};
    to_.push_back(std::move(m));
  }

  // dh += dz U, of the very dh that this step used.
  void accumulates_onto_error(std::size_t s) {
    Mistake m = layer_mistake(
        layer_, "counted-twice", target(s),
        fmt::format("{} is added to this step's dh (+= for =), which is handed back beside it", target(s)),
        0.06, {Site{s, 0, kExtra - 1}.entry(layer_)}, [s](LayerPlan& plan) {
          Term whole;
          whole.source = Back::dh;
          if (s < plan.steps.size()) plan.steps[s].terms.push_back(whole);
        });
    m.aliases = {"carry-identity", "self-accumulated"};
    to_.push_back(std::move(m));
  }

  // The quantity itself where its error is due: h for dh, i for di; or no error at all.
  void values(std::size_t s, std::size_t t) {
    const Term& term = steps_[s].terms[t];
    const Cell cell = problem_.net.cell;
    const bool gate = is_gate(term.source);
    const int k = static_cast<int>(term.source) - static_cast<int>(Back::da0);
    const Var value = gate                      ? (cell == Cell::elman ? Var::h : Var::a0 + k)
                      : term.source == Back::dc ? Var::c
                      : term.source == Back::cc ? Var::c
                      : term.source == Back::dp ? Var::p
                      : term.source == Back::q  ? Var::none
                                                : Var::h;
    if (value == Var::none) return;
    const auto put = [&](std::vector<Factor> before, const std::string& what, double weight) {
      add("activation-for-derivative", s, t, kSource,
          fmt::format("{} is made from {}, where its error {} is due", target(s), what,
                      text_of(cell, term.source)),
          weight,
          [before = std::move(before)](Term& x) { x.source = Back::one, x.shift = 0, x.before = before; },
          {"gate-factor", "carry-wrong-gate"});
    };
    for (int shift : {0, -1}) {
      const Factor itself{value, Fn::value, problem_.net.activation, shift, false};
      put({itself}, text_of(problem_.net, itself), 0.14);
    }
    if (!term.factors.empty()) put({}, "no error at all", 0.2);
  }

  // A delta that two terms share, made anew for this one: d(r h) = U' dz_n.
  void inlined(std::size_t s, std::size_t t) {
    const Term& term = steps_[s].terms[t];
    if (problem_.net.cell != Cell::gru || term.source != Back::q || !term.before.empty()) return;
    const auto shared =
        std::find_if(steps_.begin(), steps_.end(), [](const Step& x) { return x.target == Back::q; });
    const auto delta =
        std::find_if(steps_.begin(), steps_.end(), [](const Step& x) { return x.target == Back::da2; });
    if (shared == steps_.end() || delta == steps_.end()) return;
    const Term through = shared->terms[0], made = delta->terms[0];
    const auto put = [&](const char* name, const std::string& how, double weight, auto&& change) {
      Term has = through;
      has.factors = term.factors;
      change(has);
      add(name, s, t, kSource, fmt::format("{} is made from {}", target(s), how), weight,
          [has](Term& x) {
            x.source = has.source, x.matrix = has.matrix, x.gate = has.gate, x.before = has.before;
          },
          {"gate-factor", "carry-wrong-gate"});
    };
    const std::string name = text_of(problem_.net.cell, Back::da2);
    put("recurrent-not-transposed", name + " through the candidate's matrix without the transpose", 0.08,
        [](Term& x) { x.matrix = Matrix::recurrent_transposed; });
    put("carry-identity", name + " without the candidate's matrix", 0.09,
        [](Term& x) { x.matrix = Matrix::none; });
    for (int g : {0, 1})
      put("carry-wrong-gate", fmt::format("{} through gate {}'s matrix", name, gate_name(Cell::gru, g)), 0.1,
          [g](Term& x) { x.gate = g; });
    for (std::size_t k = 0; k < made.factors.size(); ++k)
      put(made.factors[k].local_slope ? "derivative-missing" : "gate-factor",
          fmt::format("{} before the factor {} was applied", name, text_of(problem_.net, made.factors[k])),
          0.07, [&](Term& x) {
            x.source = made.source;
            x.before = made.factors;
            x.before.erase(x.before.begin() + static_cast<long>(k));
          });
  }

  void coefficients(std::size_t s, std::size_t t) {
    const Term& term = steps_[s].terms[t];
    const std::string part =
        steps_[s].terms.size() == 1 ? target(s) : fmt::format("{} in {}", what(term), target(s));
    const auto times = [](double c) { return [c](Term& x) { x.coefficient = c; }; };
    const bool gate = is_gate(steps_[s].target) && steps_[s].terms.size() == 1;
    const auto& terms = steps_[s].terms;
    // What a carried quantity overwrites, = for +=.
    const bool beside_carried = term.shift == 0 && std::any_of(terms.begin(), terms.end(),
                                                               [](const Term& x) { return x.shift == 1; });
    const char* dropped = term.source == Back::up ? "upstream-missing"
                          : gate                  ? "zero"
                          : beside_carried        ? "carry-overwrites-upstream"
                                                  : "carry-dropped";
    add("sign", s, t, kCoefficient, fmt::format("the sign of {} is wrong", part), 0.05, times(-1));
    add("factor-two", s, t, kCoefficient, fmt::format("{} counts twice", part), 0.09, times(2),
        {"counted-twice"});
    add("factor-two", s, t, kCoefficient, fmt::format("{} counts half", part), 0.1, times(0.5));
    if (term.matrix == Matrix::none)
      add(dropped, s, t, kCoefficient, fmt::format("{} is missing", part), 0.06, times(0),
          gate ? std::vector<std::string>{"carry-wrong-gate", "carry-dropped"}
          : beside_carried && term.source != Back::up
              ? std::vector<std::string>{"upstream-missing", "carry-dropped"}
              : std::vector<std::string>());
  }

  void further_factors(std::size_t s, std::size_t t) {
    const Network& net = problem_.net;
    std::vector<Factor> factors;
    for (int g = 0; g < problem_.gates; ++g) {
      if (net.cell == Cell::elman) break;
      for (Fn fn : {Fn::value, Fn::complement})
        factors.push_back({Var::a0 + g, fn, net.activation, 0, false});
      factors.push_back({Var::a0 + g, Fn::value, net.activation, 1, false});
      const Activation f = g == 2 ? net.activation : Activation::sigmoid;
      factors.push_back({Var::z0 + g, Fn::slope, f, 0, true});
    }
    if (net.cell == Cell::elman) factors.push_back({Var::z0, Fn::slope, net.activation, 0, true});
    if (net.cell == Cell::lstm) {
      factors.push_back({Var::c, Fn::slope, net.of_cell(), 0, true});
      factors.push_back({Var::m, Fn::value, net.activation, 0, false});
    }
    for (const Factor& f : factors)
      add(f.local_slope ? "double-activation" : "gate-factor", s, t, kExtra,
          fmt::format("{} has the further factor {}",
                      steps_[s].terms.size() == 1 ? target(s) : what(steps_[s].terms[t]) + " in " + target(s),
                      text_of(net, f)),
          f.local_slope ? 0.12 : 0.1, [f](Term& x) { x.factors.push_back(f); },
          {f.local_slope ? "gate-factor" : "carry-wrong-gate"});
    if (steps_[s].terms[t].matrix == Matrix::none) return;
    for (const Factor& f : factors)
      add(f.local_slope ? "double-activation" : "gate-factor", s, t, kExtra,
          fmt::format("{} has the further factor {} before the matrix",
                      what(steps_[s].terms[t]) + " in " + target(s), text_of(net, f)),
          f.local_slope ? 0.1 : 0.11, [f](Term& x) { x.before.push_back(f); },
          {f.local_slope ? "gate-factor" : "carry-wrong-gate"});
  }

  // Another delta: of this step if it is computed by then, or the next step's, left over.
  void sources(std::size_t s, std::size_t t) {
    const Term& term = steps_[s].terms[t];
    std::vector<std::pair<Back, int>> others = {{Back::up, 0}, {Back::hc, 1}};
    if (problem_.net.cell == Cell::lstm) others.push_back({Back::cc, 1});
    for (std::size_t k = 0; k < steps_.size(); ++k) {
      const Back b = steps_[k].target;
      if (b == Back::hc || b == Back::cc || (b == Back::q && problem_.net.cell == Cell::elman)) continue;
      if (k < s) others.push_back({b, 0});
      others.push_back({b, 1});
    }
    for (const auto& [source, shift] : others) {
      if (source == term.source && shift == term.shift) continue;
      const bool stale = shift == 1 && source == term.source;
      const char* name = stale                                        ? "carry-wrong-order"
                         : is_gate(source) && is_gate(term.source)    ? "gate-copied"
                         : source == Back::up                         ? "carry-dropped"
                         : source == Back::dh && is_gate(term.source) ? "derivative-missing"
                         : carried(s)                                 ? "carry-wrong-gate"
                                                                      : "gate-factor";
      Term has = term;
      has.source = source, has.shift = shift;
      add(name, s, t, kSource,
          fmt::format("{} is made from {}{}, where {} is due", target(s), text_of(problem_.net.cell, source),
                      shift ? " of the next step" : "", text_of(problem_.net.cell, term.source)),
          0.08 + 0.04 * (shift != 0 && !stale),
          [source = source, shift = shift](Term& x) { x.source = source, x.shift = shift; },
          {"carry-wrong-gate", "gate-factor", "carry-identity"});
    }
  }

  // The delta as it stood before one of its own factors was applied, or one of its own parts added: dh (1-z)
  // for dh (1-z) tanh', dh o for dc_next + dh o (1 - tanh(c)^2).
  void earlier_forms(std::size_t s, std::size_t t) {
    const Term& term = steps_[s].terms[t];
    for (const Step& step : steps_) {
      if (step.target != term.source || term.shift != 0 || step.target == Back::dh) continue;
      for (const Term& made : step.terms) {
        if (made.matrix != Matrix::none) continue;
        const bool part = step.terms.size() > 1;
        if (part) earlier(s, t, made, made.factors, "carry-dropped", "without what is added to it");
        for (std::size_t k = 0; k < made.factors.size(); ++k) {
          std::vector<Factor> before;
          for (std::size_t i = 0; i < made.factors.size(); ++i)
            if (i != k) before.push_back(made.factors[i]);
          earlier(s, t, made, before, made.factors[k].local_slope ? "derivative-missing" : "gate-factor",
                  fmt::format("before the factor {} was applied{}", text_of(problem_.net, made.factors[k]),
                              part ? " and the rest added" : ""));
        }
      }
    }
  }

  void earlier(std::size_t s, std::size_t t, const Term& made, std::vector<Factor> before, const char* name,
               const std::string& when) {
    const Back source = steps_[s].terms[t].source;
    add(name, s, t, kSource,
        fmt::format("{} is made from {} {}", target(s), text_of(problem_.net.cell, source), when), 0.06,
        [from = made.source, shift = made.shift, before = std::move(before)](Term& x) {
          x.source = from, x.shift = shift;
          x.before = before;
        },
        {"carry-dropped", "derivative-missing", "gate-factor"});
  }

  const Problem& problem_;
  std::size_t layer_;
  std::vector<Step> steps_;
  Mistakes& to_;
};

// The derivative of the error instead of the state: dh[dh <= 0] = 0, dh * (1 - dh**2).
void add_derivative_of_error(const Problem& problem, std::size_t layer, Mistakes& to) {
  struct Row {
    Activation f;
    Term::Form form;
    const char *fix, *yours;
  };
  constexpr Row rows[] = {
      {Activation::relu, Term::Form::rectified, "dz = dh * (z > 0)", "dz = dh * (dh > 0)"},
      {Activation::tanh, Term::Form::tanh_formula, "dz = dh * (1 - h**2)", "dz = dh * (1 - dh**2)"},
      {Activation::sigmoid, Term::Form::sigmoid_formula, "dz = dh * h * (1 - h)", "dz = dh * dh * (1 - dh)"}};
  constexpr std::size_t kDelta = 1;
  for (const Row& row : rows) {
    if (problem.net.cell != Cell::elman || problem.net.activation != row.f) continue;
    Mistake m =
        layer_mistake(layer, "activation-for-derivative", "every step",
                      fmt::format("{}' is taken of the error dh, where the state's is due", name(row.f)),
                      0.08, {Site{kDelta, 0, 0}.entry(layer), Site{kDelta, 1, 0}.entry(layer)},
                      [form = row.form](LayerPlan& plan) {
                        Term whole;
                        whole.source = Back::dh, whole.form = form;
                        plan.steps[kDelta].terms = {whole};
                      });
    m.fix = row.fix, m.yours = row.yours, m.aliases = {"derivative-at-state"};
    to.push_back(std::move(m));
  }
}

}  // namespace

void add_term_mistakes(const Problem& problem, const Words&, Mistakes& to) {
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    Enumeration(problem, l, to).run();
    add_derivative_of_error(problem, l, to);
  }
}

}  // namespace retrograde::doctor
