#include "retrograde/data/csv_table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "data/files.h"
#include "retrograde/base/error.h"
#include "retrograde/base/random.h"

namespace retrograde {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;
using testing::TemporaryFolder;

class CsvTables : public ::testing::Test {
 protected:
  CsvTable open(const std::string& text, const CsvTableOptions& options = {}) {
    return open_csv_table(open_file(testing::save(folder_ / "power.csv", text)), options);
  }
  static std::vector<double> all(const CsvTable& csv) {
    std::vector<double> values(csv.table->rows() * csv.table->width());
    csv.table->read(0, csv.table->rows(), values);
    return values;
  }
  TemporaryFolder folder_;
};

TEST_F(CsvTables, ColumnsOfNumbersAreTakenAndTheOthersNamed) {
  const auto csv = open(",stamp,load,wind\n0,2020-01,1,2.5\n1,2020-02,3,-4e1\n");
  EXPECT_THAT(csv.table->columns(), ElementsAre("load", "wind"));
  EXPECT_THAT(csv.left_out, ElementsAre("", "stamp"));
  EXPECT_THAT(all(csv), ElementsAre(1, 2.5, 3, -40));
}

TEST_F(CsvTables, ColumnsAreChosenByNameOrNumberInTheOrderAskedFor) {
  const auto csv = open("a,b,c\n1,2,3\n4,5,6\n", {.numbers = {"c", "1"}});
  EXPECT_THAT(csv.table->columns(), ElementsAre("c", "a"));
  EXPECT_THAT(all(csv), ElementsAre(3, 1, 6, 4));
  EXPECT_THAT(message_of<UsageError>([&] { open("a,b\n1,2\n", {.numbers = {"lode"}}); }),
              AllOf(HasSubstr("power.csv"), HasSubstr("\"lode\""), HasSubstr("a, b")));
  EXPECT_THAT(message_of<UsageError>([&] { open("a,a\n1,2\n", {.numbers = {"a"}}); }),
              HasSubstr("two columns"));
}

TEST_F(CsvTables, ACellThatIsNoNumberIsNamedWithItsPlaceCountAndRemedy) {
  std::string text = "stamp,x,y,load\n";
  for (int i = 0; i < 300; ++i) text += fmt::format("t{},1,2,{}\n", i, i % 100 == 99 ? "n/a" : "3");
  EXPECT_EQ(message_of<DataError>([&] { open(text); }).substr(folder_.path().string().size() + 1),
            "power.csv:101:4: \"n/a\" is not a number (column \"load\").\n"
            "       3 such cells. Use --na \"n/a\" --fill forward, or --fill drop.");
  EXPECT_THAT(message_of<DataError>([&] { open("a,b\n1,\n2,3\n"); }),
              AllOf(HasSubstr("power.csv:2:2: \"\" is missing"), HasSubstr("1 such cell.")));
  EXPECT_THAT(message_of<DataError>([&] { open("a;b\n1;2\n1;3,5\n", {.numbers = {"b"}}); }),
              HasSubstr("Write 3.5"));
}

TEST_F(CsvTables, ARequiredColumnThatHoldsNoNumbersIsTheError) {
  const std::string text = "month,load\nJan,1\nFeb,2\n";
  EXPECT_THAT(open(text, {.required = {"load"}}).table->columns(), ElementsAre("load"));
  EXPECT_THAT(message_of<DataError>([&] { open(text, {.required = {"month"}}); }),
              AllOf(HasSubstr("power.csv:2:1: \"Jan\" is not a number (column \"month\")"),
                    HasSubstr("The column holds texts")));
  EXPECT_THAT(message_of<UsageError>([&] { open(text, {.required = {"lode"}}); }), HasSubstr("month, load"));
  EXPECT_THROW(open(text, {.required = {"load"}, .ignored = {"load"}}), UsageError);
}

TEST_F(CsvTables, GapsAreFilledForwardOrDroppedAndCounted) {
  const std::string text = "a,b\n1,2\n ,3\nn/a ,\n4,5\n";  // blanks around a cell do not count
  const auto filled = open(text, {.na = {"", "n/a"}, .fill = Fill::forward});
  EXPECT_THAT(all(filled), ElementsAre(1, 2, 1, 3, 1, 3, 4, 5));
  EXPECT_EQ(filled.gaps, 3u);
  EXPECT_EQ(filled.first_gap, 3u);
  EXPECT_EQ(filled.last_gap, 4u);
  const auto dropped = open(text, {.na = {"", "n/a"}, .fill = Fill::drop});
  EXPECT_THAT(all(dropped), ElementsAre(1, 2, 4, 5));
  EXPECT_EQ(dropped.gaps, 2u);
  EXPECT_THAT(message_of<DataError>([&] { open("a,b\n,2\n1,2\n", {.fill = Fill::forward}); }),
              HasSubstr("Nothing stands above"));
}

TEST_F(CsvTables, SeriesThatTakeTurnsAreSortedApartAndNeverFilledFromEachOther) {
  const std::string text = "who,x\nb,1\na,10\nb,2\na,\nb,3\n";
  const auto csv = open(text, {.group = "who", .fill = Fill::forward});
  ASSERT_EQ(csv.series.size(), 2u);
  EXPECT_EQ(csv.series[0].name, "b");
  EXPECT_EQ(csv.series[0].count, 3u);
  EXPECT_EQ(csv.series[1].name, "a");
  EXPECT_EQ(csv.series[1].first, 3u);
  EXPECT_THAT(all(csv), ElementsAre(1, 2, 3, 10, 10));
  EXPECT_THROW(open("who,x\nb,1\na,\n", {.group = "who", .fill = Fill::forward}), DataError);
}

TEST_F(CsvTables, ClassesAreCodedInTheOrderInWhichTheyAreMet) {
  const auto csv = open("x,kind\n1,up\n2,down\n3,up\n", {.classes = {"kind"}});
  EXPECT_THAT(csv.table->columns(), ElementsAre("x", "kind"));
  EXPECT_THAT(csv.classes, ElementsAre(ElementsAre("up", "down")));
  EXPECT_THAT(all(csv), ElementsAre(1, 0, 2, 1, 3, 0));
  EXPECT_THAT(message_of<DataError>([&] { open("x,kind\n1,\n", {.classes = {"kind"}}); }),
              HasSubstr("power.csv:2:2"));
}

TEST_F(CsvTables, AFileLargerThanMemoryReadsAsOneInMemoryFromAnyPlaces) {
  Random random(7);
  std::string text = "who,x,y,kind\n";
  for (int i = 0; i < 20011; ++i) {
    const bool gap = random.below(10) == 0 && i % 5003 != 0;
    text += fmt::format("s{},{},{},k{}\n", i / 5003, gap ? "" : fmt::format("{}", random.normal()), i,
                        random.below(5));
  }
  for (const auto fill : {Fill::forward, Fill::drop}) {
    CsvTableOptions options{.classes = {"kind"}, .group = "who", .fill = fill};
    const auto whole = open(text, options);
    options.memory = 1000;
    const auto pieces = open(text, options);
    EXPECT_TRUE(whole.in_memory);
    EXPECT_FALSE(pieces.in_memory);
    ASSERT_EQ(pieces.table->rows(), whole.table->rows());
    ASSERT_EQ(pieces.series.size(), 4u);
    EXPECT_EQ(pieces.series[3].first, whole.series[3].first);
    EXPECT_EQ(all(pieces), all(whole));
    std::vector<double> a(37 * 3), b(37 * 3);
    for (std::size_t round = 0; round < 5; ++round) {
      for (std::size_t stream = 0; stream < 7; ++stream) {
        const std::size_t first = stream * 2503 + round * 37;
        whole.table->read(first, 37, a);
        pieces.table->read(first, 37, b);
        ASSERT_EQ(a, b) << first;
      }
    }
  }
  CsvTableOptions small{.group = "who", .memory = 20};
  EXPECT_THAT(message_of<DataError>([&] { open("who,x\na,1\nb,2\na,3\nb,4\n", small); }),
              HasSubstr("sort it by \"who\""));
}

TEST_F(CsvTables, NoRowsAreAnError) {
  EXPECT_THAT(message_of<DataError>([&] { open("a,b\n", {.numbers = {"a"}}); }), HasSubstr("no rows"));
  EXPECT_THAT(message_of<DataError>([&] { open("a,b\nx,y\n"); }), HasSubstr("no column holds numbers"));
}

TEST(Tables, AnNpyFileIsATable) {
  const auto table = open_npy_table(NpyReader(testing::golden("scalar.npy").parent_path() / "empty.npy"));
  EXPECT_EQ(table->rows(), 0u);
  EXPECT_THAT(message_of<DataError>([] { open_npy_table(NpyReader(testing::golden("f8.npy"))); }),
              AllOf(HasSubstr("[2, 3, 5]"), HasSubstr("[T, columns]")));
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", {{3, 2}, {1, 2, 3, 4, std::nan(""), 6}, Dtype::float64});
  const auto values = open_npy_table(NpyReader(folder / "a.npy"));
  EXPECT_THAT(values->columns(), ElementsAre("1", "2"));
  std::vector<double> row(2);
  values->read(1, 1, row);
  EXPECT_THAT(row, ElementsAre(3, 4));
  EXPECT_THAT(message_of<DataError>([&] { values->read(2, 1, row); }), HasSubstr("row 3, column 1"));
  EXPECT_THROW(values->read(3, 1, row), UsageError);
}

}  // namespace
}  // namespace retrograde
