// A network and a batch with a loss, nothing special about either: distinct prime sizes, unequal lengths,
// start states that are not 0, weights of order 0.5; or drawn at random.
#pragma once

#include <vector>

#include "retrograde/check/network.h"

namespace retrograde::testing {

struct Problem {
  Network<double> network;
  Loss loss;
  Bptt bptt = full();
  std::size_t batch = 3, steps = 5;
  std::vector<std::size_t> lengths{3, 5, 2};
  bool given_start = true;
  std::vector<double> x{}, values{}, weights{};
  std::vector<std::int32_t> tokens{}, classes{};
  State<double> start{};
  std::optional<Random> dropout{};

  explicit Problem(Config config, Loss how = {}, Bptt truncation = full())
      : network(std::move(config)), loss(std::move(how)), bptt(truncation) {}

  // Fills everything for the sizes that are set. Targets suit the loss.
  void draw(std::uint64_t seed, double scale = 0.5) {
    Random random(seed);
    const Config& c = network.config();
    for (double& p : network.parameters().flat()) p = scale * random.normal();
    const auto normal = [&](std::size_t n, double size) {
      std::vector<double> values_drawn(n);
      for (double& v : values_drawn) v = size * random.normal();
      return values_drawn;
    };
    if (c.tokens)
      for (std::size_t i = 0; i < batch * steps; ++i)
        tokens.push_back(static_cast<std::int32_t>(random.below(c.inputs)));
    else
      x = normal(batch * steps * c.inputs, 1);
    const std::size_t entries = batch * (c.at == At::every ? steps : 1);
    if (loss.kind() == Loss::Kind::softmax_cross_entropy) {
      for (std::size_t i = 0; i < entries; ++i)
        classes.push_back(static_cast<std::int32_t>(random.below(c.output_width())));
    } else {
      values = normal(entries * c.output_width(), 1);
      if (loss.kind() == Loss::Kind::binary_cross_entropy)
        for (double& v : values) v = v > 0 ? 1 : 0;
    }
    for (std::size_t i = 0; i < entries; ++i) weights.push_back(random.uniform(0.5, 2));
    for (std::size_t k = 0; given_start && k < c.layers(); ++k)
      for (std::size_t d = 0; d < c.directions(); ++d) {
        start.h.push_back(normal(batch * c.hidden[k], 0.5));
        if (c.states() > 1) start.c.push_back(normal(batch * c.hidden[k], 0.5));
      }
    if (c.dropout > 0 || c.recurrent_dropout > 0) dropout = Random(seed + 1);
  }

  LossProblem view() const {
    return {{batch, steps, x, tokens, lengths},
            given_start ? &start : nullptr,
            loss,
            {values, classes, weights},
            bptt,
            dropout};
  }
};

// Any cell, activation, loss, reduction, head, direction, layers, lengths, truncation, dropout, start.
inline Problem random_problem(std::uint64_t seed) {
  Random random(seed);
  const auto one_of = [&](const auto& items) { return items[random.below(std::size(items))]; };
  const auto chance = [&](double p) { return random.uniform() < p; };
  const char* activations[] = {"identity", "tanh",     "relu",     "leaky_relu", "elu",
                               "sigmoid",  "softsign", "softplus", "sin"};
  const Cell cells[] = {Elman{Nonlinearity(one_of(activations))}, Elman{}, Gru{}, Gru{.reset_after = false},
                        Lstm{}};
  const Loss::Kind losses[] = {Loss::Kind::squared_error, Loss::Kind::huber, Loss::Kind::absolute_error,
                               Loss::Kind::softmax_cross_entropy, Loss::Kind::binary_cross_entropy};
  const Reduction reductions[] = {Reduction::mean, Reduction::mean_batch, Reduction::sum};
  Config config{.cell = one_of(cells), .inputs = 1 + random.below(6), .hidden = {}};
  for (std::size_t k = 1 + random.below(3); k > 0; --k) config.hidden.push_back(1 + random.below(7));
  config.outputs = chance(0.85) ? 1 + random.below(4) : 0;
  config.tokens = chance(0.2);
  if (config.tokens && chance(0.5)) config.embedding = 1 + random.below(3);
  config.at = chance(0.3) ? At::last : At::every;
  config.bidirectional = chance(0.3);
  config.bias = chance(0.8);
  if (chance(0.2)) config.dropout = 0.3;
  if (chance(0.2)) config.recurrent_dropout = 0.3;
  config.learned_start = chance(0.2);
  const Loss loss(one_of(losses), one_of(reductions));
  if (config.outputs && !loss.on_preactivations())
    config.activation =
        chance(0.2) && loss.kind() == Loss::Kind::squared_error  // else often zero: they sum to 1
            ? OutputActivation::softmax()
            : OutputActivation(one_of(activations));
  Problem problem(config, loss);
  problem.given_start = !config.learned_start && chance(0.7);
  problem.batch = 1 + random.below(4);
  problem.steps = 1 + random.below(7);
  problem.lengths.clear();
  if (chance(0.6))
    for (std::size_t b = 0; b < problem.batch; ++b)
      problem.lengths.push_back(1 + random.below(problem.steps));
  const double which = random.uniform();
  if (which < 0.3)
    problem.bptt = chunk(1 + random.below(4));
  else if (which < 0.6)
    problem.bptt = window(random.below(5));
  problem.draw(seed);
  return problem;
}

inline std::string describe(const Problem& p) {
  const Config& c = p.network.config();
  return to_json(c).dump() + " " + std::string(p.loss.name()) + " " + std::string(name(p.loss.how())) + " " +
         to_string(p.bptt) + " B " + std::to_string(p.batch) + " T " + std::to_string(p.steps);
}

}  // namespace retrograde::testing
