// From a task to what learns it: the network's shape, the loss, the batches and the metrics.
#pragma once

#include <memory>

#include "cli/task.h"
#include "cli/train_arguments.h"
#include "retrograde/data/batches.h"
#include "retrograde/train/evaluate.h"

namespace retrograde::cli {

// The configuration with the task's inputs, outputs and output activation.
Config config_for(const Task& task, const ModelArguments& model, std::uint64_t seed);
// The task's loss unless another is named. UsageError if that one cannot be.
Loss loss_for(const Task& task, const std::string& name);
// `given`, or: chunks for long sequences, everything else in full.
Bptt bptt_for(const Task& task, const std::string& given);
// Batches to train on; `size` 0: so many sequences side by side that an epoch has a hundred updates or more,
// at most 32.
std::unique_ptr<Batches> training_batches(const Task& task, const Bptt& bptt, std::size_t size);
// Batches to read `dataset` once in order.
std::unique_ptr<Batches> reading_batches(const Task& task, const std::shared_ptr<const Dataset>& dataset);

std::unique_ptr<Metrics> metrics_for(const Task& task);
// The metric that is shown beside the loss.
std::string main_metric(const Task& task);

}  // namespace retrograde::cli
