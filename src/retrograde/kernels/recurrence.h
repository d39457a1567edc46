// The one loop nest of all cells, for one layer and direction: the matrix products and, fused with them, the
// cell's pointwise map, forward and backward.
#pragma once

#include "retrograde/kernels/backward.h"
#include "retrograde/kernels/forward.h"

namespace retrograde {

// On complex numbers there is only the forward.
template <class Cell, class Isa, class T>
constexpr CellKernels<T> recurrence() {
  using Nest = Nest<Cell, Isa, T>;
  CellKernels<T> k{.lanes = Nest::kWidth,
                   .packed_size = Nest::packed_size,
                   .gradient_size = Nest::gradient_size,
                   .scratch_size = Nest::scratch_size,
                   .pack = Nest::pack,
                   .forward = Forward<Cell, Isa, T>::forward};
  if constexpr (!std::is_same_v<T, std::complex<double>>) {
    k.unpack = Nest::unpack;
    k.backward = Backward<Cell, Isa, T>::backward;
    if constexpr (Cell::kSlots.stages > 0) k.level = Backward<Cell, Isa, T>::level;
  }
  return k;
}

}  // namespace retrograde
