#include "retrograde/data/synthetic.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

// Reber 1967: from each state two symbols lead on; 5 is the end.
struct Way {
  char symbol;
  int to;
};
constexpr std::array<std::array<Way, 2>, 5> kReber = {{{{{'T', 1}, {'P', 2}}},
                                                       {{{'S', 1}, {'X', 3}}},
                                                       {{{'T', 2}, {'V', 4}}},
                                                       {{{'X', 2}, {'S', 5}}},
                                                       {{{'P', 3}, {'V', 5}}}}};
constexpr int kReberEnd = 5;
constexpr std::string_view kSymbols = "BTPXSVE";

// A word, symbol by symbol, with the symbols that might have stood in each place.
struct Word {
  std::vector<std::int32_t> symbols;
  std::vector<std::vector<char>> choices;

  void add(char symbol, std::vector<char> choice) {
    symbols.push_back(static_cast<std::int32_t>(kSymbols.find(symbol)));
    choices.push_back(std::move(choice));
  }
};

// B, then T or P, a word of Reber's grammar (B ... E), the same T or P, E.
Word embedded_word(Random& random) {
  Word word;
  const char outer = random.below(2) == 0 ? 'T' : 'P';
  word.add('B', {'B'});
  word.add(outer, {'T', 'P'});
  word.add('B', {'B'});
  for (int state = 0; state != kReberEnd;) {
    const auto& ways = kReber[static_cast<std::size_t>(state)];
    const Way& way = ways[random.below(2)];
    word.add(way.symbol, {ways[0].symbol, ways[1].symbol});
    state = way.to;
  }
  word.add('E', {'E'});
  word.add(outer, {outer});
  word.add('E', {'E'});
  return word;
}

}  // namespace

std::shared_ptr<const Dataset> adding_problem(std::size_t count, std::size_t steps, Random& random) {
  if (steps < 2) throw UsageError("the adding problem needs at least 2 steps, not {}", steps);
  auto data = std::make_shared<Sequences>(Layout{.inputs = 2, .outputs = 1, .at = At::last});
  for (std::size_t n = 0; n < count; ++n) {
    std::vector<double> x(2 * steps);
    for (std::size_t t = 0; t < steps; ++t) x[2 * t] = random.uniform();
    const std::size_t half = steps / 2, first = random.below(half),
                      second = half + random.below(steps - half);
    x[2 * first + 1] = x[2 * second + 1] = 1;
    const double sum = x[2 * first] + x[2 * second];
    data->add({.x = std::move(x), .values = {sum}});
  }
  return data;
}

std::shared_ptr<const Dataset> temporal_order(std::size_t count, std::size_t steps, Random& random) {
  if (steps < 10) throw UsageError("temporal order needs at least 10 steps, not {}", steps);
  constexpr std::int32_t kStart = 0, kEnd = 1, kDistractor = 2, kX = 6;
  constexpr std::array<double, 3> kFrom = {0.10, 0.33, 0.66};
  auto data = std::make_shared<Sequences>(
      Layout{.inputs = 8, .tokens = true, .outputs = 8, .classes = true, .at = At::last});
  for (std::size_t n = 0; n < count; ++n) {
    std::vector<std::int32_t> tokens(steps);
    for (auto& token : tokens) token = kDistractor + static_cast<std::int32_t>(random.below(4));
    tokens.front() = kStart;
    tokens.back() = kEnd;
    std::int32_t order = 0;
    for (const double from : kFrom) {
      const auto first = static_cast<std::size_t>(std::lround(from * static_cast<double>(steps)));
      const auto bit = static_cast<std::int32_t>(random.below(2));
      tokens[first + random.below(steps / 10 + 1)] = kX + bit;
      order = 2 * order + bit;
    }
    data->add({.tokens = std::move(tokens), .classes = {order}});
  }
  return data;
}

std::shared_ptr<const Dataset> embedded_reber(std::size_t count, Random& random) {
  auto data =
      std::make_shared<Sequences>(Layout{.inputs = kReberSymbols, .tokens = true, .outputs = kReberSymbols});
  for (std::size_t n = 0; n < count; ++n) {
    const Word word = embedded_word(random);
    const std::size_t steps = word.symbols.size() - 1;
    Sequence sequence{.tokens = {word.symbols.begin(), word.symbols.end() - 1}};
    sequence.values.resize(steps * kReberSymbols);
    for (std::size_t t = 0; t < steps; ++t) {
      for (const char symbol : word.choices[t + 1])
        sequence.values[t * kReberSymbols + kSymbols.find(symbol)] = 1;
    }
    data->add(std::move(sequence));
  }
  return data;
}

std::vector<double> noisy_sine(std::size_t steps, double period, double noise, Random& random) {
  std::vector<double> values;
  for (std::size_t t = 0; t < steps; ++t) {
    values.push_back(std::sin(2 * std::numbers::pi * static_cast<double>(t) / period) +
                     noise * random.normal());
  }
  return values;
}

}  // namespace retrograde
