#include "retrograde/train/non_finite.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

namespace retrograde {
namespace {

template <class T>
std::optional<std::size_t> first_bad(std::span<const T> values) {
  const auto bad = std::find_if(values.begin(), values.end(), [](T v) { return !std::isfinite(v); });
  if (bad == values.end()) return std::nullopt;
  return static_cast<std::size_t>(bad - values.begin());
}

// A number of the forward, placed so that the earliest compares least.
struct Finding {
  std::size_t time, layer, stage;  // stage 0: pre-activations, 1: states
  std::string text;
  bool before(const Finding& other) const {
    return std::tie(time, layer, stage) < std::tie(other.time, other.layer, other.stage);
  }
};

// Entry i of an array [B, T, width], as (sequence, step, column).
struct Place {
  std::size_t sequence, step, column;
};
Place place(std::size_t i, std::size_t steps, std::size_t width) {
  return {i / (steps * width), i / width % steps, i % width};
}

// The entry of [B, T, width] that is not finite at the earliest step; nothing past a sequence's end counts.
template <class T>
std::optional<Place> earliest_bad(std::span<const T> values, std::size_t steps, std::size_t width,
                                  std::span<const std::size_t> lengths = {}) {
  std::optional<Place> earliest;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i])) {
      const Place here = place(i, steps, width);
      const bool padding = !lengths.empty() && here.step >= lengths[here.sequence];
      if (!padding && (!earliest || here.step < earliest->step)) earliest = here;
    }
  return earliest;
}
template <class T>
std::optional<Place> earliest_bad(const std::vector<T>& values, std::size_t steps, std::size_t width) {
  return earliest_bad(std::span<const T>(values), steps, width);
}

template <class T>
void look_at_layer(const Tape<T>& tape, const Config& config, std::size_t layer, bool reverse,
                   std::size_t steps, std::optional<Finding>& first) {
  const std::size_t units = config.hidden[layer];
  const auto keep = [&](Finding finding) {
    if (!first || finding.before(*first)) first = std::move(finding);
  };
  const std::string where = fmt::format("layer {}{}", layer, reverse ? ", reverse" : "");
  const std::vector<T> z = tape.preactivations(layer, reverse);
  const std::size_t width = config.cell.slots().slots * units;
  if (const auto at = earliest_bad(z, steps, width)) {
    const auto gates = config.cell.gate_names();
    const auto gate = gates[std::min(at->column / units, gates.size() - 1)];
    const T value = z[(at->sequence * steps + at->step) * width + at->column];
    keep({at->step, layer, 0,
          fmt::format("step {} of sequence {}: {} gate of {}, unit {}: its pre-activation is {}", at->step,
                      at->sequence, gate, where, at->column % units, value)});
  }
  for (std::size_t which = 0; which < config.states(); ++which)
    if (const auto at = earliest_bad(tape.states(layer, reverse, which), steps + 1, units))
      keep(
          {at->step == 0 ? 0 : at->step - 1, layer, std::size_t{at->step == 0 ? 0u : 1u},
           at->step == 0
               ? fmt::format("the start state of {}, sequence {}, is not finite", where, at->sequence)
               : fmt::format("step {} of sequence {}: the {} state of {}, unit {}, is not finite",
                             at->step - 1, at->sequence, which == 0 ? "hidden" : "cell", where, at->column)});
}

}  // namespace

template <class T>
std::string first_non_finite(const Params<T>& values, const std::string& what) {
  for (const ParamBlock& block : values.blocks())
    if (const auto bad = first_bad(values.slice(block))) {
      std::vector<std::size_t> index(block.shape.size());
      std::size_t rest = *bad;
      for (std::size_t d = block.shape.size(); d-- > 0; rest /= block.shape[d])
        index[d] = rest % block.shape[d];
      return fmt::format("{}{}[{}] is {}", what, block.name, fmt::join(index, ", "),
                         values.slice(block)[*bad]);
    }
  return "";
}

template <class T>
std::string first_non_finite(const Network<T>& network, const BatchView<T>& batch,
                             ForwardOptions<T> options) {
  const Config& config = network.config();
  const std::size_t steps = batch.input.steps;
  const std::size_t output_steps = config.at == At::every ? steps : 1;
  if (const auto at = earliest_bad(batch.input.x, steps, config.inputs, batch.input.lengths))
    return fmt::format("step {} of sequence {}: input feature {} is not finite", at->step, at->sequence,
                       at->column);
  if (const auto at =
          earliest_bad(batch.target.values, output_steps, config.output_width(),
                       config.at == At::every ? batch.input.lengths : std::span<const std::size_t>{}))
    return fmt::format("step {} of sequence {}: target {} is not finite", at->step, at->sequence, at->column);
  if (std::string text = first_non_finite(network.parameters(), "parameter "); !text.empty()) return text;

  Tape<T> tape;
  options.keep_preactivations = true;
  forward(network, batch.input, tape, options);
  std::optional<Finding> first;
  for (std::size_t layer = 0; layer < config.layers(); ++layer)
    for (std::size_t direction = 0; direction < config.directions(); ++direction)
      look_at_layer(tape, config, layer, direction == 1, steps, first);
  if (first) return first->text;

  const std::vector<T> head = tape.head_preactivations();
  if (const auto at = earliest_bad(head, output_steps, config.output_width()))
    return fmt::format("step {} of sequence {}: output {} of the head is not finite",
                       config.at == At::every ? at->step : steps - 1, at->sequence, at->column);
  return "";
}

template std::string first_non_finite(const Network<float>&, const BatchView<float>&, ForwardOptions<float>);
template std::string first_non_finite(const Network<double>&, const BatchView<double>&,
                                      ForwardOptions<double>);
template std::string first_non_finite(const Params<float>&, const std::string&);
template std::string first_non_finite(const Params<double>&, const std::string&);

}  // namespace retrograde
