// The loop over epochs: batches through a trainer, validation, early stopping, the best and the last
// checkpoint, and events for whoever listens. All that it knows is in FitState, so that it can be stopped
// after any batch, even by a kill, and go on from the last saved state to the very same bits.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "retrograde/train/evaluate.h"
#include "retrograde/train/trainer.h"

namespace retrograde {

struct FitOptions {
  std::size_t epochs = 50;
  std::size_t patience = 0;  // epochs without a better loss before stopping; 0: never stop early
  std::optional<ReduceOnPlateau> plateau = {};  // watches the same loss
  double save_seconds = 60;                     // within an epoch the state is saved this often
};

struct FitState {
  std::size_t epoch = 0, batch = 0;  // of the next batch, counted from 0
  // Sums over the batches of the running epoch.
  double loss = 0, counted = 0, norm = 0;
  std::size_t updates = 0, clipped = 0, steps = 0;
  // The best epoch (counted from 1, 0: none yet) and those since then that were no better.
  double best_loss = std::numeric_limits<double>::infinity();
  std::size_t best_epoch = 0, since_best = 0;
  Plateau plateau;
};

struct EpochReport {
  std::size_t epoch = 0;  // from 1
  double train_loss = 0;  // mean over the targets, each before its update
  std::optional<Evaluation> valid = {};
  double gradient_norm = 0;  // mean of the updates', before clipping
  double clipped = 0;        // fraction of the updates
  double rate = 0;           // of the last update
  std::size_t steps = 0;     // valid time steps
  double seconds = 0;        // since the epoch began, or was resumed
  bool best = false;
};

struct StepEvent {
  std::size_t epoch = 0, batch = 0, batches = 0;  // epoch and batch from 1
  StepReport step;
};

template <class T>
struct FitEvents {
  std::function<Evaluation()> validate = {};                  // none: the training loss decides
  std::function<void(const BatchView<T>&)> before_step = {};  // verification
  std::function<bool(const StepEvent&)> on_step = {};         // false: save and stop
  std::function<void(const EpochReport&)> on_epoch = {};      // before the epoch is saved
  std::function<void(const FitState&)> save_best = {};        // the trainer holds the rest
  std::function<void(const FitState&)> save_last = {};
};

enum class Ending { finished, no_improvement, stopped, diverged };

struct FitResult {
  Ending ending = Ending::finished;
  std::size_t best_epoch = 0;
  double best_loss = 0;
  std::string failure;  // diverged: at which epoch and batch, and where a number stopped being finite
};

// The order of each epoch is drawn from the trainer's seed and the epoch's number. `state`: where to go on;
// the trainer must have been restored to the same moment.
template <class T>
FitResult fit(Trainer<T>& trainer, Batches& batches, const FitOptions& options, const FitEvents<T>& events,
              FitState state = {});

}  // namespace retrograde
