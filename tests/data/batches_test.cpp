#include "retrograde/data/batches.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "data/files.h"
#include "data/numbered.h"
#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using testing::numbered;

std::vector<Batch<double>> pass(Batches& batches, std::uint64_t seed = 1) {
  Random random(seed);
  batches.start(random);
  std::vector<Batch<double>> all;
  for (Batch<double> batch; batches.next(batch);) all.push_back(batch);
  return all;
}

void expect_same(const Batch<double>& a, const Batch<double>& b) {
  EXPECT_EQ(a.lengths, b.lengths);
  EXPECT_EQ(a.x, b.x);
  EXPECT_EQ(a.values, b.values);
  EXPECT_EQ(a.weights, b.weights);
  EXPECT_EQ(a.starts, b.starts);
}

TEST(WholeBatches, EverySequenceComesOnceWithZerosPastItsEnd) {
  const auto batches = whole_batches(numbered({3, 7, 2, 5, 4}), {.batch = 2});
  EXPECT_EQ(batches->count(), 3u);
  EXPECT_FALSE(batches->carries());
  std::set<double> seen;
  for (const auto& batch : pass(*batches)) {
    EXPECT_THAT(batch.starts, Each(1));
    for (std::size_t b = 0; b < batch.batch; ++b) {
      const double first = batch.x[b * batch.steps * 2];
      EXPECT_TRUE(seen.insert(first).second);
      for (std::size_t t = 0; t < batch.steps; ++t) {
        const bool valid = t < batch.lengths[b];
        const double number = valid ? first + static_cast<double>(t) : 0;
        EXPECT_EQ(batch.x[(b * batch.steps + t) * 2], number);
        EXPECT_EQ(batch.x[(b * batch.steps + t) * 2 + 1], -number);
        EXPECT_EQ(batch.values[b * batch.steps + t], 2 * number);
        EXPECT_EQ(batch.weights[b * batch.steps + t], valid ? 1 : 0);
      }
    }
  }
  EXPECT_THAT(seen, ElementsAre(0, 1000, 2000, 3000, 4000));
}

TEST(WholeBatches, InOrderForValidationAndShuffledAnewForEachPass) {
  const auto data = numbered(std::vector<std::size_t>(20, 2));
  const auto order = [](const std::vector<Batch<double>>& all) {
    std::vector<double> firsts;
    for (const auto& batch : all) {
      for (std::size_t b = 0; b < batch.batch; ++b) firsts.push_back(batch.x[b * batch.steps * 2]);
    }
    return firsts;
  };
  const auto plain = whole_batches(data, {.batch = 3, .shuffled = false});
  EXPECT_TRUE(std::ranges::is_sorted(order(pass(*plain))));
  const auto shuffled = whole_batches(data, {.batch = 3});
  Random random(5);
  const auto one = order(pass(*shuffled, 5)), other = order(pass(*shuffled, 6));
  EXPECT_NE(one, other);
  EXPECT_EQ(order(pass(*shuffled, 5)), one);
}

TEST(WholeBatches, LikeLengthsTogetherPadLess) {
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < 200; ++i) lengths.push_back(1 + i * 37 % 101);
  const auto padded = [&](bool by_length) {
    const auto batches = whole_batches(numbered(lengths), {.batch = 10, .by_length = by_length});
    std::size_t places = 0;
    for (const auto& batch : pass(*batches)) places += batch.batch * batch.steps;
    return places;
  };
  EXPECT_LT(padded(true), padded(false) * 3 / 4);
}

TEST(WholeBatches, OneTargetASequenceAndTokensHaveTheirShapes) {
  auto data = std::make_shared<Sequences>(
      Layout{.inputs = 9, .tokens = true, .outputs = 4, .classes = true, .at = At::last});
  data->add({.tokens = {5, 6, 7}, .classes = {3}});
  data->add({.tokens = {8}, .classes = {2}});
  const auto batch = pass(*whole_batches(data, {.batch = 2, .shuffled = false}))[0];
  EXPECT_THAT(batch.tokens, ElementsAre(5, 6, 7, 8, 0, 0));
  EXPECT_THAT(batch.classes, ElementsAre(3, 2));
  EXPECT_THAT(batch.weights, ElementsAre(1, 1));
  EXPECT_EQ(batch.counted(), 2);
  EXPECT_TRUE(batch.cast<float>().input().x.empty());
  EXPECT_EQ(batch.cast<float>().target().classes.size(), 2u);
  EXPECT_THROW(stream_batches(data, 1, 2), UsageError);
}

