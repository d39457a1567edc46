// Forecasting: after each step t of a series, the values of some columns at step t + horizon, from the input
// columns up to and including t. A series of n rows has n − horizon steps.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "retrograde/data/dataset.h"
#include "retrograde/data/scaler.h"
#include "retrograde/data/table.h"

namespace retrograde {

struct ForecastOptions {
  std::vector<std::size_t> inputs{}, targets{};  // columns of the table
  std::size_t horizon = 1;
  Scaler scaler{};  // of the table's columns
};

class Forecast : public Dataset {
 public:
  // UsageError when the horizon is 0 or a column is not there; DataError when no series is longer than the
  // horizon (those that are shorter are passed over).
  Forecast(std::shared_ptr<const Table> table, std::vector<SeriesRows> series, ForecastOptions options);

  const Layout& layout() const override { return layout_; }
  std::size_t sequences() const override { return series_.size(); }
  std::size_t length(std::size_t sequence) const override {
    return series_.at(sequence).count - options_.horizon;
  }
  void read(std::size_t sequence, std::size_t first, std::size_t count, StepPlaces into) const override;

  const SeriesRows& series(std::size_t sequence) const { return series_.at(sequence); }

 private:
  std::shared_ptr<const Table> table_;
  std::vector<SeriesRows> series_;
  ForecastOptions options_;
  Layout layout_;
};

// A scaler of all the table's columns, fitted on the rows that training on the first 1 − `fraction` of every
// series sees as inputs or targets (split_tail), read in pieces.
Scaler fit_scaler(Scaling kind, const Table& table, const std::vector<SeriesRows>& series, double fraction,
                  std::size_t horizon);

}  // namespace retrograde
