#include "retrograde/data/csv_rows.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "retrograde/base/error.h"
#include "retrograde/data/utf8.h"

namespace retrograde {
namespace {

constexpr std::size_t kNumberSample = 100;  // records that are looked at to find the columns of numbers

// Whether at least half of a column's first cells, missing ones left aside, are numbers. Half: a text among
// numbers is a fault to be reported, not a reason to leave the column out.
std::vector<bool> columns_of_numbers(CsvReader reader, const std::vector<std::string>& na) {
  const std::size_t width = reader.columns().size();
  std::vector<std::size_t> numbers(width), others(width);
  CsvRecord record;
  for (std::size_t n = 0; n < kNumberSample && reader.next(record); ++n) {
    for (std::size_t i = 0; i < width; ++i) {
      if (to_number(record.cells[i])) {
        ++numbers[i];
      } else if (std::ranges::find(na, trimmed(record.cells[i])) == na.end()) {
        ++others[i];
      }
    }
  }
  std::vector<bool> result;
  for (std::size_t i = 0; i < width; ++i) result.push_back(numbers[i] > 0 && numbers[i] >= others[i]);
  return result;
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (!next_utf8(text, at)) return false;
  }
  return true;
}

// How a number written with a decimal comma would be written here, "" if it is none.
std::string with_decimal_point(std::string cell) {
  std::ranges::replace(cell, ',', '.');
  return to_number(cell) ? cell : std::string();
}

}  // namespace

std::size_t Codes::add(const std::string& text) {
  const auto [at, is_new] = code_of.try_emplace(text, texts.size());
  if (is_new) texts.push_back(text);
  return at->second;
}

CsvPlan make_csv_plan(const CsvReader& reader, const CsvTableOptions& options) {
  const auto& columns = reader.columns();
  const auto find = [&](const std::string& name) { return find_column(columns, name, reader.name()); };
  CsvPlan plan;
  std::vector<bool> taken(columns.size(), false), required(columns.size(), false);
  for (const auto& name : options.classes)
    plan.classes.push_back(find(name)), taken[plan.classes.back()] = true;
  for (const auto& name : options.ignored) taken[find(name)] = true;
  if (!options.group.empty()) plan.group = find(options.group), taken[*plan.group] = true;
  for (const auto& name : options.numbers) plan.numbers.push_back(find(name));
  for (const auto& name : options.required) {
    required[find(name)] = true;
    if (taken[find(name)]) {
      throw UsageError("{}: column \"{}\" cannot be a column of numbers and of time, groups or classes too",
                       reader.name(), name);
    }
  }
  if (options.numbers.empty()) {
    const auto numbers = columns_of_numbers(reader, options.na);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (taken[i]) continue;
      if (required[i] || (numbers[i] && !columns[i].empty())) {
        plan.numbers.push_back(i);
      } else {
        plan.left_out.push_back(columns[i]);
      }
    }
  }
  for (const auto i : plan.numbers) plan.names.push_back(columns[i]);
  for (const auto i : plan.classes) plan.names.push_back(columns[i]);
  if (plan.names.empty()) {
    throw DataError("{}: no column holds numbers; there are {}", reader.name(), fmt::join(columns, ", "));
  }
  return plan;
}

CsvRowParser::CsvRowParser(std::shared_ptr<const CsvPlan> plan,
                           std::shared_ptr<const CsvTableOptions> options)
    : plan_(std::move(plan)), options_(std::move(options)), class_codes_(plan_->classes.size()) {}

bool CsvRowParser::is_missing(const std::string& cell) const {
  return std::ranges::find(options_->na, trimmed(cell)) != options_->na.end();
}

bool CsvRowParser::parse(const CsvReader& file, const CsvRecord& record, std::span<double> row) {
  const auto& numbers = plan_->numbers;
  gaps_ = 0;
  if (plan_->group) series_ = code(file, record, *plan_->group, series_codes_);
  if (series_ >= last_.size()) last_.resize(series_ + 1);
  auto& last = last_[series_];
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::string& cell = record.cells[numbers[i]];
    if (const auto value = to_number(cell)) {
      row[i] = *value;
    } else if (!is_missing(cell)) {
      refuse(file, record, numbers[i]);
    } else if (options_->fill == Fill::forward && !last.empty()) {
      row[i] = last[i];
      ++gaps_;
    } else if (options_->fill == Fill::drop) {
      ++gaps_;
    } else {
      refuse(file, record, numbers[i]);
    }
  }
  for (std::size_t i = 0; i < plan_->classes.size(); ++i) {
    row[numbers.size() + i] = static_cast<double>(code(file, record, plan_->classes[i], class_codes_[i]));
  }
  if (options_->fill == Fill::forward) last.assign(row.begin(), row.end());
  return gaps_ == 0 || options_->fill != Fill::drop;
}

CsvRowParser::State CsvRowParser::state() const {
  return {series_, series_ < last_.size() ? last_[series_] : std::vector<double>()};
}

void CsvRowParser::resume(const State& state) {
  series_ = state.series;
  last_.assign(series_ + 1, {});
  last_[series_] = state.last;
}

std::size_t CsvRowParser::code(const CsvReader& file, const CsvRecord& record, std::size_t column,
                               Codes& codes) {
  const std::string& cell = record.cells[column];
  if (cell.empty() || !is_utf8(cell)) {
    throw DataError("{}:{}:{}: {} is no name of a class or series (column \"{}\")", file.name(), record.line,
                    column + 1, shown(cell), file.columns()[column]);
  }
  return codes.add(cell);
}

void CsvRowParser::refuse(CsvReader file, const CsvRecord& record, std::size_t column) const {
  const std::string cell = record.cells[column];
  const bool missing = is_missing(cell);
  std::size_t same = 1, numbers = 0, texts = 0;
  try {
    for (CsvRecord other; file.next(other);) {
      same += other.cells[column] == cell;
      ++(to_number(other.cells[column]) || is_missing(other.cells[column]) ? numbers : texts);
    }
  } catch (const Error&) {
    // The file has further faults; the first one is what is reported.
  }
  std::string remedy = "Use --fill forward, or --fill drop.";
  if (missing && options_->fill == Fill::forward) {
    remedy = "Nothing stands above it to fill it from: use --fill drop.";
  } else if (const auto number = with_decimal_point(cell); !missing && !number.empty()) {
    remedy = fmt::format("Is that a decimal comma? Write {}.", number);
  } else if (!missing && texts > numbers) {
    remedy = "The column holds texts, not numbers.";
  } else if (!missing) {
    remedy = fmt::format("Use --na {} --fill forward, or --fill drop.", shown(cell));
  }
  throw DataError("{}:{}:{}: {} is {} (column \"{}\").\n       {} such cell{}. {}", file.name(), record.line,
                  column + 1, shown(cell), missing ? "missing" : "not a number", file.columns()[column], same,
                  same == 1 ? "" : "s", remedy);
}

}  // namespace retrograde
