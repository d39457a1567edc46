// Family "variables": one of the values that the forward kept is another wherever the backward uses it. A
// variable was filled wrongly, or arguments stand in the wrong order.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

// What stands for each record.
using Records = std::map<Var, Factor>;

class Enumeration {
 public:
  Enumeration(const Problem& problem, std::size_t layer, Mistakes& to)
      : net_(problem.net),
        gates_(problem.gates),
        layer_(layer),
        steps_(right_plan(problem).layers[layer].steps),
        to_(to) {}

  void run() {
    permutations();
    copies();
    std::vector<Var> sigmoids, all;
    for (int g = 0; g < gates_; ++g) {
      forms({Var::a0 + g}, fmt::format("gate {}", gate_name(net_.cell, g)));
      if (g != 2) sigmoids.push_back(Var::a0 + g);
      all.push_back(Var::a0 + g);
    }
    forms(sigmoids, "every sigmoid gate");
    forms(all, "every gate");
    if (net_.cell != Cell::lstm || net_.plain_cell) return;
    const std::string m = fmt::format("{}(c)", name(net_.of_cell()));
    forms({Var::m}, m);
    add("derivative-at-state", fmt::format("the state stands where {} is due", m), 0.08,
        {{Var::m, of(Var::h)}}, {"gate-factor"});
  }

 private:
  static Factor of(Var v, Fn fn = Fn::value, int shift = 0) {
    return {v, fn, Activation::tanh, shift, false};
  }
  Activation activation_of(Var record) const {
    return record == Var::m ? net_.of_cell() : record == Var::a0 + 2 ? net_.activation : Activation::sigmoid;
  }
  static Var argument_of(Var record) {
    return record == Var::m ? Var::c : Var::z0 + (static_cast<int>(record) - static_cast<int>(Var::a0));
  }

  // A factor that was due, made of what stands for its record.
  static Factor replaced(const Factor& due, Factor by) {
    const Fn wanted = due.local_slope ? Fn::slope_of_value : due.fn;
    if (due.local_slope) by.f = due.f;
    if (wanted != Fn::value) by.inner = by.fn, by.fn = wanted;
    by.shift += due.shift;
    return by;
  }

  // Where programs keep the pre-activations too, slopes may be made of those: then they are right.
  enum class Slopes { too, right };

  void add(const char* name, const std::string& sentence, double weight, const Records& by,
           std::vector<std::string> aliases, Slopes slopes = Slopes::too) {
    std::vector<int> entries;
    std::vector<std::pair<Site, Factor>> has;
    for (std::size_t s = 0; s < steps_.size(); ++s)
      for (std::size_t t = 0; t < steps_[s].terms.size(); ++t)
        for (std::size_t f = 0; f < steps_[s].terms[t].factors.size(); ++f) {
          const Factor& due = steps_[s].terms[t].factors[f];
          const auto at = by.find(due.local_slope ? activated(net_.cell, due.var) : due.var);
          if (at == by.end() || (due.local_slope && slopes == Slopes::right)) continue;
          has.emplace_back(Site{s, t, f}, replaced(due, at->second));
          entries.push_back(has.back().first.entry(layer_));
        }
    if (has.size() < 2) return;  // one use is one factor's mistake
    const auto candidate = net_.cell == Cell::gru ? by.find(Var::a2) : by.end();
    to_.push_back(layer_mistake(layer_, name, "every use", sentence + ", wherever the backward uses it",
                                weight, std::move(entries), [has](LayerPlan& plan) {
                                  for (const auto& [site, factor] : has)
                                    if (Factor* f = find_factor(plan, site)) *f = factor;
                                }));
    to_.back().aliases = std::move(aliases);
    if (candidate != by.end()) in_update_gate(candidate->second, to_.back());
  }

  // GRU: dz = dh (h[t-1] - n) s'(z), written out with what stands for n.
  void in_update_gate(const Factor& candidate, Mistake& m) const {
    const std::size_t s = step_of(steps_, Back::da1);
    for (std::size_t f = 0; f < 2; ++f) m.entries.push_back(Site{s, 0, f}.entry(layer_));
    m.patch = [s, l = layer_, candidate, keeps = net_.update_keeps, rest = std::move(m.patch)](Plan& plan) {
      rest(plan);
      Step& step = plan.layers[l].steps[s];
      Term kept = step.terms[0], fresh = kept;
      kept.factors[0] = of(Var::h, Fn::value, -1);
      fresh.factors[0] = candidate;
      (keeps ? fresh : kept).coefficient *= -1;
      step.terms = {kept, fresh};
    };
  }

