#include "retrograde/check/time.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "check/problem.h"
#include "retrograde/check/surrogate.h"

namespace retrograde {
namespace {

using ::testing::HasSubstr;
using testing::Problem;

// One output at the end, so that every step before it is reached by going back.
struct Strip {
  Problem problem{{.cell = Elman{}, .inputs = 3, .hidden = {5}, .outputs = 2, .at = At::last}};
  std::vector<double> theta;
  std::size_t copies = 0, steps = 0;

  Strip() {
    problem.draw(5, {.batch = 2, .steps = 5, .unequal = false});
    steps = problem.steps();
    copies = problem.network.size() * steps;
    const auto point = point_of(problem.network, problem.view());
    const auto parameters = problem.network.parameters().flat();
    for (std::size_t t = 0; t < steps; ++t) theta.insert(theta.end(), parameters.begin(), parameters.end());
    theta.insert(theta.end(), point.begin() + static_cast<std::ptrdiff_t>(parameters.size()), point.end());
  }
  // What each step adds, by complex step.
  std::vector<double> added(const Bptt& bptt) const {
    const auto f = untied_function(problem.network, problem.view(bptt));
    const std::vector<double> one{1};
    std::vector<double> g;
    Random random(1);
    for (std::size_t i = 0; i < copies; ++i) g.push_back(complex_step(f, theta, {i, one}, random, 2).value);
    return g;
  }
  TimeStrip judge(const std::vector<double>& claimed) const {
    return time_strip(Objective{{}, untied_function(problem.network, problem.view())}, theta, claimed, steps,
                      {.blocks = parameter_blocks(problem.network.config())});
  }
};

TEST(TimeStrip, IsRightWhereTheStepsAreRight) {
  const Strip s;
  const auto strip = s.judge(s.added(full()));
  EXPECT_EQ(strip.verdict(), Verdict::agrees) << strip.text();
  EXPECT_EQ(strip.where(), "right at every step that can be told");
  EXPECT_EQ(strip.steps.size(), 5u);
  EXPECT_EQ(strip.blocks.front(), "weight_ih_l0");
}

TEST(TimeStrip, NamesTheStepBackAtWhichACarryEnds) {
  const Strip s;
  const auto strip = s.judge(s.added(window(1)));  // what a carry that is dropped after one step gives
  EXPECT_EQ(strip.where(), "right for t >= 3, wrong for t <= 2: the fault is in the step back from 3");
  EXPECT_THAT(strip.text(), HasSubstr("weight_hh_l0        X   X   X   .   ."));
  EXPECT_EQ(strip.json()["steps"][2]["weight_hh_l0"], "differs");
  EXPECT_EQ(strip.json()["steps"][3]["weight_hh_l0"], "agrees");
}

TEST(TimeStrip, TellsTheFirstStepTheLastStepAndASingleOne) {
  const Strip s;
  const std::size_t size = s.problem.network.size();
  const auto wrong_at = [&](std::vector<std::size_t> steps) {
    auto claimed = s.added(full());
    for (const std::size_t t : steps)
      for (std::size_t i = t * size; i < (t + 1) * size; ++i) claimed[i] *= 0.5;
    return s.judge(claimed).where();
  };
  EXPECT_EQ(wrong_at({0}), "right for t >= 1, wrong for t <= 0: the fault is in the step back from 1");
  EXPECT_EQ(wrong_at({4}), "right for t <= 3, wrong for t >= 4: the last step");
  EXPECT_EQ(wrong_at({1, 3}), "wrong at t = 1, 3");
  EXPECT_THAT(wrong_at({0, 1, 2, 3, 4}), HasSubstr("wrong at every step"));
}

TEST(TimeStrip, NamesSizesThatDoNotFit) {
  const Strip s;
  EXPECT_THROW(s.judge(std::vector<double>(s.copies + 1)), UsageError);
}

}  // namespace
}  // namespace retrograde
