#include "retrograde/data/dataset.h"

#include <gmock/gmock.h>

#include <set>

#include "data/files.h"
#include "data/numbered.h"
#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::numbered;
using testing::read_piece;

TEST(Sequences, APieceIsReadFromAnywhere) {
  const auto data = numbered({5, 3});
  EXPECT_EQ(data->steps(), 8u);
  const auto piece = read_piece(*data, 1, 1, 2);
  EXPECT_THAT(piece.x, ElementsAre(1001, -1001, 1002, -1002));
  EXPECT_THAT(piece.values, ElementsAre(2002, 2004));
  EXPECT_THAT(piece.weights, ElementsAre(1, 1));
}

TEST(Sequences, SizesThatDoNotAgreeAreRefused) {
  Sequences data({.inputs = 2, .outputs = 3});
  EXPECT_NO_THROW(data.add({.x = {1, 2}, .values = {1, 2, 3}}));
  EXPECT_THROW(data.add({.x = {1, 2}, .values = {1, 2}}), UsageError);
  EXPECT_THROW(data.add({.x = {1, 2, 3}, .values = {1, 2, 3}}), UsageError);
  EXPECT_THROW(data.add({.x = {1, 2}, .classes = {1}}), UsageError);
  EXPECT_THROW(data.add({.tokens = {1}, .values = {1, 2, 3}}), UsageError);
  EXPECT_THROW(data.add({.x = {1, 2}, .values = {1, 2, 3}, .weights = {1, 1}}), UsageError);
  EXPECT_THROW(data.add({}), UsageError);
}

TEST(Split, TheTailOfEverySequenceIsForValidationAndWarmsUpOnWhatCameBefore) {
  const auto split = split_tail(numbered({100, 10, 2}), 0.2, 7);
  ASSERT_EQ(split.train->sequences(), 3u);
  ASSERT_EQ(split.valid->sequences(), 2u);
  EXPECT_EQ(split.train->length(0), 80u);
  EXPECT_EQ(split.train->length(1), 8u);
  EXPECT_EQ(split.train->length(2), 2u);
  EXPECT_EQ(split.valid->length(0), 27u);
  EXPECT_EQ(split.valid->length(1), 2u + 7u);
  EXPECT_EQ(split.valid->lead(0), 7u);
  EXPECT_EQ(split.valid->leads(), 14u);
  EXPECT_EQ(split.train->leads(), 0u);
  const auto valid = read_piece(*split.valid, 0, 5, 4);
  EXPECT_EQ(valid.x[0], 73 + 5);
  EXPECT_THAT(valid.weights, ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(read_piece(*split.valid, 0, 7, 1).weights, ElementsAre(1));
  EXPECT_THROW(split_tail(numbered({100}), 0, 0), UsageError);
  EXPECT_THROW(split_tail(numbered({100}), 1, 0), UsageError);
  EXPECT_THAT(message_of<DataError>([] { split_tail(numbered({2}), 0.1, 0); }), HasSubstr("validation"));
}

TEST(Split, WholeSequencesAreDrawnOnceEachAndTheSameSeedDrawsTheSame) {
  const auto data = numbered(std::vector<std::size_t>(53, 2));
  const auto first = [](const Dataset& d) {
    std::vector<double> values;
    for (std::size_t s = 0; s < d.sequences(); ++s) values.push_back(read_piece(d, s, 0, 1).x[0]);
    return values;
  };
  Random a(3), b(3), c(4);
  const auto split = split_sequences(data, 0.2, a);
  EXPECT_EQ(split.valid->sequences(), 11u);
  EXPECT_EQ(split.train->sequences(), 42u);
  std::set<double> all;
  for (const auto& part : {first(*split.train), first(*split.valid)}) all.insert(part.begin(), part.end());
  EXPECT_EQ(all.size(), 53u);
  EXPECT_EQ(first(*split_sequences(data, 0.2, b).valid), first(*split.valid));
  EXPECT_NE(first(*split_sequences(data, 0.2, c).valid), first(*split.valid));
}

TEST(Parts, PiecesCoverASequenceOnce) {
  const auto pieces = cut(numbered({7, 3}), 3);
  std::vector<double> starts;
  for (std::size_t s = 0; s < pieces->sequences(); ++s) starts.push_back(read_piece(*pieces, s, 0, 1).x[0]);
  EXPECT_THAT(starts, ElementsAre(0, 3, 6, 1000));
  EXPECT_EQ(pieces->steps(), 10u);
}

TEST(Parts, ASequenceWithOneTargetIsNeverCut) {
  auto data = std::make_shared<Sequences>(Layout{.inputs = 1, .outputs = 2, .classes = true, .at = At::last});
  data->add({.x = {1, 2, 3}, .classes = {1}});
  EXPECT_EQ(read_piece(*data, 0, 0, 3).classes, std::vector<std::int32_t>{1});
  EXPECT_THROW(cut(data, 2), UsageError);
  EXPECT_NO_THROW(cut(data, 3));
  EXPECT_THROW(Parts(data, {{0, 0, 4, 0}}), UsageError);
  EXPECT_THROW(Parts(data, {{0, 0, 3, 3}}), UsageError);
}

}  // namespace
}  // namespace retrograde
