// Penalties that no single factor makes: lambda_k / 2 * sum of squares, with a lambda for each kind of
// matrix.
#pragma once

#include <optional>

#include "retrograde/doctor/judge.h"

namespace retrograde::doctor {

// A reading that misses the given loss, with a penalty for each kind of parameter that the claim has a
// multiple of beyond the right gradient: if they make up just what the loss has beyond this reading's.
std::optional<Hypothesis> with_own_penalties(const Hypothesis& h, const Judge& judge);

}  // namespace retrograde::doctor
