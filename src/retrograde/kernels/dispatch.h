// Which instruction set runs: the best that this machine has, or the one that the environment variable
// RETROGRADE_ISA names (generic, v2, v3, v4; as in x86-64-v3). Decided once, at the first call.
#pragma once

#include <string_view>

namespace retrograde {

enum class IsaLevel { generic, v2, v3, v4 };

// Throws UsageError if RETROGRADE_ISA names none, or one that this machine lacks.
IsaLevel isa_level();
std::string_view name(IsaLevel level);

}  // namespace retrograde