  // Arguments in the wrong order.
  void permutations() {
    std::vector<int> order(static_cast<std::size_t>(gates_));
    std::iota(order.begin(), order.end(), 0);
    while (std::next_permutation(order.begin(), order.end())) {
      Records by;
      std::string is, due;
      for (int g = 0; g < gates_; ++g) {
        const int other = order[static_cast<std::size_t>(g)];
        is += gate_name(net_.cell, other), due += gate_name(net_.cell, g);
        if (other != g) by[Var::a0 + g] = of(Var::a0 + other);
      }
      const bool two = by.size() == 2;
      for (const Slopes slopes : {Slopes::too, Slopes::right})
        add(two ? "gates-swapped" : "gate-order",
            fmt::format("the gates' values stand in the order {} where {} is due", is, due),
            two ? 0.04 : 0.09, by, {"gate-factor"}, slopes);
    }
  }

  // One array for several gates.
  void copies() {
    const std::vector<std::string> aliases = {"gates-swapped", "carry-wrong-gate"};
    for (int from = 0; from < gates_; ++from) {
      const Factor value = of(Var::a0 + from);
      Records all;
      for (int g = 0; g < gates_; ++g) {
        if (g == from) continue;
        all[Var::a0 + g] = value;
        add("gate-factor",
            fmt::format("gate {}'s value stands where gate {}'s is due", gate_name(net_.cell, from),
                        gate_name(net_.cell, g)),
            0.07, {{Var::a0 + g, value}}, aliases);
      }
      for (const Slopes slopes : {Slopes::too, Slopes::right})
        add("gate-factor",
            fmt::format("gate {}'s value stands for every gate's, one array for all of them",
                        gate_name(net_.cell, from)),
            0.05, all, aliases, slopes);
    }
  }

  // Made otherwise of the record's own argument, or another step's.
  void forms(const std::vector<Var>& records, const std::string& who) {
    struct Form {
      bool of_argument;
      Fn fn;
      int shift;
      const char *name, *alias, *sentence;
      double weight;
    };
    constexpr Form all[] = {
        {true, Fn::value, 0, "derivative-at-preactivation", "double-activation",
         "{} is as it was before its activation", 0.07},
        {false, Fn::activation, 0, "double-activation", "derivative-at-state",
         "{} has been through its activation twice", 0.08},
        {true, Fn::slope, 0, "activation-for-derivative", "double-activation",
         "the derivative stands where {} is due", 0.09},
        {true, Fn::slope_of_value, 0, "activation-for-derivative", "derivative-at-preactivation",
         "the derivative's formula, given the pre-activation, stands where {} is due", 0.09},
        {false, Fn::value, -1, "derivative-wrong-step", "cell-index-shifted", "{} is the previous step's",
         0.07},
        {false, Fn::value, 1, "derivative-wrong-step", "cell-index-shifted", "{} is the next step's", 0.08}};
    for (const Form& form : all) {
      Records by;
      for (Var record : records) {
        Factor& has = by[record] = of(form.of_argument ? argument_of(record) : record, form.fn, form.shift);
        has.f = activation_of(record);
      }
      add(form.name, fmt::format(fmt::runtime(form.sentence), who),
          form.weight + (records.size() > 1 ? 0.01 : 0), by, {form.alias, "gate-factor"});
    }
  }

  const Network& net_;
  int gates_;
  std::size_t layer_;
  std::vector<Step> steps_;
  Mistakes& to_;
};

}  // namespace

void add_record_mistakes(const Problem& problem, Mistakes& to) {
  if (problem.net.cell == Cell::elman) return;  // its state has one use, the derivative
  for (std::size_t l = 0; l < problem.layers.size(); ++l) Enumeration(problem, l, to).run();
}

}  // namespace retrograde::doctor
