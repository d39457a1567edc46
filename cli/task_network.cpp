#include "cli/task_network.h"

#include <algorithm>

#include "retrograde/base/error.h"

namespace retrograde::cli {

Config config_for(const Task& task, const ModelArguments& model, std::uint64_t seed) {
  Config config = config_of(model, seed);
  const Layout& layout = task.layout;
  config.inputs = layout.inputs;
  config.tokens = layout.tokens;
  config.outputs = layout.outputs;
  config.at = layout.at;
  if (!layout.tokens && config.embedding > 0)
    throw UsageError("--embedding is for symbols; the inputs are {} numbers a step", layout.inputs);
  if (config.bidirectional && task.long_sequences)
    throw UsageError("--bidirectional reads a sequence from its end too, where a {} task has not been yet",
                     task.kind);
  if (task.loss == Loss::Kind::softmax_cross_entropy) config.activation = OutputActivation::softmax();
  if (task.loss == Loss::Kind::binary_cross_entropy) config.activation = Nonlinearity::Kind::sigmoid;
  config.validate();
  return config;
}

Loss loss_for(const Task& task, const std::string& name) {
  if (name.empty()) return Loss(task.loss);
  Loss loss(name);
  const bool classes = loss.kind() == Loss::Kind::softmax_cross_entropy;
  const bool yes_or_no = loss.kind() == Loss::Kind::binary_cross_entropy;
  if (classes != task.layout.classes || (yes_or_no && task.loss != Loss::Kind::binary_cross_entropy))
    throw UsageError("--loss {} does not fit the targets, which are {}", name,
                     task.layout.classes ? "labels"
                     : yes_or_no         ? "not all 0 or 1"
                                         : "numbers");
  return loss;
}

Bptt bptt_for(const Task& task, const std::string& given) {
  if (!given.empty()) return parse_bptt(given);
  return task.long_sequences ? chunk(64) : full();
}

std::unique_ptr<Batches> training_batches(const Task& task, const Bptt& bptt, std::size_t size) {
  constexpr std::size_t kUpdates = 100, kLargest = 32;
  const auto chosen = [&](std::size_t pieces) {
    return size > 0 ? size : std::clamp<std::size_t>(pieces / kUpdates, 1, kLargest);
  };
  if (!task.long_sequences || bptt.kind == Bptt::Kind::full)
    return whole_batches(task.train, {.batch = chosen(task.train->sequences())});
  // A window needs the steps that it looks back on in the same batch.
  const std::size_t steps =
      bptt.kind == Bptt::Kind::chunk ? bptt.length : std::max<std::size_t>(64, 4 * bptt.length);
  return stream_batches(task.train, chosen(task.train->steps() / steps), steps);
}

std::unique_ptr<Batches> reading_batches(const Task& task, const std::shared_ptr<const Dataset>& dataset) {
  // One row: more would cut the sequences into equal parts, and the state with them.
  if (task.long_sequences) return stream_batches(dataset, 1, 1024);
  return whole_batches(dataset, {.batch = 32, .shuffled = false, .by_length = false});
}

std::unique_ptr<Metrics> metrics_for(const Task& task) {
  if (task.layout.classes) return class_metrics();
  if (task.loss == Loss::Kind::binary_cross_entropy) return binary_metrics();
  return regression_metrics(task.target_scale);
}

std::string main_metric(const Task& task) {
  if (task.kind == "characters" || task.loss == Loss::Kind::binary_cross_entropy) return "nll";
  return task.layout.classes ? "accuracy" : "rmse";
}

}  // namespace retrograde::cli
