// The table of errors in kernels/activations.h, in the instruction set in use: a network of one unit without
// recurrence shows its activation.
#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "retrograde/sequence/forward.h"

namespace retrograde {
namespace {

using Exact = std::function<long double(long double)>;

// f at x, many at a time: a batch of sequences of one step.
template <class T>
std::vector<T> values(const char* name, const std::vector<T>& x) {
  Network<T> network(Config{.cell = Elman{Nonlinearity(name)}, .inputs = 1, .hidden = {1}, .bias = false});
  network.parameters()["weight_ih_l0"][0] = T(1);
  network.parameters()["weight_hh_l0"][0] = T(0);
  Tape<T> tape;
  forward(network, {.batch = x.size(), .steps = 1, .x = x, .tokens = {}, .lengths = {}}, tape);
  return tape.outputs();
}

template <class T>
long double ulp(long double exact) {
  const auto magnitude = std::max(static_cast<T>(std::abs(exact)), std::numeric_limits<T>::min());
  return std::nextafter(magnitude, std::numeric_limits<T>::infinity()) - magnitude;
}

// Both signs, from the tiniest to what saturates, evenly in the logarithm.
template <class T>
std::vector<T> arguments(T smallest, T largest) {
  std::vector<T> x{0};
  for (double m = static_cast<double>(smallest); m < static_cast<double>(largest); m *= 1.0003)
    for (const double sign : {-1.0, 1.0}) x.push_back(static_cast<T>(sign * m));
  return x;
}

template <class T>
double worst_ulps(const char* name, const Exact& exact, const std::vector<T>& x) {
  const auto y = values(name, x);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const long double truth = exact(x[i]);
    const auto gap = static_cast<double>(std::abs(y[i] - truth) / ulp<T>(truth));
    worst = gap <= worst ? worst : gap;
  }
  return worst;
}

template <class T>
class Activation : public ::testing::Test {};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Activation, Reals);

TYPED_TEST(Activation, TanhIsWithinSixUlpsRightDownToZero) {
  using T = TypeParam;
  EXPECT_LE(worst_ulps<T>(
                "tanh", [](long double x) { return std::tanh(x); }, arguments<T>(T(1e-30), T(60))),
            6);
}

TYPED_TEST(Activation, SigmoidIsWithinSixUlpsWhereItIsNormal) {
  using T = TypeParam;
  const T largest = sizeof(T) == 4 ? T(87) : T(708);
  EXPECT_LE(
      worst_ulps<T>(
          "sigmoid", [](long double x) { return 1 / (1 + std::exp(-x)); }, arguments<T>(T(1e-30), largest)),
      6);
}

TYPED_TEST(Activation, EluIsWithinFourUlps) {
  using T = TypeParam;
  EXPECT_LE(
      worst_ulps<T>(
          "elu", [](long double x) { return x > 0 ? x : std::expm1(x); }, arguments<T>(T(1e-30), T(60))),
      4);
}

TYPED_TEST(Activation, SaturatesNeverGoesBeyondOneAndPassesNanOn) {
  using T = TypeParam;
  const T infinity = std::numeric_limits<T>::infinity();
  for (const char* name : {"tanh", "sigmoid"}) {
    for (const T y : values<T>(name, arguments<T>(T(0.1), T(60)))) EXPECT_LE(std::abs(y), T(1)) << name;
    const auto y = values<T>(name, {T(1e4), infinity, std::numeric_limits<T>::quiet_NaN()});
    EXPECT_GE(y[0], 1 - 3 * std::numeric_limits<T>::epsilon()) << name;  // six ulps below 1
    EXPECT_GE(y[1], 1 - 3 * std::numeric_limits<T>::epsilon()) << name;  // six ulps below 1
    EXPECT_TRUE(std::isnan(y[2])) << name;
  }
}

}  // namespace
}  // namespace retrograde
