#include "retrograde/io/checkpoint.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "data/files.h"
#include "retrograde/base/random.h"

namespace retrograde {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;

template <class T>
class Checkpoints : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Checkpoints, Scalars);

TYPED_TEST(Checkpoints, EverythingComesBackToTheBit) {
  using T = TypeParam;
  const TemporaryFolder folder;
  Config config;
  config.inputs = 2;
  config.hidden = {3};
  config.outputs = 1;
  const Network<T> network(config);
  Random random(3);
  OptimizerState<T> optimizer;
  optimizer.updates = (std::uint64_t{1} << 60) + 1;
  for (const auto* name : {"momentum", "square"}) {
    optimizer.moments.push_back({name, {}});
    for (std::size_t i = 0; i < network.size(); ++i) {
      optimizer.moments.back().values.push_back(static_cast<T>(random.normal() * 1e-7));
    }
  }
  const State<T> carried{{{T(0.1), T(-0.2), T(1) / 3}}, {{T(4), T(5), T(6)}}};

  Extras extras;
  put(extras, optimizer);
  put(extras, carried);
  save_model(folder / "last.safetensors", network, Json::object(), extras);
  const auto model = load_model<T>(folder / "last.safetensors");

  const auto back = optimizer_of<T>(model.extras);
  EXPECT_EQ(back.updates, optimizer.updates);
  ASSERT_EQ(back.moments.size(), 2u);
  EXPECT_EQ(back.moments[1].name, "square");
  EXPECT_EQ(back.moments[1].values, optimizer.moments[1].values);
  EXPECT_EQ(carried_of<T>(model.extras).h, carried.h);
  EXPECT_EQ(carried_of<T>(model.extras).c, carried.c);
}

TEST(Checkpoint, WhatIsMissingIsSaid) {
  EXPECT_THAT(testing::message_of<FileError>([] { optimizer_of<float>({}); }), HasSubstr("optimiser"));
  EXPECT_THAT(testing::message_of<FileError>([] { carried_of<float>({}); }), HasSubstr("carried state"));
  Extras extras;
  put(extras, OptimizerState<float>{1, {{"square", {1}}}});
  extras.tensors.clear();
  EXPECT_THAT(testing::message_of<FileError>([&] { optimizer_of<float>(extras); }),
              HasSubstr("optimizer.square"));
}

TEST(Checkpoint, NumbersThatJsonDoesNotKnowComeBack) {
  for (const double v : {0.1, -1e-320, double(INFINITY), -double(INFINITY)}) {
    EXPECT_EQ(exact_from_json(Json::parse(exact(v).dump())), v);
  }
  EXPECT_TRUE(std::isnan(exact_from_json(exact(NAN))));
  EXPECT_THROW(exact_from_json("x"), FileError);
}

}  // namespace
}  // namespace retrograde
