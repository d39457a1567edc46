#include "retrograde/data/forecast.h"

#include <algorithm>
#include <utility>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

std::vector<SeriesRows> long_enough(std::vector<SeriesRows> series, std::size_t horizon) {
  std::size_t longest = 0;
  for (const SeriesRows& s : series) longest = std::max(longest, s.count);
  if (longest <= horizon) {
    throw DataError("there are too few rows: the longest series has {}, a horizon of {} needs more", longest,
                    horizon);
  }
  std::erase_if(series, [&](const SeriesRows& s) { return s.count <= horizon; });
  return series;
}

}  // namespace

Forecast::Forecast(std::shared_ptr<const Table> table, std::vector<SeriesRows> series,
                   ForecastOptions options)
    : table_(std::move(table)), series_(std::move(series)), options_(std::move(options)) {
  if (options_.horizon == 0) throw UsageError("the horizon is at least 1: the next step");
  if (options_.inputs.empty() || options_.targets.empty()) {
    throw UsageError("a forecast needs at least one input column and one target column");
  }
  for (const auto* columns : {&options_.inputs, &options_.targets}) {
    for (const auto c : *columns) {
      if (c >= table_->width())
        throw UsageError("there is no column {}; the table has {}", c, table_->width());
    }
  }
  if (options_.scaler.width() != table_->width()) {
    throw UsageError("the scaler is of {} columns, the table has {}", options_.scaler.width(),
                     table_->width());
  }
  series_ = long_enough(std::move(series_), options_.horizon);
  layout_.inputs = options_.inputs.size();
  layout_.outputs = options_.targets.size();
}

void Forecast::read(std::size_t sequence, std::size_t first, std::size_t count, StepPlaces into) const {
  const std::size_t width = table_->width();
  std::vector<double> rows((count + options_.horizon) * width);
  table_->read(series_.at(sequence).first + first, count + options_.horizon, rows);
  options_.scaler.apply(rows);
  const auto gather = [&](const std::vector<std::size_t>& columns, std::size_t from, std::span<double> to) {
    std::size_t at = 0;
    for (std::size_t t = 0; t < count; ++t) {
      for (const auto c : columns) to[at++] = rows[(from + t) * width + c];
    }
  };
  gather(options_.inputs, 0, into.x);
  gather(options_.targets, options_.horizon, into.values);
  std::ranges::fill(into.weights, 1.0);
}

Scaler fit_scaler(Scaling kind, const Table& table, const std::vector<SeriesRows>& series, double fraction,
                  std::size_t horizon) {
  constexpr std::size_t kPiece = 4096;
  ScalerFit fit(kind, table.width());
  std::vector<double> rows;
  for (const SeriesRows& s : long_enough(series, horizon)) {
    const std::size_t end = s.first + s.count - tail_of(s.count - horizon, fraction);
    for (std::size_t first = s.first; first < end; first += kPiece) {
      const std::size_t count = std::min(kPiece, end - first);
      rows.resize(count * table.width());
      table.read(first, count, rows);
      fit.add(rows);
    }
  }
  return fit.finish();
}

}  // namespace retrograde
