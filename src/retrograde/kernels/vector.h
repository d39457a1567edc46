// A vector of W lanes over the compiler's own vector extension, so that a cell's map reads as scalar
// mathematics. Everything is forced inline: the same types are compiled for several instruction sets, and an
// out-of-line copy made for one of them must never be linked into another.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#define RETROGRADE_INLINE [[gnu::always_inline]] inline

namespace retrograde {

template <class T, int W>
struct Vec {
  using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef T Native __attribute__((vector_size(sizeof(T) * W)));
  typedef T Loose __attribute__((vector_size(sizeof(T) * W), aligned(alignof(T)), may_alias));
  typedef Integer Bits __attribute__((vector_size(sizeof(T) * W)));

  Native v;

  Vec() = default;
  RETROGRADE_INLINE Vec(Native native) : v(native) {}
  template <class S>
  requires std::is_arithmetic_v<S> RETROGRADE_INLINE Vec(S scalar) : v(static_cast<T>(scalar) - Native{}) {}

  RETROGRADE_INLINE friend Vec operator+(Vec a, Vec b) { return a.v + b.v; }
  RETROGRADE_INLINE friend Vec operator-(Vec a, Vec b) { return a.v - b.v; }
  RETROGRADE_INLINE friend Vec operator*(Vec a, Vec b) { return a.v * b.v; }
  RETROGRADE_INLINE friend Vec operator/(Vec a, Vec b) { return a.v / b.v; }
  RETROGRADE_INLINE friend Vec operator-(Vec a) { return -a.v; }
  RETROGRADE_INLINE Vec& operator+=(Vec b) { return v += b.v, *this; }
};

// While one lives, numbers below the smallest normal one count as zero in this thread: saturated gates would
// make them, and they cost twenty times as much. Not for complex steps, which are that small.
template <class T>
class NoDenormals {
 public:
#ifdef __SSE2__
  NoDenormals() : mode_(_mm_getcsr()) {
    if constexpr (std::is_floating_point_v<T>) _mm_setcsr(mode_ | 0x8040);
  }
  ~NoDenormals() { _mm_setcsr((_mm_getcsr() & ~0x8040u) | (mode_ & 0x8040)); }

 private:
  unsigned mode_;
#else
  NoDenormals() {}
#endif
  NoDenormals(const NoDenormals&) = delete;
};

// V is a Vec, or a plain scalar (complex<double>), which is a vector of width one.
template <class V>
struct LanesOf {
  static constexpr int value = 1;
  using Scalar = V;
};
template <class T, int W>
struct LanesOf<Vec<T, W>> {
  static constexpr int value = W;
  using Scalar = T;
};
template <class V>
inline constexpr int kLanes = LanesOf<V>::value;
template <class V>
using ScalarOf = typename LanesOf<V>::Scalar;

template <class V>
RETROGRADE_INLINE V load(const ScalarOf<V>* p) {
  if constexpr (kLanes<V> == 1)
    return *p;
  else
    return V(*reinterpret_cast<const typename V::Loose*>(p));
}

template <class T, int W>
RETROGRADE_INLINE void store(T* p, Vec<T, W> x) {
  *reinterpret_cast<typename Vec<T, W>::Loose*>(p) = x.v;
}
RETROGRADE_INLINE void store(std::complex<double>* p, std::complex<double> x) { *p = x; }

// The first n lanes of x, zero in the others.
template <class V>
RETROGRADE_INLINE V first_lanes(V x, std::size_t n) {
  if constexpr (kLanes < V >> 1) {
    typename V::Bits lane;
    for (int i = 0; i < kLanes<V>; ++i) lane[i] = i;
    const typename V::Bits limit = static_cast<typename V::Integer>(n) - typename V::Bits{};
    x.v = lane < limit ? x.v : typename V::Native{};
  }
  return x;
}

// n numbers of memory, zero in the other lanes: reads nothing past them.
template <class V>
RETROGRADE_INLINE V load_first(const ScalarOf<V>* p, std::size_t n) {
  if (n >= static_cast<std::size_t>(kLanes<V>)) return load<V>(p);
  V x(ScalarOf<V>(0));
  if constexpr (kLanes < V >> 1)
    for (std::size_t i = 0; i < n; ++i) x.v[i] = p[i];
  return x;
}

// Rows to columns, W by W: at each stage off-diagonal squares of half the size change places.
template <int Half, class T, int W>
RETROGRADE_INLINE void transpose(Vec<T, W> (&m)[W]) {
  if constexpr (Half < W) {
    const auto swap = [&]<int... Lane>(std::integer_sequence<int, Lane...>) {
      for (int i = 0; i < W; ++i) {
        if (i & Half) continue;
        const auto a = m[i].v, b = m[i + Half].v;
        m[i].v = __builtin_shufflevector(a, b, (Lane & Half ? W + Lane - Half : Lane)...);
        m[i + Half].v = __builtin_shufflevector(a, b, (Lane & Half ? W + Lane : Lane + Half)...);
      }
    };
    swap(std::make_integer_sequence<int, W>{});
    transpose<2 * Half>(m);
  }
}
template <int>
RETROGRADE_INLINE void transpose(std::complex<double> (&)[1]) {}

// x between two limits; NaN stays NaN.
template <class T, int W>
RETROGRADE_INLINE Vec<T, W> clamp(Vec<T, W> low, Vec<T, W> x, Vec<T, W> high) {
#ifdef __AVX512F__
  constexpr auto all = static_cast<__mmask16>(-1);
  if constexpr (sizeof(x) == 64 && sizeof(T) == 4)
    return _mm512_maskz_min_ps(all, high.v, _mm512_maskz_max_ps(all, low.v, x.v));
  if constexpr (sizeof(x) == 64 && sizeof(T) == 8)
    return _mm512_maskz_min_pd(__mmask8(all), high.v, _mm512_maskz_max_pd(__mmask8(all), low.v, x.v));
#endif
  const auto least = low.v > x.v ? low.v : x.v;
  return Vec<T, W>(high.v < least ? high.v : least);
}

// a where x > 0, else b: the real part decides for complex numbers. Not taken for NaN.
template <class T, int W>
RETROGRADE_INLINE Vec<T, W> if_positive(Vec<T, W> x, Vec<T, W> a, Vec<T, W> b) {
  return Vec<T, W>(x.v > typename Vec<T, W>::Native{} ? a.v : b.v);
}
RETROGRADE_INLINE std::complex<double> if_positive(std::complex<double> x, std::complex<double> a,
                                                   std::complex<double> b) {
  return x.real() > 0 ? a : b;
}

}  // namespace retrograde
