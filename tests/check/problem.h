// A network and a batch with a loss, nothing special about either: distinct prime sizes, unequal lengths,
// start states that are not 0, weights of order 0.5; or drawn at random.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "retrograde/check/drawn_problem.h"

namespace retrograde::testing {

struct Problem {
  Network<double> network;
  Loss loss;
  std::unique_ptr<DrawnProblem> drawn{};

  explicit Problem(Config config, Loss how = {}) : network(std::move(config)), loss(std::move(how)) {}

  void draw(std::uint64_t seed, const DrawOptions& options = {}) {
    Random random(seed);
    draw_parameters(network, random);
    drawn = std::make_unique<DrawnProblem>(network.config(), loss, options, random);
  }
  const LossProblem& view() const { return drawn->view(); }
  LossProblem view(const Bptt& bptt) const {
    LossProblem other = view();
    other.bptt = bptt;
    return other;
  }
  std::size_t steps() const { return view().input.steps; }
};

// Every cell, two layers, in one direction and in both, with dropout.
inline std::vector<Problem> two_layer_problems() {
  std::vector<Problem> result;
  for (const Cell& cell : std::vector<Cell>{Elman{}, Gru{}, Gru{.reset_after = false}, Lstm{}})
    for (const bool bidirectional : {false, true}) {
      Config config{
          .cell = cell, .inputs = 3, .hidden = {5, 2}, .outputs = 2, .bidirectional = bidirectional};
      config.dropout = config.recurrent_dropout = 0.3;
      Problem problem(config);
      problem.draw(7);
      result.push_back(std::move(problem));
    }
  return result;
}

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
  DrawOptions options{.batch = 1 + random.below(4),
                      .steps = 1 + random.below(7),
                      .unequal = chance(0.6),
                      .given_start = !config.learned_start && chance(0.7)};
  const double which = random.uniform();
  if (which < 0.3)
    options.bptt = chunk(1 + random.below(4));
  else if (which < 0.6)
    options.bptt = window(random.below(5));
  problem.draw(seed, options);
  return problem;
}

inline std::string describe(const Problem& p) {
  return fmt::format("{} {} {} {} B {} T {}", to_json(p.network.config()).dump(), p.loss.name(),
                     name(p.loss.how()), to_string(p.view().bptt), p.view().input.batch, p.steps());
}

}  // namespace retrograde::testing
