#include "retrograde/train/pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace retrograde {
namespace {

using testing::ElementsAre;
using testing::IsNull;
using testing::NotNull;

// Three sequences of at most 5 steps, one feature: 10·b + t.
struct Three {
  std::vector<double> x, y;
  std::vector<std::size_t> lengths{3, 5, 2};
  BatchView<double> batch;

  Three() {
    for (int b = 0; b < 3; ++b)
      for (int t = 0; t < 5; ++t) {
        x.push_back(10 * b + t);
        y.push_back(-10 * b - t);
      }
    batch.input = {.batch = 3, .steps = 5, .x = x, .lengths = lengths};
    batch.target = {.values = y};
  }
};

TEST(Pieces, AreCutAlongTimeAndLeaveOutWhatHasEnded) {
  Three three;
  Pieces<double> pieces;
  pieces.begin(three.batch, 2, 1, 1, {});

  const BatchView<double>* piece = pieces.next();
  ASSERT_THAT(piece, NotNull());
  EXPECT_THAT(piece->input.x, ElementsAre(0, 1, 10, 11, 20, 21));
  EXPECT_THAT(piece->target.values, ElementsAre(0, -1, -10, -11, -20, -21));
  EXPECT_THAT(piece->input.lengths, ElementsAre(2, 2, 2));

  piece = pieces.next();
  ASSERT_THAT(piece, NotNull());
  EXPECT_THAT(piece->input.lengths, ElementsAre(1, 2));
  EXPECT_EQ(piece->input.x[0], 2);
  EXPECT_EQ(piece->input.x[2], 12);
  EXPECT_EQ(piece->input.x[3], 13);

  piece = pieces.next();
  ASSERT_THAT(piece, NotNull());
  EXPECT_THAT(piece->input.x, ElementsAre(14));
  EXPECT_THAT(pieces.next(), IsNull());
}

TEST(Pieces, TokensClassesAndWeightsAreCutAlike) {
  const std::vector<std::int32_t> tokens{1, 2, 3, 4, 5, 6}, classes{6, 5, 4, 3, 2, 1};
  const std::vector<double> weights{0.1, 0.2, 0.3, 0.4, 0.5, 0.6};
  const BatchView<double> batch{.input = {.batch = 2, .steps = 3, .tokens = tokens},
                                .target = {.classes = classes, .weights = weights}};
  Pieces<double> pieces;
  pieces.begin(batch, 2, 7, 7, {});
  pieces.next();
  const BatchView<double>* piece = pieces.next();
  ASSERT_THAT(piece, NotNull());
  EXPECT_THAT(piece->input.tokens, ElementsAre(3, 6));
  EXPECT_THAT(piece->target.classes, ElementsAre(4, 1));
  EXPECT_THAT(piece->target.weights, ElementsAre(0.3, 0.6));
}

TEST(Pieces, StatesFollowTheirSequencesAndEndAtEachOnesOwnLastStep) {
  Three three;
  Pieces<double> pieces;
  pieces.begin(three.batch, 2, 1, 1, {});
  pieces.next();
  EXPECT_THAT(pieces.beginning().start, IsNull());
  pieces.carry({.h = {{1, 2, 3}}, .c = {}});  // of sequences 0, 1, 2
  pieces.next();                              // 0 and 1 go on
  ASSERT_THAT(pieces.beginning().start, NotNull());
  EXPECT_THAT(pieces.beginning().start->h[0], ElementsAre(1, 2));
  pieces.carry({.h = {{11, 12}}, .c = {}});
  pieces.next();  // 1 goes on
  EXPECT_THAT(pieces.beginning().start->h[0], ElementsAre(12));
  pieces.carry({.h = {{112}}, .c = {}});
  pieces.next();
  EXPECT_THAT(pieces.states().h[0], ElementsAre(11, 112, 3));
}

TEST(Pieces, BeginWithTheStatesThatAreGiven) {
  Three three;
  const State<double> start{.h = {{1, 2, 3, 4, 5, 6}}, .c = {{7, 8, 9, 10, 11, 12}}};
  Pieces<double> pieces;
  pieces.begin(three.batch, 4, 1, 1, {.start = &start});
  pieces.next();
  EXPECT_EQ(pieces.beginning().start->h, start.h);
  pieces.carry(start);
  pieces.next();  // sequence 1 alone
  EXPECT_THAT(pieces.beginning().start->h[0], ElementsAre(3, 4));
  EXPECT_THAT(pieces.beginning().start->c[0], ElementsAre(9, 10));
}

TEST(Pieces, OnlyTheFirstMayMixGivenStatesAndTheNetworksOwn) {
  Three three;
  const State<double> start{.h = {{1, 2, 3}}, .c = {}};
  const std::vector<std::uint8_t> given{1, 0, 1};
  Pieces<double> pieces;
  pieces.begin(three.batch, 2, 1, 1, {.start = &start, .given = given});
  pieces.next();
  EXPECT_THAT(pieces.beginning().given, ElementsAre(1, 0, 1));
  pieces.carry({.h = {{4, 5, 6}}, .c = {}});
  pieces.next();
  EXPECT_THAT(pieces.beginning().given, testing::IsEmpty());
}

}  // namespace
}  // namespace retrograde
