// Chunks and windows against what they mean: full back-propagation over pieces of the sequence, from the
// states that the whole forward recorded.
#include <gmock/gmock.h>

#include <array>

#include "retrograde/sequence/backward.h"
#include "sequence/case.h"

namespace retrograde {
namespace {

using testing::Case;
using testing::relative_gap;

// Adds the full gradient over steps [from, to] of sequence b, from the recorded states on either side, of the
// outputs that are `wanted`, and of the final states where `with_final` says so for a direction.
void add_piece(const Case& c, const Tape<double>& whole, std::size_t b, std::size_t from, std::size_t to,
               const std::function<bool(std::size_t)>& wanted, std::array<bool, 2> with_final,
               Gradients<double>& sum) {
  const Config& config = c.network.config();
  const std::size_t width = config.output_width(), steps = to - from + 1, length = c.lengths[b];
  const std::vector<double> x(
      c.x.begin() + static_cast<std::ptrdiff_t>((b * c.steps + from) * config.inputs),
      c.x.begin() + static_cast<std::ptrdiff_t>((b * c.steps + to + 1) * config.inputs));
  State<double> start, d_final;
  for (std::size_t k = 0; k < config.layers(); ++k)
    for (std::size_t d = 0; d < config.directions(); ++d)
      for (std::size_t s = 0; s < config.states(); ++s) {
        const auto recorded = whole.states(k, d == 1, s);
        const std::size_t units = config.hidden[k], entry = d == 0 ? from : to + 1 < length ? to + 2 : 0;
        const double* const at = recorded.data() + (b * (c.steps + 1) + entry) * units;
        (s == 0 ? start.h : start.c).emplace_back(at, at + units);
        const auto& given = (s == 0 ? c.d_final.h : c.d_final.c)[k * config.directions() + d];
        auto& block = (s == 0 ? d_final.h : d_final.c).emplace_back(units);
        if (with_final[d])
          std::copy_n(given.begin() + static_cast<std::ptrdiff_t>(b * units), units, block.begin());
      }
  std::vector<double> dy(steps * width), dz(steps * width);
  for (std::size_t t = from; t <= to; ++t)
    for (std::size_t o = 0; wanted(t) && o < width; ++o) {
      dy[(t - from) * width + o] = c.d_outputs[(b * c.steps + t) * width + o];
      dz[(t - from) * width + o] = c.d_preactivations[(b * c.steps + t) * width + o];
    }
  Tape<double> tape;
  forward(c.network, {.batch = 1, .steps = steps, .x = x, .tokens = {}, .lengths = {}}, tape,
          {.start = &start});
  Gradients<double> piece(c.network);
  piece.want_dx = piece.want_start = true;
  backward(c.network, tape, {dy, dz, &d_final}, full(), piece);
  for (std::size_t i = 0; i < c.network.size(); ++i) sum.parameters.flat()[i] += piece.parameters.flat()[i];
  for (std::size_t i = 0; i < piece.dx.size(); ++i)
    sum.dx[(b * c.steps + from) * config.inputs + i] += piece.dx[i];
  for (std::size_t i = 0; i < piece.start.h.size(); ++i) {
    const bool reverse = i % config.directions() == 1;
    if (reverse ? to + 1 < length : from > 0) continue;  // a frozen state
    const std::size_t units = piece.start.h[i].size();
    for (std::size_t u = 0; u < units; ++u) {
      sum.start.h[i][b * units + u] += piece.start.h[i][u];
      if (config.states() > 1) sum.start.c[i][b * units + u] += piece.start.c[i][u];
    }
  }
}

Gradients<double> empty(const Case& c) {
  Gradients<double> sum(c.network);
  sum.dx.resize(c.x.size());
  sum.start = c.start;
  sum.clear();
  return sum;
}

// Every output through its own window, one by one.
Gradients<double> double_loop(const Case& c, std::size_t reach) {
  Tape<double> whole;
  c.run(c.network, c.x, c.start, whole);
  auto sum = empty(c);
  for (std::size_t b = 0; b < c.batch; ++b)
    for (std::size_t t = 0; t < c.lengths[b]; ++t) {
      const std::size_t to = c.network.config().bidirectional ? std::min(t + reach, c.lengths[b] - 1) : t;
      add_piece(
          c, whole, b, t > reach ? t - reach : 0, to, [t](std::size_t s) { return s == t; },
          {t + 1 == c.lengths[b], t == 0}, sum);
    }
  return sum;
}

Gradients<double> pieces(const Case& c, std::size_t steps) {
  Tape<double> whole;
  c.run(c.network, c.x, c.start, whole);
  auto sum = empty(c);
  for (std::size_t b = 0; b < c.batch; ++b)
    for (std::size_t t = 0; t < c.lengths[b]; t += steps)
      add_piece(
          c, whole, b, t, std::min(t + steps, c.lengths[b]) - 1, [](std::size_t) { return true; },
          {t + steps >= c.lengths[b], t == 0}, sum);
  return sum;
}

double gap(const Gradients<double>& a, const Gradients<double>& b) {
  const auto flat = [](const Gradients<double>& g) {
    std::vector<double> all(g.parameters.flat().begin(), g.parameters.flat().end());
    for (const auto* part : {&g.dx}) all.insert(all.end(), part->begin(), part->end());
    for (const auto& block : g.start.h) all.insert(all.end(), block.begin(), block.end());
    for (const auto& block : g.start.c) all.insert(all.end(), block.begin(), block.end());
    return all;
  };
  return relative_gap(flat(a), flat(b));
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const Cell& cell :
       std::vector<Cell>{Elman{}, Elman{Nonlinearity::Kind::elu}, Gru{}, Gru{.reset_after = false}, Lstm{}})
    for (const auto& hidden : {std::vector<std::size_t>{11}, {11, 5}})
      for (const bool bidirectional : {false, true})
        result.emplace_back(Config{.cell = cell,
                                   .inputs = 7,
                                   .hidden = hidden,
                                   .outputs = 2,
                                   .activation = Nonlinearity::Kind::sigmoid,
                                   .bidirectional = bidirectional});
  return result;
}

std::string describe(const Case& c) {
  const Config& config = c.network.config();
  return fmt::format("{} {} layers{}", config.cell.name(), config.layers(),
                     config.bidirectional ? ", both ways" : "");
}

TEST(Window, EqualsTheDoubleLoopForEveryReach) {
  for (const Case& c : cases())
    for (const std::size_t reach : {0u, 1u, 2u, 3u, 4u, 5u, 9u})
      EXPECT_LE(gap(c.gradients(window(reach)), double_loop(c, reach)), 1e-12)
          << describe(c) << " reach " << reach;
}

TEST(Window, ThatCoversTheSequenceIsFull) {
  for (const bool bidirectional : {false, true})
    for (const Cell& cell : std::vector<Cell>{Elman{}, Gru{}, Lstm{}}) {
      const Case c(
          {.cell = cell, .inputs = 7, .hidden = {11, 5}, .outputs = 2, .bidirectional = bidirectional});
      EXPECT_LE(gap(c.gradients(window(4)), c.gradients()), 1e-12) << cell.name();
    }
}

// More rows than a tile holds.
TEST(Window, OfALongSequenceEqualsTheDoubleLoop) {
  Case c({.cell = Lstm{}, .inputs = 2, .hidden = {3}, .outputs = 2});
  c.steps = 67;
  c.lengths = {67, 41, 65};
  Random random(5);
  c.x = testing::normal(random, 3 * 67 * 2);
  c.d_outputs = testing::normal(random, 3 * 67 * 2);
  c.d_preactivations = testing::normal(random, 3 * 67 * 2);
  for (const std::size_t reach : {0u, 7u, 66u})
    EXPECT_LE(gap(c.gradients(window(reach)), double_loop(c, reach)), 1e-12);
}

TEST(Chunk, EqualsTheSumOfItsPieces) {
  for (const Case& c : cases())
    for (const std::size_t steps : {1u, 2u, 3u, 5u, 9u})
      EXPECT_LE(gap(c.gradients(chunk(steps)), pieces(c, steps)), 1e-12) << describe(c) << " chunk " << steps;
}

TEST(Truncation, IsNotFullWhereItCuts) {
  for (const Case& c : cases()) {
    EXPECT_GT(gap(c.gradients(chunk(2)), c.gradients()), 1e-3);
    EXPECT_GT(gap(c.gradients(window(1)), c.gradients()), 1e-3);
  }
}

TEST(Bptt, IsReadAndWrittenAsText) {
  for (const char* text : {"full", "chunk:50", "window:0", "window:20"})
    EXPECT_EQ(to_string(parse_bptt(text)), text);
  for (const char* text : {"", "chunk", "chunk:0", "chunk:x", "window:-1", "Full", "chunk:3 "})
    EXPECT_THROW(parse_bptt(text), UsageError) << text;
}

}  // namespace
}  // namespace retrograde
