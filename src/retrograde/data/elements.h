// An array's elements as bytes: the part that .npy and .safetensors have in common.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "retrograde/tensor/array.h"

namespace retrograde {

// One T from sizeof(T) bytes, in this machine's byte order or the other one.
template <class T>
T load_element(const std::byte* from, bool swapped) {
  std::array<std::byte, sizeof(T)> bytes;
  std::memcpy(bytes.data(), from, sizeof(T));
  if (swapped) std::ranges::reverse(bytes);
  return std::bit_cast<T>(bytes);
}

// Whether a double holds this number exactly.
template <class T>
bool is_exact(T value) {
  if constexpr (std::is_floating_point_v<T> || sizeof(T) < 8) {
    return true;
  } else {
    const auto d = static_cast<double>(value);
    return d < std::ldexp(1.0, std::numeric_limits<T>::digits) && static_cast<T>(d) == value;
  }
}

// Of one element.
std::size_t bytes_of(Dtype dtype);

// The indices of row-major element `flat`.
std::vector<std::size_t> indices_of(std::size_t flat, const std::vector<std::size_t>& shape);

// Little-endian, of the array's dtype. UsageError when shape and values disagree or a value does not fit the
// dtype: 0.5 in an int32, 1e300 in a float32.
void append_elements(const Array& array, std::string& out);

}  // namespace retrograde
