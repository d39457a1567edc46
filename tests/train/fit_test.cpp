#include "retrograde/train/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "retrograde/data/batches.h"
#include "train/waves.h"

namespace retrograde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// Seven waves of unequal length and their successors.
std::shared_ptr<const Dataset> seven_waves() {
  auto dataset = std::make_shared<Sequences>(Layout{.inputs = waves::kInputs, .outputs = waves::kOutputs});
  for (std::size_t i = 0; i < 7; ++i) {
    const std::size_t steps = 5 + i;
    dataset->add({.x = waves::sines<double>(steps * waves::kInputs, 1, 0.3 + 0.1 * static_cast<double>(i)),
                  .values = waves::sines<double>(steps * waves::kOutputs, 0.8, 0.4)});
  }
  return dataset;
}

std::unique_ptr<Batches> whole() { return whole_batches(seven_waves(), {.batch = 3}); }
// Side by side with carried states, in pieces of 6 steps: 3 rows of about 19 steps.
std::unique_ptr<Batches> streams() { return stream_batches(seven_waves(), 3, 6); }

struct Bench {
  explicit Bench(std::unique_ptr<Batches> (*source)() = whole) : batches_(source()) {}

  Network<double> net = waves::network<double>({.cell = Lstm{}, .hidden = {3}, .recurrent_dropout = 0.1});
  Trainer<double> trainer{net, Adam{.rate = 0.01}, {.bptt = chunk(4), .clip_norm = 1}};
  std::unique_ptr<Batches> batches_;
  Batches& batches = *batches_;
};

TEST(Fit, ReportsEveryEpochAndEveryStep) {
  Bench bench;
  std::vector<std::size_t> epochs, steps;
  const FitResult result = fit(bench.trainer, bench.batches, {.epochs = 4},
                               {.on_step =
                                    [&](const StepEvent& event) {
                                      steps.push_back(event.batch);
                                      return true;
                                    },
                                .on_epoch =
                                    [&](const EpochReport& report) {
                                      epochs.push_back(report.epoch);
                                      EXPECT_EQ(report.steps, seven_waves()->steps());
                                      EXPECT_GT(report.gradient_norm, 0);
                                      EXPECT_EQ(report.rate, 0.01);
                                    }});
  EXPECT_EQ(result.ending, Ending::finished);
  EXPECT_THAT(epochs, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(steps, ElementsAre(1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3));
}

TEST(Fit, LearnsTheWaves) {
  Bench bench;
  double first = 0, last = 0;
  fit(bench.trainer, bench.batches, {.epochs = 600}, {.on_epoch = [&](const EpochReport& report) {
        if (report.epoch == 1) first = report.train_loss;
        last = report.train_loss;
      }});
  EXPECT_LT(last, first / 3);
}

TEST(Fit, StopsWhenTheValidationLossNoLongerImproves) {
  Bench bench;
  const std::vector<double> losses{5, 4, 4, 4.5, 3, 3, 3, 3, 3};
  std::size_t at = 0;
  std::vector<std::size_t> saved;
  const FitResult result =
      fit(bench.trainer, bench.batches, {.epochs = 9, .patience = 3},
          {.validate =
               [&] {
                 return Evaluation{losses[at++], {}};
               },
           .save_best = [&](const FitState& state) { saved.push_back(state.best_epoch); }});
  EXPECT_EQ(result.ending, Ending::no_improvement);
  EXPECT_EQ(result.best_epoch, 5u);
  EXPECT_EQ(result.best_loss, 3);
  EXPECT_EQ(at, 8u);
  EXPECT_THAT(saved, ElementsAre(1, 2, 5));
}

TEST(Fit, ReducesTheRateOnAPlateau) {
  Bench bench;
  std::vector<double> rates;
  fit(bench.trainer, bench.batches, {.epochs = 5, .plateau = ReduceOnPlateau{.factor = 0.5, .patience = 1}},
      {.validate =
           [] {
             return Evaluation{1, {}};
           },
       .on_epoch = [&](const EpochReport& report) { rates.push_back(report.rate); }});
  EXPECT_THAT(rates, ElementsAre(0.01, 0.01, 0.01, 0.005, 0.005));
}

const FitOptions kThreeEpochs{.epochs = 3, .plateau = ReduceOnPlateau{.factor = 0.5, .patience = 0}};

// Stops after `stop` steps, restores everything in a new trainer, goes on, and returns the parameters at the
// end.
std::vector<double> interrupted_after(std::size_t stop, std::unique_ptr<Batches> (*source)()) {
  Bench first(source);
  FitState saved;
  std::size_t done = 0;
  const FitResult result = fit(first.trainer, first.batches, kThreeEpochs,
                               {.on_step = [&](const StepEvent&) { return ++done < stop; },
                                .save_last = [&](const FitState& state) { saved = state; }});
  EXPECT_EQ(result.ending, Ending::stopped);
  Bench second(source);
  std::ranges::copy(first.net.parameters().flat(), second.net.parameters().flat().begin());
  second.trainer.restore(first.trainer.state());
  fit(second.trainer, second.batches, kThreeEpochs, {}, saved);
  return waves::flat(second.net);
}

TEST(Fit, InterruptedAfterAnyBatchEndsWithTheSameBits) {
  for (const auto source : {whole, streams}) {
    Bench uninterrupted(source);
    fit(uninterrupted.trainer, uninterrupted.batches, kThreeEpochs, {});
    for (std::size_t stop = 1; stop <= 3 * uninterrupted.batches.count(); ++stop)
      EXPECT_EQ(interrupted_after(stop, source), waves::flat(uninterrupted.net)) << stop;
  }
}

TEST(Fit, TheSeedDecidesTheOrderOfSequences) {
  const auto trained = [](std::uint64_t seed) {
    Bench bench;
    Trainer<double> trainer(bench.net, Adam{}, {.seed = seed});
    fit(trainer, bench.batches, {.epochs = 2}, {});
    return waves::flat(bench.net);
  };
  EXPECT_EQ(trained(3), trained(3));
  EXPECT_NE(trained(3), trained(4));
}

TEST(Fit, ANumberThatIsNotFiniteEndsItWithThePlaceInWords) {
  Bench bench;
  bench.net.parameters()["head.bias"][1] = std::numeric_limits<double>::quiet_NaN();
  const FitResult result = fit(bench.trainer, bench.batches, {}, {});
  EXPECT_EQ(result.ending, Ending::diverged);
  EXPECT_THAT(result.failure, StartsWith("epoch 1, batch 1, "));
  EXPECT_THAT(result.failure, HasSubstr("parameter head.bias[1] is nan"));
}

TEST(Fit, SavesTheBestBeforeTheLastAndReportsBeforeBoth) {
  Bench bench;
  std::string order;
  fit(bench.trainer, bench.batches, {.epochs = 1},
      {.on_epoch = [&](const EpochReport&) { order += "report "; },
       .save_best = [&](const FitState&) { order += "best "; },
       .save_last = [&](const FitState&) { order += "last "; }});
  EXPECT_EQ(order, "report best last ");
}

}  // namespace
}  // namespace retrograde
