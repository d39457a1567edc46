// On every instruction set single precision stays within one stated bound of double precision on the plainest
// one, so any two sets differ by no more than twice that.
#include <gmock/gmock.h>

#include <cmath>

#include "retrograde/sequence/backward.h"

namespace retrograde {
namespace {

constexpr double kBound = 4e-6;  // of the largest entry; 9 steps, sums of 45 terms

template <class T>
std::vector<std::vector<double>> results(const Cell& cell) {
  const std::size_t batch = 7, steps = 9, inputs = 13;
  const Network<T> network =
      Network<double>(Config{.cell = cell, .inputs = inputs, .hidden = {45}, .outputs = 5})
          .template cast<T>();
  Random random(11);
  std::vector<T> x(batch * steps * inputs), dy(batch * steps * 5);
  for (T& v : x) v = static_cast<T>(static_cast<float>(random.normal()));
  for (T& v : dy) v = static_cast<T>(static_cast<float>(random.normal()));
  Tape<T> tape;
  forward(network, {batch, steps, x, {}, {}}, tape);
  Gradients<T> gradients(network);
  backward(network, tape, {dy, {}, nullptr}, full(), gradients);
  const auto outputs = tape.outputs();
  std::vector<std::vector<double>> all{{outputs.begin(), outputs.end()}};
  for (const ParamBlock& block : gradients.parameters.blocks()) {
    const auto slice = gradients.parameters.slice(block);
    all.emplace_back(slice.begin(), slice.end());
  }
  return all;
}

TEST(Rounding, OfSinglePrecisionIsWithinItsBoundOfDouble) {
  for (const Cell& cell : std::vector<Cell>{Elman{}, Gru{}, Gru{.reset_after = false}, Lstm{}}) {
    const auto single = results<float>(cell), twice = results<double>(cell);
    for (std::size_t i = 0; i < single.size(); ++i) {
      double gap = 0, largest = 0;
      for (std::size_t j = 0; j < single[i].size(); ++j) {
        const double difference = std::abs(single[i][j] - twice[i][j]);
        gap = difference <= gap ? gap : difference;
        largest = std::max(largest, std::abs(twice[i][j]));
      }
      EXPECT_LE(gap, kBound * largest) << cell.name() << ", part " << i;
    }
  }
}

}  // namespace
}  // namespace retrograde
