// A thousand damaged files of each kind: a clear error or a correct load, never a crash, a hang or a partial
// load. (The `dev` preset runs this with sanitizers.)
#include "data/damage.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>

#include "data/files.h"
#include "retrograde/data/csv_table.h"
#include "retrograde/data/npy.h"
#include "retrograde/data/npz.h"
#include "retrograde/data/text.h"

namespace retrograde {
namespace {

using testing::bytes_of;
using testing::errors_of;
using testing::golden;
using testing::kDamages;

std::unique_ptr<ByteSource> source_of(const std::string& bytes) {
  return open_memory("the-file", std::as_bytes(std::span(bytes)));
}

TEST(Damage, NpyFiles) {
  for (const auto* file : {"f8.npy", "fortran.npy", "i8_big.npy", "bool.npy", "version2.npy"}) {
    const auto whole = read_npy(golden(file));
    const int errors = errors_of(bytes_of(golden(file)), 1, "the-file", [&](const std::string& bytes) {
      const Array array = NpyReader(source_of(bytes)).read();
      std::size_t size = 1;
      for (const auto n : array.shape) size *= n;
      EXPECT_EQ(array.size(), size);
      EXPECT_LE(array.size(), whole.size() * 8 + 64);
    });
    EXPECT_GT(errors, kDamages / 2) << file;
  }
}

TEST(Damage, NpzFiles) {
  const Array whole = read_npz(golden("stored.npz")).arrays.at("x");
  for (const auto* file : {"stored.npz", "deflated.npz"}) {
    const int errors = errors_of(bytes_of(golden(file)), 2, "the-file", [&](const std::string& bytes) {
      // A checksum stands over every array: what is read is what was written, under its own or a damaged
      // name.
      const Npz content = read_npz(*source_of(bytes));
      for (const auto& [name, array] : content.arrays) {
        if (array.shape == whole.shape) {
          EXPECT_EQ(array.values, whole.values);
        }
      }
    });
    EXPECT_GT(errors, kDamages / 2) << file;
  }
}

TEST(Damage, CsvFiles) {
  std::string text = "stamp,kind,load,\"wi\"\"nd\"\r\n";
  for (int i = 0; i < 60; ++i) {
    text += fmt::format("2020-{:02},\"a\nb{}\",{}.5,{}\r\n", i % 12 + 1, i % 3, i, i % 7 == 0 ? "" : "-1e3");
  }
  for (const std::size_t memory : {std::size_t{100}, std::size_t{1} << 20}) {
    const CsvTableOptions options{.classes = {"kind"}, .fill = Fill::forward, .memory = memory};
    errors_of(text, 3, "the-file", [&](const std::string& bytes) {
      const CsvTable csv = open_csv_table(source_of(bytes), options);
      std::vector<double> values(csv.table->rows() * csv.table->width());
      csv.table->read(0, csv.table->rows(), values);
      for (const double v : values) EXPECT_TRUE(std::isfinite(v));
      EXPECT_LE(csv.table->rows(), 80u);
    });
  }
}

TEST(Damage, TextsLinesAndNotes) {
  errors_of("Bär\tČapek\nŁódź\tЩука\n", 4, "the-file",
            [](const std::string& bytes) { read_labelled_lines(*source_of(bytes)); });
  errors_of("zwölf Boxkämpfer 𝄞", 5, "the-file",
            [](const std::string& bytes) { read_characters(*source_of(bytes)); });
  errors_of("60 64 67\n-\n\n21 108\n60\n", 6, "the-file", [](const std::string& bytes) {
    for (const auto& piece : read_notes(*source_of(bytes))) EXPECT_GT(piece.steps(), 0u);
  });
}

}  // namespace
}  // namespace retrograde
