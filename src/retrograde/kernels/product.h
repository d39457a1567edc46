// The one matrix product: c[r, g, :] = from[r, g, :] + Σ_k a[r, k] b[g][k, :], where a *group* g is a block
// of C vectors of columns that lie side by side.
//
// a is read one number at a time with any strides (so that Aᵀ is as good as A), b and c in whole vectors. k
// runs over `outer` runs of `inner` consecutive terms, which lets a product skip slots that it does not use.
//
// The sum over k is taken in an order that the width of b alone decides, whatever the tile that a row falls
// into, so a batch equals its rows bit for bit: in S interleaved sums, the k-th term into sum k mod S, which
// are added up at the end. A wide b has one; a narrow one has more, or the latency of the additions would
// rule.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

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
  std::size_t k = 0, outer = 0, group = 0;  // strides
};
template <class T>
struct Rectangle {
  T* p;
  std::size_t row = 0, group = 0;  // strides
};
struct Terms {
  std::size_t outer = 1, inner = 0;
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

// R rows by G groups, S sums side by side. A null `from.p`: the sums are added to c itself, last.
template <class Isa, class T, int R, int G, int C, int S>
void tile(Terms terms, LeftOperand<T> a, RightOperand<T> b, Rectangle<const T> from, Rectangle<T> c) {
  using V = Vector<Isa, T>;
  constexpr std::size_t lanes = kLanes<V>;
  V sum[S][R][G][C];
  for (std::size_t s = 0; s < S; ++s)
    for (std::size_t r = 0; r < R; ++r)
      for (std::size_t g = 0; g < G; ++g)
        for (std::size_t j = 0; j < C; ++j)
          sum[s][r][g][j] =
              s == 0 && from.p ? load<V>(from.p + r * from.row + g * from.group + j * lanes) : V(T(0));
  const auto add = [&](const T* pa, const T* pb, V(&to)[R][G][C]) __attribute__((always_inline)) {
    V right[G][C];
    for (std::size_t g = 0; g < G; ++g)
      for (std::size_t j = 0; j < C; ++j) right[g][j] = load<V>(pb + g * b.group + j * lanes);
    for (std::size_t r = 0; r < R; ++r) {
      const V left(pa[r * a.row]);
      for (std::size_t g = 0; g < G; ++g)
        for (std::size_t j = 0; j < C; ++j) to[r][g][j] = multiply_add(left, right[g][j], to[r][g][j]);
    }
  };
  for (std::size_t o = 0; o < terms.outer; ++o) {
    const T* pa = a.p + o * a.outer;
    const T* pb = b.p + o * b.outer;
    std::size_t k = terms.inner;
    for (; k >= S; k -= S)
      for (std::size_t s = 0; s < S; ++s, pa += a.k, pb += b.k) add(pa, pb, sum[s]);
    if constexpr (S > 1)
      for (std::size_t s = 0; s + 1 < S; ++s, pa += a.k, pb += b.k)
        if (s < k) add(pa, pb, sum[s]);
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t g = 0; g < G; ++g)
      for (std::size_t j = 0; j < C; ++j) {
        T* const to = c.p + r * c.row + g * c.group + j * lanes;
        V total = from.p ? sum[0][r][g][j] : load<V>(to) + sum[0][r][g][j];
        for (std::size_t s = 1; s < S; ++s) total += sum[s][r][g][j];
        store(to, total);
      }
}

// Accumulators that leave room for a row of b and a broadcast; measured on GCC 12 and Clang 14.
template <class Isa>
inline constexpr int kAccumulators = Isa::kRegisters > 16 ? 24 : 12;

template <class Isa, int C>
inline constexpr int kTileRows = std::min(C == 3 ? 8 : 6, kAccumulators<Isa> / C);

// The groups of a tile of so many rows: a power of two.
template <class Isa, int C>
constexpr int tile_groups(std::size_t rows) {
  const int tile_rows = static_cast<int>(std::min<std::size_t>(rows, kTileRows<Isa, C>));
  int groups = C >= 3 ? 4 : C == 2 ? 4 : 8;
  while (groups > 1 && groups * C * tile_rows > kAccumulators<Isa>) groups /= 2;
  return groups;
}

template <class T>
using Tile = void (*)(Terms, LeftOperand<T>, RightOperand<T>, Rectangle<const T>, Rectangle<T>);

// The tile of R rows; null where it would not fit the registers.
template <class Isa, class T, int G, int C, int S, std::size_t... R>
constexpr std::array<Tile<T>, sizeof...(R)> tiles(std::index_sequence<R...>) {
  const auto one = []<std::size_t Rows>(std::integral_constant<std::size_t, Rows>) -> Tile<T> {
    if constexpr (Rows * G * C * S <= kAccumulators<Isa>)
      return tile<Isa, T, Rows, G, C, S>;
    else
      return nullptr;
  };
  return {one(std::integral_constant<std::size_t, R + 1>{})...};
}

// Rows in blocks as equal as can be, of G groups. Two sums are taken one after the other where they would not
// fit the registers together; for four the block has fewer rows.
template <class Isa, class T, int G, int C, int S>
void multiply_groups(std::size_t rows, Terms terms, LeftOperand<T> a, RightOperand<T> b,
                     Rectangle<const T> from, Rectangle<T> c) {
  constexpr std::size_t most =
      S <= 2 ? kTileRows<Isa, C> : std::clamp(kAccumulators<Isa> / (G * C * S), 1, kTileRows<Isa, C>);
  static constexpr auto together = tiles<Isa, T, G, C, S>(std::make_index_sequence<most>());
  static constexpr auto apart = tiles<Isa, T, G, C, 1>(std::make_index_sequence<most>());
  for (std::size_t blocks = (rows + most - 1) / most; blocks > 0; --blocks) {
    const std::size_t r = (rows + blocks - 1) / blocks;
    if (const auto run = together[r - 1]) {
      run(terms, a, b, from, c);
    } else {
      for (std::size_t s = 0; s < std::min<std::size_t>(S, terms.inner); ++s)
        apart[r - 1]({terms.outer, (terms.inner - s + S - 1) / S}, {a.p + s * a.k, a.row, S * a.k, a.outer},
                     {b.p + s * b.k, S * b.k, b.outer, b.group}, s == 0 ? from : Rectangle<const T>{nullptr},
                     c);
    }
    rows -= r, a.p += r * a.row, c.p += r * c.row;
    if (from.p) from.p += r * from.row;
  }
}

}  // namespace detail

