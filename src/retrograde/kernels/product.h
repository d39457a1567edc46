// The one matrix product: c[r, :] += Σ_k a[r, k] b[k, :], for a block of columns that is C vectors wide.
//
// a is read one number at a time with any strides (so that Aᵀ is as good as A), b and c in whole vectors. k
// runs over `outer` runs of `inner` consecutive terms, which lets a product skip slots that it does not use.
// The sum over k is taken in the same order for every row, whatever the block that a row falls into, so a
// batch equals its rows bit for bit.
#pragma once

#include <algorithm>
#include <cstddef>

#include "retrograde/kernels/isa.h"

namespace retrograde {

template <class T>
struct LeftOperand {
  const T* p;
  std::size_t row = 0, k = 1, outer = 0;  // strides
};
template <class T>
struct RightOperand {
  const T* p;
  std::size_t k = 0, outer = 0;  // strides; a row of columns is contiguous
};

namespace detail {

template <class T, int W>
RETROGRADE_INLINE Vec<T, W> multiply_add(Vec<T, W> a, Vec<T, W> b, Vec<T, W> c) {
  return Vec<T, W>(a.v * b.v + c.v);
}
RETROGRADE_INLINE std::complex<double> multiply_add(std::complex<double> a, std::complex<double> b,
                                                    std::complex<double> c) {
  return {c.real() + (a.real() * b.real() - a.imag() * b.imag()),
          c.imag() + (a.real() * b.imag() + a.imag() * b.real())};
}

template <class Isa, class T, int R, int C>
RETROGRADE_INLINE void tile(std::size_t outer, std::size_t inner, LeftOperand<T> a, RightOperand<T> b, T* c,
                            std::size_t c_row) {
  using V = Vector<Isa, T>;
  constexpr std::size_t lanes = kLanes<V>;
  V sum[R][C];
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t j = 0; j < C; ++j) sum[r][j] = load<V>(c + r * c_row + j * lanes);
  for (std::size_t o = 0; o < outer; ++o) {
    const T* pa = a.p + o * a.outer;
    const T* pb = b.p + o * b.outer;
    for (std::size_t k = 0; k < inner; ++k, pa += a.k, pb += b.k) {
      V right[C];
      for (std::size_t j = 0; j < C; ++j) right[j] = load<V>(pb + j * lanes);
      for (std::size_t r = 0; r < R; ++r) {
        const V left(pa[r * a.row]);
        for (std::size_t j = 0; j < C; ++j) sum[r][j] = multiply_add(left, right[j], sum[r][j]);
      }
    }
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t j = 0; j < C; ++j) store(c + r * c_row + j * lanes, sum[r][j]);
}

// Rows of a tile of C columns: as many as leave the accumulators, a row of b and a broadcast in registers.
template <class Isa, int C>
constexpr int tile_rows() {
  return std::min(12, (Isa::kRegisters - (Isa::kRegisters > 16 ? C + 1 : 2)) / C);
}

template <class Isa, class T, int R, int C>
RETROGRADE_INLINE void tile_tail(std::size_t rows, std::size_t outer, std::size_t inner, LeftOperand<T> a,
                                 RightOperand<T> b, T* c, std::size_t c_row) {
  if constexpr (R > 0) {
    if (rows >= R) {
      tile<Isa, T, R, C>(outer, inner, a, b, c, c_row);
      a.p += R * a.row;
      c += R * c_row;
      rows -= R;
    }
    tile_tail<Isa, T, R / 2, C>(rows, outer, inner, a, b, c, c_row);
  }
}

}  // namespace detail

template <class Isa, class T, int C>
void multiply_columns(std::size_t rows, std::size_t outer, std::size_t inner, LeftOperand<T> a,
                      RightOperand<T> b, T* c, std::size_t c_row) {
  constexpr int R = detail::tile_rows<Isa, C>();
  constexpr int tail = R > 8 ? 8 : R > 4 ? 4 : R > 2 ? 2 : 1;
  std::size_t r = 0;
  for (; r + R <= rows; r += R, a.p += R * a.row, c += R * c_row)
    detail::tile<Isa, T, R, C>(outer, inner, a, b, c, c_row);
  detail::tile_tail<Isa, T, tail, C>(rows - r, outer, inner, a, b, c, c_row);
}

// The same for any number of column vectors, four at a time.
template <class Isa, class T>
void multiply(std::size_t rows, std::size_t columns, std::size_t outer, std::size_t inner, LeftOperand<T> a,
              RightOperand<T> b, T* c, std::size_t c_row) {
  constexpr std::size_t lanes = kLanes<Vector<Isa, T>>;
  for (; columns >= 4; columns -= 4, b.p += 4 * lanes, c += 4 * lanes)
    multiply_columns<Isa, T, 4>(rows, outer, inner, a, b, c, c_row);
  if (columns == 3) multiply_columns<Isa, T, 3>(rows, outer, inner, a, b, c, c_row);
  if (columns == 2) multiply_columns<Isa, T, 2>(rows, outer, inner, a, b, c, c_row);
  if (columns == 1) multiply_columns<Isa, T, 1>(rows, outer, inner, a, b, c, c_row);
}

}  // namespace retrograde
