// Numbers in rows, in time order, with named columns: a CSV or NPY file or memory, read at any row. Files
// larger than memory stay on disk and are read in pieces.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "retrograde/data/npy.h"

namespace retrograde {

class Table {
 public:
  virtual ~Table() = default;
  virtual const std::vector<std::string>& columns() const = 0;
  virtual std::size_t rows() const = 0;
  // Rows first .. first+count-1, row-major [count, width]; finite. Safe from several threads.
  // UsageError when they are not all there, DataError or FileError when the file does not hold them any more.
  virtual void read(std::size_t first, std::size_t count, std::span<double> into) const = 0;

  std::size_t width() const { return columns().size(); }

 protected:
  void check_rows(std::size_t first, std::size_t count, std::size_t places) const;
};

// A run of rows that belong together.
struct SeriesRows {
  std::string name{};
  std::size_t first = 0, count = 0;
};

// The place of a column given by name or, where no name is that, by number from 1. UsageError lists the
// columns; `what` begins its sentence: the file's name.
std::size_t find_column(const std::vector<std::string>& names, std::string_view column,
                        std::string_view what);

// In memory; `values` is [rows, columns].
std::unique_ptr<Table> make_table(std::vector<std::string> columns, std::vector<double> values);

// An array [T] or [T, C], rows read from disk as they are needed; columns are named "1", "2", ...
// DataError for other shapes and, when a row is read, for NaN and infinity, by their place.
std::unique_ptr<Table> open_npy_table(NpyReader reader);

}  // namespace retrograde
