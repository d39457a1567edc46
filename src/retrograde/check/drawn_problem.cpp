#include "retrograde/check/drawn_problem.h"

namespace retrograde {
namespace {

std::vector<double> normal(std::size_t n, double deviation, Random& random) {
  std::vector<double> values(n);
  for (double& v : values) v = deviation * random.normal();
  return values;
}

std::vector<std::int32_t> symbols(std::size_t n, std::size_t below, Random& random) {
  std::vector<std::int32_t> values(n);
  for (auto& v : values) v = static_cast<std::int32_t>(random.below(below));
  return values;
}

}  // namespace

DrawnProblem::DrawnProblem(const Config& config, Loss loss, const DrawOptions& options, Random& random) {
  const std::size_t batch = options.batch, steps = options.steps;
  if (config.tokens)
    tokens_ = symbols(batch * steps, config.inputs, random);
  else
    x_ = normal(batch * steps * config.inputs, 1, random);
  if (options.unequal)
    for (std::size_t b = 0; b < batch; ++b) lengths_.push_back(b == 0 ? steps : 1 + random.below(steps));
  random.shuffle(std::span<std::size_t>(lengths_));

  const std::size_t entries = batch * (config.at == At::every ? steps : 1);
  if (loss.kind() == Loss::Kind::softmax_cross_entropy)
    classes_ = symbols(entries, config.output_width(), random);
  else
    values_ = normal(entries * config.output_width(), 1, random);
  if (loss.kind() == Loss::Kind::binary_cross_entropy)
    for (double& v : values_) v = v > 0 ? 1 : 0;
  for (std::size_t i = 0; i < entries; ++i) weights_.push_back(random.uniform(0.5, 2));

  for (std::size_t k = 0; options.given_start && k < config.layers(); ++k)
    for (std::size_t d = 0; d < config.directions(); ++d) {
      start_.h.push_back(normal(batch * config.hidden[k], 0.5, random));
      if (config.states() > 1) start_.c.push_back(normal(batch * config.hidden[k], 0.5, random));
    }
  view_ = {{batch, steps, x_, tokens_, lengths_},
           options.given_start ? &start_ : nullptr,
           std::move(loss),
           {values_, classes_, weights_},
           options.bptt,
           {}};
  if (config.dropout > 0 || config.recurrent_dropout > 0) view_.dropout = Random(random.bits());
}

void draw_parameters(Network<double>& network, Random& random, double deviation) {
  for (double& p : network.parameters().flat()) p = deviation * random.normal();
}

}  // namespace retrograde
