// The head, as a layer that has an input product and nothing after it: its pre-activations are its outputs.
#pragma once

#include "retrograde/kernels/slots.h"

namespace retrograde {

struct Linear {
  static constexpr Slots kSlots{.gates = 1, .slots = 1, .input = {0, 1}, .stages = 0};
};

}  // namespace retrograde
