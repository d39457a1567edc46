#include "retrograde/optim/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "optim/golden.h"
#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using testing::DoubleNear;
using testing::HasSubstr;
using testing::Pointwise;
using testing::ThrowsMessage;

// The gradient that tools/golden_optim.py descends.
template <class T>
std::vector<T> gradient(const std::vector<T>& theta) {
  std::vector<T> g(theta.size());
  for (std::size_t i = 0; i < g.size(); ++i)
    g[i] = T(golden::kScale[i]) * (theta[i] - T(golden::kCentre[i])) + 3 * std::cos(3 * theta[i]);
  return g;
}

template <class T>
void run(Optimizer<T>& optimizer, std::vector<T>& theta, int updates, double factor = 1) {
  for (int i = 0; i < updates; ++i) optimizer.step(theta, gradient(theta), factor);
}

class EveryMethod : public testing::TestWithParam<golden::Trajectory> {};

TEST_P(EveryMethod, EqualsPyTorchAfterTenUpdates) {
  std::vector<double> theta = golden::kStart;
  Optimizer<double> optimizer(GetParam().method, theta.size());
  run(optimizer, theta, 10);
  EXPECT_THAT(theta, Pointwise(DoubleNear(1e-12), GetParam().after_ten));
}

TEST_P(EveryMethod, InFloatStaysWithinRoundingOfDouble) {
  std::vector<float> theta(golden::kStart.begin(), golden::kStart.end());
  Optimizer<float> optimizer(GetParam().method, theta.size());
  run(optimizer, theta, 10);
  EXPECT_THAT(theta, Pointwise(testing::FloatNear(2e-5f), GetParam().after_ten));
}

TEST_P(EveryMethod, RestoredInTheMiddleGoesOnBitForBit) {
  std::vector<double> theta = golden::kStart;
  Optimizer<double> first(GetParam().method, theta.size());
  run(first, theta, 4);
  std::vector<double> resumed = theta;
  Optimizer<double> second(GetParam().method, theta.size());
  second.restore(first.state());
  run(first, theta, 7);
  run(second, resumed, 7);
  EXPECT_EQ(resumed, theta);
}

TEST_P(EveryMethod, AFactorIsTheSameAsAnotherRate) {
  std::vector<double> by_factor = golden::kStart, by_rate = golden::kStart;
  Method scaled = GetParam().method;
  set_rate(scaled, rate(scaled) * 0.25);
  Optimizer<double> one(GetParam().method, by_factor.size()), other(scaled, by_rate.size());
  run(one, by_factor, 5, 0.25);
  run(other, by_rate, 5);
  EXPECT_THAT(by_factor, Pointwise(DoubleNear(1e-14), by_rate));
}

TEST_P(EveryMethod, RefusesAStateOfAnotherSize) {
  Optimizer<double> other(GetParam().method, 3), optimizer(GetParam().method, 5);
  if (other.state().moments.empty())
    EXPECT_NO_THROW(optimizer.restore(other.state())) << "plain gradient descent remembers nothing";
  else
    EXPECT_THROW(optimizer.restore(other.state()), UsageError);
}

INSTANTIATE_TEST_SUITE_P(Optimizer, EveryMethod, testing::ValuesIn(golden::kTrajectories),
                         [](const auto& test) {
                           return std::string(name(test.param.method)) + std::to_string(test.index);
                         });

TEST(Optimizer, RefusesTheStateOfAnotherMethod) {
  Optimizer<double> adam(Adam{}, 5), rms(RmsProp{}, 5);
  EXPECT_THAT([&] { adam.restore(rms.state()); },
              ThrowsMessage<UsageError>(HasSubstr("not that of adam with 5 parameters")));
}

TEST(Optimizer, NamesTheOptionThatIsOutOfRange) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT([] { Optimizer<float>(Adam{.rate = -1}, 2); },
              ThrowsMessage<UsageError>(HasSubstr("rate is -1; it must be")));
  EXPECT_THAT([nan] { Optimizer<float>(Sgd{.rate = nan}, 2); },
              ThrowsMessage<UsageError>(HasSubstr("rate is nan")));
  EXPECT_THAT([] { Optimizer<float>(AdamW{.beta2 = 1}, 2); },
              ThrowsMessage<UsageError>(HasSubstr("beta2 is 1")));
  EXPECT_THAT([] { Optimizer<float>(RmsProp{.alpha = 1.5}, 2); },
              ThrowsMessage<UsageError>(HasSubstr("alpha is 1.5")));
  EXPECT_THAT([] { Optimizer<float>(Sgd{.nesterov = true}, 2); },
              ThrowsMessage<UsageError>(HasSubstr("nesterov needs a momentum above 0")));
}

TEST(Optimizer, RefusesVectorsOfAnotherSize) {
  Optimizer<double> optimizer(Sgd{}, 3);
  std::vector<double> four(4), three(3);
  EXPECT_THROW(optimizer.step(four, three), UsageError);
  EXPECT_THROW(optimizer.step(three, four), UsageError);
}

TEST(Optimizer, IsFoundByItsName) {
  for (const char* wanted : {"sgd", "rmsprop", "adam", "adamw"})
    EXPECT_EQ(name(method_named(wanted)), wanted);
  EXPECT_THAT([] { method_named("adan"); }, ThrowsMessage<UsageError>(HasSubstr("no optimiser \"adan\"")));
}

}  // namespace
}  // namespace retrograde
