#include "retrograde/train/verify.h"

#include <gtest/gtest.h>

#include "train/waves.h"

namespace retrograde {
namespace {

TEST(Verify, ProvesTheGradientOfEveryTruncation) {
  const waves::Data<float> data;
  for (const Bptt& bptt : {full(), chunk(4), window(2)}) {
    Network<float> net =
        waves::network<float>({.cell = Gru{}, .hidden = {5, 3}, .dropout = 0.3, .recurrent_dropout = 0.2});
    Trainer trainer(net, Adam{}, {.bptt = bptt});
    const CheckReport first = verify(trainer, data.batch());
    EXPECT_TRUE(first.agrees()) << to_string(bptt) << "\n" << first.text();
    trainer.step(data.batch());
    const CheckReport later = verify(trainer, data.batch(true));
    EXPECT_TRUE(later.agrees()) << to_string(bptt) << "\n" << later.text();
  }
}

TEST(Verify, LeavesTheTrainerAsItWas) {
  const waves::Data<double> data;
  const auto trained = [&](bool verified) {
    Network<double> net = waves::network<double>({.cell = Lstm{}, .hidden = {3}, .recurrent_dropout = 0.2});
    Trainer trainer(net, Adam{});
    for (int i = 0; i < 3; ++i) {
      if (verified) verify(trainer, data.batch(i > 0));
      trainer.step(data.batch(i > 0));
    }
    return waves::flat(net);
  };
  EXPECT_EQ(trained(true), trained(false));
}

}  // namespace
}  // namespace retrograde
