// Family "derivative": an activation's derivative that is missing, of the wrong argument, of the wrong step,
// of the wrong function, or written with a slip of the pen: (1 - a)**2, 1 + a**2, 1 - a.
#include <fmt/format.h>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

struct Scope {
  std::string where;
  std::vector<Site> sites;
  Activation f;
  double weight;
};

enum class Of { preactivation, activated };

struct Form {
  Of of;
  Fn fn;
  int shift;
  const char* name;
  double weight;
  const char* says;  // {0}: where, {1}: the activation
  const char* alias = "";
};

constexpr const char* kFormula = "{0} multiplies by {2}, where {1}' is due";
constexpr Form kForms[] = {
    {Of::preactivation, Fn::slope_at_state, 0, "derivative-at-state", 0.02,
     "{0} takes {1}' at the state (already activated), where {1}' of the pre-activation is due"},
    {Of::preactivation, Fn::slope_of_value, 0, "derivative-at-preactivation", 0.02,
     "{0} puts the pre-activation into the formula for {1}' that expects the activated value"},
    {Of::activated, Fn::value, 0, "activation-for-derivative", 0.06,
     "{0} multiplies by {1} itself, where its derivative is due"},
    {Of::preactivation, Fn::one, 0, "derivative-missing", 0.02, "{0} leaves out the derivative of {1}"},
    {Of::preactivation, Fn::slope, -1, "derivative-wrong-step", 0.06, "{0} takes {1}' of the previous step"},
    {Of::preactivation, Fn::slope, 1, "derivative-wrong-step", 0.06, "{0} takes {1}' of the next step"},
    {Of::preactivation, Fn::slope_squared, 0, "double-activation", 0.08, "{0} multiplies by {1}' twice"},
    {Of::activated, Fn::one_minus_square, 0, "derivative-of-other-activation", 0.09,
     "{0} takes tanh's formula 1 - a**2, but the forward uses {1}", "activation-for-derivative"},
    {Of::activated, Fn::logistic, 0, "derivative-of-other-activation", 0.09,
     "{0} takes the sigmoid's formula a (1 - a), but the forward uses {1}", "activation-for-derivative"},
    {Of::activated, Fn::complement, 0, "activation-for-derivative", 0.1, kFormula, "gate-factor"},
    {Of::activated, Fn::complement_square, 0, "activation-for-derivative", 0.1, kFormula, "parenthesis"},
    {Of::activated, Fn::one_plus_square, 0, "activation-for-derivative", 0.11, kFormula, "sign"},
    {Of::activated, Fn::one_plus, 0, "activation-for-derivative", 0.13, kFormula},
    {Of::activated, Fn::square, 0, "activation-for-derivative", 0.13, kFormula},
    {Of::preactivation, Fn::value, 0, "activation-for-derivative", 0.14,
     "{0} multiplies by the pre-activation, where {1}' is due"},
    {Of::preactivation, Fn::square, 0, "activation-for-derivative", 0.15, kFormula},
    {Of::preactivation, Fn::complement_square, 0, "derivative-at-preactivation", 0.16, kFormula},
    {Of::preactivation, Fn::value_slope, 0, "derivative-at-preactivation", 0.2, kFormula},
    {Of::activated, Fn::value_one_plus, 0, "activation-for-derivative", 0.11, kFormula, "sign"},
    {Of::activated, Fn::one_minus_product, 0, "derivative-wrong-step", 0.1, kFormula,
     "activation-for-derivative"},
    {Of::activated, Fn::activation, 0, "activation-for-derivative", 0.1, kFormula, "derivative-missing"},
    {Of::activated, Fn::one_minus_cube, 0, "activation-for-derivative", 0.2, kFormula},
    {Of::activated, Fn::complement, -1, "derivative-wrong-step", 0.2, kFormula},
    {Of::activated, Fn::complement_square, -1, "derivative-wrong-step", 0.2, kFormula}};

bool is_due(const Form& form, Activation f) {
  return form.of == Of::activated && ((form.fn == Fn::one_minus_square && f == Activation::tanh) ||
                                      (form.fn == Fn::logistic && f == Activation::sigmoid));
}

Factor slipped(const Form& form, const Factor& due, Cell cell) {
  Factor has = due;
  has.fn = form.fn, has.shift = form.shift;
  if (form.of == Of::activated) has.var = activated(cell, due.var);
  // The step before the first has a state, h0, but no pre-activation.
  if (form.fn == Fn::slope && (cell == Cell::elman || due.var == Var::c))
    has.var = activated(cell, due.var), has.fn = Fn::slope_of_value;
  return has;
}

