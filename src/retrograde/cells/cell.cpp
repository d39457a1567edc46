#include "retrograde/cells/cell.h"

#include "retrograde/cells/linear.h"
#include "retrograde/cells/tables.h"
#include "retrograde/kernels/isa.h"
#include "retrograde/kernels/softmax.h"

namespace retrograde {
namespace {

template <class C>
CellTable table_of(RealKernels<CellKernels> KernelTables::*member) {
  const auto& real = kernel_tables_in_use().*member;
  return {real.f32, real.f64, recurrence<C, IsaGeneric, std::complex<double>>()};
}

}  // namespace

const KernelTables& kernel_tables_in_use() {
#ifdef RETROGRADE_X86_64
  switch (isa_level()) {
    case IsaLevel::v4:
      return kernel_tables<IsaV4>();
    case IsaLevel::v3:
      return kernel_tables<IsaV3>();
    case IsaLevel::v2:
      return kernel_tables<IsaV2>();
    case IsaLevel::generic:
      break;
  }
#endif
  return kernel_tables<IsaGeneric>();
}

const CellTable& cell_table(const Elman&) {
  static const CellTable table = table_of<Elman>(&KernelTables::elman);
  return table;
}
const CellTable& cell_table(const GruResetAfter&) {
  static const CellTable table = table_of<GruResetAfter>(&KernelTables::gru_reset_after);
  return table;
}
const CellTable& cell_table(const GruResetBefore&) {
  static const CellTable table = table_of<GruResetBefore>(&KernelTables::gru_reset_before);
  return table;
}
const CellTable& cell_table(const Lstm&) {
  static const CellTable table = table_of<Lstm>(&KernelTables::lstm);
  return table;
}

template <class T>
const CellKernels<T>& head_kernels() {
  static const CellTable table = table_of<Linear>(&KernelTables::linear);
  return table.get<T>();
}

template <class T>
Softmax<T> softmax_kernel() {
  if constexpr (std::is_same_v<T, float>)
    return kernel_tables_in_use().softmax.f32;
  else if constexpr (std::is_same_v<T, double>)
    return kernel_tables_in_use().softmax.f64;
  else
    return softmax<IsaGeneric, T>;
}

#define RETROGRADE_INSTANTIATE(T)                   \
  template const CellKernels<T>& head_kernels<T>(); \
  template Softmax<T> softmax_kernel<T>();
RETROGRADE_INSTANTIATE(float)
RETROGRADE_INSTANTIATE(double)
RETROGRADE_INSTANTIATE(std::complex<double>)

}  // namespace retrograde
