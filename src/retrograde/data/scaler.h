// Columns of numbers brought to a common scale: value = (raw − offset) / scale, column by column.
//
//   standard   offset the mean, scale the standard deviation (of the population: divided by n)
//   minmax     offset the smallest, scale the range: values lie in [0, 1]
//   none       offset 0, scale 1
//
// A column that never changes has scale 1. Fitted on training data alone and stored in the model.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "retrograde/base/json.h"

namespace retrograde {

enum class Scaling { none, standard, minmax };

std::string_view name(Scaling scaling);
// UsageError lists the names.
Scaling scaling_named(std::string_view name);

struct Scaler {
  Scaling kind = Scaling::none;
  std::vector<double> offset, scale;  // [columns]

  std::size_t width() const { return offset.size(); }
  // In place; `rows` is [n, columns].
  void apply(std::span<double> rows) const;
  void undo(std::span<double> rows) const;
  // Of some columns, in that order.
  Scaler select(std::span<const std::size_t> columns) const;
};

// offset 0, scale 1.
Scaler identity_scaler(std::size_t width);

// Sees the training data piece by piece (Welford 1962 for mean and deviation).
class ScalerFit {
 public:
  ScalerFit(Scaling kind, std::size_t width);
  void add(std::span<const double> rows);
  // UsageError if no row was added.
  Scaler finish() const;

 private:
  Scaling kind_;
  double count_ = 0;
  std::vector<double> mean_, squares_, low_, high_;
};

Json to_json(const Scaler& scaler);
// FileError when it is none: a kind that is not known, lists of unequal length, a scale that is not positive.
Scaler scaler_from_json(const Json& json);

}  // namespace retrograde
