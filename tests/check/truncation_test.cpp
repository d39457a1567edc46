#include "retrograde/check/truncation.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "check/problem.h"
#include "retrograde/check/surrogate.h"

namespace retrograde {
namespace {

using testing::Problem;
using testing::two_layer_problems;

// Every derivative of f by complex step.
std::vector<double> gradient_of(const ComplexFunction& f, const std::vector<double>& theta) {
  Random random(1);
  std::vector<double> g(theta.size());
  const std::vector<double> one{1};
  for (std::size_t i = 0; i < g.size(); ++i) g[i] = complex_step(f, theta, {i, one}, random, 2).value;
  return g;
}

TEST(Bias, IsThatOfTheSurrogatesExactGradients) {
  for (const auto& problem : two_layer_problems()) {
    const auto report = truncation_bias(problem.network, problem.view(), {window(1), chunk(2)});
    const auto theta = point_of(problem.network, problem.view());
    const auto full_gradient = gradient_of(loss_function(problem.network, problem.view()), theta);
    for (const auto& at : report.at) {
      const auto truncated = gradient_of(surrogate_function(problem.network, problem.view(at.bptt)), theta);
      std::size_t block = 0;
      for (const ParamBlock& p : problem.network.parameters().blocks()) {
        double gap = 0, size = 0, dot = 0, own = 0, signs = 0;
        for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
          gap += std::pow(truncated[i] - full_gradient[i], 2);
          size += std::pow(full_gradient[i], 2);
          own += std::pow(truncated[i], 2);
          dot += truncated[i] * full_gradient[i];
          signs += truncated[i] * full_gradient[i] > 0 || (truncated[i] == 0 && full_gradient[i] == 0);
        }
        const auto& bias = at.blocks[block++];
        EXPECT_NEAR(bias.relative_norm, std::sqrt(gap / size), 1e-11) << p.name;
        EXPECT_NEAR(bias.cosine, dot / std::sqrt(own * size), 1e-11) << p.name;
        EXPECT_NEAR(bias.sign_agreement, signs / static_cast<double>(p.size), 1e-11) << p.name;
      }
    }
  }
}

TEST(Bias, EndsWithTheSequenceAndNeverTouchesTheHead) {
  for (const auto& problem : two_layer_problems()) {
    const auto report = truncation_bias(problem.network, problem.view(), windows_up_to(problem.steps()));
    EXPECT_LE(report.at.back().whole.relative_norm, 1e-13);
    EXPECT_GT(report.at.front().whole.relative_norm, 1e-3);
    EXPECT_EQ(report.blocks.back(), "head.bias");
    for (const auto& at : report.at) EXPECT_EQ(at.blocks.back().relative_norm, 0);
    EXPECT_NEAR(report.at.front().added.back(), 1, 1e-12);  // all of the head's gradient is there at reach 0
  }
}

TEST(Bias, TheSmallestReachIsWithinTheBoundAndTheOneBeforeIsNot) {
  const auto all = two_layer_problems();
  const auto& problem = all[0];
  std::vector<Bptt> every;
  for (std::size_t reach = 0; reach < problem.steps(); ++reach) every.push_back(window(reach));
  const auto report = truncation_bias(problem.network, problem.view(), every);
  for (const double bound : {0.3, 0.1, 0.01}) {
    const auto reach = smallest_reach(problem.network, problem.view(), bound);
    EXPECT_LE(report.at[reach].whole.relative_norm, bound);
    if (reach > 0) {
      EXPECT_GT(report.at[reach - 1].whole.relative_norm, bound);
    }
  }
  EXPECT_EQ(smallest_reach(problem.network, problem.view(), 1e-6), problem.steps() - 1);
}

TEST(Bias, TheReportNamesWhatItMeasured) {
  const auto all = two_layer_problems();
  const auto& problem = all[0];
  const auto report = truncation_bias(problem.network, problem.view(), {window(1), chunk(2)});
  EXPECT_THAT(report.text(), ::testing::HasSubstr("window:1"));
  EXPECT_THAT(report.text(), ::testing::HasSubstr("weight_hh_l0"));
  const auto json = report.json();
  EXPECT_EQ(json[1]["truncation"], "chunk:2");
  EXPECT_EQ(json[1]["blocks"].size(), report.blocks.size());
}

TEST(Windows, GrowFromTheOwnStepToTheWholeSequence) {
  for (const std::size_t steps : std::vector<std::size_t>{1, 2, 3, 5, 97, 1000}) {
    const auto windows = windows_up_to(steps);
    EXPECT_EQ(windows.front(), window(0));
    EXPECT_EQ(windows.back(), window(steps - 1));
    for (std::size_t i = 1; i < windows.size(); ++i) EXPECT_GT(windows[i].length, windows[i - 1].length);
    EXPECT_LE(windows.size(), 25u);
  }
}

}  // namespace
}  // namespace retrograde
