// A network's outputs over a dataset, its mean loss, and the metrics of its task.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "retrograde/data/batches.h"
#include "retrograde/loss/loss.h"
#include "retrograde/model/network.h"
#include "retrograde/sequence/tape.h"

namespace retrograde {

// Runs one pass of `batches` from its start, without dropout, states carried where they go on, and shows each
// batch with what the forward left.
template <class T>
void for_each_output(const Network<T>& network, Batches& batches,
                     const std::function<void(const Batch<double>&, const Tape<T>&)>& visit);

// What is counted while outputs pass by. Only targets with a weight count, as much as they weigh.
class Metrics {
 public:
  using Values = std::vector<std::pair<std::string, double>>;

  virtual ~Metrics() = default;
  // y and z (before the head's activation) in the shape of the batch's outputs, [B, T, O] or [B, O].
  virtual void add(const Batch<double>& batch, std::span<const double> y, std::span<const double> z) = 0;
  virtual Values values() const = 0;
};

// rmse, mae, and r2 (1 − squared error / variance of the target), outputs taken together. `scale` [O] brings
// errors back to the target's units; empty: 1.
std::unique_ptr<Metrics> regression_metrics(std::vector<double> scale);
// accuracy, nll (nats, natural logarithm, a target).
std::unique_ptr<Metrics> class_metrics();
// For independent yes-or-no outputs: nll (nats a step, all outputs together) and accuracy, TP / (TP + FP +
// FN) at one half (Bay, Ehmann & Downie 2009), the usual one for notes.
std::unique_ptr<Metrics> binary_metrics();

struct Evaluation {
  double loss = 0;  // the mean over all targets that count
  Metrics::Values metrics;
};

template <class T>
Evaluation evaluate(const Network<T>& network, Batches& batches, const Loss& loss, Metrics& metrics);

}  // namespace retrograde
