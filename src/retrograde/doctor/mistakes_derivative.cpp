// Family "derivative": an activation's derivative that is missing, of the wrong argument, of the wrong step
// or of the wrong function.
#include <fmt/format.h>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

struct Site {
  std::size_t step, term, factor;
};

struct Scope {
  std::string where;
  std::vector<Site> sites;
  std::string z, a;  // what the derivative is due at, and its activation
  Activation f;
  double weight;
};

struct Form {
  Fn fn;
  int shift;
  const char* name;
  double weight;
};

constexpr Form kForms[] = {{Fn::slope_at_state, 0, "derivative-at-state", 0.02},
                           {Fn::slope_of_value, 0, "derivative-at-preactivation", 0.02},
                           {Fn::activation, 0, "activation-for-derivative", 0.06},
                           {Fn::one, 0, "derivative-missing", 0.02},
                           {Fn::slope, -1, "derivative-wrong-step", 0.06},
                           {Fn::slope, 1, "derivative-wrong-step", 0.06},
                           {Fn::slope_squared, 0, "double-activation", 0.08},
                           {Fn::slope_tanh, 0, "derivative-of-other-activation", 0.09},
                           {Fn::slope_sigmoid, 0, "derivative-of-other-activation", 0.09},
                           {Fn::one_minus, 0, "activation-for-derivative", 0.1},
                           {Fn::negative_slope, 0, "sign", 0.1},
                           {Fn::square, 0, "activation-for-derivative", 0.15},
                           {Fn::value_slope, 0, "derivative-wrong-argument", 0.2}};

std::string step_text(int shift) { return shift < 0 ? "[t-1]" : shift > 0 ? "[t+1]" : "[t]"; }

std::string slope_text(const Scope& scope, Fn fn, int shift) {
  const std::string z = fmt::format("{}{}", scope.z, step_text(shift)),
                    a = fmt::format("{}{}", scope.a, step_text(shift));
  const auto f = name(scope.f);
  switch (fn) {
    case Fn::slope_at_state:
      return fmt::format("{}'({})", f, a);
    case Fn::slope_of_value:
      return scope.f == Activation::tanh      ? fmt::format("(1 - {}**2)", z)
             : scope.f == Activation::sigmoid ? fmt::format("{0} * (1 - {0})", z)
                                              : fmt::format("{}' written for its output, given {}", f, z);
    case Fn::activation:
      return fmt::format("{}({})", f, z);
    case Fn::one:
      return "no derivative";
    case Fn::slope_squared:
      return fmt::format("{}'({}) twice", f, z);
    case Fn::slope_tanh:
      return fmt::format("(1 - {}**2)", a);
    case Fn::slope_sigmoid:
      return fmt::format("{0} * (1 - {0})", a);
    case Fn::one_minus:
      return fmt::format("(1 - {})", a);
    case Fn::negative_slope:
      return fmt::format("-{}'({})", f, z);
    case Fn::square:
      return fmt::format("{}**2", z);
    case Fn::value_slope:
      return fmt::format("{1} * {0}'({1})", f, z);
    default:
      return fmt::format("{}'({})", f, z);
  }
}

std::string sentence(const Scope& scope, const Form& form) {
  const std::string f = std::string(name(scope.f));
  switch (form.fn) {
    case Fn::slope_at_state:
      return fmt::format(
          "{} takes {}' at the state (already activated), where {}' of the pre-activation is due",
          scope.where, f, f);
    case Fn::slope_of_value:
      return fmt::format(
          "{} puts the pre-activation into the formula for {}' that expects the activated value", scope.where,
          f);
    case Fn::one:
      return fmt::format("{} leaves out the derivative of {}", scope.where, f);
    case Fn::activation:
      return fmt::format("{} multiplies by {} itself, where its derivative is due", scope.where, f);
    case Fn::slope:
      return fmt::format("{} takes {}' of the {} step", scope.where, f, form.shift < 0 ? "previous" : "next");
    case Fn::slope_squared:
      return fmt::format("{} multiplies by {}' twice", scope.where, f);
    case Fn::negative_slope:
      return fmt::format("{} has the sign of {}' wrong", scope.where, f);
    default:
      return fmt::format("{} uses a wrong formula for {}'", scope.where, f);
  }
}

std::vector<Scope> scopes(const Problem& problem, const std::vector<Step>& steps) {
  std::vector<Scope> out;
  Scope all{"every local derivative", {}, "z", "a", Activation::sigmoid, 0.03};
  Scope gates{"every sigmoid gate", {}, "z", "gate", Activation::sigmoid, 0.02};
  Scope maps{"every tanh", {}, "z", "a", problem.net.activation, 0.05};
  for (std::size_t s = 0; s < steps.size(); ++s)
    for (std::size_t t = 0; t < steps[s].terms.size() && steps[s].target != Back::q; ++t)
      for (std::size_t f = 0; f < steps[s].terms[t].factors.size(); ++f) {
        const Factor& factor = steps[s].terms[t].factors[f];
        if (!factor.local_slope) continue;
        const Site site{s, t, f};
        all.sites.push_back(site);
        Scope one{"", {site}, "z", "h", factor.f, 0.0};
        if (problem.net.cell == Cell::elman) {
          one.where = t == 0 ? "the output's own step" : "the carry";
          one.weight = t == 0 ? 0.03 : 0.01;
        } else if (factor.var == Var::c) {
          one.where = "the cell's output";
          one.z = "c", one.a = "tanh_c";
          maps.sites.push_back(site);
        } else {
          const int g = static_cast<int>(factor.var) - static_cast<int>(Var::z0);
          const auto letter = gate_name(problem.net.cell, g);
          one.where = fmt::format("gate {}", letter);
          one.z = fmt::format("z_{}", letter), one.a = std::string(letter);
          (factor.f == Activation::sigmoid && g != 2 ? gates : maps).sites.push_back(site);
        }
        out.push_back(std::move(one));
      }
  all.f = problem.net.cell == Cell::elman ? problem.net.activation : Activation::sigmoid;
  if (problem.net.cell == Cell::elman) all.where = "every step", all.a = "h", all.weight = 0.0;
  out.push_back(all);
  if (problem.net.cell != Cell::elman) out.push_back(gates);
  if (problem.net.cell == Cell::lstm) out.push_back(maps);
  return out;
}

}  // namespace

