#include "retrograde/check/compare.h"

#include <gmock/gmock.h>

#include <cmath>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();
const Block kBlock{"U", {2, 3}};

BlockResult one(std::vector<double> claimed, std::vector<double> truth,
                Precision precision = Precision::float64, std::vector<double> error = {}) {
  const Block block{"U", {claimed.size()}};
  return compare({block}, claimed, truth, precision, error)[0];
}

TEST(Compare, AcceptsRoundingAndNothingMore) {
  const std::vector<double> truth{0.7, -1.3, 2.1};
  EXPECT_EQ(one({0.7 * (1 + 1e-15), -1.3, 2.1}, truth).verdict, Verdict::agrees);
  EXPECT_EQ(one({0.7 * (1 + 1e-12), -1.3, 2.1}, truth).verdict, Verdict::differs);
  EXPECT_EQ(one({0.7 * (1 + 1e-12), -1.3, 2.1}, truth, Precision::float32).verdict, Verdict::agrees);
  EXPECT_EQ(one({0.7 * (1 + 1e-4), -1.3, 2.1}, truth, Precision::float32).verdict, Verdict::differs);
}

TEST(Compare, NanAndInfinityNeverPass) {
  for (const double bad : {kNan, kInfinity, -kInfinity}) {
    const auto result = one({0.7, bad, 2.1}, {0.7, -1.3, 2.1});
    EXPECT_EQ(result.verdict, Verdict::differs);
    EXPECT_EQ(result.bad, 1u);
    EXPECT_EQ(result.not_finite, 1u);
    EXPECT_EQ(result.worst_at, "U[1]");
    EXPECT_THAT(result.note, testing::HasSubstr("NaN or infinite"));
  }
  EXPECT_EQ(one({kNan}, {kNan}).verdict, Verdict::differs);
  EXPECT_EQ(one({kInfinity}, {kInfinity}).verdict, Verdict::differs);
}

TEST(Compare, AnUnknownTruthIsNoVerdict) {
  EXPECT_EQ(one({0.7, 1}, {0.7, kNan}).verdict, Verdict::cannot_tell);
  EXPECT_EQ(one({0.7, 1}, {0.7, 5}, Precision::float64, {0, kInfinity}).verdict, Verdict::cannot_tell);
}

TEST(Compare, ABroadErrorBarExcusesAndDoesNotCertify) {
  EXPECT_EQ(one({0.7, 1.1}, {0.7, 1}, Precision::float64, {1e-10, 0.2}).verdict, Verdict::cannot_tell);
  EXPECT_EQ(one({0.7, 1.3}, {0.7, 1}, Precision::float64, {1e-10, 0.2}).verdict, Verdict::differs);
  // An absolute error as large as the whole block: zeros must not pass.
  EXPECT_EQ(one({0, 0}, {1e-9, 2e-9}, Precision::float64, {1e-8, 1e-8}).verdict, Verdict::cannot_tell);
}

TEST(Compare, OneWrongEntryAmongManyIsSeen) {
  std::vector<double> truth(10007, 0.3), claimed = truth;
  claimed[4999] = 0.3001;
  const auto result = one(claimed, truth);
  EXPECT_EQ(result.verdict, Verdict::differs);
  EXPECT_EQ(result.bad, 1u);
  EXPECT_EQ(result.worst.index, 4999u);
  EXPECT_GT(result.cosine, 0.9999999);  // which is why a cosine decides nothing
}

TEST(Compare, ZeroAgainstZeroAgreesAndSaysThatNothingWasTested) {
  const auto result = one({0, 0}, {0, 0});
  EXPECT_EQ(result.verdict, Verdict::agrees);
  EXPECT_THAT(result.note, testing::HasSubstr("nothing was tested"));
  EXPECT_EQ(one({0, 0}, {0.1, 0.2}).verdict, Verdict::differs);
  EXPECT_EQ(one({0.1, 0.2}, {0, 0}).verdict, Verdict::differs);
}

TEST(Compare, EntriesBelowRoundingLeaveTheBlockAlone) {
  const auto result = one({1, 1e-17}, {1, -1e-17});
  EXPECT_EQ(result.verdict, Verdict::agrees);
  EXPECT_EQ(result.unresolved, 1u);
}

TEST(Compare, WorksOnEveryScale) {
  for (double scale = 1e-30; scale < 1e31; scale *= 1e10) {
    EXPECT_EQ(one({0.7 * scale, 2 * scale}, {0.7 * scale, 2 * scale}).verdict, Verdict::agrees) << scale;
    EXPECT_EQ(one({0.7 * scale, 2 * scale}, {0.7 * scale, 2.1 * scale}).verdict, Verdict::differs) << scale;
  }
}

TEST(Compare, TheNoiseOfTheClaimIsAllowedWhereItIsKnown) {
  const std::vector<double> claimed{0.701, 2}, truth{0.7, 2}, noise{2e-3, 0}, none{0, 0};
  EXPECT_NE(compare({{"U", {2}}}, claimed, truth, Precision::float64, {}, noise)[0].verdict,
            Verdict::differs);
  EXPECT_EQ(compare({{"U", {2}}}, claimed, truth, Precision::float64, {}, none)[0].verdict, Verdict::differs);
}

TEST(Compare, SayssWhereInWords) {
  const Block gates{"weight_hh_l0", {20, 5}, {"unit", "from"}, {"i", "f", "g", "o"}};
  EXPECT_EQ(gates.entry(7 * 5 + 3), "weight_hh_l0[7, 3] (gate f, unit 2, from 3)");
  EXPECT_EQ(kBlock.entry(5), "U[1, 2]");
  EXPECT_EQ((Block{"scale", {}}).entry(0), "scale");
  EXPECT_EQ((Block{"scale", {}}).size(), 1u);
}

TEST(Compare, NamesTheSizesThatDoNotFit) {
  const std::vector<double> two{1, 2}, three{1, 2, 3};
  EXPECT_THROW(compare({kBlock}, two, two, Precision::float64), UsageError);
  EXPECT_THROW(compare({{"U", {2}}}, two, three, Precision::float64), UsageError);
  EXPECT_THROW(require_fit({{"U", {3}, {}, {"i", "f"}}}, 3), UsageError);
  EXPECT_THROW(require_fit({{"U", {3}, {"unit", "from"}}}, 3), UsageError);
}

TEST(Compare, TheWholeIsAsGoodAsItsWorstBlock) {
  const std::vector<double> claimed{1, 2, 3}, truth{1, 2, 3}, error{0, 1, 0};
  const std::vector<Block> blocks{{"a", {1}}, {"b", {1}}, {"c", {1}}};
  EXPECT_EQ(overall(compare(blocks, claimed, truth, Precision::float64)), Verdict::agrees);
  EXPECT_EQ(overall(compare(blocks, claimed, truth, Precision::float64, error)), Verdict::cannot_tell);
  EXPECT_EQ(overall(compare(blocks, claimed, std::vector<double>{1, 2, 4}, Precision::float64, error)),
            Verdict::differs);
  EXPECT_EQ(overall({}), Verdict::cannot_tell);
}

}  // namespace
}  // namespace retrograde
