#include "retrograde/data/elements.h"

#include <cstdint>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

template <class T>
bool fits(double v) {
  if constexpr (std::is_integral_v<T>) {
    return v >= static_cast<double>(std::numeric_limits<T>::min()) &&
           v < std::ldexp(1.0, std::numeric_limits<T>::digits) && v == std::trunc(v);
  } else {
    return !std::isfinite(v) || std::abs(v) <= static_cast<double>(std::numeric_limits<T>::max());
  }
}

template <class T>
void append_as(const Array& array, std::string& out) {
  for (std::size_t i = 0; i < array.size(); ++i) {
    const double v = array.values[i];
    if (!fits<T>(v)) {
      throw UsageError("element {} is {}, which is no {}", describe_shape(indices_of(i, array.shape)), v,
                       name(array.dtype));
    }
    auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(static_cast<T>(v));
    if constexpr (std::endian::native == std::endian::big) std::ranges::reverse(bytes);
    out.append(bytes.data(), bytes.size());
  }
}

}  // namespace

std::size_t bytes_of(Dtype dtype) { return dtype == Dtype::float32 || dtype == Dtype::int32 ? 4 : 8; }

std::vector<std::size_t> indices_of(std::size_t flat, const std::vector<std::size_t>& shape) {
  std::vector<std::size_t> result(shape.size());
  for (std::size_t d = shape.size(); d-- > 0; flat /= shape[d]) result[d] = flat % shape[d];
  return result;
}

void append_elements(const Array& array, std::string& out) {
  std::size_t size = 1;
  for (const auto n : array.shape) size *= n;
  if (size != array.size()) {
    throw UsageError("an array of shape {} has {} values, not {}", describe_shape(array.shape), size,
                     array.size());
  }
  out.reserve(out.size() + size * bytes_of(array.dtype));
  switch (array.dtype) {
    case Dtype::float32:
      return append_as<float>(array, out);
    case Dtype::float64:
      return append_as<double>(array, out);
    case Dtype::int32:
      return append_as<std::int32_t>(array, out);
    case Dtype::int64:
      return append_as<std::int64_t>(array, out);
  }
}

}  // namespace retrograde
