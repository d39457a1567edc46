// Collects the mistakes of one layer's carry, each a patch of its table.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

class CarryAdder {
 public:
  CarryAdder(std::size_t layer, Mistakes& to) : layer_(layer), to_(to) {}

  void add(const char* name, std::string where, std::string sentence, std::string fix, std::string yours,
           double weight, std::vector<int> entries, std::function<void(LayerPlan&)> patch) {
    Mistake m{name,
              std::move(where),
              std::move(sentence),
              std::move(fix),
              std::move(yours),
              static_cast<int>(layer_),
              weight,
              {},
              {},
              {}};
    for (int e : entries) m.entries.push_back(static_cast<int>(1000 * layer_) + e);
    m.patch = [l = layer_, patch = std::move(patch)](Plan& plan) { patch(plan.layers[l]); };
    to_.push_back(std::move(m));
  }

  void also(std::vector<std::string> aliases) { to_.back().aliases = std::move(aliases); }

 private:
  std::size_t layer_;
  Mistakes& to_;
};

// Which matrix the error goes back through.
void add_matrix_mistakes(const Problem& problem, const Words& words, std::size_t layer,
                         const std::vector<Step>& steps, CarryAdder& to);

}  // namespace retrograde::doctor
