#include "retrograde/sequence/checkpoint.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

// Distinct prime sizes, unequal lengths of which two are equal, h0 ≠ 0 for some.
struct Problem {
  std::size_t batch = 5, steps = 37, inputs = 3, outputs = 2;
  std::vector<std::size_t> lengths{11, 37, 2, 37, 29};
  std::vector<double> x, y, weights;
  std::vector<std::int32_t> tokens;
  State<double> start;
  std::vector<std::uint8_t> given{1, 0, 1, 1, 0};
  Network<double> network;

  explicit Problem(Config config) : network(finish(config)) {
    Random random(7);
    const Config& c = network.config();
    const std::size_t entries = batch * (c.at == At::every ? steps : 1);
    for (double& p : network.parameters().flat()) p = 0.5 * random.normal();
    for (std::size_t i = 0; i < entries * outputs; ++i) y.push_back(random.normal());
    for (std::size_t i = 0; i < entries; ++i) weights.push_back(random.uniform());
    for (std::size_t i = 0; i < batch * steps * inputs; ++i) x.push_back(random.normal());
    for (std::size_t i = 0; i < batch * steps; ++i)
      tokens.push_back(static_cast<std::int32_t>(random.below(inputs)));
    for (const std::size_t units : c.hidden) {
      start.h.emplace_back(batch * units, 0.3);
      if (c.states() > 1) start.c.emplace_back(batch * units, -0.2);
    }
  }
  Config finish(Config config) const {
    config.inputs = inputs, config.outputs = outputs, config.hidden = {7, 5};
    return config;
  }

  struct Result {
    double loss;
    std::vector<double> gradients;
    State<double> final;
  };
  Result result(bool checkpoint, const Bptt& bptt) const {
    const Config& c = network.config();
    Input<double> input{.batch = batch, .steps = steps, .lengths = lengths};
    (c.tokens ? void(input.tokens = tokens) : void(input.x = x));
    const Target<double> target{.values = y, .weights = weights};
    Random random(3);
    ForwardOptions<double> options{.start = &start, .given = given, .dropout = &random};
    Gradients<double> gradients(network);
    gradients.want_dx = !c.tokens;
    gradients.want_start = true;
    Result r;
    if (checkpoint) {
      Checkpoints<double> checkpoints;
      r.loss = checkpoints.loss_and_gradients(network, input, Loss(), target, bptt, gradients, options);
      r.final = checkpoints.final_state();
    } else {
      Tape<double> tape;
      forward(network, input, tape, options);
      r.loss = loss_and_gradients(network, tape, Loss(), target, bptt, gradients);
      r.final = tape.final_state();
    }
    const auto add = [&](const auto& values) {
      r.gradients.insert(r.gradients.end(), values.begin(), values.end());
    };
    add(gradients.parameters.flat());
    add(gradients.dx);
    for (const auto& block : gradients.start.h) add(block);
    for (const auto& block : gradients.start.c) add(block);
    return r;
  }
};

TEST(Checkpoints, GiveTheBitsOfTheWholeTape) {
  for (const Cell& cell : std::vector<Cell>{Elman{}, Gru{}, Gru{.reset_after = false}, Lstm{}})
    for (const At at : {At::every, At::last})
      for (const bool tokens : {false, true})
        for (const Bptt& bptt : {full(), chunk(5)}) {
          const Problem run({.cell = cell,
                             .tokens = tokens,
                             .embedding = tokens ? std::size_t{3} : 0,
                             .at = at,
                             .dropout = 0.3,
                             .recurrent_dropout = 0.2,
                             .learned_start = true});
          const auto whole = run.result(false, bptt), parts = run.result(true, bptt);
          EXPECT_EQ(whole.loss, parts.loss) << cell.name();
          EXPECT_EQ(whole.gradients, parts.gradients) << cell.name() << (at == At::last) << tokens;
          EXPECT_EQ(whole.final.h, parts.final.h);
          EXPECT_EQ(whole.final.c, parts.final.c);
          EXPECT_GT(*std::ranges::max_element(whole.gradients), 0);
        }
}

TEST(Checkpoints, RefuseWhatNeedsTheWholeTape) {
  EXPECT_THROW(Problem({.cell = Gru{}, .bidirectional = true}).result(true, full()), UsageError);
  EXPECT_THROW(Problem({.cell = Gru{}}).result(true, window(4)), UsageError);
}

}  // namespace
}  // namespace retrograde
