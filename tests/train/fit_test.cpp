#include "retrograde/train/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "train/waves.h"

namespace retrograde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// Three batches an epoch, whose order turns with the epoch.
class Turning : public BatchSource<double> {
 public:
  std::size_t size() const override { return 3; }
  void begin(std::size_t epoch, std::size_t first) override {
    epoch_ = epoch;
    at_ = first;
  }
  const BatchView<double>* next() override {
    if (at_ == size()) return nullptr;
    data_ = {};
    for (double& x : data_.x) x *= 1 + 0.1 * static_cast<double>((at_ + epoch_) % 3);
    batch_ = data_.batch(at_ > 0);
    ++at_;
    return &batch_;
  }

 private:
  std::size_t epoch_ = 0, at_ = 0;
  waves::Data<double> data_;
  BatchView<double> batch_;
};

struct Bench {
  Network<double> net = waves::network<double>({.cell = Lstm{}, .hidden = {3}, .recurrent_dropout = 0.1});
  Trainer<double> trainer{net, Adam{.rate = 0.01}, {.bptt = chunk(4), .clip_norm = 1}};
  Turning batches;
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
                                      EXPECT_EQ(report.steps, 3 * waves::kBatch * waves::kSteps);
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

// Stops after `stop` steps, restores everything in a new trainer, goes on, and returns the parameters at the
// end.
std::vector<double> interrupted_after(std::size_t stop) {
  Bench first;
  FitState saved;
  std::size_t done = 0;
  const FitOptions options{.epochs = 3, .plateau = ReduceOnPlateau{.factor = 0.5, .patience = 0}};
  const FitResult result = fit(first.trainer, first.batches, options,
                               {.on_step = [&](const StepEvent&) { return ++done < stop; },
                                .save_last = [&](const FitState& state) { saved = state; }});
  EXPECT_EQ(result.ending, Ending::stopped);
  Bench second;
  std::ranges::copy(first.net.parameters().flat(), second.net.parameters().flat().begin());
  second.trainer.restore(first.trainer.state());
  fit(second.trainer, second.batches, options, {}, saved);
  return waves::flat(second.net);
}

TEST(Fit, InterruptedAfterAnyBatchEndsWithTheSameBits) {
  Bench whole;
  fit(whole.trainer, whole.batches, {.epochs = 3, .plateau = ReduceOnPlateau{.factor = 0.5, .patience = 0}},
      {});
  for (std::size_t stop = 1; stop <= 9; ++stop)
    EXPECT_EQ(interrupted_after(stop), waves::flat(whole.net)) << stop;
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