std::vector<Scope> scopes(const Problem& problem, const std::vector<Step>& steps) {
  std::vector<Scope> out;
  const Cell cell = problem.net.cell;
  const Activation f = problem.net.activation;
  Scope all{"every local derivative", {}, Activation::sigmoid, 0.03};
  Scope gates{"every sigmoid gate", {}, Activation::sigmoid, 0.02};
  Scope maps{"every tanh", {}, f, 0.05};
  for (std::size_t s = 0; s < steps.size(); ++s)
    for (std::size_t t = 0; t < steps[s].terms.size() && steps[s].target != Back::q; ++t)
      for (std::size_t k = 0; k < steps[s].terms[t].factors.size(); ++k) {
        const Factor& factor = steps[s].terms[t].factors[k];
        if (!factor.local_slope) continue;
        const Site site{s, t, k};
        all.sites.push_back(site);
        Scope one{"", {site}, factor.f, 0.0};
        if (cell == Cell::elman) {
          one.where = t == 0 ? "the output's own step" : "the carry";
          one.weight = t == 0 ? 0.03 : 0.01;
        } else if (factor.var == Var::c) {
          one.where = "the cell's output";
          maps.sites.push_back(site);
        } else {
          const int g = static_cast<int>(factor.var) - static_cast<int>(Var::z0);
          one.where = fmt::format("gate {}", gate_name(cell, g));
          (g != 2 ? gates : maps).sites.push_back(site);
        }
        out.push_back(std::move(one));
      }
  if (cell == Cell::elman) all.where = "every step", all.f = f, all.weight = 0.0;
  out.push_back(all);
  if (cell != Cell::elman) out.push_back(gates);
  if (cell == Cell::lstm) out.push_back(maps);
  return out;
}

class Adder {
 public:
  Adder(const Problem& problem, const Words& words, std::size_t layer, Mistakes& to)
      : problem_(problem), words_(words), layer_(layer), right_(right_plan(problem).layers[layer]), to_(to) {}

  const std::vector<Step>& steps() const { return right_.steps; }

  // Of the scope's first site.
  const Factor& due(const Scope& scope) const {
    const Site& first = scope.sites.front();
    return steps()[first.step].terms[first.term].factors[first.factor];
  }
  std::string text(const Factor& factor) const { return text_of(problem_.net, factor); }

  void add(const Scope& scope, const char* name, const std::string& sentence, double weight,
           std::vector<std::string> aliases, std::function<Factor(const Factor&)> slip) {
    std::vector<int> entries;
    std::vector<std::pair<Site, Factor>> has;
    for (const Site& s : scope.sites) {
      entries.push_back(s.entry(layer_));
      has.emplace_back(s, slip(steps()[s.step].terms[s.term].factors[s.factor]));
    }
    Mistake m = layer_mistake(layer_, name, scope.where, sentence, weight + scope.weight, std::move(entries),
                              [has](LayerPlan& plan) {
                                for (const auto& [site, factor] : has)
                                  if (Factor* f = find_factor(plan, site)) *f = factor;
                              });
    m.aliases = std::move(aliases);
    if (problem_.net.cell == Cell::elman) {
      const std::string good = text(due(scope));
      m.yours = text(slip(due(scope)));
      m.fix =
          scope.where == "the carry"
              ? fmt::format("dz[t] = ({}) * {}", words_.back_U(static_cast<int>(layer_), 0, "dz[t+1]"), good)
              : fmt::format("dz[t] = dh[t] * {}", good);
    }
    to_.push_back(std::move(m));
  }

  // The terms at the scope's sites become others.
  void add_terms(const Scope& scope, const char* name, const std::string& sentence, double weight,
                 const std::function<std::vector<Term>(const Term&, std::size_t)>& slip,
                 std::vector<std::string> aliases = {}) {
    std::vector<int> entries;
    std::vector<std::pair<Site, std::vector<Term>>> has;
    for (const Site& s : scope.sites) {
      entries.push_back(s.entry(layer_));
      has.emplace_back(s, slip(steps()[s.step].terms[s.term], s.factor));
    }
    Mistake m = layer_mistake(layer_, name, scope.where, sentence, weight + scope.weight, std::move(entries),
                              [has](LayerPlan& plan) {
                                std::size_t done = plan.steps.size();
                                for (const auto& [site, terms] : has)
                                  if (Term* term = find_term(plan, site)) {
                                    *term = terms[0];
                                    // What is left outside of the parenthesis stands there once.
                                    if (terms.size() > 1 && site.step != done) {
                                      done = site.step;
                                      plan.steps[site.step].terms.push_back(terms[1]);
                                    }
                                  }
                              });
    m.aliases = std::move(aliases);
    to_.push_back(std::move(m));
  }

 private:
  const Problem& problem_;
  const Words& words_;
  std::size_t layer_;
  LayerPlan right_;
  Mistakes& to_;
};

