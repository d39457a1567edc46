#include "retrograde/train/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "train/waves.h"

namespace retrograde {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Pair;

Batch<double> batch_of(Layout layout, std::size_t rows) {
  Batch<double> batch{.layout = layout, .batch = rows, .steps = 1};
  batch.weights.assign(rows, 1);
  return batch;
}

TEST(RegressionMetrics, AreRootMeanSquareMeanAbsoluteAndExplainedVariance) {
  Batch<double> batch = batch_of({.outputs = 1}, 4);
  batch.values = {1, 2, 3, 100};
  batch.weights[3] = 0;  // must not count
  const std::vector<double> y{1, 4, 2, -50};
  const auto metrics = regression_metrics({10});
  metrics->add(batch, y, y);
  // errors 0, 20, 10; variance of 10, 20, 30 is 200/3
  EXPECT_THAT(metrics->values(), ElementsAre(Pair("rmse", DoubleNear(std::sqrt(500.0 / 3), 1e-12)),
                                             Pair("mae", DoubleNear(10, 1e-12)),
                                             Pair("r2", DoubleNear(1 - 500.0 / 200, 1e-12))));
}

TEST(ClassMetrics, AreAccuracyAndNegativeLogLikelihoodFromPreactivations) {
  Batch<double> batch = batch_of({.outputs = 3, .classes = true}, 2);
  batch.classes = {0, 2};
  const std::vector<double> z{1000, 0, 0, 0, 0, 0};  // sure and right; undecided
  const auto metrics = class_metrics();
  metrics->add(batch, z, z);
  EXPECT_THAT(metrics->values(), ElementsAre(Pair("accuracy", DoubleNear(0.5, 1e-15)),
                                             Pair("nll", DoubleNear(std::log(3.0) / 2, 1e-15))));
}

TEST(BinaryMetrics, SumOutputsAndCountHitsAgainstAllThatSoundsOrIsSaid) {
  Batch<double> batch = batch_of({.outputs = 2}, 2);
  batch.values = {1, 0, 1, 0};
  const std::vector<double> z{2, 1, -800, -3};  // one hit, one false alarm, one miss
  const auto metrics = binary_metrics();
  metrics->add(batch, z, z);
  const auto softplus = [](double v) { return std::log1p(std::exp(v)); };
  EXPECT_THAT(
      metrics->values(),
      ElementsAre(Pair("nll", DoubleNear((softplus(-2) + softplus(1) + 800 + softplus(-3)) / 2, 1e-12)),
                  Pair("accuracy", DoubleNear(1.0 / 3, 1e-15))));
}

// What is read side by side in pieces, states carried on, is what one run over the whole says.
TEST(Evaluate, InPiecesWithCarriedStatesEqualsTheWhole) {
  auto dataset = std::make_shared<Sequences>(Layout{.inputs = waves::kInputs, .outputs = waves::kOutputs});
  dataset->add({.x = waves::sines<double>(23 * waves::kInputs, 1, 0.7),
                .values = waves::sines<double>(23 * waves::kOutputs, 0.8, 0.4)});
  const Network<double> net = waves::network<double>();
  const auto loss = [&](Batches& batches) {
    const auto metrics = regression_metrics({});
    return evaluate(net, batches, Loss(), *metrics);
  };
  const Evaluation whole = loss(*whole_batches(dataset, {.batch = 1, .shuffled = false}));
  const Evaluation pieces = loss(*stream_batches(dataset, 1, 5));
  EXPECT_NEAR(pieces.loss, whole.loss, 1e-15);
  EXPECT_NEAR(pieces.metrics[0].second, whole.metrics[0].second, 1e-14);
  EXPECT_NEAR(whole.metrics[0].second, std::sqrt(whole.loss), 1e-14);  // rmse of the same errors
}

}  // namespace
}  // namespace retrograde
