// The columns of a CSV file that are wanted, as a table of numbers.
//
// The file is read once from end to end, so that whatever is wrong in it is said before anything is computed.
// What fits into `memory` is kept; of a larger file the place of every thousandth row, and rows are parsed
// again, a block at a time, when they are asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "retrograde/data/csv.h"
#include "retrograde/data/table.h"

namespace retrograde {

enum class Fill {
  refuse,   // a missing value is an error
  forward,  // the last value above, of the same series
  drop      // the row is left out
};

struct CsvTableOptions {
  CsvOptions csv{};
  // Columns of numbers, by name or number from 1. None: all whose first cells are numbers and that have a
  // name, in the file's order, without those below.
  std::vector<std::string> numbers{};
  // Columns that must be among them even if their first cells are no numbers, which is then what the error is
  // about.
  std::vector<std::string> required{};
  // Columns of text, each distinct text a class, coded 0, 1, ... in the table as in `classes` below.
  std::vector<std::string> classes{};
  std::string group{};                 // the column that names a row's series; "": the file is one series
  std::vector<std::string> ignored{};  // a time stamp, say
  std::vector<std::string> na = {"", "NA", "NaN", "nan", "null"};
  Fill fill = Fill::refuse;
  std::size_t memory = std::size_t{1} << 27;  // bytes of numbers to be kept
};

struct CsvTable {
  std::unique_ptr<Table> table;  // the columns of numbers, then those of classes
  std::vector<SeriesRows> series;
  std::vector<std::vector<std::string>> classes;  // of each column of classes, by code
  std::vector<std::string> left_out;              // columns that nobody named and that are no numbers
  // Cells filled or rows dropped, and the lines of the first and the last one.
  std::size_t gaps = 0, first_gap = 0, last_gap = 0;
  bool in_memory = false;
};

// UsageError for a column that is not there; DataError for a cell that is no number or missing (file, line,
// column, the text found, how many more such cells there are, the remedy), and for a file larger than
// `memory` whose series do not stand one after the other.
CsvTable open_csv_table(std::shared_ptr<const ByteSource> source, const CsvTableOptions& options);

}  // namespace retrograde
