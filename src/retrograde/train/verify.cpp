#include "retrograde/train/verify.h"

#include <algorithm>

namespace retrograde {
namespace {

constexpr double kProducts = 1.5e6;  // of one forward: some milliseconds on complex numbers
constexpr std::size_t kEntries = 2;  // of every block and gate

// Memory of the part of a batch that is checked, in double.
struct Excerpt {
  std::size_t batch = 0, steps = 0;
  std::vector<double> x, values, weights;
  std::vector<std::int32_t> tokens, classes;
  std::vector<std::size_t> lengths;
};

// The first sequences and steps of an array [B, T, width].
template <class To, class From>
std::vector<To> first_of(std::span<const From> from, std::size_t batch, std::size_t steps,
                         std::size_t all_steps, std::size_t width) {
  std::vector<To> result;
  if (from.empty()) return result;
  for (std::size_t b = 0; b < batch; ++b)
    for (std::size_t i = 0; i < steps * width; ++i)
      result.push_back(static_cast<To>(from[b * all_steps * width + i]));
  return result;
}

template <class T>
Excerpt excerpt_of(const BatchView<T>& batch, const Config& config, std::size_t parameters) {
  const double room = kProducts / static_cast<double>(parameters);
  Excerpt part;
  part.steps = std::min(batch.input.steps, std::max<std::size_t>(5, static_cast<std::size_t>(room)));
  part.batch = std::clamp<std::size_t>(static_cast<std::size_t>(room) / part.steps, 1, batch.input.batch);
  for (std::size_t b = 0; b < part.batch; ++b)
    part.lengths.push_back(
        std::min(part.steps, batch.input.lengths.empty() ? batch.input.steps : batch.input.lengths[b]));
  const bool every = config.at == At::every;
  const std::size_t steps = every ? part.steps : 1, all = every ? batch.input.steps : 1;
  part.x = first_of<double>(batch.input.x, part.batch, part.steps, batch.input.steps, config.inputs);
  part.tokens = first_of<std::int32_t>(batch.input.tokens, part.batch, part.steps, batch.input.steps, 1);
  part.values = first_of<double>(batch.target.values, part.batch, steps, all, config.output_width());
  part.classes = first_of<std::int32_t>(batch.target.classes, part.batch, steps, all, 1);
  // Weights are all 1: the gradient is wanted even where only the states are carried on.
  return part;
}

template <class T>
State<double> states_of(const State<T>& states, std::size_t batch, const Config& config) {
  State<double> result;
  const auto cast = [&](const std::vector<std::vector<T>>& from, std::vector<std::vector<double>>& to) {
    for (std::size_t k = 0; k < from.size(); ++k) {
      const auto count = static_cast<std::ptrdiff_t>(batch * config.hidden[k / config.directions()]);
      to.emplace_back(from[k].begin(), from[k].begin() + count);
    }
  };
  cast(states.h, result.h);
  cast(states.c, result.c);
  return result;
}

}  // namespace

template <class T>
CheckReport verify(const Trainer<T>& trainer, const BatchView<T>& batch) {
  const Network<double> network = trainer.network().template cast<double>();
  const Config& config = network.config();
  const Excerpt part = excerpt_of(batch, config, network.size());
  const bool goes_on = std::ranges::any_of(batch.starts, [](std::uint8_t start) { return start == 0; });
  const State<T>& carried = trainer.carried();
  State<double> start;
  if (goes_on && !carried.h.empty()) start = states_of(carried, part.batch, config);

  LossProblem problem;
  problem.input = {part.batch, part.steps, part.x, part.tokens, part.lengths};
  problem.start = start.h.empty() ? nullptr : &start;
  problem.loss = trainer.options().loss;
  problem.target.values = part.values;
  problem.target.classes = part.classes;
  problem.bptt = trainer.options().bptt;
  if (config.dropout > 0 || config.recurrent_dropout > 0) problem.dropout = trainer.masks();
  CheckOptions options;
  options.mode = CheckMode::sampled;
  options.entries = kEntries;
  return check_network(network, problem, options);
}

template CheckReport verify(const Trainer<float>&, const BatchView<float>&);
template CheckReport verify(const Trainer<double>&, const BatchView<double>&);

}  // namespace retrograde
