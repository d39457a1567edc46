// retrograde bench: figures for every cell, or for the one that is asked for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "system/program.h"

namespace retrograde::system_test {
namespace {

TEST(Bench, GivesFourFiguresForEveryCell) {
  const Outcome outcome = retrograde({"bench", "--json", "--seconds", "0.001", "--hidden", "5,3", "--inputs",
                                      "2", "--batch", "2", "--steps", "7", "--bptt", "window:3"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const auto rows = nlohmann::json::parse(outcome.out);
  ASSERT_EQ(rows.size(), 3u);
  for (const auto& row : rows) {
    for (const char* figure :
         {"predict_us", "stream_us", "gradient_us", "update_us", "learned_steps_per_second"})
      EXPECT_GT(row.at(figure).get<double>(), 0) << figure;
    EXPECT_EQ(row.at("inputs"), 2);
    EXPECT_GT(row.at("gradient_us"), row.at("predict_us"));
  }
}

TEST(Bench, TakesOneCellInDoublePrecision) {
  const Outcome outcome = retrograde({"bench", "--cell", "gru", "--precision", "double", "--seconds", "0.001",
                                      "--hidden", "3", "--steps", "2"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::HasSubstr("gru 3→3→1"));
  EXPECT_THAT(outcome.out, testing::Not(testing::HasSubstr("lstm")));
}

}  // namespace
}  // namespace retrograde::system_test
