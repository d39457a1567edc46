#include "retrograde/io/selftest.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "retrograde/base/error.h"
#include "retrograde/base/random.h"
#include "retrograde/io/model.h"
#include "retrograde/sequence/forward.h"

namespace retrograde {
namespace {

constexpr std::size_t kBatch = 2, kSteps = 4;
constexpr double kAllowed = 1e-6;

std::string key(std::string_view what) { return std::string(kSelfTest).append(what); }

// h0 and c0 of every layer and direction, by name.
template <class Use>
void each_start(const Config& config, State<double>& state, Use use) {
  state.h.resize(config.layers() * config.directions());
  if (config.states() > 1) state.c.resize(state.h.size());
  for (std::size_t i = 0; i < state.h.size(); ++i) {
    const std::size_t layer = i / config.directions();
    const bool reverse = i % config.directions() == 1;
    use(key(block_name("h0", layer, reverse)), layer, state.h[i]);
    if (config.states() > 1) use(key(block_name("c0", layer, reverse)), layer, state.c[i]);
  }
}

// What stands in the file, with the shapes that the network wants.
struct Case {
  std::vector<double> x;
  std::vector<std::int32_t> tokens;
  std::vector<std::size_t> lengths;
  State<double> start;

  std::vector<double> outputs(const Network<double>& network) const {
    Tape<double> tape;
    forward(network, {kBatch, kSteps, x, tokens, lengths}, tape, {.start = &start, .keep_tape = false});
    return tape.outputs();
  }
};

std::vector<std::size_t> output_shape(const Config& config) {
  if (config.at == At::last) return {kBatch, config.output_width()};
  return {kBatch, kSteps, config.output_width()};
}

}  // namespace

void add_self_test(const Network<double>& network, TensorFile& file) {
  const Config& config = network.config();
  Random random = Random::named(config.seed, "self-test");
  Case test;
  test.lengths = {2, kSteps};
  file.tensors[key("lengths")] = {{kBatch}, {2, kSteps}, Dtype::int64};
  if (config.tokens) {
    for (std::size_t i = 0; i < kBatch * kSteps; ++i) {
      test.tokens.push_back(static_cast<std::int32_t>(random.below(config.inputs)));
    }
    file.tensors[key("tokens")] = {{kBatch, kSteps}, {test.tokens.begin(), test.tokens.end()}, Dtype::int64};
  } else {
    for (std::size_t i = 0; i < kBatch * kSteps * config.inputs; ++i) test.x.push_back(random.uniform(-1, 1));
    file.tensors[key("x")] = {{kBatch, kSteps, config.inputs}, test.x, Dtype::float64};
  }
  each_start(config, test.start, [&](std::string name, std::size_t layer, std::vector<double>& state) {
    for (std::size_t i = 0; i < kBatch * config.hidden[layer]; ++i) state.push_back(random.uniform(-1, 1));
    file.tensors[std::move(name)] = {{kBatch, config.hidden[layer]}, state, Dtype::float64};
  });
  const auto y = test.outputs(network);
  if (!std::ranges::all_of(y, [](double v) { return std::isfinite(v); })) {
    throw UsageError("the network's outputs for a small input are not finite; such a model is not saved");
  }
  file.tensors[key("y")] = {output_shape(config), y, Dtype::float64};
}

void replay_self_test(const Network<double>& network, const TensorFile& file, std::string_view name) {
  const Config& config = network.config();
  std::size_t used = 0;
  const auto take = [&](const std::string& tensor, const std::vector<std::size_t>& shape) {
    const auto found = file.tensors.find(tensor);
    if (found == file.tensors.end() || found->second.shape != shape) {
      throw FileError("{}: the self-test's {} {} is missing. Nothing was loaded.", name, tensor,
                      describe_shape(shape));
    }
    ++used;
    return found->second.values;
  };
  const auto whole = [&](const std::string& tensor, const std::vector<std::size_t>& shape, double low,
                         double high) {
    const auto values = take(tensor, shape);
    for (const double v : values) {
      if (v >= low && v <= high && v == std::trunc(v)) continue;
      throw FileError("{}: the self-test's {} holds {}. Nothing was loaded.", name, tensor, v);
    }
    return values;
  };
  Case test;
  for (const double n : whole(key("lengths"), {kBatch}, 1, kSteps))
    test.lengths.push_back(static_cast<std::size_t>(n));
  if (config.tokens) {
    for (const double t : whole(key("tokens"), {kBatch, kSteps}, 0, static_cast<double>(config.inputs) - 1)) {
      test.tokens.push_back(static_cast<std::int32_t>(t));
    }
  } else {
    test.x = take(key("x"), {kBatch, kSteps, config.inputs});
  }
  each_start(config, test.start,
             [&](const std::string& tensor, std::size_t layer, std::vector<double>& state) {
               state = take(tensor, {kBatch, config.hidden[layer]});
             });
  const auto expected = take(key("y"), output_shape(config));
  const auto stored =
      std::ranges::count_if(file.tensors, [](const auto& t) { return t.first.starts_with(kSelfTest); });
  if (std::cmp_not_equal(stored, used)) {
    throw FileError("{}: the self-test has {} tensors, {} are known. Nothing was loaded.", name, stored,
                    used);
  }
  const auto y = test.outputs(network);
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    worst = std::max(worst, std::abs(y[i] - expected[i]));
    if (std::isnan(y[i])) worst = INFINITY;
  }
  if (!(worst <= kAllowed * largest)) {
    throw SelfTestError(
        "{}: its self-test fails: outputs differ by {:.1e} where the largest is {:.1e}. The file was "
        "altered, or written by code that means something else by it. Nothing was loaded.",
        name, worst, largest);
  }
}

}  // namespace retrograde