void add_derivative_mistakes(const Problem& problem, const Words& words, Mistakes& to) {
  const Plan right = right_plan(problem);
  for (std::size_t l = 0; l < right.layers.size(); ++l) {
    const auto& steps = right.layers[l].steps;
    for (const Scope& scope : scopes(problem, steps))
      for (const Form& form : kForms) {
        if (form.fn == Fn::slope_tanh && scope.f == Activation::tanh) continue;
        if (form.fn == Fn::slope_sigmoid && scope.f == Activation::sigmoid) continue;
        Mistake m;
        m.name = form.name;
        m.where = scope.where;
        m.sentence = sentence(scope, form);
        const std::string good = slope_text(scope, Fn::slope, 0),
                          bad = slope_text(scope, form.fn, form.shift);
        if (problem.net.cell == Cell::elman && scope.where == "the carry")
          m.fix = fmt::format("dz[t] = ({}) * {}", words.back_U(static_cast<int>(l), 0, "dz[t+1]"), good),
          m.yours = bad;
        else if (problem.net.cell == Cell::elman)
          m.fix = fmt::format("dz[t] = dh[t] * {}", good), m.yours = bad;
        else
          m.fix = fmt::format("multiply by {}", good), m.yours = bad;
        m.layer = static_cast<int>(l);
        m.weight = form.weight + scope.weight;
        for (const Site& s : scope.sites)
          m.entries.push_back(static_cast<int>(1000 * l + 100 * s.step + 10 * s.term + s.factor));
        if (form.fn == Fn::one && problem.net.cell == Cell::elman && scope.sites.size() == 1)
          m.alias = "parenthesis";
        m.patch = [l, sites = scope.sites, form, elman = problem.net.cell == Cell::elman](Plan& plan) {
          for (const Site& s : sites) {
            Factor& f = plan.layers[l].steps[s.step].terms[s.term].factors[s.factor];
            f.fn = form.fn;
            f.shift = form.shift;
            // The step before the first has a state, h0, but no pre-activation.
            if (elman && form.fn == Fn::slope) f.var = Var::h, f.fn = Fn::slope_of_value;
          }
        };
        to.push_back(std::move(m));
      }
    // Another function's derivative, of the right argument.
    for (const Scope& scope : scopes(problem, steps))
      for (Activation other :
           {Activation::tanh, Activation::sigmoid, Activation::relu, Activation::leaky_relu, Activation::elu,
            Activation::softsign, Activation::softplus, Activation::sin}) {
        if (other == scope.f) continue;
        Mistake m;
        m.name = "derivative-of-other-activation";
        m.where = scope.where;
        m.sentence = fmt::format("{} takes the derivative of {}, but the forward uses {}", scope.where,
                                 name(other), name(scope.f));
        m.fix = fmt::format("multiply by {}", slope_text(scope, Fn::slope, 0));
        m.yours = fmt::format("{}'({}[t])", name(other), scope.z);
        m.layer = static_cast<int>(l);
        m.weight = 0.1 + scope.weight;
        for (const Site& s : scope.sites)
          m.entries.push_back(static_cast<int>(1000 * l + 100 * s.step + 10 * s.term + s.factor));
        m.patch = [l, sites = scope.sites, other](Plan& plan) {
          for (const Site& s : sites) plan.layers[l].steps[s.step].terms[s.term].factors[s.factor].f = other;
        };
        to.push_back(std::move(m));
      }
    // The cell's output derivative taken at another quantity: 1 - h^2 for 1 - tanh(c)^2.
    if (problem.net.cell == Cell::lstm) {
      Mistake m;
      m.name = "derivative-at-state";
      m.where = "the cell's output";
      m.sentence = "the cell's output takes 1 - h^2, where 1 - tanh(c)^2 is due (h = o tanh(c))";
      m.fix = "dc[t] += dh[t] * o[t] * (1 - tanh(c[t])**2)";
      m.yours = "(1 - h[t]**2)";
      m.layer = static_cast<int>(l);
      m.weight = 0.03;
      m.entries = {static_cast<int>(1000 * l + 101)};
      m.patch = [l](Plan& plan) {
        Factor& f = plan.layers[l].steps[1].terms[0].factors[1];
        f.var = Var::h;
        f.fn = Fn::slope_of_value;
      };
      to.push_back(std::move(m));
    }
  }
}

}  // namespace retrograde::doctor
