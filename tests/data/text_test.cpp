#include "retrograde/data/text.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "data/files.h"
#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::real_data;

template <class Read>
auto from(std::string_view text, Read read) {
  return read(*open_memory("t.txt", std::as_bytes(std::span(text))));
}

TEST(Text, CharactersAreCodePoints) {
  EXPECT_EQ(from("aß𝄞", read_characters), U"aß𝄞");
  EXPECT_THAT(message_of<DataError>([] { from("ab\xff", read_characters); }),
              AllOf(HasSubstr("t.txt"), HasSubstr("byte 2 (\\xff)")));
}

TEST(Text, TokensAndCharactersAreTranslatedAndUnknownOnesHaveTheirOwnToken) {
  const Vocabulary vocabulary(U"hallo ß");
  EXPECT_EQ(vocabulary.size(), 7u);  // space a h l o ß and unknown
  EXPECT_THAT(vocabulary.tokens(U"ahß?"), ElementsAre(1, 2, 5, 6));
  EXPECT_EQ(vocabulary.text(5), "ß");
  EXPECT_EQ(vocabulary.text(6), "\xef\xbf\xbd");
  EXPECT_THROW(vocabulary.text(7), UsageError);
  EXPECT_THROW(Vocabulary(U""), UsageError);
}

TEST(Text, AVocabularyTravelsAsJson) {
  const Vocabulary vocabulary(U"\"\n\\ß𝄞");
  EXPECT_EQ(vocabulary_from_json(parse_json(to_json(vocabulary).dump(), "v")).characters(),
            vocabulary.characters());
  for (const auto* damaged : {"\"\"", "\"ba\"", "\"aa\"", "7", "[\"a\"]"}) {
    EXPECT_THROW(vocabulary_from_json(parse_json(damaged, "v")), FileError) << damaged;
  }
}

TEST(Text, LabelledLinesAreRead) {
  const auto lines = from("German\tMüller\r\n\nCzech\tDvořák\tx", read_labelled_lines);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].label, "German");
  EXPECT_EQ(lines[0].text, U"Müller");
  EXPECT_EQ(lines[1].text, U"Dvořák\tx");
  EXPECT_EQ(lines[1].line, 3u);
}

TEST(Text, ALineWithoutLabelOrTextIsNamed) {
  const auto refusal = [](std::string_view text) {
    return message_of<DataError>([&] { from(text, read_labelled_lines); });
  };
  EXPECT_THAT(refusal("a\tb\nc d\n"), AllOf(HasSubstr("t.txt:2"), HasSubstr("no tab")));
  EXPECT_THAT(refusal("\tb\n"), HasSubstr("label"));
  EXPECT_THAT(refusal("a\t\n"), HasSubstr("text after the tab"));
  EXPECT_THAT(refusal("a\t\xc3\n"), AllOf(HasSubstr("t.txt:1"), HasSubstr("no UTF-8")));
  EXPECT_THAT(refusal(""), HasSubstr("empty"));
}

TEST(Text, NotesAreReadAsPiecesOfKeys) {
  const auto pieces = from("21 108\n-\n\n\n60\n60 64 67\n60\n", read_notes);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].steps(), 2u);
  EXPECT_EQ(pieces[1].steps(), 3u);
  EXPECT_EQ(pieces[0].keys[0], 1);
  EXPECT_EQ(pieces[0].keys[87], 1);
  EXPECT_EQ(std::accumulate(pieces[0].keys.begin(), pieces[0].keys.end(), 0.0), 2);
  EXPECT_EQ(pieces[1].keys[kKeys + 67 - 21], 1);
}

TEST(Text, ANoteThatIsNoneIsNamed) {
  const auto refusal = [](std::string_view text) {
    return message_of<DataError>([&] { from(text, read_notes); });
  };
  EXPECT_THAT(refusal("60\n60 x\n"), AllOf(HasSubstr("t.txt:2"), HasSubstr("\"x\"")));
  EXPECT_THAT(refusal("109\n"), HasSubstr("\"109\""));
  EXPECT_THAT(refusal("20\n"), HasSubstr("\"20\""));
  EXPECT_THAT(refusal("60 -\n"), HasSubstr("\"-\""));
  EXPECT_THAT(refusal("\n\n"), HasSubstr("empty"));
}

TEST(Text, TheChoralesHaveTheirPublishedSizes) {
  for (const auto& [file, count, steps] :
       {std::tuple("jsb_train.txt", 229, 13807), std::tuple("jsb_valid.txt", 76, 4602)}) {
    const auto path = real_data(std::string("jsb_chorales/") + file);
    if (!path) GTEST_SKIP() << "the JSB chorales are not there (set RETROGRADE_DATA): nobody read real notes";
    const auto pieces = read_notes(*open_file(*path));
    EXPECT_EQ(pieces.size(), count);
    EXPECT_EQ(std::accumulate(pieces.begin(), pieces.end(), std::size_t{0},
                              [](std::size_t n, const Piece& p) { return n + p.steps(); }),
              steps);
  }
}

TEST(Text, TinyShakespeareHasSixtyFiveSymbols) {
  const auto path = real_data("tinyshakespeare/input.txt");
  if (!path) GTEST_SKIP() << "tiny Shakespeare is not there (set RETROGRADE_DATA): nobody read a real text";
  const auto text = read_characters(*open_file(*path));
  EXPECT_EQ(text.size(), 1115394u);
  EXPECT_EQ(Vocabulary(text).characters().size(), 65u);
}

}  // namespace
}  // namespace retrograde
