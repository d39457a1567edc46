// An array as it comes from a file or a caller: any shape, row-major (the last index runs fastest), values as
// double, and the element type that it had, since that says how far its digits can be trusted.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace retrograde {

enum class Dtype { float32, float64, int32, int64 };

std::string_view name(Dtype dtype);

struct Array {
  std::vector<std::size_t> shape;
  std::vector<double> values;  // product of shape
  Dtype dtype = Dtype::float64;

  std::size_t size() const { return values.size(); }
};

// "[16, 3, 40]"
std::string describe_shape(const std::vector<std::size_t>& shape);

}  // namespace retrograde
