#include "retrograde/train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "train/waves.h"

namespace retrograde {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

const TrainerOptions kOptions{.bptt = chunk(4), .clip_norm = 1, .seed = 3};

template <class T>
class CheckpointOf : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(CheckpointOf, Scalars);

TYPED_TEST(CheckpointOf, SavedToDiskAndReadBackGoesOnBitForBit) {
  using T = TypeParam;
  const waves::Data<T> data;
  const std::string path =  // one a process: both scalars are tested at the same time
      fmt::format("{}checkpoint_test-{}.safetensors", testing::TempDir(), getpid());
  Network<T> net = waves::network<T>({.cell = Lstm{}, .hidden = {5, 3}, .dropout = 0.3});
  Trainer trainer(net, Adam{.rate = 0.01}, kOptions);
  trainer.step(data.batch());
  trainer.scale_rate(0.3);
  FitState state;
  state.epoch = 2;
  state.batch = 7;
  state.loss = 0.1;
  state.best_loss = 1.0 / 3;
  state.plateau.bad_epochs = 5;
  save_model(path, net, Json::object(), checkpoint_of(trainer, state));

  Model<T> model = load_model<T>(path);
  Trainer resumed(model.network, Adam{.rate = 0.01}, kOptions);
  const FitState read = restore_checkpoint(model.extras, resumed);
  EXPECT_EQ(read.epoch, 2u);
  EXPECT_EQ(read.batch, 7u);
  EXPECT_EQ(read.loss, 0.1);
  EXPECT_EQ(read.best_loss, 1.0 / 3);
  EXPECT_EQ(read.plateau.bad_epochs, 5u);
  EXPECT_EQ(read.plateau.best, std::numeric_limits<double>::infinity());
  for (int i = 0; i < 3; ++i) {
    trainer.step(data.batch(true));
    resumed.step(data.batch(true));
    EXPECT_EQ(waves::flat(model.network), waves::flat(net));
  }
  std::filesystem::remove(path);
}

TEST(Checkpoint, RefusesAnotherMethodAndAModelThatIsNone) {
  const waves::Data<double> data;
  Network<double> net = waves::network<double>();
  Trainer adam(net, Adam{}, kOptions), sgd(net, Sgd{}, kOptions);
  Extras extras = checkpoint_of(adam, {});
  EXPECT_THAT([&] { restore_checkpoint(extras, sgd); },
              ThrowsMessage<FileError>(HasSubstr("is of \"adam\"")));
  EXPECT_THAT([&] { restore_checkpoint({}, adam); }, ThrowsMessage<FileError>(HasSubstr("no checkpoint")));
  extras.state.erase("epoch");
  EXPECT_THAT([&] { restore_checkpoint(extras, adam); }, ThrowsMessage<FileError>(HasSubstr("\"epoch\"")));
  extras = checkpoint_of(adam, {});
  extras.tensors.erase("optimizer.mean");
  EXPECT_THAT([&] { restore_checkpoint(extras, adam); },
              ThrowsMessage<FileError>(HasSubstr("optimizer.mean")));
}

}  // namespace
}  // namespace retrograde
