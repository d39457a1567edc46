#include "retrograde/train/fit.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

namespace retrograde {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  void restart() { start_ = Clock::now(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

void add(FitState& state, const StepReport& step) {
  ++state.batch;
  state.loss += step.loss * step.counted;
  state.counted += step.counted;
  state.norm += step.gradient_norm * static_cast<double>(step.updates);
  state.updates += step.updates;
  state.clipped += step.clipped;
  state.steps += step.steps;
}

EpochReport report_of(const FitState& state, double rate, double seconds) {
  const double updates = static_cast<double>(state.updates);
  return {.epoch = state.epoch + 1,
          .train_loss = state.loss / state.counted,
          .gradient_norm = state.norm / updates,
          .clipped = static_cast<double>(state.clipped) / updates,
          .rate = rate,
          .steps = state.steps,
          .seconds = seconds};
}

// Closes the epoch in `state`; returns whether it was the best so far.
bool close_epoch(FitState& state, const FitOptions& options, double loss) {
  const bool best = loss < state.best_loss;
  if (best) {
    state.best_loss = loss;
    state.best_epoch = state.epoch + 1;
  }
  state.since_best = best ? 0 : state.since_best + 1;
  if (options.plateau) state.plateau.observe(*options.plateau, loss);
  ++state.epoch;
  state.batch = state.updates = state.clipped = state.steps = 0;
  state.loss = state.norm = state.counted = 0;
  return best;
}

template <class F, class... Args>
void call(const F& event, Args&&... args) {
  if (event) event(std::forward<Args>(args)...);
}

enum class Pass { done, stopped, diverged };

// The batches that are left of the running epoch.
template <class T>
Pass run_epoch(Trainer<T>& trainer, Batches& batches, const FitOptions& options, const FitEvents<T>& events,
               FitState& state, double& rate, std::string& failure) {
  Stopwatch since_save;
  Batch<double> read;
  Random order = Random::named(trainer.options().seed, fmt::format("order of epoch {}", state.epoch));
  batches.start(order);
  if (state.batch > 0) batches.resume({state.batch, batches.position().order});
  while (batches.next(read)) {
    const Batch<T> batch = read.template cast<T>();
    call(events.before_step, view(batch));
    rate = trainer.rate();
    const StepReport step = trainer.step(batch);
    if (step.failure) {
      failure = fmt::format("epoch {}, batch {}, {}", state.epoch + 1, state.batch + 1, *step.failure);
      return Pass::diverged;
    }
    add(state, step);
    if (events.on_step && !events.on_step({state.epoch + 1, state.batch, batches.count(), step})) {
      call(events.save_last, state);
      return Pass::stopped;
    }
    if (since_save.seconds() > options.save_seconds) {
      call(events.save_last, state);
      since_save.restart();
    }
  }
  return Pass::done;
}

}  // namespace

template <class T>
FitResult fit(Trainer<T>& trainer, Batches& batches, const FitOptions& options, const FitEvents<T>& events,
              FitState state) {
  const auto result = [&](Ending ending, std::string failure = "") {
    return FitResult{ending, state.best_epoch, state.best_loss, std::move(failure)};
  };
  while (state.epoch < options.epochs) {
    if (options.patience > 0 && state.since_best >= options.patience) return result(Ending::no_improvement);
    Stopwatch stopwatch;
    double rate = trainer.rate();
    std::string failure;
    const Pass pass = run_epoch(trainer, batches, options, events, state, rate, failure);
    if (pass == Pass::stopped) return result(Ending::stopped);
    if (pass == Pass::diverged) return result(Ending::diverged, std::move(failure));

    EpochReport report = report_of(state, rate, stopwatch.seconds());
    if (events.validate) report.valid = events.validate();
    report.best = close_epoch(state, options, report.valid ? report.valid->loss : report.train_loss);
    trainer.scale_rate(state.plateau.scale);
    report.seconds = stopwatch.seconds();
    call(events.on_epoch, report);
    if (report.best) call(events.save_best, state);
    call(events.save_last, state);
  }
  return result(Ending::finished);
}

template FitResult fit(Trainer<float>&, Batches&, const FitOptions&, const FitEvents<float>&, FitState);
template FitResult fit(Trainer<double>&, Batches&, const FitOptions&, const FitEvents<double>&, FitState);

}  // namespace retrograde
