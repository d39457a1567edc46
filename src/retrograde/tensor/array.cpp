#include "retrograde/tensor/array.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace retrograde {

std::string_view name(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32:
      return "float32";
    case Dtype::float64:
      return "float64";
    case Dtype::int32:
      return "int32";
    case Dtype::int64:
      return "int64";
  }
  return "unknown";
}

std::string describe_shape(const std::vector<std::size_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace retrograde
