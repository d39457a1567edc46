// Each cell's backward map against complex steps of its forward map, at random points, unit by unit.
#include <gmock/gmock.h>

#include <vector>

#include "retrograde/base/random.h"
#include "retrograde/cells/cell.h"

namespace retrograde {
namespace {

using Complex = std::complex<double>;
using V = Vec<double, 2>;

template <class Cell>
class Cells : public ::testing::Test {};
using All = ::testing::Types<Elman, GruResetAfter, GruResetBefore, Lstm>;
TYPED_TEST_SUITE(Cells, All);

template <std::size_t N>
std::vector<double> normal(Random& random, double (&values)[N]) {
  for (double& v : values) v = random.normal();
  return {values, values + N};
}

TYPED_TEST(Cells, TheBackwardMapIsTheTransposeOfTheForwardOne) {
  constexpr Slots s = TypeParam::kSlots;
  const TypeParam cell;
  Random random(3);
  for (int repeat = 0; repeat < 20; ++repeat) {
    double a[s.slots], state[s.states], d_next[s.states], dv[1];
    normal(random, a), normal(random, state), normal(random, d_next), normal(random, dv);

    // ⟨d_next, next⟩ + dv v, as a function of pre-activations and old state.
    const auto value = [&](const Complex* pre, const Complex* old) {
      Complex next[s.states], tape[s.tape], v[1];
      if constexpr (s.stages == 2) cell.inner_forward(pre, old, v[0], tape);
      cell.forward(pre, old, next, tape);
      Complex sum = s.stages == 2 ? dv[0] * v[0] : 0;
      for (std::size_t i = 0; i < s.states; ++i) sum += d_next[i] * next[i];
      return sum;
    };
    V pre[s.slots], old[s.states], next[s.states], tape[s.tape], v, d_after[s.states], da[s.slots],
        d_old[s.states];
    for (std::size_t i = 0; i < s.slots; ++i) pre[i] = V(a[i]), da[i] = V(0);
    for (std::size_t i = 0; i < s.states; ++i) old[i] = V(state[i]), d_after[i] = V(d_next[i]);
    if constexpr (s.stages == 2) cell.inner_forward(pre, old, v, tape);
    cell.forward(pre, old, next, tape);
    cell.backward(tape, old, next, d_after, da, d_old);
    if constexpr (s.stages == 2) cell.inner_backward(tape, old, V(dv[0]), da, d_old);

    Complex at_pre[s.slots], at_old[s.states];
    std::copy_n(a, s.slots, at_pre), std::copy_n(state, s.states, at_old);
    const auto slope = [&](Complex& x) {
      x += Complex(0, 1e-50);
      const double d = value(at_pre, at_old).imag() / 1e-50;
      x = x.real();
      return d;
    };
    for (std::size_t i = 0; i < s.slots; ++i)
      EXPECT_NEAR(da[i].v[1], slope(at_pre[i]), 1e-13) << "slot " << i;
    for (std::size_t i = 0; i < s.states; ++i)
      EXPECT_NEAR(d_old[i].v[1], slope(at_old[i]), 1e-13) << "state " << i;
  }
}

TYPED_TEST(Cells, SlotsAreRangesThatCoverEveryGate) {
  constexpr Slots s = TypeParam::kSlots;
  EXPECT_EQ(std::size(TypeParam::kGateNames), s.gates);
  std::vector<int> input(s.gates), recurrent(s.gates);
  for (std::size_t slot = 0; slot < s.slots; ++slot) {
    input[s.gate[slot]] += s.input.contains(slot);
    recurrent[s.gate[slot]] += s.stage_of(slot) < s.stages;
  }
  EXPECT_THAT(input, ::testing::Each(1));
  EXPECT_THAT(recurrent, ::testing::Each(1));
}

TEST(Nonlinearities, HaveTheDerivativesOfTheirValues) {
  Random random(4);
  for (const char* name :
       {"identity", "tanh", "relu", "leaky_relu", "elu", "sigmoid", "softsign", "softplus", "sin"}) {
    const Nonlinearity f(name);
    for (int repeat = 0; repeat < 200; ++repeat) {
      const double z = 3 * random.normal();
      const double slope = f.value(Complex(z, 1e-50)).imag() / 1e-50;
      EXPECT_NEAR(f.derivative(V(z)).v[0], slope, 1e-13) << name << " at " << z;
      EXPECT_NEAR(f.value(V(z)).v[0], f.value(Complex(z)).real(), 1e-13 * (1 + std::abs(z)))
          << name << " at " << z;
    }
  }
}

TEST(Nonlinearities, OfTheUsersOwnAreJudgedByTheirValueNotByTheDerivativeGiven) {
  const Nonlinearity wrong(
      "cube", [](double z) { return z * z * z; }, [](double z) { return z * z; });
  EXPECT_NEAR(wrong.value(Complex(0.7, 1e-50)).imag() / 1e-50, 3 * 0.49, 1e-9);
  EXPECT_NEAR(wrong.derivative(V(0.7)).v[0], 0.49, 1e-15);
}

}  // namespace
}  // namespace retrograde
