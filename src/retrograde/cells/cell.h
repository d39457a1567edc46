// Any cell, by value: the library's own (Elman, Gru, Lstm) or one defined by a user.
//
// A cell is a struct with kName, kGateNames, kSlots, and two templates on the value type, `forward` and
// `backward` (see cells/lstm.h); a cell that multiplies by U twice has `inner_forward` and `inner_backward`
// too (GruResetBefore).
#pragma once

#include <complex>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "retrograde/cells/elman.h"
#include "retrograde/cells/gru.h"
#include "retrograde/cells/lstm.h"
#include "retrograde/kernels/recurrence.h"

namespace retrograde {

// The compiled loop nests of a cell.
struct CellTable {
  CellKernels<float> f32;
  CellKernels<double> f64;
  CellKernels<std::complex<double>> c64;

  template <class T>
  const CellKernels<T>& get() const {
    if constexpr (std::is_same_v<T, float>)
      return f32;
    else if constexpr (std::is_same_v<T, double>)
      return f64;
    else
      return c64;
  }
};

// The kernels of one of the library's cells for this machine's instruction set (kernels/isa.h).
const CellTable& cell_table(const Elman&);
const CellTable& cell_table(const GruResetAfter&);
const CellTable& cell_table(const GruResetBefore&);
const CellTable& cell_table(const Lstm&);

// What the flags of the including file allow: for cells that a user defines.
#if defined(__AVX512F__)
struct IsaOfThisFile : IsaV4 {};
#elif defined(__AVX2__)
struct IsaOfThisFile : IsaV3 {};
#else
struct IsaOfThisFile : IsaGeneric {};
#endif

template <class C>
const CellTable& cell_table(const C&) {
  static const CellTable table{recurrence<C, IsaOfThisFile, float>(), recurrence<C, IsaOfThisFile, double>(),
                               recurrence<C, IsaGeneric, std::complex<double>>()};
  return table;
}

// `reset_after`: PyTorch's and cuDNN's form, else Cho's original.
struct Gru {
  bool reset_after = true;
};

// The head y = x Wᵀ + b (cells/linear.h) and the softmax, compiled like the cells.
template <class T>
const CellKernels<T>& head_kernels();
template <class T>
Softmax<T> softmax_kernel();

// The head's z, [rows][round_up(units, lanes)].
template <class T>
void run_head(LayerShape shape, const T* packed, std::size_t rows, const LayerInput<T>& x, T* z) {
  const std::size_t offset[] = {0, rows};
  const StepRows one_step{offset, 1};
  head_kernels<T>().forward(nullptr, {one_step, shape, packed, x, {.preactivations = z}},
                            Segment::of(one_step, 0, 1));
}

class Cell {
 public:
  template <class C>
  Cell(C cell) : Cell(std::in_place, std::move(cell)) {}
  Cell(Elman cell) : Cell(std::in_place, std::move(cell)) {
    nonlinearity_ = &static_cast<const Elman*>(cell_.get())->nonlinearity;
  }
  Cell(Gru gru) : Cell(gru.reset_after ? Cell(GruResetAfter{}) : Cell(GruResetBefore{})) {}

  std::string_view name() const { return name_; }
  std::span<const std::string_view> gate_names() const { return gate_names_; }
  const Slots& slots() const { return slots_; }
  // Elman's hidden activation; null for the others.
  const Nonlinearity* nonlinearity() const { return nonlinearity_; }
  bool reset_after() const { return slots_.stages == 1; }

  template <class T>
  const CellKernels<T>& kernels() const {
    return table_->get<T>();
  }
  const void* get() const { return cell_.get(); }
  // Whether the backward reads a tape; else the states are enough.
  bool keeps_tape() const { return keeps_tape_; }

 private:
  template <class C>
  Cell(std::in_place_t, C cell)
      : name_(C::kName),
        gate_names_(C::kGateNames),
        slots_(C::kSlots),
        table_(&cell_table(cell)),
        cell_(std::make_shared<const C>(std::move(cell))) {
    if constexpr (requires(const C& c) { c.keeps_tape(); })
      keeps_tape_ = static_cast<const C*>(cell_.get())->keeps_tape();
  }

  std::string_view name_;
  std::span<const std::string_view> gate_names_;
  Slots slots_;
  const CellTable* table_;
  std::shared_ptr<const void> cell_;
  const Nonlinearity* nonlinearity_ = nullptr;
  bool keeps_tape_ = true;
};

}  // namespace retrograde
