// From a CSV record to a row of numbers: which columns are wanted, what counts as missing, how gaps are
// filled, and the codes of classes. Used when a file is first read through and again whenever a piece of it
// is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "retrograde/data/csv.h"
#include "retrograde/data/csv_table.h"

namespace retrograde {

// Texts and their codes, in the order in which they are first met.
struct Codes {
  std::vector<std::string> texts;
  std::unordered_map<std::string, std::size_t> code_of;

  // The code of a text, a new one if it is new.
  std::size_t add(const std::string& text);
};

// Where the wanted columns stand in a record.
struct CsvPlan {
  std::vector<std::size_t> numbers, classes;
  std::optional<std::size_t> group;
  std::vector<std::string> names;     // of numbers, then of classes
  std::vector<std::string> left_out;  // unnamed or no numbers

  std::size_t width() const { return names.size(); }
};

CsvPlan make_csv_plan(const CsvReader& reader, const CsvTableOptions& options);

class CsvRowParser {
 public:
  CsvRowParser(std::shared_ptr<const CsvPlan> plan, std::shared_ptr<const CsvTableOptions> options);

  // The row's numbers into `row` (width() places); false when it is to be dropped. `file` and its further
  // records serve the error's message alone.
  bool parse(const CsvReader& file, const CsvRecord& record, std::span<double> row);

  // What parsing depends on besides the record: the series above and its last row, if gaps are filled.
  struct State {
    std::size_t series = 0;
    std::vector<double> last;
  };
  State state() const;
  // Reads on from there; the codes that are known stay.
  void resume(const State& state);

  std::size_t series() const { return series_; }
  const Codes& series_codes() const { return series_codes_; }
  const std::vector<Codes>& class_codes() const { return class_codes_; }
  // Cells of the last row that were missing.
  std::size_t gaps() const { return gaps_; }

 private:
  bool is_missing(const std::string& cell) const;
  [[noreturn]] void refuse(CsvReader file, const CsvRecord& record, std::size_t column) const;
  std::size_t code(const CsvReader& file, const CsvRecord& record, std::size_t column, Codes& codes);

  std::shared_ptr<const CsvPlan> plan_;
  std::shared_ptr<const CsvTableOptions> options_;
  Codes series_codes_;
  std::vector<Codes> class_codes_;
  std::vector<std::vector<double>> last_;  // by series, if gaps are filled
  std::size_t series_ = 0;
  std::size_t gaps_ = 0;
};

}  // namespace retrograde
