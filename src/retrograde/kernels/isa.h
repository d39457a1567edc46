// The instruction sets that the kernels are compiled for, the vector that each gives a scalar type, and which
// one runs: the best that this machine has, or the one that the environment variable RETROGRADE_ISA names
// (generic, v2, v3, v4; as in x86-64-v3), decided once, at the first call. A tag, not a width, tells the
// compiled copies apart: two sets may share a width but never a symbol.
#pragma once

#include <complex>
#include <cstddef>
#include <string_view>

#include "retrograde/kernels/vector.h"

namespace retrograde {

// `registers`: vector registers, which set the size of a tile. `bytes`: width of one.
struct IsaGeneric {
  static constexpr int kBytes = 16, kRegisters = 16;
};
struct IsaV2 : IsaGeneric {};
struct IsaV3 {
  static constexpr int kBytes = 32, kRegisters = 16;
};
struct IsaV4 {
  static constexpr int kBytes = 64, kRegisters = 32;
};

enum class IsaLevel { generic, v2, v3, v4 };
// Throws UsageError if RETROGRADE_ISA names none, or one that this machine lacks.
IsaLevel isa_level();
std::string_view name(IsaLevel level);

template <class Isa, class T>
struct VectorOf {
  using type = Vec<T, Isa::kBytes / static_cast<int>(sizeof(T))>;
};
template <class Isa>
struct VectorOf<Isa, std::complex<double>> {
  using type = std::complex<double>;
};
template <class Isa, class T>
using Vector = typename VectorOf<Isa, T>::type;

constexpr std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

}  // namespace retrograde
