#include "retrograde/base/random.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace retrograde {
namespace {

TEST(Random, SameSeedGivesTheSameNumbers) {
  Random a(7), b(7), c(8);
  const auto first = a.bits();
  EXPECT_EQ(first, b.bits());
  EXPECT_NE(first, c.bits());
}

TEST(Random, ResumesFromItsState) {
  Random a(7);
  a.bits();
  Random b(a.state());
  EXPECT_EQ(a.bits(), b.bits());
}

TEST(Random, NamedSourcesDiffer) {
  EXPECT_NE(Random::named(1, "init").bits(), Random::named(1, "shuffle").bits());
}

TEST(Random, NormalHasMeanZeroAndVarianceOne) {
  Random random(3);
  double sum = 0, squares = 0;
  const int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / n, 0, 0.02);
  EXPECT_NEAR(squares / n, 1, 0.02);
}

TEST(Random, BelowIsUniform) {
  Random random(3);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[random.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
}

TEST(Random, ShuffleKeepsEveryItem) {
  std::vector<int> items(11);
  std::iota(items.begin(), items.end(), 0);
  Random(5).shuffle(std::span<int>(items));
  EXPECT_NE(items[0] * 100 + items[1] * 10 + items[2], 12);
  std::sort(items.begin(), items.end());
  for (int i = 0; i < 11; ++i) EXPECT_EQ(items[static_cast<std::size_t>(i)], i);
}

}  // namespace
}  // namespace retrograde
