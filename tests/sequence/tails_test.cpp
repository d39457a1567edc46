// Every tail of every block of the loop nests, in the instruction set in use: the gradient along a drawn
// direction against one complex step along it. Past a sequence's end everything is NaN, and must not be read.
#include <gmock/gmock.h>

#include "sequence/case.h"

namespace retrograde {
namespace {

using testing::Complex;
using testing::normal;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Shape {
  std::size_t batch, inputs, units;
};

// The relative gap between the two derivatives, by parameters and input together.
template <class T>
double gap(const Cell& cell, Shape shape, const Bptt& bptt) {
  const std::size_t steps = 6, outputs = 3;
  const Network<double> network(
      Config{.cell = cell, .inputs = shape.inputs, .hidden = {shape.units}, .outputs = outputs});
  Random random(shape.batch * 100 + shape.units);
  std::vector<double> x = normal(random, shape.batch * steps * shape.inputs),
                      dy = normal(random, shape.batch * steps * outputs),
                      d_theta = normal(random, network.size()), dx = normal(random, x.size());
  std::vector<std::size_t> lengths;
  for (std::size_t b = 0; b < shape.batch; ++b) lengths.push_back(1 + (b * 5 + 2) % steps);
  for (std::size_t b = 0; b < shape.batch; ++b) {
    const auto past = [&](std::vector<double>& v, std::size_t width) {
      std::fill_n(v.begin() + static_cast<std::ptrdiff_t>((b * steps + lengths[b]) * width),
                  (steps - lengths[b]) * width, kNan);
    };
    past(x, shape.inputs), past(dy, outputs);
  }

  const auto net = network.cast<T>();
  const auto x_t = testing::cast<T>(x), dy_t = testing::cast<T>(dy);
  Tape<T> tape;
  forward(net, {shape.batch, steps, x_t, {}, lengths}, tape);
  Gradients<T> gradients(net);
  gradients.want_dx = true;
  backward(net, tape, {dy_t, {}, nullptr}, bptt, gradients);
  double claimed = 0, size = 0;
  const auto add = [&](double a, double b) { claimed += a * b, size += std::abs(a * b); };
  for (std::size_t i = 0; i < d_theta.size(); ++i)
    add(static_cast<double>(gradients.parameters.flat()[i]), d_theta[i]);
  for (std::size_t i = 0; i < dx.size(); ++i) add(static_cast<double>(gradients.dx[i]), dx[i]);

  auto moved = network.cast<Complex>();
  auto moved_x = testing::cast<Complex>(x);
  for (std::size_t i = 0; i < d_theta.size(); ++i)
    moved.parameters().flat()[i] += Complex(0, 1e-50 * d_theta[i]);
  for (std::size_t i = 0; i < dx.size(); ++i) moved_x[i] += Complex(0, 1e-50 * dx[i]);
  Tape<Complex> moved_tape;
  forward(moved, {shape.batch, steps, moved_x, {}, lengths}, moved_tape);
  const auto y = moved_tape.outputs();
  double truth = 0;
  for (std::size_t i = 0; i < y.size(); ++i)
    if (!std::isnan(dy[i])) truth += y[i].imag() / 1e-50 * dy[i];
  return std::abs(claimed - truth) / size;
}

template <class T>
class Tails : public ::testing::Test {};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Tails, Reals);

TYPED_TEST(Tails, OfEveryBlockHaveTheGradientOfTheComplexStep) {
  using T = TypeParam;
  const double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-13;  // of the sum of the terms' magnitudes
  for (const Cell& cell : std::vector<Cell>{Elman{}, Gru{}, Gru{.reset_after = false}, Lstm{}})
    for (const std::size_t units : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 15u, 16u, 17u, 31u, 32u, 33u, 49u, 65u})
      for (const std::size_t batch : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 11u, 13u, 17u}) {
        const Shape shape{batch, 1 + (units * 3 + batch) % 19, units};
        const double full_gap = gap<T>(cell, shape, full());
        EXPECT_TRUE(full_gap <= tolerance)
            << cell.name() << " of " << units << ", batch " << batch << ": " << full_gap;
        const double window_gap = gap<T>(cell, shape, window(5));
        EXPECT_TRUE(window_gap <= tolerance)
            << cell.name() << " of " << units << ", batch " << batch << ", window: " << window_gap;
      }
}

}  // namespace
}  // namespace retrograde
