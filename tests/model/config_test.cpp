#include "retrograde/model/config.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "retrograde/base/error.h"
#include "retrograde/model/network.h"

namespace retrograde {
namespace {

TEST(Config, ComesBackFromJson) {
  for (const Cell& cell :
       std::vector<Cell>{Elman{Nonlinearity::Kind::elu}, Gru{}, Gru{.reset_after = false}, Lstm{}}) {
    const Config config{.cell = cell,
                        .inputs = 7,
                        .tokens = true,
                        .embedding = 3,
                        .hidden = {11, 5},
                        .outputs = 2,
                        .activation = OutputActivation::softmax(),
                        .at = At::last,
                        .bidirectional = true,
                        .bias = false,
                        .dropout = 0.25,
                        .recurrent_dropout = 0.5,
                        .learned_start = true,
                        .initialisation = Initialisation::torch,
                        .seed = 17};
    EXPECT_EQ(to_json(config_from_json(to_json(config))), to_json(config));
  }
}

TEST(Config, RefusesUnknownMissingAndImpossibleKeys) {
  const auto good = to_json({.inputs = 7, .hidden = {11}});
  const auto with = [&](const char* key, nlohmann::json value) {
    auto json = good;
    json[key] = std::move(value);
    return json;
  };
  EXPECT_NO_THROW(config_from_json(good));
  EXPECT_THROW(config_from_json(with("layers", 2)), UsageError);
  EXPECT_THROW(config_from_json(with("cell", "transformer")), UsageError);
  EXPECT_THROW(config_from_json(with("hidden", nlohmann::json::array())), UsageError);
  EXPECT_THROW(config_from_json(with("hidden", "many")), UsageError);
  EXPECT_THROW(config_from_json(with("dropout", 1.0)), UsageError);
  EXPECT_THROW(config_from_json(with("at", "first")), UsageError);
  EXPECT_THROW(config_from_json(with("embedding", 3)), UsageError);
  auto missing = good;
  missing.erase("bias");
  EXPECT_THROW(config_from_json(missing), UsageError);
}

TEST(Network, HasPyTorchsNamesAndShapes) {
  const Network<double> net(
      {.cell = Gru{}, .inputs = 7, .hidden = {11, 5}, .outputs = 2, .bidirectional = true});
  const auto shape = [&](const char* name) { return net.parameters().blocks().at(name).shape; };
  using Shape = std::vector<std::size_t>;
  EXPECT_EQ(shape("weight_ih_l0"), (Shape{33, 7}));
  EXPECT_EQ(shape("weight_hh_l0_reverse"), (Shape{33, 11}));
  EXPECT_EQ(shape("weight_ih_l1"), (Shape{15, 22}));
  EXPECT_EQ(shape("bias_hh_l1_reverse"), (Shape{15}));
  EXPECT_EQ(shape("head.weight"), (Shape{2, 10}));
  EXPECT_EQ(shape("head.bias"), (Shape{2}));
}

TEST(Initialisation, KerasHasOrthonormalColumnsAndAForgetBiasOfOne) {
  const Network<double> net({.inputs = 7, .hidden = {11}, .outputs = 2});
  const auto u = net.parameters()["weight_hh_l0"];
  for (std::size_t i = 0; i < 11; ++i)
    for (std::size_t j = 0; j < 11; ++j) {
      double dot = 0;
      for (std::size_t r = 0; r < 44; ++r) dot += u[r * 11 + i] * u[r * 11 + j];
      EXPECT_NEAR(dot, i == j ? 1 : 0, 1e-14);
    }
  const auto bias = net.parameters()["bias_ih_l0"];
  for (std::size_t i = 0; i < 44; ++i) EXPECT_EQ(bias[i], i / 11 == 1 ? 1 : 0);
  const double limit = std::sqrt(6.0 / (7 + 44));
  for (const double w : net.parameters()["weight_ih_l0"]) EXPECT_LE(std::abs(w), limit);
}

TEST(Initialisation, TorchIsUniformWithinOneOverRootH) {
  const Network<double> net(
      {.inputs = 7, .hidden = {11}, .outputs = 2, .initialisation = Initialisation::torch});
  double largest = 0;
  for (const double w : net.parameters().flat()) largest = std::max(largest, std::abs(w));
  EXPECT_LE(largest, 1 / std::sqrt(11.0));
  EXPECT_GT(largest, 0.95 / std::sqrt(11.0));
}

TEST(Initialisation, IsDecidedByTheSeedAloneForFloatAndDoubleAlike) {
  const Config config{.inputs = 7, .hidden = {11}, .outputs = 2, .seed = 5};
  Config other = config;
  other.seed = 6;
  const Network<double> a(config), b(config), c(other);
  const Network<float> f(config);
  EXPECT_TRUE(
      std::equal(a.parameters().flat().begin(), a.parameters().flat().end(), b.parameters().flat().begin()));
  EXPECT_NE(a.parameters().flat()[0], c.parameters().flat()[0]);
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(f.parameters().flat()[i], static_cast<float>(a.parameters().flat()[i]));
}

}  // namespace
}  // namespace retrograde
