#include "retrograde/data/table.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

class MemoryTable : public Table {
 public:
  MemoryTable(std::vector<std::string> columns, std::vector<double> values)
      : columns_(std::move(columns)), values_(std::move(values)) {
    if (columns_.empty() || values_.size() % columns_.size() != 0) {
      throw UsageError("{} values are no rows of {} columns", values_.size(), columns_.size());
    }
  }
  const std::vector<std::string>& columns() const override { return columns_; }
  std::size_t rows() const override { return values_.size() / columns_.size(); }
  void read(std::size_t first, std::size_t count, std::span<double> into) const override {
    check_rows(first, count, into.size());
    const auto from = std::span(values_).subspan(first * width(), into.size());
    std::ranges::copy(from, into.begin());
  }

 private:
  std::vector<std::string> columns_;
  std::vector<double> values_;
};

class NpyTable : public Table {
 public:
  explicit NpyTable(NpyReader reader) : reader_(std::move(reader)) {
    const auto& shape = reader_.shape();
    if (shape.empty() || shape.size() > 2 || reader_.row_size() == 0) {
      throw DataError("{}: is {}; a series is [T] or [T, columns], a row a step", reader_.name(),
                      describe_shape(shape));
    }
    for (std::size_t i = 0; i < reader_.row_size(); ++i) columns_.push_back(fmt::format("{}", i + 1));
  }
  const std::vector<std::string>& columns() const override { return columns_; }
  std::size_t rows() const override { return reader_.rows(); }
  void read(std::size_t first, std::size_t count, std::span<double> into) const override {
    reader_.read_rows(first, count, into);
    const auto bad = std::ranges::find_if_not(into, [](double v) { return std::isfinite(v); });
    if (bad == into.end()) return;
    const auto at = static_cast<std::size_t>(bad - into.begin());
    throw DataError("{}: row {}, column {} (from 1) is {}; fill or drop such rows first", reader_.name(),
                    first + at / width() + 1, at % width() + 1, *bad);
  }

 private:
  NpyReader reader_;
  std::vector<std::string> columns_;
};

}  // namespace

std::size_t find_column(const std::vector<std::string>& names, std::string_view column,
                        std::string_view what) {
  const auto found = std::ranges::find(names, column);
  if (found != names.end()) {
    if (std::find(found + 1, names.end(), column) != names.end()) {
      throw UsageError("{}: two columns are named \"{}\"; give the number instead (the first is 1)", what,
                       column);
    }
    return static_cast<std::size_t>(found - names.begin());
  }
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(column.data(), column.data() + column.size(), number);
  if (error == std::errc() && end == column.data() + column.size() && number >= 1 && number <= names.size()) {
    return number - 1;
  }
  throw UsageError("{}: there is no column \"{}\"; there are {}", what, column, fmt::join(names, ", "));
}

void Table::check_rows(std::size_t first, std::size_t count, std::size_t places) const {
  if (first > rows() || count > rows() - first || places != count * width()) {
    throw UsageError("rows {} to {} into {} places were asked for; there are {} rows of {}", first,
                     first + count, places, rows(), width());
  }
}

std::unique_ptr<Table> make_table(std::vector<std::string> columns, std::vector<double> values) {
  return std::make_unique<MemoryTable>(std::move(columns), std::move(values));
}

std::unique_ptr<Table> open_npy_table(NpyReader reader) {
  return std::make_unique<NpyTable>(std::move(reader));
}

}  // namespace retrograde
