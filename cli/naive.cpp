#include "cli/naive.h"

#include <cmath>
#include <vector>

namespace retrograde::cli {
namespace {

// The root mean square of target(t) − target(t − lag), read in pieces that overlap by `lag`.
std::optional<double> rmse_at_lag(const Dataset& dataset, const Task& task, std::size_t lag) {
  constexpr std::size_t kPiece = 4096;
  const Layout& layout = dataset.layout();
  double squares = 0, count = 0;
  for (std::size_t s = 0; s < dataset.sequences(); ++s)
    for (std::size_t first = 0; first + lag < dataset.length(s); first += kPiece) {
      const std::size_t steps = std::min(kPiece + lag, dataset.length(s) - first);
      std::vector<double> x(steps * layout.inputs), values(steps * layout.outputs), weights(steps);
      StepPlaces into;
      into.x = x;
      into.values = values;
      into.weights = weights;
      dataset.read(s, first, steps, into);
      for (std::size_t t = lag; t < steps; ++t) {
        if (!(weights[t] > 0)) continue;
        for (std::size_t o = 0; o < layout.outputs; ++o) {
          const double error = (values[t * layout.outputs + o] - values[(t - lag) * layout.outputs + o]) *
                               task.target_scale[o];
          squares += error * error;
          ++count;
        }
      }
    }
  if (count == 0) return std::nullopt;
  return std::sqrt(squares / count);
}

}  // namespace

// The target at step t is the series at t + horizon; the last value seen is that of `horizon` steps before
// it, and the last whole season before it that was seen is a multiple of the period.
std::optional<NaiveErrors> naive_errors(const Dataset& dataset, const Task& task) {
  const auto horizon = detail::known_item(task.preprocess, "horizon").get<std::size_t>();
  const auto period = detail::known_item(task.preprocess, "period").get<std::size_t>();
  const auto last = rmse_at_lag(dataset, task, horizon);
  if (!last) return std::nullopt;
  NaiveErrors errors{.rmse_last = *last};
  if (period > 0) errors.rmse_seasonal = rmse_at_lag(dataset, task, (horizon + period - 1) / period * period);
  return errors;
}

}  // namespace retrograde::cli
