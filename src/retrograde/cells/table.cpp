// The library's cells and the affine map, compiled for one instruction set: this file is built once for each,
// with RETROGRADE_ISA_TAG defined.
#include "retrograde/cells/elman.h"
#include "retrograde/cells/gru.h"
#include "retrograde/cells/lstm.h"
#include "retrograde/cells/tables.h"
#include "retrograde/kernels/affine.h"
#include "retrograde/kernels/recurrence.h"

namespace retrograde {
namespace {

template <class Cell>
constexpr RealKernels<CellKernels> kernels_of() {
  return {recurrence<Cell, RETROGRADE_ISA_TAG, float>(), recurrence<Cell, RETROGRADE_ISA_TAG, double>()};
}

constexpr KernelTables kTables{
    kernels_of<Elman>(),
    kernels_of<GruResetAfter>(),
    kernels_of<GruResetBefore>(),
    kernels_of<Lstm>(),
    {Affine<RETROGRADE_ISA_TAG, float>::kernels(), Affine<RETROGRADE_ISA_TAG, double>::kernels()}};

}  // namespace

template <>
const KernelTables& kernel_tables<RETROGRADE_ISA_TAG>() {
  return kTables;
}

}  // namespace retrograde
