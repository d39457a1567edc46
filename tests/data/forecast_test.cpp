#include "retrograde/data/forecast.h"

#include <gmock/gmock.h>

#include "data/files.h"
#include "data/numbered.h"
#include "retrograde/base/error.h"
#include "retrograde/data/batches.h"
#include "retrograde/data/csv_table.h"

namespace retrograde {
namespace {

using ::testing::ElementsAre;
using testing::read_piece;

// Row r holds r, 100 r, 7: [rows, 3].
std::shared_ptr<const Table> ramp(std::size_t rows) {
  std::vector<double> values;
  for (std::size_t r = 0; r < rows; ++r) {
    values.insert(values.end(), {static_cast<double>(r), 100.0 * static_cast<double>(r), 7});
  }
  return make_table({"a", "b", "c"}, values);
}

TEST(Forecast, TargetsStandAHorizonAheadOfTheInputs) {
  const Forecast data(ramp(20), {{"", 0, 20}}, {{1, 0}, {0}, 3, identity_scaler(3)});
  EXPECT_EQ(data.layout().inputs, 2u);
  EXPECT_EQ(data.layout().outputs, 1u);
  EXPECT_EQ(data.length(0), 17u);
  const auto piece = read_piece(data, 0, 15, 2);
  EXPECT_THAT(piece.x, ElementsAre(1500, 15, 1600, 16));
  EXPECT_THAT(piece.values, ElementsAre(18, 19));
}

TEST(Forecast, SeriesAreNeverReadAcrossTheirEnds) {
  const Forecast data(ramp(20), {{"p", 0, 8}, {"short", 8, 2}, {"q", 10, 10}},
                      {{0}, {0}, 2, identity_scaler(3)});
  ASSERT_EQ(data.sequences(), 2u);
  EXPECT_EQ(data.series(1).name, "q");
  EXPECT_EQ(read_piece(data, 0, 5, 1).values[0], 7);
  EXPECT_EQ(read_piece(data, 1, 7, 1).values[0], 19);
  EXPECT_THROW(Forecast(ramp(20), {{"short", 8, 2}}, {{0}, {0}, 2, identity_scaler(3)}), DataError);
  EXPECT_THROW(fit_scaler(Scaling::standard, *ramp(20), {{"short", 8, 2}}, 0.2, 2), DataError);
  EXPECT_THROW(Forecast(ramp(20), {{"", 0, 20}}, {{3}, {0}, 2, identity_scaler(3)}), UsageError);
  EXPECT_THROW(Forecast(ramp(20), {{"", 0, 20}}, {{0}, {0}, 0, identity_scaler(3)}), UsageError);
}

TEST(Forecast, TheScalerSeesNoRowThatTrainingDoesNotSee) {
  const auto table = ramp(1000);
  const std::vector<SeriesRows> series = {{"p", 0, 600}, {"q", 600, 400}};
  const auto scaler = fit_scaler(Scaling::minmax, *table, series, 0.25, 3);
  auto data = std::make_shared<Forecast>(table, series, ForecastOptions{{0}, {0}, 3, identity_scaler(3)});
  const auto split = split_tail(data, 0.25, 0);
  double highest = 0;
  for (std::size_t s = 0; s < split.train->sequences(); ++s) {
    const auto piece = read_piece(*split.train, s, 0, split.train->length(s));
    for (const double v : piece.x) highest = std::max(highest, v);
    for (const double v : piece.values) highest = std::max(highest, v);
  }
  EXPECT_EQ(scaler.offset[0], 0);
  EXPECT_EQ(scaler.scale[0], highest);
  EXPECT_EQ(scaler.scale[2], 1);
  // No training target is a validation target.
  EXPECT_EQ(read_piece(*split.train, 0, split.train->length(0) - 1, 1).values[0] + 1,
            read_piece(*split.valid, 0, 0, 1).values[0]);
}

TEST(Forecast, ValuesAreScaled) {
  const Forecast data(ramp(20), {{"", 0, 20}}, {{0}, {1}, 1, {Scaling::standard, {1, 200, 0}, {2, 100, 1}}});
  const auto piece = read_piece(data, 0, 4, 1);
  EXPECT_EQ(piece.x[0], 1.5);
  EXPECT_EQ(piece.values[0], 3);
}

TEST(Forecast, AFileLargerThanMemoryGivesTheBatchesOfOneInMemory) {
  const testing::TemporaryFolder folder;
  std::string text = "t,x,y\n";
  for (int i = 0; i < 9001; ++i) text += fmt::format("t{},{},{}\n", i, i * 0.5, i % 17);
  testing::save(folder / "a.csv", text);
  const auto batches = [&](std::size_t memory) {
    auto csv = open_csv_table(open_file(folder / "a.csv"), {.memory = memory});
    auto data = std::make_shared<Forecast>(std::shared_ptr<const Table>(std::move(csv.table)), csv.series,
                                           ForecastOptions{{0, 1}, {0}, 1, identity_scaler(2)});
    return stream_batches(data, 5, 101);
  };
  const auto whole = batches(1 << 20), pieces = batches(1000);
  Random random(1);
  whole->start(random);
  pieces->start(random);
  Batch<double> a, b;
  while (whole->next(a)) {
    ASSERT_TRUE(pieces->next(b));
    ASSERT_EQ(a.x, b.x);
    ASSERT_EQ(a.values, b.values);
  }
}

}  // namespace
}  // namespace retrograde
