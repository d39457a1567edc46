#include "retrograde/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

double decayed(const Constant&, std::uint64_t) { return 1; }

double decayed(const StepDecay& step, std::uint64_t updates) {
  if (step.every == 0) throw UsageError("a step schedule needs a length of at least 1 update; got 0");
  return std::pow(step.factor, static_cast<double>(updates / step.every));
}

double decayed(const Cosine& cosine, std::uint64_t updates) {
  if (cosine.over == 0) throw UsageError("a cosine schedule needs a length of at least 1 update; got 0");
  const double done = static_cast<double>(std::min(updates, cosine.over)) / static_cast<double>(cosine.over);
  return cosine.floor + (1 - cosine.floor) * (1 + std::cos(std::numbers::pi * done)) / 2;
}

}  // namespace

double Schedule::factor(std::uint64_t updates) const {
  if (updates < warmup) return static_cast<double>(updates + 1) / static_cast<double>(warmup);
  return std::visit([&](const auto& d) { return decayed(d, updates - warmup); }, decay);
}

void Plateau::observe(const ReduceOnPlateau& options, double loss) {
  if (!(options.factor > 0 && options.factor < 1))
    throw UsageError("reduce on plateau: the factor is {}; it must lie between 0 and 1", options.factor);
  if (loss < best * (1 - options.threshold)) {
    best = loss;
    bad_epochs = 0;
  } else {
    ++bad_epochs;
  }
  if (cooling > 0) {
    --cooling;
    bad_epochs = 0;
  }
  if (bad_epochs > options.patience) {
    scale = std::max(scale * options.factor, options.floor);
    cooling = options.cooldown;
    bad_epochs = 0;
  }
}

}  // namespace retrograde