// `width`: vectors in a row of the whole matrix b, of which these groups may be a part.
template <class Isa, class T, int C>
void multiply(std::size_t rows, std::size_t groups, std::size_t width, Terms terms, LeftOperand<T> a,
              RightOperand<T> b, Rectangle<const T> from, Rectangle<T> c) {
  const auto run = [&]<int G, int S>(std::integral_constant<int, G>, std::integral_constant<int, S>) {
    if constexpr (G * C <= detail::kAccumulators<Isa>)
      for (; groups >= G; groups -= G, b.p += G * b.group, from.p += G * from.group, c.p += G * c.group)
        detail::multiply_groups<Isa, T, G, C, S>(rows, terms, a, b, from, c);
  };
  const auto with = [&]<int S>(std::integral_constant<int, S> sums) {
    const int most = detail::tile_groups<Isa, C>(rows);
    if constexpr (C == 1)
      if (most >= 8) run(std::integral_constant<int, 8>{}, sums);
    if (most >= 4) run(std::integral_constant<int, 4>{}, sums);
    if (most >= 2) run(std::integral_constant<int, 2>{}, sums);
    run(std::integral_constant<int, 1>{}, sums);
  };
  if (terms.inner == 0 || terms.outer == 0 || width > 4)
    with(std::integral_constant<int, 1>{});
  else if (width > 2)
    with(std::integral_constant<int, 2>{});
  else
    with(std::integral_constant<int, 4>{});
}

// For a b in panels of four column vectors, the last one narrower (kernels/pack.h): its terms are `rows` rows
// a panel, of which these begin at `first` and go on by `outer`.
struct ColumnTerms {
  std::size_t rows, first = 0, outer = 0;
};
template <class Isa, class T>
void multiply_columns(std::size_t rows, std::size_t vectors, Terms terms, LeftOperand<T> a, const T* b,
                      ColumnTerms columns, Rectangle<const T> from, Rectangle<T> c) {
  constexpr std::size_t lanes = kLanes<Vector<Isa, T>>;
  const auto panels = [&]<int C>(std::integral_constant<int, C>, std::size_t groups) {
    constexpr std::size_t width = C * lanes;
    multiply<Isa, T, C>(rows, groups, vectors, terms, a,
                        {b + columns.first * width, width, columns.outer * width, columns.rows * width}, from,
                        c);
    b += groups * columns.rows * width, from.p += groups * from.group, c.p += groups * c.group;
  };
  panels(std::integral_constant<int, 4>{}, vectors / 4);
  if (vectors % 4 == 3) panels(std::integral_constant<int, 3>{}, 1);
  if (vectors % 4 == 2) panels(std::integral_constant<int, 2>{}, 1);
  if (vectors % 4 == 1) panels(std::integral_constant<int, 1>{}, 1);
}

}  // namespace retrograde
