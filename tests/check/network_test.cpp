#include "retrograde/check/network.h"

#include <gmock/gmock.h>

#include "check/problem.h"

namespace retrograde {
namespace {

using testing::describe;
using ::testing::HasSubstr;
using testing::Problem;
using testing::random_problem;

// 1,000 of each were run once: none differs; 2 of float64 and 5 of float32 cannot be told (saturated).
constexpr int kConfigurations = 60;

double worst(const CheckReport& report) {
  double gap = 0;
  for (const auto& block : report.blocks)
    if (block.scale > 0 && block.verdict == Verdict::agrees) gap = std::max(gap, block.relative_gap());
  return gap;
}

TEST(CheckNetwork, OurGradientsHoldForRandomConfigurations) {
  int told = 0;
  for (int seed = 1; seed <= kConfigurations; ++seed) {
    const Problem problem = random_problem(static_cast<std::uint64_t>(seed));
    const auto report = check_network(problem.network, problem.view(), {.mode = CheckMode::full});
    EXPECT_NE(report.verdict, Verdict::differs) << seed << " " << describe(problem) << "\n" << report.text();
    EXPECT_LE(worst(report), tolerance::kOwnGradient) << seed << " " << describe(problem) << "\n"
                                                      << report.text();
    told += report.verdict == Verdict::agrees;
  }
  EXPECT_GE(told, kConfigurations - 1);
}

TEST(CheckNetwork, SinglePrecisionIsJudgedBySinglePrecision) {
  int told = 0;
  for (int seed = 1; seed <= kConfigurations; ++seed) {
    const Problem problem = random_problem(static_cast<std::uint64_t>(seed));
    const auto report =
        check_network(problem.network.cast<float>(), problem.view(), {.mode = CheckMode::full});
    EXPECT_EQ(report.claim, Precision::float32);
    EXPECT_NE(report.verdict, Verdict::differs) << seed << " " << describe(problem) << "\n" << report.text();
    told += report.verdict == Verdict::agrees;
  }
  EXPECT_GE(told, kConfigurations - 1);
}

// A network of odd sizes, for what follows.
Problem fixed(Cell cell, Loss loss = {}) {
  Problem problem({.cell = std::move(cell), .inputs = 7, .hidden = {11}, .outputs = 2}, std::move(loss));
  problem.draw(3);
  return problem;
}

TEST(CheckNetwork, ABackwardOfZerosFailsInEveryBlock) {
  for (const Cell& cell : std::vector<Cell>{Elman{}, Gru{}, Lstm{}}) {
    const auto problem = fixed(cell);
    const auto theta = point_of(problem.network, problem.view());
    const auto report = check_gradient(Objective{{}, loss_function(problem.network, problem.view())}, theta,
                                       std::vector<double>(theta.size()),
                                       {.blocks = blocks_of(problem.network, problem.view())});
    for (const auto& block : report.blocks) EXPECT_EQ(block.verdict, Verdict::differs) << block.name;
  }
}

TEST(CheckNetwork, OneWrongEntryAnywhereIsSeenAndNamed) {
  const auto problem = fixed(Lstm{});
  const auto theta = point_of(problem.network, problem.view());
  const auto blocks = blocks_of(problem.network, problem.view());
  const auto right = own_gradient(problem.network, problem.view());
  for (std::size_t offset = 0; const auto& block : blocks) {
    auto claimed = right;
    const std::size_t wrong = block.size() / 2;
    claimed[offset + wrong] *= 1.001;
    const auto report = check_gradient(Objective{{}, loss_function(problem.network, problem.view())}, theta,
                                       claimed, {.blocks = blocks});
    EXPECT_EQ(report.verdict, Verdict::differs) << block.name;
    EXPECT_EQ(report.blocks[0].worst_at, block.entry(wrong));
    EXPECT_EQ(report.blocks[0].bad, 1u);
    offset += block.size();
  }
}

TEST(CheckNetwork, SampledAndDirectionalSeeAWrongGate) {
  const auto problem = fixed(Lstm{});
  const auto theta = point_of(problem.network, problem.view());
  const auto blocks = blocks_of(problem.network, problem.view());
  auto claimed = own_gradient(problem.network, problem.view());
  for (std::size_t i = 11 * 7; i < 2 * 11 * 7; ++i) claimed[i] = -claimed[i];  // weight_ih of the forget gate
  for (const auto mode : {CheckMode::sampled, CheckMode::directional}) {
    const auto report = check_gradient(Objective{{}, loss_function(problem.network, problem.view())}, theta,
                                       claimed, {.blocks = blocks, .mode = mode, .entries = 3});
    EXPECT_EQ(report.verdict, Verdict::differs) << name(mode);
    EXPECT_EQ(report.blocks[0].name, "weight_ih_l0");
    if (mode == CheckMode::sampled) {
      EXPECT_THAT(report.blocks[0].worst_at, HasSubstr("gate forget"));
    }
  }
}

// <J v, w> = <v, J' w> for random v, with w inside the loss.
TEST(CheckNetwork, TheAdjointIdentityHoldsForEveryCell) {
  for (const Cell& cell : std::vector<Cell>{Elman{}, Elman{Nonlinearity::Kind::softsign}, Gru{},
                                            Gru{.reset_after = false}, Lstm{}})
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const auto problem = fixed(cell);
      const auto theta = point_of(problem.network, problem.view());
      const auto gradient = own_gradient(problem.network, problem.view());
      Random random(seed);
      std::vector<double> v(theta.size());
      double transposed = 0, size = 0;
      for (std::size_t i = 0; i < v.size(); ++i) {
        v[i] = random.normal();
        transposed += v[i] * gradient[i];
        size += std::abs(v[i] * gradient[i]);
      }
      const auto forward =
          complex_step(loss_function(problem.network, problem.view()), theta, {0, v}, random);
      EXPECT_LE(std::abs(forward.value - transposed), 1e-14 * size) << cell.name();
    }
}

TEST(CheckNetwork, AWrongDerivativeOfOnesOwnActivationOrLossIsFound) {
  const auto cube = [](double z) { return z * z * z / 3 + z; };
  for (const double factor : {1.0, 1.01}) {
    const Nonlinearity own("own", cube, [=](double z) { return factor * (z * z + 1); });
    auto problem = fixed(Elman{own});
    problem.network.parameters().fill(0.05);
    const auto report = check_network(problem.network, problem.view());
    EXPECT_EQ(report.verdict, factor == 1 ? Verdict::agrees : Verdict::differs) << report.text();
    const Loss loss(
        "quartic",
        [](std::span<const double> y, std::span<const double> t) { return std::pow(y[0] - t[0], 4); },
        [=](std::span<const double> y, std::span<const double> t, std::span<double> d) {
          d[0] = factor * 4 * std::pow(y[0] - t[0], 3);
          d[1] = 0;
        });
    const auto of_loss = fixed(Gru{}, loss);
    EXPECT_EQ(check_network(of_loss.network, of_loss.view()).verdict,
              factor == 1 ? Verdict::agrees : Verdict::differs);
  }
}

TEST(CheckNetwork, NamesGatesUnitsAndInputs) {
  const auto problem = fixed(Gru{});
  const auto blocks = blocks_of(problem.network, problem.view());
  EXPECT_EQ(blocks[0].entry(12 * 7 + 3), "weight_ih_l0[12, 3] (gate update, unit 1, input 3)");
  EXPECT_EQ(blocks[1].entry(22 * 11 + 4), "weight_hh_l0[22, 4] (gate candidate, unit 0, from 4)");
  EXPECT_EQ(blocks.back().entry(13), "start_h_l0[1, 2] (sequence 1, unit 2)");
  EXPECT_EQ(blocks[blocks.size() - 2].name, "x");
}

}  // namespace
}  // namespace retrograde
