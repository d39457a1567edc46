// A small network and its data, both made of sines: tools/golden_train.py makes the same.
#pragma once

#include <cmath>
#include <vector>

#include "retrograde/model/network.h"
#include "retrograde/train/batch_view.h"

namespace retrograde::waves {

template <class T>
std::vector<T> sines(std::size_t count, double scale, double rate) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<T>(scale * std::sin(rate * static_cast<double>(i + 1)));
  return values;
}

inline constexpr std::size_t kBatch = 3, kSteps = 11, kInputs = 2, kOutputs = 2;

// Of BatchView::starts.
inline const std::vector<std::uint8_t> kAll(kBatch, 1), kNone(kBatch, 0);

// [kBatch, kSteps, kInputs] to [kBatch, kSteps, kOutputs].
template <class T>
struct Data {
  std::vector<T> x = sines<T>(kBatch * kSteps * kInputs, 1.0, 0.7);
  std::vector<T> y = sines<T>(kBatch * kSteps * kOutputs, 0.8, 0.4);

  BatchView<T> batch(bool continues = false) const {
    return {.input = {.batch = kBatch, .steps = kSteps, .x = x},
            .target = {.values = y},
            .starts = continues ? kNone : kAll};
  }
};

template <class T>
Network<T> network(Config config = {.cell = Lstm{}, .hidden = {3}}) {
  config.inputs = kInputs;
  config.outputs = kOutputs;
  Network<T> net(config);
  const auto start = sines<T>(net.size(), 0.6, 1.3);
  std::copy(start.begin(), start.end(), net.parameters().flat().begin());
  return net;
}

template <class T>
std::vector<T> flat(const Network<T>& net) {
  const auto values = net.parameters().flat();
  return {values.begin(), values.end()};
}

}  // namespace retrograde::waves
