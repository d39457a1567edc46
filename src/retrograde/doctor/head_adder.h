// Collects the mistakes of the head, each a patch of its plan.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

class HeadAdder {
 public:
  explicit HeadAdder(Mistakes& to) : to_(to) {}
  void add(const char* name, std::string where, std::string sentence, std::string fix, std::string yours,
           double weight, int entry, std::function<void(HeadPlan&)> patch) {
    Mistake m{name,
              std::move(where),
              std::move(sentence),
              std::move(fix),
              std::move(yours),
              -1,
              weight,
              {entry},
              {},
              {}};
    m.patch = [patch = std::move(patch)](Plan& plan) { patch(plan.head); };
    to_.push_back(std::move(m));
  }
  Mistakes& all() { return to_; }

 private:
  Mistakes& to_;
};

// What a mistake of the head patches; two of one entry do not compose.
enum HeadEntry { kLoss = -1000, kSlope, kUp, kMatrix, kInject, kMask, kFinal };

// The loss's own derivative, and the target that is subtracted in it.
void add_loss_mistakes(const Problem& problem, HeadAdder& to);

}  // namespace retrograde::doctor
