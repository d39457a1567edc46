// Truncation bias on the task that shows it best: influence balancing (Tallec & Ollivier 2017,
// arXiv:1702.05043).
//   s <- A s + θ v,   A = ½ I + ½ upper shift,   23 units, v = +1 for the first 10, −1 for the other 13
//   loss ½ (s₀ − 1)² at the end of every chunk, one update of θ a chunk
// In the long run s₀ = 2 θ Σ v = −6 θ, so θ = −1/6 is right; in the short run a larger θ raises s₀, so a
// gradient that looks back too few steps pushes θ the wrong way.
#include <gtest/gtest.h>

#include <cmath>

#include "retrograde/sequence/backward.h"

namespace retrograde {
namespace {

constexpr std::size_t kUnits = 23;
constexpr double kRate = 1e-4;

double sign_of(std::size_t unit) { return unit < 10 ? 1 : -1; }

// An identity cell without head whose input is always 1.
Network<double> balance(double theta) {
  Network<double> net(Config{.cell = Elman{Nonlinearity(Nonlinearity::Kind::identity)},
                             .inputs = 1,
                             .hidden = {kUnits},
                             .bias = false});
  const auto a = net.parameters()["weight_hh_l0"], v = net.parameters()["weight_ih_l0"];
  std::ranges::fill(a, 0.0);
  for (std::size_t i = 0; i < kUnits; ++i) {
    a[i * kUnits + i] = 0.5;
    if (i + 1 < kUnits) a[i * kUnits + i + 1] = 0.5;
    v[i] = theta * sign_of(i);
  }
  return net;
}

// θ after so many updates of chunks of so many steps, or where it left [-100, 100].
double trained(std::size_t steps, std::size_t updates) {
  double theta = 0;
  Network<double> net = balance(theta);
  const std::vector<double> ones(steps, 1.0);
  Tape<double> tape;
  Gradients<double> gradients(net);
  std::vector<double> by_outputs(steps * kUnits);
  State<double> state;
  for (std::size_t update = 0; update < updates && std::abs(theta) < 100; ++update) {
    forward(net, {.batch = 1, .steps = steps, .x = ones}, tape, {.start = update > 0 ? &state : nullptr});
    state = tape.final_state();
    by_outputs[(steps - 1) * kUnits] = state.h[0][0] - 1;
    gradients.clear();
    backward(net, tape, {by_outputs, {}, nullptr}, full(), gradients);
    const auto dv = gradients.parameters["weight_ih_l0"];
    double by_theta = 0;
    for (std::size_t i = 0; i < kUnits; ++i) by_theta += dv[i] * sign_of(i);
    theta -= kRate * by_theta;
    for (std::size_t i = 0; i < kUnits; ++i) net.parameters()["weight_ih_l0"][i] = theta * sign_of(i);
  }
  return theta;
}

TEST(InfluenceBalancing, ShortChunksDiverge) {
  for (const std::size_t steps : {1u, 3u, 10u, 30u}) EXPECT_GE(std::abs(trained(steps, 40000)), 100) << steps;
}

TEST(InfluenceBalancing, ChunksOfAHundredStepsAndMoreFindTheValue) {
  for (const std::size_t steps : {100u, 200u}) EXPECT_NEAR(trained(steps, 8000), -1.0 / 6, 1e-6) << steps;
}

}  // namespace
}  // namespace retrograde
