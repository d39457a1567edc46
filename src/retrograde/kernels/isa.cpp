#include "retrograde/kernels/isa.h"

#include <array>
#include <cstdlib>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

constexpr std::array<std::string_view, 4> kNames{"generic", "v2", "v3", "v4"};

IsaLevel best() {
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return IsaLevel::v4;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    return IsaLevel::v3;
  if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt")) return IsaLevel::v2;
#endif
  return IsaLevel::generic;
}

IsaLevel choose() {
  const char* wanted = std::getenv("RETROGRADE_ISA");
  if (!wanted || !*wanted) return best();
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] != wanted) continue;
    const auto level = static_cast<IsaLevel>(i);
    if (level > best())
      throw UsageError("RETROGRADE_ISA is {}, but this machine only has {}", wanted, name(best()));
    return level;
  }
  throw UsageError("RETROGRADE_ISA is \"{}\"; it may be generic, v2, v3 or v4", wanted);
}

}  // namespace

IsaLevel isa_level() {
  static const IsaLevel level = choose();
  return level;
}

std::string_view name(IsaLevel level) { return kNames[static_cast<std::size_t>(level)]; }

}  // namespace retrograde
