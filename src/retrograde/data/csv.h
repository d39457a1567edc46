// Comma-separated values (RFC 4180), a record at a time: quoted cells with delimiters, doubled quotes and
// line ends inside, LF or CRLF, a byte-order mark, blank lines passed over. Memory is bounded by the longest
// record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "retrograde/data/file.h"

namespace retrograde {

struct CsvOptions {
  std::optional<char> delimiter{};  // found among , ; tab | when not given
  std::optional<bool> header{};  // found when not given: names above numbers, or no number in the first line
};

struct CsvRecord {
  std::size_t line = 0;      // where it begins; the first is 1
  std::uint64_t offset = 0;  // likewise, in bytes
  std::vector<std::string> cells;
};

class CsvReader {
 public:
  // Finds delimiter and header by looking at the first records and stands before the first data record.
  // FileError when it is no text, DataError when it holds no record.
  explicit CsvReader(std::shared_ptr<const ByteSource> source, const CsvOptions& options = {});

  // A reader of the same file with its own place in it.
  CsvReader at(std::uint64_t offset, std::size_t line) const;

  const std::string& name() const { return source_->name(); }
  // From the header, or "1", "2", ... without one.
  const std::vector<std::string>& columns() const { return columns_; }
  char delimiter() const { return delimiter_; }
  bool has_header() const { return has_header_; }

  // The next record, with as many cells as there are columns; false at the end. `record` is reused, so that
  // reading allocates little. DataError names file, line and what is wrong: too few or too many cells, text
  // after a closing quote, a quote without end.
  bool next(CsvRecord& record);

 private:
  bool next_raw(CsvRecord& record);
  bool read_cell(std::string& cell, const CsvRecord& record);
  void read_quoted(std::string& cell, const CsvRecord& record);
  template <class Stop>
  void append_run(std::string& cell, const CsvRecord& record, Stop stop);
  void check_length(const std::string& cell, const CsvRecord& record) const;
  void end_line();
  int peek();
  void rewind() { *this = at(start_, 1); }
  void find_start();
  void find_delimiter();
  void find_header(std::optional<bool> header);
  std::vector<CsvRecord> sample(std::size_t count);

  std::shared_ptr<const ByteSource> source_;
  std::vector<std::string> columns_;
  char delimiter_ = ',';
  bool has_header_ = false;
  std::uint64_t start_ = 0;  // after a byte-order mark
  std::string buffer_;
  std::size_t at_ = 0;               // in the buffer
  std::uint64_t buffer_offset_ = 0;  // of the buffer's first byte in the file
  std::size_t line_ = 1;
};

// Without the blanks around it.
std::string_view trimmed(std::string_view cell);

// A cell as a number: decimal or scientific, blanks around it allowed. Nothing when it is none, or when it is
// infinite, NaN or beyond a double's range.
std::optional<double> to_number(std::string_view cell);

// A cell for an error message: quoted, at most 40 characters, control characters and bytes that are no UTF-8
// escaped.
std::string shown(std::string_view cell);

}  // namespace retrograde
