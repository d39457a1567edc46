// The one matrix product: c[r, g, :] = from[r, g, :] + Σ_k a[r, k] b[g][k, :], where a *group* g is a block
// of C vectors of columns that lie side by side.
//
// a is read one number at a time with any strides (so that Aᵀ is as good as A), b and c in whole vectors. k
// runs over `outer` runs of `inner` consecutive terms, which lets a product skip slots that it does not use.
//
// The sum over k is taken in an order that the width of b alone decides, whatever the tile that a row falls
// into, so a batch equals its rows bit for bit: in S interleaved sums, the k-th term into sum k mod S, which
// are added up at the end. A wide b has one; a narrow one has more, or the latency of the additions would
// rule. A sum over the rows of time always has one, and goes from the last row to the first, as a sweep does:
// then it is the same number in however many pieces the sweep is made.
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
  bool down = false;  // every run from its last term to its first
};
template <class T>
struct Product {
  Terms terms;
  LeftOperand<T> a;
  RightOperand<T> b;
  Rectangle<const T> from;
  Rectangle<T> c;
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

// f(0), f(1), .. f(N − 1) with constants, so that arrays indexed by them live in registers.
template <int N, class F>
RETROGRADE_INLINE void unrolled(F f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

// R rows by G groups, S sums side by side.
template <class Isa, class T, int R, int G, int C, int S>
void tile(const Product<T>& product) {
  const Terms terms = product.terms;
  const LeftOperand<T> a = product.a;
  const RightOperand<T> b = product.b;
  const Rectangle<const T> from = product.from;
  const Rectangle<T> c = product.c;
  using V = Vector<Isa, T>;
  constexpr int lanes = kLanes<V>, columns = G * C, size = R * columns;
  const auto place = [](const auto& in, int i) __attribute__((always_inline)) {
    const auto row = static_cast<std::size_t>(i / columns), group = static_cast<std::size_t>(i % columns / C);
    return in.p + row * in.row + group * in.group + i % C * lanes;
  };
  V sum[S * size];
  unrolled<size>([&](auto i) __attribute__((always_inline)) { sum[i] = load<V>(place(from, i)); });
  unrolled<(S - 1) * size>([&](auto i) __attribute__((always_inline)) { sum[size + i] = V(T(0)); });

  const auto add = [&](const T* pa, const T* pb, auto first) __attribute__((always_inline)) {
    V right[columns];
    unrolled<columns>([&](auto j) __attribute__((always_inline)) {
      right[j] = load<V>(pb + j / C * b.group + j % C * lanes);
    });
    unrolled<R>([&](auto r) __attribute__((always_inline)) {
      const V left(pa[r * a.row]);
      unrolled<columns>([&](auto j) __attribute__((always_inline)) {
        constexpr int i = first + r * columns + j;
        sum[i] = multiply_add(left, right[j], sum[i]);
      });
    });
  };
  const std::size_t start = terms.down ? terms.inner - 1 : 0;
  const std::ptrdiff_t direction = terms.down ? -1 : 1;
  const auto ak = direction * static_cast<std::ptrdiff_t>(a.k),
             bk = direction * static_cast<std::ptrdiff_t>(b.k);
  for (std::size_t o = 0; o < terms.outer && terms.inner > 0; ++o) {
    const T* pa = a.p + o * a.outer + start * a.k;
    const T* pb = b.p + o * b.outer + start * b.k;
    std::size_t k = terms.inner;
    for (; k >= S; k -= S)
      unrolled<S>([&](auto s) __attribute__((always_inline)) {
        add(pa, pb, std::integral_constant<int, s * size>{});
        pa += ak, pb += bk;
      });
    unrolled<S - 1>([&](auto s) __attribute__((always_inline)) {
      if (static_cast<std::size_t>(s) >= k) return;
      add(pa, pb, std::integral_constant<int, s * size>{});
      pa += ak, pb += bk;
    });
  }
  unrolled<size>([&](auto i) __attribute__((always_inline)) {
    unrolled<S - 1>([&](auto s) __attribute__((always_inline)) { sum[i] += sum[i + (s + 1) * size]; });
    store(place(c, i), sum[i]);
  });
}

// Accumulators that leave room for a row of b and a broadcast.
template <class Isa>
inline constexpr int kAccumulators = Isa::kRegisters > 16 ? 24 : 12;

template <class Isa, int C>
inline constexpr int kTileRows = std::min(C == 3 ? 8 : 6, kAccumulators<Isa> / C);

// The groups of a tile of so many rows: a power of two.
template <class Isa, int C>
constexpr int tile_groups(std::size_t rows) {
  const int tile_rows = static_cast<int>(std::min<std::size_t>(rows, kTileRows<Isa, C>));
  int groups = C >= 2 ? 4 : 8;
  while (groups > 1 && groups * C * tile_rows > kAccumulators<Isa>) groups /= 2;
  return groups;
}

// The sums of the next block of rows begin with what stands there, which may have left the nearest cache.
template <class Isa, class T, int G, int C>
RETROGRADE_INLINE void expect(Rectangle<T> c, std::size_t rows) {
  constexpr std::size_t lanes = kLanes<Vector<Isa, T>>;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t j = 0; j < G * C; ++j)
      __builtin_prefetch(c.p + r * c.row + j / C * c.group + j % C * lanes, 1);
}

// Rows in blocks as equal as can be, of G groups.
template <class Isa, class T, int G, int C, int S>
RETROGRADE_INLINE void multiply_groups(std::size_t rows, Product<T> m) {
  constexpr std::size_t most = std::clamp(kAccumulators<Isa> / (G * C * S), 1, kTileRows<Isa, C>);
  static constexpr auto tiles = []<std::size_t... R>(std::index_sequence<R...>) {
    return std::array{tile<Isa, T, R + 1, G, C, S>...};
  }
  (std::make_index_sequence<most>());
  for (std::size_t blocks = (rows + most - 1) / most; blocks > 0; --blocks) {
    const std::size_t r = (rows + blocks - 1) / blocks;
    if (blocks > 1) expect<Isa, T, G, C>({m.c.p + r * m.c.row, m.c.row, m.c.group}, std::min(r, rows - r));
    tiles[r - 1](m);
    rows -= r;
    m.a.p += r * m.a.row, m.from.p += r * m.from.row, m.c.p += r * m.c.row;
  }
}

}  // namespace detail

