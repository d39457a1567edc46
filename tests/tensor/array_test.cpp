#include "retrograde/tensor/array.h"

#include <gmock/gmock.h>

namespace retrograde {
namespace {

TEST(Array, ShapeIsDescribedInWords) {
  EXPECT_EQ(describe_shape({16, 3, 40}), "[16, 3, 40]");
  EXPECT_EQ(describe_shape({}), "[]");
}

}  // namespace
}  // namespace retrograde
