// What a forecast has to beat: the last value that was seen, and the value one season before.
#pragma once

#include <cstddef>
#include <optional>

#include "cli/task.h"

namespace retrograde::cli {

struct NaiveErrors {
  double rmse_last = 0;                      // in the target's units, all target columns together
  std::optional<double> rmse_seasonal = {};  // if the period is not 0
};

// Over the targets that count, of the steps that have seen far enough back. Nothing if there is none.
std::optional<NaiveErrors> naive_errors(const Dataset& dataset, const Task& task);

}  // namespace retrograde::cli
