// The compiled loop nests of the library's cells, one set of tables an instruction set.
#pragma once

#include "retrograde/kernels/calls.h"
#include "retrograde/kernels/isa.h"

namespace retrograde {

template <template <class> class Kernels>
struct RealKernels {
  Kernels<float> f32;
  Kernels<double> f64;
};

struct KernelTables {
  RealKernels<CellKernels> elman, gru_reset_after, gru_reset_before, lstm, linear;
  RealKernels<Softmax> softmax;
};

template <class Isa>
const KernelTables& kernel_tables();

// Those of the instruction set in use (kernels/isa.h).
const KernelTables& kernel_tables_in_use();

}  // namespace retrograde
