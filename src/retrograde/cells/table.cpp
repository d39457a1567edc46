// The library's cells, the head and the softmax, compiled for one instruction set: this file is built once
// for each, with RETROGRADE_ISA_TAG defined.
#include "retrograde/cells/elman.h"
#include "retrograde/cells/gru.h"
#include "retrograde/cells/linear.h"
#include "retrograde/cells/lstm.h"
#include "retrograde/cells/tables.h"
#include "retrograde/kernels/recurrence.h"
#include "retrograde/kernels/softmax.h"

namespace retrograde {
namespace {

template <class Cell>
constexpr RealKernels<CellKernels> kernels_of() {
  return {recurrence<Cell, RETROGRADE_ISA_TAG, float>(), recurrence<Cell, RETROGRADE_ISA_TAG, double>()};
}

constexpr KernelTables kTables{
    kernels_of<Elman>(),          kernels_of<GruResetAfter>(),
    kernels_of<GruResetBefore>(), kernels_of<Lstm>(),
    kernels_of<Linear>(),         {softmax<RETROGRADE_ISA_TAG, float>, softmax<RETROGRADE_ISA_TAG, double>}};

}  // namespace

template <>
const KernelTables& kernel_tables<RETROGRADE_ISA_TAG>() {
  return kTables;
}

}  // namespace retrograde
