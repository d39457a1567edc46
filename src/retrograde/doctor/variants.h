// Forwards that the gradient may belong to although they are not the one that was run: the family "variant",
// and start states and lengths that are ignored.
#pragma once

#include <string>
#include <vector>

#include "retrograde/doctor/network.h"

namespace retrograde::doctor {

struct Variant {
  std::string name, sentence, fix;
  Problem problem;
};

std::vector<Variant> variants(const Problem& problem);

}  // namespace retrograde::doctor
