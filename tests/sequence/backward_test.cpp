#include "retrograde/sequence/backward.h"

#include <gmock/gmock.h>

#include "sequence/case.h"

namespace retrograde {
namespace {

using testing::Case;
using testing::worst_gap;

std::vector<Cell> all_cells() {
  return {Elman{}, Elman{Nonlinearity::Kind::softplus}, Gru{}, Gru{.reset_after = false}, Lstm{}};
}

Config config(Cell cell) { return {.cell = std::move(cell), .inputs = 7, .hidden = {11}, .outputs = 2}; }

TEST(Backward, OfEveryCellAgreesWithComplexStep) {
  for (const Cell& cell : all_cells()) EXPECT_LE(worst_gap(Case(config(cell))), 1e-12) << cell.name();
}

TEST(Backward, OfEveryActivationAgreesWithComplexStep) {
  for (const char* name :
       {"identity", "tanh", "relu", "leaky_relu", "elu", "sigmoid", "softsign", "softplus", "sin"}) {
    auto c = config(Elman{Nonlinearity(name)});
    c.activation = OutputActivation(name);
    EXPECT_LE(worst_gap(Case(c)), 1e-12) << name;
  }
}

TEST(Backward, OfStackedLayersInBothDirectionsAgreesWithComplexStep) {
  for (const Cell& cell : all_cells()) {
    auto c = config(cell);
    c.hidden = {11, 5, 3};
    c.bidirectional = true;
    c.activation = OutputActivation::softmax();
    EXPECT_LE(worst_gap(Case(c)), 1e-12) << cell.name();
  }
}

TEST(Backward, OfAHeadAtTheLastStepAgreesWithComplexStep) {
  for (const bool bidirectional : {false, true}) {
    auto c = config(Gru{});
    c.at = At::last;
    c.bidirectional = bidirectional;
    EXPECT_LE(worst_gap(Case(c)), 1e-12);
  }
}

TEST(Backward, WithoutHeadOrBiasAgreesWithComplexStep) {
  for (const auto at : {At::every, At::last}) {
    auto c = config(Lstm{});
    c.outputs = 0;
    c.bias = false;
    c.at = at;
    EXPECT_LE(worst_gap(Case(c)), 1e-12);
  }
}

TEST(Backward, WithFrozenDropoutAgreesWithComplexStep) {
  for (const Cell& cell : all_cells()) {
    auto c = config(cell);
    c.hidden = {11, 5};
    c.dropout = 0.3;
    c.recurrent_dropout = 0.4;
    EXPECT_LE(worst_gap(Case(c)), 1e-12) << cell.name();
  }
}

TEST(Backward, OfLearnedStartStatesAgreesWithComplexStep) {
  for (const Cell& cell : all_cells()) {
    auto c = config(cell);
    c.learned_start = true;
    c.bidirectional = true;
    EXPECT_LE(worst_gap(Case(c)), 1e-12) << cell.name();
  }
}

TEST(Backward, OfLearnedStartStatesCountsOnlySequencesThatBeginWithThem) {
  auto c = config(Lstm{});
  const State<double> start = Case(c).start;
  c.learned_start = true;
  Case some(c);
  some.start = start;
  some.given = {1, 0, 1};
  EXPECT_LE(worst_gap(some), 1e-12);
  some.given = {};
  EXPECT_LE(worst_gap(some), 1e-12);
}

TEST(Backward, OfTokensAgreesWithComplexStepThoughTheyRepeat) {
  for (const std::size_t embedding : {0u, 3u}) {
    auto c = config(Gru{});
    c.inputs = 4;
    c.tokens = true;
    c.embedding = embedding;
    c.bidirectional = true;
    EXPECT_LE(worst_gap(Case(c)), 1e-12);
  }
}

TEST(Backward, AddsToTheGradientsThatAreThere) {
  const Case c(config(Lstm{}));
  const auto once = c.gradients();
  Tape<double> tape;
  c.run(c.network, c.x, c.start, tape);
  Gradients<double> twice(c.network);
  for (int i = 0; i < 2; ++i)
    backward(c.network, tape, {c.d_outputs, c.d_preactivations, &c.d_final}, full(), twice);
  for (std::size_t i = 0; i < c.network.size(); ++i)
    EXPECT_DOUBLE_EQ(twice.parameters.flat()[i], 2 * once.parameters.flat()[i]);
}

}  // namespace
}  // namespace retrograde