// 1 - a**2 * d and d * a * 1 - a without their parentheses; a (1 - a) of two steps.
void add_parentheses(const Problem& problem, const Scope& scope, Adder& to) {
  const Cell cell = problem.net.cell;
  if (scope.f != Activation::tanh && scope.f != Activation::sigmoid) return;
  if (scope.f == Activation::tanh)
    for (const bool outside : {false, true})
      to.add_terms(scope, "parenthesis",
                   fmt::format("{} computes {} where (1 - a**2) * d is due", scope.where,
                               outside ? "d * 1 - a**2" : "1 - a**2 * d"),
                   0.08, [cell, outside](const Term& term, std::size_t f) {
                     const Factor square{activated(cell, term.factors[f].var), Fn::square, term.factors[f].f,
                                         0, false};
                     Term rest = term, alone;
                     alone.source = Back::one;
                     if (outside) {
                       rest.factors[f].fn = Fn::one;
                       alone.coefficient = -1, alone.factors = {square};
                     } else {
                       rest.factors[f] = square, rest.coefficient = -term.coefficient;
                     }
                     return std::vector<Term>{rest, alone};
                   });
  if (scope.f != Activation::sigmoid) return;
  to.add_terms(scope, "parenthesis",
               fmt::format("{} computes d * a * 1 - a where d * a * (1 - a) is due", scope.where), 0.09,
               [cell](const Term& term, std::size_t f) {
                 Term less, rest = term;
                 const Factor a{activated(cell, term.factors[f].var), Fn::value, term.factors[f].f, 0, false};
                 rest.factors[f] = a;
                 less.source = Back::one, less.coefficient = -1, less.factors = {a};
                 return std::vector<Term>{rest, less};
               });
  for (const int first : {0, -1})
    to.add_terms(scope, "derivative-wrong-step",
                 fmt::format("{} takes a[{}] * (1 - a[{}]), of two steps", scope.where, first ? "t-1" : "t",
                             first ? "t" : "t-1"),
                 0.1,
                 [cell, first](const Term& term, std::size_t f) {
                   Term mixed = term;
                   const Var a = activated(cell, term.factors[f].var);
                   mixed.factors[f] = {a, Fn::value, term.factors[f].f, first, false};
                   mixed.factors.push_back({a, Fn::complement, term.factors[f].f, -1 - first, false});
                   return std::vector<Term>{mixed};
                 },
                 {"activation-for-derivative"});
}

void add_forms(const Problem& problem, const Scope& scope, Adder& to) {
  const Cell cell = problem.net.cell;
  for (const Form& form : kForms) {
    if (is_due(form, scope.f)) continue;
    std::vector<std::string> aliases;
    if (*form.alias) aliases.push_back(form.alias);
    if (form.fn == Fn::one && cell == Cell::elman && scope.sites.size() == 1)
      aliases.push_back("parenthesis");
    to.add(scope, form.name,
           fmt::format(fmt::runtime(form.says), scope.where, name(scope.f),
                       to.text(slipped(form, to.due(scope), cell))),
           form.weight, aliases, [form, cell](const Factor& due) { return slipped(form, due, cell); });
  }
  to.add(scope, "derivative-wrong-step",
         fmt::format("{} takes {}' of the previous step, at t = 0 of the last (index -1)", scope.where,
                     name(scope.f)),
         0.07, {"index-wraps"}, [cell](Factor due) {
           due.var = activated(cell, due.var), due.fn = Fn::slope_of_value;
           due.shift = -1, due.before = Before::wraps;
           return due;
         });
  for (const auto& [replay, which] : {std::pair(Replay::last, "last"), {Replay::first, "first"}})
    to.add(scope, "derivative-wrong-step",
           fmt::format("{} takes {}' of the {} step at every step", scope.where, name(scope.f), which), 0.08,
           {}, [r = replay](Factor due) {
             due.replay = r;
             return due;
           });
  add_parentheses(problem, scope, to);
  // Another function's derivative, of the right argument.
  for (Activation other : {Activation::tanh, Activation::sigmoid, Activation::relu, Activation::leaky_relu,
                           Activation::elu, Activation::softsign, Activation::softplus, Activation::sin})
    if (other != scope.f)
      to.add(scope, "derivative-of-other-activation",
             fmt::format("{} takes the derivative of {}, but the forward uses {}", scope.where, name(other),
                         name(scope.f)),
             0.1, {"activation-for-derivative"}, [other](Factor due) {
               due.f = other;
               return due;
             });
}

}  // namespace

Var activated(Cell cell, Var z) {
  if (cell == Cell::elman) return Var::h;
  return z == Var::c ? Var::m : Var::a0 + (static_cast<int>(z) - static_cast<int>(Var::z0));
}

void add_derivative_mistakes(const Problem& problem, const Words& words, Mistakes& to) {
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    Adder adder(problem, words, l, to);
    for (const Scope& scope : scopes(problem, adder.steps())) {
      add_forms(problem, scope, adder);
      if (problem.net.cell != Cell::elman) continue;
      adder.add(scope, "state-index-shifted",
                fmt::format("{} repeats the forward from h[t], where h[t-1] is due, and takes {}' there",
                            scope.where, name(scope.f)),
                0.07, {"derivative-wrong-step"}, [](Factor due) {
                  due.var = Var::zr;
                  return due;
                });
    }
  }
}

}  // namespace retrograde::doctor
