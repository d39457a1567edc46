#include "retrograde/data/csv.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "data/files.h"
#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

// Owns its bytes, as a file does.
class Text : public ByteSource {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return text_.size(); }
  void read(std::uint64_t offset, std::span<std::byte> into) const override {
    open_memory(name_, std::as_bytes(std::span(text_)))->read(offset, into);
  }

 private:
  std::string name_ = "t.csv";
  std::string text_;
};

CsvReader reader(std::string text, const CsvOptions& options = {}) {
  return CsvReader(std::make_shared<Text>(std::move(text)), options);
}

std::vector<std::vector<std::string>> records(CsvReader r) {
  std::vector<std::vector<std::string>> all;
  for (CsvRecord record; r.next(record);) all.push_back(record.cells);
  return all;
}

TEST(Csv, HeaderAndRecordsAreRead) {
  const auto r = reader("a,b\n1,2\n3,4\n");
  EXPECT_THAT(r.columns(), ElementsAre("a", "b"));
  EXPECT_THAT(records(r), ElementsAre(ElementsAre("1", "2"), ElementsAre("3", "4")));
}

TEST(Csv, LineEndsMarksBlankLinesAndAMissingLastLineEndDoNotMatter) {
  for (const auto* text : {"\xef\xbb\xbf"
                           "a,b\n1,2\n3,4",
                           "a,b\r\n1,2\r\n\r\n3,4\r\n", "\n\na,b\r1,2\r3,4\n\n\n"}) {
    EXPECT_THAT(reader(text).columns(), ElementsAre("a", "b"));
    EXPECT_THAT(records(reader(text)), ElementsAre(ElementsAre("1", "2"), ElementsAre("3", "4")));
  }
}

TEST(Csv, QuotedCellsHoldDelimitersQuotesAndLineEnds) {
  auto r = reader("name,n\n\"a,\"\"b\"\"\nc\", 1\n \"x\" ,2\n");
  CsvRecord record;
  ASSERT_TRUE(r.next(record));
  EXPECT_THAT(record.cells, ElementsAre("a,\"b\"\nc", " 1"));
  EXPECT_EQ(record.line, 2u);
  ASSERT_TRUE(r.next(record));
  EXPECT_THAT(record.cells, ElementsAre("x", "2"));
  EXPECT_EQ(record.line, 4u);
  EXPECT_FALSE(r.next(record));
}

TEST(Csv, TheDelimiterIsFound) {
  EXPECT_EQ(reader("a;b\n1,5;2,5\n").delimiter(), ';');
  EXPECT_EQ(reader("a\tb\n1\t2\n").delimiter(), '\t');
  EXPECT_EQ(reader("a|b|c\n1|2|3\n").delimiter(), '|');
  EXPECT_EQ(reader("when,x\n\"a;b\",1\n").delimiter(), ',');
  EXPECT_THAT(records(reader("x\n1\n2\n")), ElementsAre(ElementsAre("1"), ElementsAre("2")));
  EXPECT_THAT(records(reader("a b,c\n1 2\n", {.delimiter = ' ', .header = false}))[0],
              ElementsAre("a", "b,c"));
}

TEST(Csv, AHeaderIsFoundByNamesAboveNumbers) {
  EXPECT_TRUE(reader("t,x\n2020,1\n").has_header());
  EXPECT_TRUE(reader("Month,Sunspots\n1749-01,58.0\n").has_header());
  EXPECT_TRUE(reader("word,label\na,b\n").has_header());
  EXPECT_FALSE(reader("1749-01,58.0\n1749-02,62.6\n").has_header());
  EXPECT_FALSE(reader("1,2\n3,4\n").has_header());
  EXPECT_THAT(reader("1,2\n3,4\n").columns(), ElementsAre("1", "2"));
  EXPECT_TRUE(reader("1990,1991\n3,4\n", {.delimiter = {}, .header = true}).has_header());
}

TEST(Csv, APlaceInTheFileIsFoundAgain) {
  std::string text = "a,b\n";
  for (int i = 0; i < 30000; ++i) text += fmt::format("{},\"x\n{}\"\n", i, i * i);
  auto all = reader(text);
  CsvRecord record;
  std::vector<CsvRecord> kept;
  while (all.next(record)) kept.push_back(record);
  ASSERT_EQ(kept.size(), 30000u);
  for (const std::size_t i : {0u, 1u, 12345u, 29999u}) {
    auto r = all.at(kept[i].offset, kept[i].line);
    ASSERT_TRUE(r.next(record));
    EXPECT_EQ(record.cells, kept[i].cells);
    EXPECT_EQ(record.line, 2 + 2 * i);
  }
}

TEST(Csv, WhatIsWrongIsNamedByFileAndLine) {
  EXPECT_THAT(
      message_of<DataError>([] { records(reader("a,b\n1,2\n3\n", {.delimiter = ',', .header = {}})); }),
      AllOf(HasSubstr("t.csv:3"), HasSubstr("has 1 cells, expected 2")));
  EXPECT_THAT(message_of<DataError>([] { records(reader("a,b\n1,\"2\n3,4\n")); }),
              AllOf(HasSubstr("t.csv:2"), HasSubstr("never closed")));
  EXPECT_THAT(
      message_of<DataError>([] { records(reader("a,b\n1,\"2\"x\n", {.delimiter = ',', .header = {}})); }),
      AllOf(HasSubstr("t.csv:2"), HasSubstr("closing quote")));
  EXPECT_THAT(message_of<DataError>([] { reader("\n\n"); }), HasSubstr("empty"));
  EXPECT_THAT(message_of<DataError>([] { reader("a,\xff\n1,2\n"); }),
              AllOf(HasSubstr("t.csv:1:2"), HasSubstr("\\xff")));
  EXPECT_THAT(message_of<FileError>([] { reader(std::string("a\0b", 3)); }), HasSubstr("binary"));
  EXPECT_THAT(message_of<FileError>([] {
                reader(
                    "\xff\xfe"
                    "a");
              }),
              HasSubstr("UTF-16"));
  for (const char c : {'x', ' ', '"', ','}) {
    const std::string text = "a,b\n\"" + std::string(3 << 20, c);
    EXPECT_THAT(message_of<DataError>([&] { records(reader(text, {.delimiter = ',', .header = {}})); }),
                AllOf(HasSubstr("t.csv:2"), HasSubstr("longer than")))
        << c;
  }
}

TEST(Csv, ANumberIsANumberAsAWhole) {
  EXPECT_EQ(to_number(" 1.5e-3\t"), 1.5e-3);
  EXPECT_EQ(to_number("+7"), 7);
  EXPECT_EQ(to_number("-.5"), -0.5);
  for (const auto* text :
       {"", " ", "n/a", "1,5", "1 2", "0x10", "inf", "-Infinity", "nan", "1e999", "+-1", "--1", "1e"}) {
    EXPECT_EQ(to_number(text), std::nullopt) << text;
  }
}

TEST(Csv, ACellIsShownReadably) {
  EXPECT_EQ(shown("n/a"), "\"n/a\"");
  EXPECT_EQ(shown("größe\n\xff"), "\"größe\\x0a\\xff\"");
  EXPECT_EQ(shown(std::string(50, 'x')), "\"" + std::string(40, 'x') + "...\"");
}

}  // namespace
}  // namespace retrograde
