#include "retrograde/sequence/forward.h"

#include <gmock/gmock.h>

#include <limits>

#include "sequence/case.h"

namespace retrograde {
namespace {

using testing::Case;
using testing::cast;
using testing::relative_gap;

std::vector<Cell> all_cells() { return {Elman{}, Gru{}, Gru{.reset_after = false}, Lstm{}}; }

Config config(Cell cell, bool bidirectional = false) {
  return {
      .cell = std::move(cell), .inputs = 7, .hidden = {11, 5}, .outputs = 2, .bidirectional = bidirectional};
}

std::vector<double> slice(const std::vector<double>& values, std::size_t from, std::size_t count) {
  return {values.begin() + static_cast<std::ptrdiff_t>(from),
          values.begin() + static_cast<std::ptrdiff_t>(from + count)};
}

TEST(Forward, OfABatchIsThatOfItsSequencesBitForBit) {
  for (const Cell& cell : all_cells())
    for (const bool bidirectional : {false, true}) {
      const Case c(config(cell, bidirectional));
      Tape<double> whole;
      c.run(c.network, c.x, c.start, whole);
      const auto outputs = whole.outputs();
      for (std::size_t b = 0; b < c.batch; ++b) {
        const auto x = slice(c.x, b * c.steps * 7, c.lengths[b] * 7);
        State<double> start;
        for (std::size_t i = 0; i < c.start.h.size(); ++i) {
          const std::size_t units = c.start.h[i].size() / c.batch;
          start.h.push_back(slice(c.start.h[i], b * units, units));
          if (!c.start.c.empty()) start.c.push_back(slice(c.start.c[i], b * units, units));
        }
        Tape<double> alone;
        forward(c.network, {.batch = 1, .steps = c.lengths[b], .x = x, .tokens = {}, .lengths = {}}, alone,
                {.start = &start});
        EXPECT_EQ(alone.outputs(), slice(outputs, b * c.steps * 2, c.lengths[b] * 2)) << cell.name();
        for (std::size_t i = c.lengths[b] * 2; i < c.steps * 2; ++i)
          EXPECT_EQ(outputs[b * c.steps * 2 + i], 0);
      }
    }
}

TEST(Forward, NeverReadsPastASequence) {
  for (const Cell& cell : all_cells()) {
    Case c(config(cell, true));
    const auto clean = c.gradients();
    for (std::size_t b = 0; b < c.batch; ++b)
      for (std::size_t i = c.lengths[b] * 7; i < c.steps * 7; ++i)
        c.x[b * c.steps * 7 + i] = std::numeric_limits<double>::quiet_NaN();
    for (std::size_t b = 0; b < c.batch; ++b)
      for (std::size_t i = c.lengths[b] * 2; i < c.steps * 2; ++i)
        c.d_outputs[b * c.steps * 2 + i] = std::numeric_limits<double>::quiet_NaN();
    const auto padded = c.gradients();
    EXPECT_EQ(std::vector<double>(clean.parameters.flat().begin(), clean.parameters.flat().end()),
              std::vector<double>(padded.parameters.flat().begin(), padded.parameters.flat().end()));
    EXPECT_EQ(clean.dx, padded.dx);
  }
}

TEST(Forward, WithoutATapeGivesTheSameBits) {
  for (const Cell& cell : all_cells()) {
    const Case c(config(cell, true));
    Tape<double> with, without;
    c.run(c.network, c.x, c.start, with, {.keep_preactivations = true});
    c.run(c.network, c.x, c.start, without, {.keep_tape = false});
    EXPECT_EQ(with.outputs(), without.outputs());
    EXPECT_EQ(with.final_state().h, without.final_state().h);
    EXPECT_EQ(with.final_state().c, without.final_state().c);
  }
}

TEST(Forward, ContinuesFromTheFinalStateAsOneSequence) {
  for (const Cell& cell : all_cells()) {
    const Case c(config(cell), 1, false);
    Tape<double> whole, first, second;
    c.run(c.network, c.x, c.start, whole);
    std::vector<double> head, tail;
    for (std::size_t b = 0; b < c.batch; ++b) {
      const auto a = slice(c.x, b * 35, 14), z = slice(c.x, b * 35 + 14, 21);
      head.insert(head.end(), a.begin(), a.end());
      tail.insert(tail.end(), z.begin(), z.end());
    }
    forward(c.network, {.batch = 3, .steps = 2, .x = head, .tokens = {}, .lengths = {}}, first,
            {.start = &c.start});
    const auto carried = first.final_state();
    forward(c.network, {.batch = 3, .steps = 3, .x = tail, .tokens = {}, .lengths = {}}, second,
            {.start = &carried});
    EXPECT_EQ(second.final_state().h, whole.final_state().h);
    EXPECT_EQ(second.final_state().c, whole.final_state().c);
  }
}

TEST(Forward, InFloatFollowsDouble) {
  for (const Cell& cell : all_cells()) {
    const Case c(config(cell, true));
    Tape<double> exact;
    Tape<float> rounded;
    c.run(c.network, c.x, c.start, exact);
    c.run(c.network.cast<float>(), cast<float>(c.x), cast<float>(c.start), rounded);
    EXPECT_LE(relative_gap(cast<double>(rounded.outputs()), exact.outputs()), 5e-6) << cell.name();
  }
}

TEST(Forward, DropoutKeepsTheMeanAndIsOffInEvaluation) {
  auto c = config(Elman{Nonlinearity::Kind::identity});
  c.dropout = 0.5;
  const Case with(c);
  Tape<double> plain, dropped;
  forward(with.network, with.input(with.x), plain);
  const auto expected = plain.outputs();
  std::vector<double> mean(expected.size());
  Random random(3);
  const int draws = 4000;
  for (int i = 0; i < draws; ++i) {
    forward(with.network, with.input(with.x), dropped, {.dropout = &random});
    const auto y = dropped.outputs();
    if (i == 0) {
      EXPECT_NE(y, expected);
    }
    for (std::size_t j = 0; j < y.size(); ++j) mean[j] += y[j] / draws;
  }
  EXPECT_LE(relative_gap(mean, expected),
            0.05);  // a linear network: the mean of its outputs is that without dropout
}

// The tape is open: its numbers are those of the equations.
TEST(Tape, HoldsStatesPreactivationsAndOutputs) {
  const Case c({.cell = Elman{},
                .inputs = 7,
                .hidden = {11},
                .outputs = 2,
                .activation = Nonlinearity::Kind::sigmoid});
  Tape<double> tape;
  c.run(c.network, c.x, c.start, tape, {.keep_preactivations = true});
  const auto states = tape.states(0), z = tape.preactivations(0), head = tape.head_preactivations(),
             y = tape.outputs();
  const auto& p = c.network.parameters();
  for (std::size_t b = 0; b < c.batch; ++b)
    for (std::size_t t = 0; t < c.lengths[b]; ++t) {
      const double* const before = &states[(b * 6 + t) * 11];
      const double* const after = before + 11;
      if (t == 0) {
        EXPECT_EQ(before[3], c.start.h[0][b * 11 + 3]);
      }
      for (std::size_t i = 0; i < 11; ++i) {
        double sum = p["bias_ih_l0"][i] + p["bias_hh_l0"][i];
        for (std::size_t j = 0; j < 7; ++j) sum += p["weight_ih_l0"][i * 7 + j] * c.x[(b * 5 + t) * 7 + j];
        for (std::size_t j = 0; j < 11; ++j) sum += p["weight_hh_l0"][i * 11 + j] * before[j];
        EXPECT_NEAR(z[(b * 5 + t) * 11 + i], sum, 1e-13);
        EXPECT_NEAR(after[i], std::tanh(sum), 1e-14);
      }
      for (std::size_t o = 0; o < 2; ++o) {
        double sum = p["head.bias"][o];
        for (std::size_t j = 0; j < 11; ++j) sum += p["head.weight"][o * 11 + j] * after[j];
        EXPECT_NEAR(head[(b * 5 + t) * 2 + o], sum, 1e-13);
        EXPECT_NEAR(y[(b * 5 + t) * 2 + o], 1 / (1 + std::exp(-sum)), 1e-14);
      }
    }
}

TEST(Tape, GruPreactivationsAreInTheGatesOrderWithTheCandidatesProductApart) {
  const Case c({.cell = Gru{}, .inputs = 7, .hidden = {11}, .outputs = 2});
  Tape<double> tape;
  c.run(c.network, c.x, c.start, tape, {.keep_preactivations = true});
  const auto a = tape.preactivations(0), states = tape.states(0);
  const auto sigma = [](double v) { return 1 / (1 + std::exp(-v)); };
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t i = 0; i < 11; ++i) {
      const double* const row = &a[t * 44];
      const double r = sigma(row[i]), z = sigma(row[11 + i]), n = std::tanh(row[22 + i] + r * row[33 + i]);
      EXPECT_NEAR(states[(t + 1) * 11 + i], (1 - z) * n + z * states[t * 11 + i], 1e-14);
    }
}

TEST(Forward, RefusesWhatDoesNotFitAndSaysSo) {
  const Case c(config(Lstm{}));
  Tape<double> tape;
  const auto message = [&](const Input<double>& input, const State<double>* start = nullptr) {
    try {
      forward(c.network, input, tape, {.start = start});
    } catch (const UsageError& e) {
      return std::string(e.what());
    }
    return std::string("nothing thrown");
  };
  const std::vector<double> x(3 * 5 * 6);
  EXPECT_THAT(message({3, 5, x, {}, {}}), ::testing::HasSubstr("[3, 5, 7] (batch, time, features)"));
  EXPECT_THAT(message({3, 0, x, {}, {}}), ::testing::HasSubstr("x must be"));
  const std::vector<std::size_t> lengths{5, 6, 1}, two{5, 5};
  EXPECT_THAT(message({3, 5, c.x, {}, lengths}), ::testing::HasSubstr("lengths[1] is 6"));
  EXPECT_THAT(message({3, 5, c.x, {}, two}), ::testing::HasSubstr("2 lengths"));
  State<double> wrong = c.start;
  wrong.c.clear();
  EXPECT_THAT(message(c.input(c.x), &wrong), ::testing::HasSubstr("0 blocks of c"));
}

}  // namespace
}  // namespace retrograde
