// What the sweep over time asks of the kernels for one layer and direction: plain pointers, so that the
// compiled copies for several instruction sets share nothing but data.
//
// Rows: sequences are sorted, longest first; the rows of step t are offset[t] .. offset[t+1], one for each
// sequence that has not ended. Row b of step t continues row b of step t − 1. Buffers of states hold the B
// start rows first, then all the rows, `stride` = row_stride(H) apart. A row of slots or of tape is
// [panel][slot][lane], a panel being one vector of units.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "retrograde/kernels/slots.h"

namespace retrograde {

// Numbers from one row to the next: whole vectors, and off multiples of 512 bytes, which would bring the rows
// of a column into a few sets of the cache.
constexpr std::size_t row_stride(std::size_t width, std::size_t lanes, std::size_t bytes) {
  const std::size_t padded = (width + lanes - 1) / lanes * lanes;
  return padded * bytes % 512 == 0 ? padded + lanes : padded;
}

struct LayerShape {
  std::size_t inputs = 0, units = 0;
};

// Rows over time; see above.
struct StepRows {
  const std::size_t* offset = nullptr;  // [steps + 1]
  std::size_t steps = 0;
  std::size_t size() const { return offset[steps]; }
  std::size_t batch() const { return offset[1]; }
  std::size_t count(std::size_t t) const { return offset[t + 1] - offset[t]; }
  // Where the state before row 0 of step t stands in a buffer of states.
  std::size_t previous(std::size_t t) const { return t == 0 ? 0 : batch() + offset[t - 1]; }
};

// Steps that are worked through together.
struct Segment {
  std::size_t first = 0, last = 0;  // steps [first, last)
  std::size_t begin = 0, end = 0;   // their rows

  static Segment of(StepRows rows, std::size_t first, std::size_t last) {
    return {first, last, rows.offset[first], rows.offset[last]};
  }
  std::size_t rows() const { return end - begin; }
};

// PyTorch's layout; a null bias is none.
template <class T>
struct LayerWeights {
  T* weight_ih = nullptr;  // [gates·H, I]
  T* weight_hh = nullptr;  // [gates·H, H]
  T* bias_ih = nullptr;    // [gates·H]
  T* bias_hh = nullptr;    // [gates·H]
};

// The input of a layer: dense rows, or tokens that stand for one-hot rows.
template <class T>
struct LayerInput {
  const T* x = nullptr;  // [rows][stride]
  std::size_t stride = 0;
  const std::int32_t* tokens = nullptr;  // [rows], instead of x
};

// What a forward leaves for the backward.
template <class T>
struct LayerTape {
  T* states[2] = {};            // [B + rows][stride]
  T* tape = nullptr;            // [rows][panels·tape·lanes]; null: the cell keeps none
  T* preactivations = nullptr;  // [rows][panels·slots·lanes]; null: not kept
  T* product_input[2] = {};     // stage: [rows][stride], what was multiplied by U; null: the state before
  const T* mask = nullptr;      // [B][stride], recurrent dropout; null: none
};

// What every call says of its layer.
template <class T>
struct LayerCall {
  StepRows rows;
  LayerShape shape;
  const T* packed = nullptr;
  LayerInput<T> input;
  LayerTape<T> tape = {};  // a null tape.tape: not kept
  T* scratch = nullptr;
};

// Backward through a segment: carry holds the gradient by the states after its last step and leaves with that
// by those before the first; a sequence that ends within begins with what its carry row holds. Or, where da
// is given, only from it to the gradients.
template <class T>
struct BackwardCall {
  LayerCall<T> layer;
  Segment segment;
  const T* dy = nullptr;              // [segment's rows][stride], gradient by every h from above
  const std::uint8_t* cut = nullptr;  // [rows], 1: nothing goes back from this row to the one before; null
  T* carry[2] = {};                   // [B][stride]
  T* dx = nullptr;                    // [segment's rows][dx_stride], written; null: not wanted
  std::size_t dx_stride = 0;
  T* gradient = nullptr;                 // packed, +=
  const T* da = nullptr;                 // the segment's first row and panel of the gradient by the
  std::size_t da_row = 0, da_panel = 0;  // pre-activations, and strides
};

// One level of a windowed backward: rows picked anywhere, all independent.
template <class T>
struct LevelCall {
  LayerCall<T> layer;
  std::size_t count = 0;
  const std::size_t* row = nullptr;       // [count] in the tape
  const std::size_t* previous = nullptr;  // [count] in the buffers of states
  const std::size_t* sequence = nullptr;  // [count] b
  T* delta[2] = {};     // [count][stride]; in: gradient by the states after the step, out: before it
  T* dx = nullptr;      // [count][input.stride] +=; null: not wanted
  T* da_sum = nullptr;  // [panel][rows][slot][lane] +=
};

// One cell, one scalar type, one instruction set. `cell` points to the cell; null for one that has no step.
// Sizes are in elements; a packed gradient is the beginning of a pack.
template <class T>
struct CellKernels {
  std::size_t lanes = 1;
  std::size_t (*packed_size)(LayerShape) = nullptr;
  std::size_t (*gradient_size)(LayerShape) = nullptr;
  std::size_t (*scratch_size)(LayerShape, std::size_t rows, std::size_t batch) = nullptr;  // rows at once
  void (*pack)(LayerShape, LayerWeights<const T>, T* packed) = nullptr;
  void (*unpack)(LayerShape, const T* gradient, LayerWeights<T>) = nullptr;  // adds
  void (*forward)(const void* cell, const LayerCall<T>&, Segment) = nullptr;
  void (*backward)(const void* cell, const BackwardCall<T>&) = nullptr;
  void (*level)(const void* cell, const LevelCall<T>&) = nullptr;
};

// What a sum of T is taken in.
template <class T>
using SumOf = std::conditional_t<std::is_same_v<T, float>, double, T>;

// y = softmax(z) by rows, [rows][stride] both, padding zero, and log Σ exp z of each row. y may be z; it and
// the sums may be null.
template <class T>
using Softmax = void (*)(std::size_t rows, std::size_t width, std::size_t stride, const T* z, T* y,
                         SumOf<T>* log_sums);

}  // namespace retrograde