// Follows the rows of a carried pass: what a row reads must go on where it was, or begin anew.
std::multiset<double> follow(const std::vector<Batch<double>>& all) {
  std::multiset<double> seen;
  std::map<std::size_t, double> next;
  for (const auto& batch : all) {
    for (std::size_t b = 0; b < batch.batch; ++b) {
      const std::size_t place = b * batch.steps;
      if (batch.weights[place] == 0) {
        EXPECT_EQ(batch.lengths[b], 1u);
        continue;
      }
      if (!batch.starts[b]) {
        EXPECT_EQ(batch.x[place * 2], next.at(b));
      }
      for (std::size_t t = 0; t < batch.lengths[b]; ++t) {
        EXPECT_EQ(batch.x[(place + t) * 2], batch.x[place * 2] + static_cast<double>(t));
        seen.insert(batch.x[(place + t) * 2]);
      }
      next[b] = batch.x[place * 2] + static_cast<double>(batch.lengths[b]);
    }
  }
  return seen;
}

TEST(StreamBatches, EveryStepComesOnceAndRowsGoOnWhereTheyWere) {
  for (const auto& lengths :
       {std::vector<std::size_t>{101}, {50, 3, 20, 1, 33}, {7, 7, 7, 7, 7, 7, 7}, {2}}) {
    const auto data = numbered(lengths);
    for (const std::size_t rows : {1u, 2u, 3u, 5u, 8u}) {
      for (const std::size_t steps : {1u, 4u, 7u, 1000u}) {
        const auto batches = stream_batches(data, rows, steps);
        EXPECT_TRUE(batches->carries());
        const auto all = pass(*batches);
        EXPECT_EQ(all.size(), batches->count());
        const auto seen = follow(all);
        EXPECT_EQ(seen.size(), data->steps());
        EXPECT_EQ(std::set<double>(seen.begin(), seen.end()).size(), data->steps());
        for (const auto& batch : all) {
          EXPECT_LE(batch.steps, steps);
          EXPECT_LE(batch.batch, rows);
          EXPECT_GT(batch.counted(), 0);
        }
      }
    }
  }
}

TEST(StreamBatches, OneLongSequenceIsSharedOutEvenly) {
  const auto batches = stream_batches(numbered({103}), 4, 10);
  EXPECT_EQ(batches->count(), 3u);
  const auto all = pass(*batches);
  EXPECT_THAT(all[0].starts, Each(1));
  EXPECT_THAT(all[1].starts, Each(0));
  EXPECT_THAT(all[2].lengths, ElementsAre(6, 6, 6, 5));
}

TEST(Batches, APassThatWasLeftGoesOnToTheBit) {
  const auto data = numbered({50, 3, 20, 1, 33, 8, 9, 10});
  std::unique_ptr<Batches> kinds[][2] = {
      {whole_batches(data, {.batch = 3}), whole_batches(data, {.batch = 3})},
      {stream_batches(data, 3, 7), stream_batches(data, 3, 7)}};
  for (auto& [whole, resumed] : kinds) {
    Random random(11);
    whole->start(random);
    Batch<double> expected, got;
    ASSERT_TRUE(whole->next(expected));
    ASSERT_TRUE(whole->next(expected));
    const auto position = whole->position();
    resumed->resume(position);
    while (whole->next(expected)) {
      ASSERT_TRUE(resumed->next(got));
      expect_same(got, expected);
    }
    EXPECT_FALSE(resumed->next(got));
    EXPECT_THROW(resumed->resume({1000, {}}), UsageError);
  }
}

TEST(Batches, NothingToMakeThemOfIsAnError) {
  EXPECT_THROW(stream_batches(numbered({}), 3, 7), UsageError);
  EXPECT_THROW(whole_batches(numbered({}), {}), UsageError);
  EXPECT_THROW(whole_batches(numbered({3}), {.batch = 0}), UsageError);
  EXPECT_THROW(stream_batches(numbered({3}), 1, 0), UsageError);
}

}  // namespace
}  // namespace retrograde
