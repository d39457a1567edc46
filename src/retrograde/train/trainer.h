// One step of training: forward -> loss -> backward -> clip -> update. The caller owns the loop over the data
// (train/fit.h is one), the trainer owns the truncation, the carried states and the optimiser.
//
//   Trainer trainer(net, Adam{.rate = 1e-3}, {.bptt = chunk(96), .clip_norm = 1.0});
//   while (batches->next(batch)) report(trainer.step(batch).loss);
//
// Everything random is drawn from the seed and the number of the update, so a trainer that is restored goes
// on bit for bit as if it had never stopped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "retrograde/optim/optimizer.h"
#include "retrograde/optim/schedule.h"
#include "retrograde/sequence/checkpoint.h"
#include "retrograde/train/batch_view.h"
#include "retrograde/train/carried.h"
#include "retrograde/train/pieces.h"

namespace retrograde {

struct TrainerOptions {
  Loss loss = {};
  // chunk(n): a batch of more than n steps is cut, and there is one update a piece (update_each_chunk) or one
  // for all with the weights frozen meanwhile. A head at the last step has its only loss in the last piece:
  // always one.
  Bptt bptt = {};
  bool update_each_chunk = true;
  // Long sequences in little memory: sequence/checkpoint.h. Not for bidirectional networks nor for windows.
  bool checkpoint = false;
  double clip_norm = 0;   // 0: not clipped
  double clip_value = 0;  // 0: not clipped; done before clip_norm
  Schedule schedule = {};
  std::uint64_t seed = 1;  // of the dropout masks
};

struct StepReport {
  double loss = 0;           // of the batch, before the update; mean over the pieces
  double gradient_norm = 0;  // before clipping; the largest of the pieces'
  std::size_t updates = 0;
  std::size_t clipped = 0;  // updates whose gradient was shortened
  std::size_t steps = 0;    // valid time steps, all sequences together
  double counted = 0;  // the targets' weights, together; 0: nothing to learn here, only states carried on
  // Where a number stopped being finite, in words; the parameters are then those before the failing update.
  std::optional<std::string> failure;
};

// What a trainer remembers beside the parameters.
template <class T>
struct TrainerState {
  OptimizerState<T> optimizer;
  State<T> carried;       // of the last batch's sequences; empty before the first
  double rate_scale = 1;  // see Trainer::scale_rate
};

template <class T>
class Trainer {
 public:
  // `network` must outlive the trainer. UsageError if an option is out of range.
  Trainer(Network<T>& network, const Method& method, TrainerOptions options = {});

  // UsageError if the batch does not fit the network, or continues one that had another number of sequences.
  StepReport step(const BatchView<T>& batch);
  StepReport step(const Batch<T>& batch) { return step(view(batch)); }
  // Multiplies the rate from now on, beside the schedule (reduction on plateau).
  void scale_rate(double scale) { rate_scale_ = scale; }
  // The rate of the next update.
  double rate() const;
  std::uint64_t updates() const { return optimizer_.state().updates; }

  Network<T>& network() { return *network_; }
  const Network<T>& network() const { return *network_; }
  const Method& method() const { return optimizer_.method(); }
  const TrainerOptions& options() const { return options_; }
  // What the last step's forward left: outputs, states. With `checkpoint` it is empty.
  const Tape<T>& tape() const { return tape_; }

  // The states that sequences which go on will begin with; empty before the first batch.
  const State<T>& carried() const { return carried_.states(); }
  // Where the next update draws its dropout masks from.
  Random masks() const;

  TrainerState<T> state() const;
  void restore(TrainerState<T> state);

 private:
  bool cuts(const BatchView<T>& batch) const;
  // Forward and backward: the loss; the gradients are those of this batch alone.
  double loss_and_gradients(const BatchView<T>& batch, const ForwardOptions<T>& beginning);
  // One forward, backward and update, whose loss counts `share` in the report; false if something was not
  // finite.
  bool update(const BatchView<T>& batch, ForwardOptions<T> beginning, double share, StepReport& report);

  Network<T>* network_;
  TrainerOptions options_;
  Optimizer<T> optimizer_;
  Gradients<T> gradients_;
  Tape<T> tape_;
  Checkpoints<T> checkpoints_;
  Pieces<T> pieces_;
  Carried<T> carried_;
  State<T> after_;  // the last update's batch
  double rate_scale_ = 1;
};

template <class T>
Trainer(Network<T>&, const Method&, TrainerOptions = {}) -> Trainer<T>;

extern template class Trainer<float>;
extern template class Trainer<double>;

}  // namespace retrograde
