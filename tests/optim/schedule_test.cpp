#include "retrograde/optim/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "optim/golden.h"
#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

class EverySchedule : public testing::TestWithParam<golden::Rates> {};

TEST_P(EverySchedule, EqualsPyTorchOverTenUpdates) {
  std::vector<double> rates;
  for (std::uint64_t update = 0; update < 10; ++update) rates.push_back(GetParam().schedule.factor(update));
  EXPECT_THAT(rates, Pointwise(DoubleNear(1e-14), GetParam().rates));
}

INSTANTIATE_TEST_SUITE_P(Schedule, EverySchedule, testing::ValuesIn(golden::kRates));

TEST(Schedule, IsConstantUnlessAskedOtherwise) {
  EXPECT_EQ(Schedule{}.factor(0), 1);
  EXPECT_EQ(Schedule{}.factor(1'000'000), 1);
}

TEST(Schedule, ACosineStaysAtItsFloor) {
  const Schedule schedule{.decay = Cosine{.over = 10, .floor = 0.1}};
  EXPECT_NEAR(schedule.factor(10), 0.1, 1e-15);
  EXPECT_NEAR(schedule.factor(15), 0.1, 1e-15);
}

TEST(Schedule, RefusesALengthOfZero) {
  EXPECT_THROW(Schedule{.decay = StepDecay{.every = 0}}.factor(1), UsageError);
  EXPECT_THROW(Schedule{.decay = Cosine{.over = 0}}.factor(1), UsageError);
}

TEST(Plateau, EqualsPyTorch) {
  Plateau plateau;
  std::vector<double> rates;
  for (double loss : golden::kPlateauLosses) {
    plateau.observe({.factor = 0.2, .patience = 2, .cooldown = 1}, loss);
    rates.push_back(plateau.scale);
  }
  EXPECT_THAT(rates, Pointwise(DoubleNear(1e-14), golden::kPlateauRates));
}

TEST(Plateau, NeverFallsBelowItsFloor) {
  Plateau plateau;
  for (int epoch = 0; epoch < 9; ++epoch) plateau.observe({.factor = 0.5, .patience = 0, .floor = 0.3}, 1.0);
  EXPECT_EQ(plateau.scale, 0.3);
}

TEST(Plateau, CountsALossThatIsNoNumberAsNoImprovement) {
  Plateau plateau;
  for (int epoch = 0; epoch < 2; ++epoch)
    plateau.observe({.patience = 1}, std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(plateau.scale, 0.1);
}

}  // namespace
}  // namespace retrograde
