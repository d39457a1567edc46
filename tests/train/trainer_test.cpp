#include "retrograde/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "retrograde/base/error.h"
#include "retrograde/optim/clip.h"
#include "train/golden.h"
#include "train/waves.h"

namespace retrograde {
namespace {

using testing::DoubleNear;
using testing::HasSubstr;
using testing::Pointwise;
using testing::ThrowsMessage;

const TrainerOptions kChunked{.bptt = chunk(4), .clip_norm = 0.5};

TEST(Trainer, ChunksWithCarriedStateAndClippingEqualPyTorch) {
  const waves::Data<double> data;
  Network<double> net = waves::network<double>();
  Trainer trainer(net, Adam{.rate = 0.05}, kChunked);
  const StepReport first = trainer.step(data.batch()), second = trainer.step(data.batch(true));
  EXPECT_THAT(waves::flat(net), Pointwise(DoubleNear(1e-12), golden::kTrained));
  const auto& losses = golden::kLosses;  // of chunks of 4, 4 and 3 steps
  EXPECT_NEAR(first.loss, (4 * losses[0] + 4 * losses[1] + 3 * losses[2]) / 11, 1e-13);
  EXPECT_NEAR(second.loss, (4 * losses[3] + 4 * losses[4] + 3 * losses[5]) / 11, 1e-13);
  EXPECT_NEAR(first.gradient_norm, golden::kNorms[0], 1e-13);
  EXPECT_EQ(first.clipped, 1u);
  EXPECT_EQ(first.updates, 3u);
  EXPECT_EQ(first.steps, 33u);
}

TEST(Trainer, WithCheckpointsTrainsToTheSameBits) {
  const waves::Data<float> data;
  for (const Bptt& bptt : {full(), chunk(4)}) {
    Network<float> whole = waves::network<float>(), parts = whole;
    Trainer by_tape(whole, Adam{}, {.bptt = bptt, .clip_norm = 0.5});
    Trainer by_checkpoints(parts, Adam{}, {.bptt = bptt, .checkpoint = true, .clip_norm = 0.5});
    for (const bool continues : {false, true, true})
      EXPECT_EQ(by_tape.step(data.batch(continues)).loss, by_checkpoints.step(data.batch(continues)).loss);
    EXPECT_EQ(waves::flat(whole), waves::flat(parts));
  }
  Network<float> net = waves::network<float>();
  EXPECT_THROW(Trainer(net, Sgd{}, {.bptt = window(3), .checkpoint = true}), UsageError);
}

TEST(Trainer, InFloatStaysWithinRoundingOfPyTorchsDouble) {
  const waves::Data<float> data;
  Network<float> net = waves::network<float>();
  Trainer trainer(net, Adam{.rate = 0.05}, kChunked);
  trainer.step(data.batch());
  trainer.step(data.batch(true));
  EXPECT_THAT(waves::flat(net), Pointwise(testing::FloatNear(1e-4f), golden::kTrained));
}

TEST(Trainer, WithoutChunksOneStepIsOneUpdateByTheGradient) {
  const waves::Data<double> data;
  for (const Bptt& bptt : {full(), window(3), chunk(4)}) {
    Network<double> by_hand = waves::network<double>(), trained = by_hand;
    Tape<double> tape;
    Gradients<double> gradients(by_hand);
    const BatchView<double> batch = data.batch();
    forward(by_hand, batch.input, tape);
    const double loss = loss_and_gradients(by_hand, tape, Loss(), batch.target, bptt, gradients);
    Optimizer<double> optimizer(Sgd{.rate = 0.1}, by_hand.size());
    optimizer.step(by_hand.parameters().flat(), gradients.parameters.flat());

    Trainer trainer(trained, Sgd{.rate = 0.1}, {.bptt = bptt, .update_each_chunk = false});
    const StepReport report = trainer.step(batch);
    EXPECT_EQ(waves::flat(trained), waves::flat(by_hand)) << to_string(bptt);
    EXPECT_EQ(report.loss, loss);
    EXPECT_EQ(report.gradient_norm, norm<double>(gradients.parameters.flat()));
    EXPECT_EQ(report.updates, 1u);
  }
}

TEST(Trainer, RestoredAfterAnyStepGoesOnBitForBit) {
  const waves::Data<float> data;
  const Config config{.cell = Gru{}, .hidden = {5, 3}, .dropout = 0.3, .recurrent_dropout = 0.2};
  Network<float> net = waves::network<float>(config);
  const TrainerOptions options{
      .bptt = chunk(4), .clip_norm = 0.5, .schedule = {.decay = Cosine{.over = 30}}, .seed = 7};
  Trainer whole(net, RmsProp{.momentum = 0.5}, options);
  whole.step(data.batch());
  whole.scale_rate(0.5);

  Network<float> copy = net;
  Trainer resumed(copy, RmsProp{.momentum = 0.5}, options);
  resumed.restore(whole.state());
  for (int i = 0; i < 3; ++i) {
    const StepReport a = whole.step(data.batch(true)), b = resumed.step(data.batch(true));
    EXPECT_EQ(a.loss, b.loss);
    EXPECT_EQ(waves::flat(net), waves::flat(copy));
  }
}

TEST(Trainer, TheSeedDecidesTheDropoutMasks) {
  const waves::Data<double> data;
  const auto loss = [&](std::uint64_t seed) {
    Network<double> net = waves::network<double>({.cell = Gru{}, .hidden = {5, 3}, .dropout = 0.5});
    return Trainer(net, Sgd{}, {.seed = seed}).step(data.batch()).loss;
  };
  EXPECT_EQ(loss(1), loss(1));
  EXPECT_NE(loss(1), loss(2));
}

TEST(Trainer, ABadNumberInTheInputIsNamedAndChangesNothing) {
  waves::Data<float> data;
  data.x[(1 * waves::kSteps + 6) * waves::kInputs + 1] = std::numeric_limits<float>::quiet_NaN();
  Network<float> net = waves::network<float>();
  const auto before = waves::flat(net);
  const StepReport report = Trainer(net, Sgd{}).step(data.batch());
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(*report.failure, "step 6 of sequence 1: input feature 1 is not finite");
  EXPECT_EQ(waves::flat(net), before);
}

TEST(Trainer, AnOverflowIsTracedToItsStepLayerAndGate) {
  const waves::Data<float> data;
  Network<float> net = waves::network<float>({.cell = Elman{Nonlinearity::Kind::identity}, .hidden = {3, 2}});
  for (float& w : net.parameters()["weight_hh_l0"]) w = 1e9f;
  const StepReport report = Trainer(net, Sgd{}).step(data.batch());
  ASSERT_TRUE(report.failure);
  // 1e9 a step: the fifth product leaves float's range.
  EXPECT_THAT(*report.failure, HasSubstr("hidden gate of layer 0"));
  EXPECT_THAT(*report.failure, testing::AnyOf(HasSubstr("step 4 of"), HasSubstr("step 5 of")));
}

TEST(Trainer, AParameterThatIsNoNumberIsNamed) {
  const waves::Data<double> data;
  Network<double> net = waves::network<double>();
  net.parameters()["weight_hh_l0"][7] = std::numeric_limits<double>::infinity();
  const StepReport report = Trainer(net, Sgd{}).step(data.batch());
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(*report.failure, "parameter weight_hh_l0[2, 1] is inf");
}

TEST(Trainer, OnlyContinuesWhatWentBefore) {
  const waves::Data<double> data;
  Network<double> net = waves::network<double>();
  Trainer trainer(net, Sgd{});
  trainer.step(data.batch());
  BatchView<double> two = data.batch(true);
  two.input.batch = 2;
  two.input.x = two.input.x.first(2 * waves::kSteps * waves::kInputs);
  two.starts = two.starts.first(2);
  two.target.values = two.target.values.first(2 * waves::kSteps * waves::kOutputs);
  EXPECT_THAT([&] { trainer.step(two); },
              ThrowsMessage<UsageError>(HasSubstr("continues 2 sequences; the batch before it had 3")));
}

TEST(Trainer, ASequenceThatBeginsAnewDoesNotSeeTheCarriedState) {
  const waves::Data<double> data;
  Network<double> net = waves::network<double>();
  Trainer trainer(net, Sgd{.rate = 0});
  trainer.step(data.batch());
  const State<double> fresh = trainer.tape().final_state();
  BatchView<double> mixed = data.batch();
  const std::vector<std::uint8_t> starts{1, 0, 1};
  mixed.starts = starts;
  trainer.step(mixed);
  const State<double> after = trainer.tape().final_state();
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(after.h[0][i], fresh.h[0][i]);
    EXPECT_NE(after.h[0][3 + i], fresh.h[0][3 + i]);
    EXPECT_EQ(after.h[0][6 + i], fresh.h[0][6 + i]);
  }
}

TEST(Trainer, ABatchWithoutTargetsOnlyCarriesTheStateOn) {
  const waves::Data<double> data;
  Network<double> net = waves::network<double>();
  const auto before = waves::flat(net);
  Trainer trainer(net, Sgd{}, {.bptt = chunk(4)});
  BatchView<double> silent = data.batch();
  const std::vector<double> weights(waves::kBatch * waves::kSteps);
  silent.target.weights = weights;
  const StepReport report = trainer.step(silent);
  EXPECT_FALSE(report.failure);
  EXPECT_EQ(report.updates, 0u);
  EXPECT_EQ(report.counted, 0);
  EXPECT_EQ(waves::flat(net), before);
  EXPECT_FALSE(trainer.state().carried.h.empty());
}

TEST(Trainer, RefusesOptionsThatCannotBe) {
  Network<double> net = waves::network<double>();
  EXPECT_THROW(Trainer(net, Sgd{}, {.clip_norm = -1}), UsageError);
  EXPECT_THROW(Trainer(net, Sgd{}, {.schedule = {.decay = Cosine{.over = 0}}}), UsageError);
  EXPECT_THROW(Trainer(net, Adam{.rate = -1}), UsageError);
}

}  // namespace
}  // namespace retrograde
