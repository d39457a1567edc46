#include "retrograde/optim/clip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "optim/golden.h"
#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

std::vector<double> start_gradient() {
  std::vector<double> g(golden::kStart.size());
  for (std::size_t i = 0; i < g.size(); ++i)
    g[i] = golden::kScale[i] * (golden::kStart[i] - golden::kCentre[i]) + 3 * std::cos(3 * golden::kStart[i]);
  return g;
}

TEST(Clip, ByNormEqualsPyTorchAndReturnsTheNormBefore) {
  std::vector<double> g = start_gradient();
  EXPECT_NEAR(clip_norm<double>(g, 1.5), golden::kNorm, 1e-14);
  EXPECT_THAT(g, Pointwise(DoubleNear(1e-15), golden::kClippedByNorm));
}

TEST(Clip, ByValueEqualsPyTorch) {
  std::vector<double> g = start_gradient();
  clip_value<double>(g, 1.5);
  EXPECT_THAT(g, Pointwise(DoubleNear(1e-15), golden::kClippedByValue));
}

TEST(Clip, LeavesAShortGradientAlone) {
  std::vector<double> g = start_gradient();
  EXPECT_NEAR(clip_norm<double>(g, 6.5), golden::kNorm, 1e-14);
  EXPECT_EQ(g, start_gradient());
}

TEST(Clip, TheNormIsRightForEveryLengthAroundTheUnrolledLoop) {
  for (std::size_t n = 0; n < 20; ++n) {
    std::vector<float> g(n);
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
      g[i] = static_cast<float>(i + 1);
      squares += static_cast<double>((i + 1) * (i + 1));
    }
    EXPECT_DOUBLE_EQ(norm<float>(g), std::sqrt(squares)) << n;
  }
}

TEST(Clip, ANonFiniteGradientIsReportedAndNotSpread) {
  std::vector<float> g{3, std::numeric_limits<float>::infinity(), 4};
  const auto before = g;
  EXPECT_FALSE(std::isfinite(clip_norm<float>(g, 1)));
  EXPECT_EQ(g, before);
  std::vector<float> one_nan{std::numeric_limits<float>::quiet_NaN(), 7};
  clip_value<float>(one_nan, 2);
  EXPECT_TRUE(std::isnan(one_nan[0]));
  EXPECT_EQ(one_nan[1], 2);
}

TEST(Clip, RefusesALimitThatIsNotPositive) {
  std::vector<float> g{1, 2};
  EXPECT_THROW(clip_norm<float>(g, 0), UsageError);
  EXPECT_THROW(clip_value<float>(g, std::numeric_limits<double>::quiet_NaN()), UsageError);
}

}  // namespace
}  // namespace retrograde
