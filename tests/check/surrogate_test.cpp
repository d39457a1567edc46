#include "retrograde/check/surrogate.h"

#include <gmock/gmock.h>

#include "check/problem.h"

namespace retrograde {
namespace {

using testing::Problem;
using testing::two_layer_problems;

std::complex<double> at_point(const ComplexFunction& f, const std::vector<double>& theta) {
  const std::vector<std::complex<double>> point(theta.begin(), theta.end());
  return f(point);
}

TEST(Surrogate, HasTheValueOfTheLossWhateverIsFrozen) {
  for (const auto& problem : two_layer_problems()) {
    const auto theta = point_of(problem.network, problem.view());
    const double loss = at_point(loss_function(problem.network, problem.view()), theta).real();
    for (const auto& bptt : {full(), chunk(1), chunk(2), window(0), window(2), window(9)}) {
      EXPECT_NEAR(at_point(surrogate_function(problem.network, problem.view(bptt)), theta).real(), loss,
                  1e-14 * loss)
          << to_string(bptt);
    }
  }
}

TEST(Surrogate, OfTheWholeSequenceIsASecondWitnessOfTheFullGradient) {
  for (const auto& problem : two_layer_problems()) {
    const auto claimed = own_gradient(problem.network, problem.view());
    const auto report = check_gradient(Objective{{}, surrogate_function(problem.network, problem.view())},
                                       point_of(problem.network, problem.view()), claimed,
                                       {.blocks = blocks_of(problem.network, problem.view())});
    EXPECT_EQ(report.verdict, Verdict::agrees) << report.text();
  }
}

TEST(Surrogate, TellsATruncatedGradientFromTheFullOneAndFromItsNeighbours) {
  const auto all = two_layer_problems();
  for (const auto* one : {&all[1], &all[6]}) {  // an Elman net both ways, an LSTM
    const auto& problem = *one;
    const CheckOptions options{.blocks = blocks_of(problem.network, problem.view()), .mode = CheckMode::full};
    const auto theta = point_of(problem.network, problem.view());
    const auto verdict = [&](const Bptt& claimed, const Bptt& asked) {
      const auto gradient = own_gradient(problem.network, problem.view(claimed));
      const auto f = asked == full() ? loss_function(problem.network, problem.view())
                                     : surrogate_function(problem.network, problem.view(asked));
      return check_gradient(Objective{{}, f}, theta, gradient, options).verdict;
    };
    EXPECT_EQ(verdict(window(1), window(1)), Verdict::agrees);
    EXPECT_EQ(verdict(chunk(2), chunk(2)), Verdict::agrees);
    EXPECT_EQ(verdict(window(1), full()), Verdict::differs);
    EXPECT_EQ(verdict(window(1), window(2)), Verdict::differs);
    EXPECT_EQ(verdict(chunk(2), chunk(3)), Verdict::differs);
    EXPECT_EQ(verdict(chunk(2), window(1)), Verdict::differs);
    EXPECT_EQ(verdict(full(), chunk(3)), Verdict::differs);
  }
}

TEST(Untied, WhatTheStepsAddIsTheGradient) {
  for (const auto& problem : two_layer_problems())
    for (const auto& bptt : {full(), window(1), chunk(2)}) {
      const auto view = problem.view(bptt);
      const std::size_t size = problem.network.size(), steps = problem.steps();
      const auto claimed = own_gradient(problem.network, view);
      const auto point = point_of(problem.network, view);
      std::vector<double> theta;
      for (std::size_t t = 0; t < steps; ++t)
        theta.insert(theta.end(), point.begin(), point.begin() + static_cast<std::ptrdiff_t>(size));
      theta.insert(theta.end(), point.begin() + static_cast<std::ptrdiff_t>(size), point.end());
      // Along a random direction that is the same for every copy.
      Random random(3);
      std::vector<double> v(size * steps);
      double expected = 0, scale = 0;
      for (std::size_t i = 0; i < size; ++i) {
        const double vi = random.normal();
        for (std::size_t t = 0; t < steps; ++t) v[t * size + i] = vi;
        expected += vi * claimed[i];
        scale += std::abs(vi * claimed[i]);
      }
      const auto d = complex_step(untied_function(problem.network, view), theta, {0, v}, random);
      EXPECT_LE(std::abs(d.value - expected), 1e-14 * scale) << to_string(bptt);
    }
}

}  // namespace
}  // namespace retrograde
