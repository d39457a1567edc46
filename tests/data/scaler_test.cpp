#include "retrograde/data/scaler.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "retrograde/base/error.h"
#include "retrograde/base/random.h"

namespace retrograde {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pointwise;

// Three columns, one of them constant, far from zero: [n, 3].
std::vector<double> sample(std::size_t n) {
  Random random(5);
  std::vector<double> rows;
  for (std::size_t i = 0; i < n; ++i) {
    rows.insert(rows.end(), {1e6 + random.normal(), 7 * random.normal() - 3, 0.1});
  }
  return rows;
}

Scaler fitted(Scaling kind, const std::vector<double>& rows) {
  ScalerFit fit(kind, 3);
  fit.add(std::span(rows).first(33));  // in two pieces
  fit.add(std::span(rows).subspan(33));
  return fit.finish();
}

TEST(Scaler, StandardGivesMeanZeroAndDeviationOne) {
  auto rows = sample(1009);
  fitted(Scaling::standard, rows).apply(rows);
  for (std::size_t c = 0; c < 2; ++c) {
    double sum = 0, squares = 0;
    for (std::size_t i = c; i < rows.size(); i += 3) sum += rows[i], squares += rows[i] * rows[i];
    EXPECT_NEAR(sum / 1009, 0, 1e-8);
    EXPECT_NEAR(squares / 1009, 1, 1e-8);
  }
  for (std::size_t i = 2; i < rows.size(); i += 3) EXPECT_NEAR(rows[i], 0, 1e-12);
}

TEST(Scaler, MinmaxGivesZeroToOne) {
  auto rows = sample(101);
  fitted(Scaling::minmax, rows).apply(rows);
  for (std::size_t c = 0; c < 2; ++c) {
    double low = 2, high = -1;
    for (std::size_t i = c; i < rows.size(); i += 3)
      low = std::min(low, rows[i]), high = std::max(high, rows[i]);
    EXPECT_EQ(low, 0);
    EXPECT_EQ(high, 1);
  }
}

TEST(Scaler, UndoUndoes) {
  const auto rows = sample(53);
  for (const auto kind : {Scaling::none, Scaling::standard, Scaling::minmax}) {
    auto there_and_back = rows;
    const auto scaler = fitted(kind, rows);
    scaler.apply(there_and_back);
    scaler.undo(there_and_back);
    EXPECT_THAT(there_and_back, Pointwise(DoubleNear(1e-9), rows));
  }
}

TEST(Scaler, NoneChangesNothingAndAColumnWithoutChangeKeepsItsScale) {
  const auto rows = sample(11);
  auto same = rows;
  fitted(Scaling::none, rows).apply(same);
  EXPECT_EQ(same, rows);
  EXPECT_EQ(fitted(Scaling::standard, rows).scale[2], 1);
  EXPECT_EQ(fitted(Scaling::minmax, rows).scale[2], 1);
  EXPECT_THROW(ScalerFit(Scaling::standard, 3).finish(), UsageError);
}

TEST(Scaler, ColumnsAreSelected) {
  const Scaler scaler{Scaling::standard, {1, 2, 3}, {4, 5, 6}};
  const std::size_t columns[] = {2, 0};
  EXPECT_THAT(scaler.select(columns).offset, ElementsAre(3, 1));
  EXPECT_THAT(scaler.select(columns).scale, ElementsAre(6, 4));
}

TEST(Scaler, ItTravelsAsJsonToTheBit) {
  const auto scaler = fitted(Scaling::standard, sample(101));
  const auto back = scaler_from_json(parse_json(to_json(scaler).dump(), "scaler"));
  EXPECT_EQ(back.offset, scaler.offset);
  EXPECT_EQ(back.scale, scaler.scale);
  EXPECT_EQ(back.kind, scaler.kind);
  for (const auto* damaged :
       {R"({"kind":"standard","offset":[1],"scale":[0]})",
        R"({"kind":"standard","offset":[1],"scale":[1,2]})", R"({"kind":"log","offset":[1],"scale":[1]})",
        R"({"kind":"none","offset":["1"],"scale":[1]})", "[]",
        R"({"kind":"none","offset":[1],"scale":[1],"x":1})"}) {
    EXPECT_THROW(scaler_from_json(parse_json(damaged, "scaler")), FileError) << damaged;
  }
}

}  // namespace
}  // namespace retrograde
