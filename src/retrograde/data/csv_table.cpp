#include "retrograde/data/csv_table.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <numeric>
#include <utility>

#include "retrograde/base/error.h"
#include "retrograde/data/csv_rows.h"

namespace retrograde {
namespace {

constexpr std::size_t kBlock = 1024;  // rows from one mark to the next

// What it takes to read on from a row.
struct Mark {
  std::uint64_t offset = 0;
  std::size_t line = 0;
  CsvRowParser::State state;
};

// Rows that stay on disk. They are parsed a block at a time, each from its mark on, and as many blocks are
// kept as memory allows, those used last.
class StreamedTable : public Table {
 public:
  StreamedTable(std::vector<std::string> columns, std::size_t rows, std::vector<Mark> marks, CsvReader reader,
                CsvRowParser parser, std::size_t memory)
      : columns_(std::move(columns)),
        rows_(rows),
        marks_(std::move(marks)),
        reader_(std::move(reader)),
        parser_(std::move(parser)),
        max_blocks_(std::max<std::size_t>(2, memory / (kBlock * width() * sizeof(double)))) {}

  const std::vector<std::string>& columns() const override { return columns_; }
  std::size_t rows() const override { return rows_; }

  void read(std::size_t first, std::size_t count, std::span<double> into) const override {
    check_rows(first, count, into.size());
    const std::scoped_lock lock(mutex_);
    for (const std::size_t end = first + count; first < end;) {
      const auto& values = block(first / kBlock);
      const std::size_t n = std::min(end - first, kBlock - first % kBlock);
      std::ranges::copy(std::span(values).subspan(first % kBlock * width(), n * width()), into.begin());
      into = into.subspan(n * width());
      first += n;
    }
  }

 private:
  struct Block {
    std::size_t number;
    std::vector<double> values;
  };

  const std::vector<double>& block(std::size_t number) const {
    const auto found = std::ranges::find(blocks_, number, &Block::number);
    if (found != blocks_.end()) {
      blocks_.splice(blocks_.begin(), blocks_, found);
    } else {
      blocks_.push_front({number, parse(number)});
      if (blocks_.size() > max_blocks_) blocks_.pop_back();
    }
    return blocks_.front().values;
  }

  std::vector<double> parse(std::size_t number) const {
    const Mark& mark = marks_[number];
    CsvReader reader = reader_.at(mark.offset, mark.line);
    CsvRowParser parser = parser_;
    parser.resume(mark.state);
    CsvRecord record;
    std::vector<double> values(std::min(kBlock, rows_ - number * kBlock) * width());
    for (auto rest = std::span(values); !rest.empty();) {
      if (!reader.next(record)) throw FileError("{}: became shorter while it was read", reader.name());
      if (parser.parse(reader, record, rest.first(width()))) rest = rest.subspan(width());
    }
    return values;
  }

  std::vector<std::string> columns_;
  std::size_t rows_;
  std::vector<Mark> marks_;
  CsvReader reader_;
  CsvRowParser parser_;
  std::size_t max_blocks_;
  mutable std::mutex mutex_;
  mutable std::list<Block> blocks_;  // the last used first
};

// The first reading, from end to end.
class Scan {
 public:
  Scan(CsvReader reader, std::shared_ptr<const CsvPlan> plan, std::shared_ptr<const CsvTableOptions> options)
      : reader_(std::move(reader)),
        parser_(plan, options),
        plan_(std::move(plan)),
        options_(std::move(options)) {}

  CsvTable run() {
    CsvReader reader = reader_;
    CsvRecord record;
    std::vector<double> row(plan_->width());
    while (true) {
      Mark mark{0, 0, {}};
      if (rows_ % kBlock == 0) mark.state = parser_.state();
      if (!reader.next(record)) break;
      const bool kept = parser_.parse(reader, record, row);
      note_gaps(record.line);
      if (!kept) continue;
      if (rows_ % kBlock == 0) {
        mark.offset = record.offset;
        mark.line = record.line;
        marks_.push_back(std::move(mark));
      }
      keep(row);
      ++rows_;
    }
    if (rows_ == 0) throw DataError("{}: holds no rows of data", reader.name());
    if (!in_order_) put_in_order();
    return finish();
  }

 private:
  void note_gaps(std::size_t line) {
    if (parser_.gaps() == 0) return;
    if (result_.gaps == 0) result_.first_gap = line;
    result_.last_gap = line;
    result_.gaps += options_->fill == Fill::drop ? 1 : parser_.gaps();
  }

  void keep(std::span<const double> row) {
    const auto series = parser_.series();
    if (series == counts_.size()) {
      counts_.push_back(0);
    } else if (series != last_series_) {
      in_order_ = false;
    }
    last_series_ = series;
    ++counts_[series];
    if (!in_memory_) return;
    values_.insert(values_.end(), row.begin(), row.end());
    if (plan_->group) series_of_row_.push_back(series);
    if (values_.size() * sizeof(double) > options_->memory) {
      in_memory_ = false;
      values_ = {};
      series_of_row_ = {};
    }
  }

  // Rows of several series that take turns, sorted by series and otherwise left in their order.
  void put_in_order() {
    if (!in_memory_) {
      throw DataError("{}: is larger than memory ({} bytes) and its series take turns; sort it by \"{}\"",
                      reader_.name(), options_->memory, reader_.columns()[*plan_->group]);
    }
    std::vector<std::size_t> order(rows_);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t r) { return series_of_row_[r]; });
    std::vector<double> sorted;
    sorted.reserve(values_.size());
    for (const auto r : order) {
      const auto row = std::span(values_).subspan(r * plan_->width(), plan_->width());
      sorted.insert(sorted.end(), row.begin(), row.end());
    }
    values_ = std::move(sorted);
  }

  CsvTable finish() {
    std::size_t first = 0;
    for (std::size_t s = 0; s < counts_.size(); first += counts_[s++]) {
      result_.series.push_back({plan_->group ? parser_.series_codes().texts[s] : "", first, counts_[s]});
    }
    for (const auto& codes : parser_.class_codes()) result_.classes.push_back(codes.texts);
    result_.left_out = plan_->left_out;
    result_.in_memory = in_memory_;
    if (in_memory_) {
      result_.table = make_table(plan_->names, std::move(values_));
    } else {
      result_.table = std::make_unique<StreamedTable>(plan_->names, rows_, std::move(marks_), reader_,
                                                      parser_, options_->memory);
    }
    return std::move(result_);
  }

  CsvReader reader_;  // stands before the first record
  CsvRowParser parser_;
  std::shared_ptr<const CsvPlan> plan_;
  std::shared_ptr<const CsvTableOptions> options_;
  CsvTable result_;
  std::size_t rows_ = 0;
  std::vector<Mark> marks_;
  std::vector<std::size_t> counts_;  // rows of each series
  std::size_t last_series_ = 0;
  bool in_order_ = true;
  bool in_memory_ = true;
  std::vector<double> values_;
  std::vector<std::size_t> series_of_row_;
};

}  // namespace

CsvTable open_csv_table(std::shared_ptr<const ByteSource> source, const CsvTableOptions& options) {
  CsvReader reader(std::move(source), options.csv);
  auto plan = std::make_shared<const CsvPlan>(make_csv_plan(reader, options));
  return Scan(std::move(reader), std::move(plan), std::make_shared<const CsvTableOptions>(options)).run();
}

}  // namespace retrograde