// As many groups at a time as a tile takes, but never so many that one is left behind: alone it has too few
// sums in flight. `width`: vectors in a row of the whole matrix b, of which these groups may be a part.
inline constexpr std::size_t kOneSum = 8;  // a width that has one sum
template <class Isa, class T, int C>
RETROGRADE_INLINE void multiply(std::size_t rows, std::size_t groups, std::size_t width, Product<T> m) {
  const auto most = static_cast<std::size_t>(detail::tile_groups<Isa, C>(rows));
  const auto with = [&]<int S>(std::integral_constant<int, S>) {
    const auto run = [&]<int G>(std::integral_constant<int, G>) {
      if constexpr (G * C <= (S == 1 ? detail::kAccumulators<Isa> : 8 / S))
        for (; groups >= G && (G == 1 || most >= S * G) && (G <= 3 || groups != G + 1); groups -= G) {
          detail::multiply_groups<Isa, T, G, C, S>(rows, m);
          m.b.p += G * m.b.group, m.from.p += G * m.from.group, m.c.p += G * m.c.group;
        }
    };
    if constexpr (C == 1) run(std::integral_constant<int, 8>{});
    run(std::integral_constant<int, 4>{});
    if constexpr (C == 1) run(std::integral_constant<int, 3>{});
    run(std::integral_constant<int, 2>{});
    run(std::integral_constant<int, 1>{});
  };
  if (m.terms.inner == 0 || m.terms.outer == 0 || width > 4)
    with(std::integral_constant<int, 1>{});
  else if (width > 2)
    with(std::integral_constant<int, 2>{});
  else
    with(std::integral_constant<int, 4>{});
}

}  // namespace retrograde
