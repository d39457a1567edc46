#include "retrograde/data/synthetic.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "data/numbered.h"
#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using testing::read_piece;

TEST(AddingProblem, TheTargetIsTheSumOfTheMarkedNumbersOneOfEachHalf) {
  Random random(1);
  const auto data = adding_problem(300, 11, random);
  double error_of_one = 0;
  for (std::size_t s = 0; s < data->sequences(); ++s) {
    const auto sequence = read_piece(*data, s, 0, 11);
    double sum = 0, marks[2] = {0, 0};
    for (std::size_t t = 0; t < 11; ++t) {
      sum += sequence.x[2 * t] * sequence.x[2 * t + 1];
      marks[t >= 5] += sequence.x[2 * t + 1];
    }
    EXPECT_EQ(marks[0], 1);
    EXPECT_EQ(marks[1], 1);
    EXPECT_DOUBLE_EQ(sequence.values[0], sum);
    error_of_one += (sum - 1) * (sum - 1) / 300;
  }
  EXPECT_NEAR(error_of_one, 1.0 / 6, 0.03);
  EXPECT_THROW(adding_problem(1, 1, random), UsageError);
}

TEST(TemporalOrder, TheClassIsTheOrderOfThreeSymbolsFarApart) {
  Random random(2);
  std::set<std::int32_t> seen;
  const auto data = temporal_order(200, 50, random);
  for (std::size_t s = 0; s < data->sequences(); ++s) {
    const auto sequence = read_piece(*data, s, 0, 50);
    EXPECT_EQ(sequence.tokens.front(), 0);
    EXPECT_EQ(sequence.tokens.back(), 1);
    std::int32_t order = 0;
    std::vector<int> places;
    for (int t = 1; t < 49; ++t) {
      const auto token = sequence.tokens[static_cast<std::size_t>(t)];
      EXPECT_GE(token, 2);
      if (token < 6) continue;
      order = 2 * order + token - 6;
      places.push_back(t);
    }
    ASSERT_EQ(places.size(), 3u);
    EXPECT_TRUE(places[0] >= 5 && places[0] <= 10 && places[1] >= 16 && places[2] >= 33 && places[2] <= 38);
    EXPECT_EQ(sequence.classes[0], order);
    seen.insert(order);
  }
  EXPECT_EQ(seen.size(), 8u);
  for (std::size_t steps = 10; steps < 40; ++steps) EXPECT_NO_THROW(temporal_order(20, steps, random));
}

TEST(EmbeddedReber, WhatFollowsIsAlwaysAllowedAndTheEndRepeatsTheBeginning) {
  Random random(3);
  const auto data = embedded_reber(300, random);
  std::size_t shortest = 1000;
  for (std::size_t s = 0; s < data->sequences(); ++s) {
    const std::size_t steps = data->length(s);
    shortest = std::min(shortest, steps);
    const auto word = read_piece(*data, s, 0, steps);
    const auto allowed = [&](std::size_t t, std::int32_t symbol) {
      return word.values[t * kReberSymbols + static_cast<std::size_t>(symbol)];
    };
    EXPECT_EQ(word.tokens[0], 0);
    EXPECT_EQ(word.tokens[steps - 1], word.tokens[1]);
    EXPECT_EQ(allowed(steps - 1, 6), 1);  // E
    EXPECT_EQ(allowed(steps - 2, word.tokens[1]), 1);
    for (std::size_t t = 0; t < steps; ++t) {
      const auto row = std::span(word.values).subspan(t * kReberSymbols, kReberSymbols);
      const auto choices = std::ranges::count(row, 1.0);
      EXPECT_TRUE(choices == 1 || choices == 2);
      if (t + 1 < steps) {
        EXPECT_EQ(allowed(t, word.tokens[t + 1]), 1);
      }
    }
  }
  EXPECT_EQ(shortest, 8u);  // B T B T X S E T: nine symbols with the last E, which is a target only
}

TEST(Synthetic, TheSameSeedDrawsTheSame) {
  Random a(5), b(5);
  EXPECT_EQ(noisy_sine(100, 12.5, 0.1, a), noisy_sine(100, 12.5, 0.1, b));
  EXPECT_NEAR(noisy_sine(100, 8, 0, a)[2], 1, 1e-12);
}

}  // namespace
}  // namespace retrograde
