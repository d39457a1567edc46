#include "retrograde/io/model.h"

#include <gmock/gmock.h>

#include <cmath>

#include "data/files.h"
#include "retrograde/io/safetensors.h"
#include "retrograde/sequence/forward.h"

namespace retrograde {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryFolder;

Config lstm() {
  Config config;
  config.cell = Lstm{};
  config.inputs = 3;
  config.hidden = {5, 7};
  config.outputs = 2;
  return config;
}

std::vector<Config> configurations() {
  std::vector<Config> all(6, lstm());
  all[1].cell = Gru{true};
  all[1].bidirectional = true;
  all[2].cell = Gru{false};
  all[2].at = At::last;
  all[2].activation = OutputActivation::softmax();
  all[3].cell = Elman{Nonlinearity::Kind::relu};
  all[3].learned_start = true;
  all[3].bias = false;
  all[4].tokens = true;
  all[4].embedding = 4;
  all[5].tokens = true;
  all[5].outputs = 0;
  return all;
}

template <class T>
std::vector<T> outputs(const Network<T>& network) {
  const std::size_t n = 2 * 5;
  std::vector<T> x;
  std::vector<std::int32_t> tokens;
  for (std::size_t i = 0; i < n * 3; ++i) x.push_back(static_cast<T>(std::sin(static_cast<double>(i))));
  for (std::size_t i = 0; i < n; ++i) tokens.push_back(static_cast<std::int32_t>(i % 3));
  (network.config().tokens ? x.clear() : tokens.clear());
  const std::vector<std::size_t> lengths = {5, 3};
  Tape<T> tape;
  forward<T>(network, {2, 5, x, tokens, lengths}, tape);
  return tape.outputs();
}

// The file of a model, changed.
template <class Change>
std::filesystem::path altered(const TemporaryFolder& folder, Change change) {
  save_model(folder / "m.safetensors", Network<double>(lstm()));
  TensorFile file = read_safetensors(folder / "m.safetensors");
  change(file);
  write_safetensors(folder / "m.safetensors", file);
  return folder / "m.safetensors";
}

TEST(Models, EveryKindComesBackToTheBit) {
  const TemporaryFolder folder;
  for (const auto& config : configurations()) {
    const Network<double> network(config);
    save_model(folder / "m.safetensors", network, {{"horizon", 3}});
    const auto model = load_model<double>(folder / "m.safetensors");
    EXPECT_EQ(outputs(model.network), outputs(network));
    EXPECT_EQ(to_json(model.network.config()), to_json(config));
    EXPECT_EQ(model.preprocess["horizon"], 3);
    EXPECT_EQ(model_dtype(folder / "m.safetensors"), Dtype::float64);

    const auto single = network.cast<float>();
    save_model(folder / "m.safetensors", single);
    EXPECT_EQ(model_dtype(folder / "m.safetensors"), Dtype::float32);
    EXPECT_EQ(outputs(load_model<float>(folder / "m.safetensors").network), outputs(single));
  }
}

TEST(Models, WhatTrainingNeedsTravelsAlong) {
  const TemporaryFolder folder;
  Extras extras{{{"epoch", 3}}, {}};
  extras.tensors["moment"] = {{2}, {1e-300, 5}, Dtype::float64};
  save_model(folder / "m.safetensors", Network<float>(lstm()), Json::object(), extras);
  const auto model = load_model<float>(folder / "m.safetensors");
  EXPECT_EQ(model.extras.state["epoch"], 3);
  EXPECT_EQ(model.extras.tensors.at("moment").values[0], 1e-300);
}

TEST(Models, MissingUnusedAndMisshapenTensorsAreListed) {
  const TemporaryFolder folder;
  const auto path = altered(folder, [](TensorFile& file) {
    file.tensors["weight_hh_l7"] = file.tensors["weight_hh_l1"];
    file.tensors.erase("weight_hh_l1");
    file.tensors["head.bias"] = {{3}, {1, 2, 3}, Dtype::float64};
  });
  EXPECT_THAT(message_of<FileError>([&] { load_model<double>(path); }),
              AllOf(HasSubstr("m.safetensors"), HasSubstr("missing: weight_hh_l1"),
                    HasSubstr("unused: weight_hh_l7"), HasSubstr("head.bias is [3], expected [2]"),
                    HasSubstr("2 layers"), HasSubstr("Nothing was loaded")));
}

TEST(Models, GatesInAnotherOrderFailTheSelfTest) {
  const TemporaryFolder folder;
  const auto path = altered(folder, [](TensorFile& file) {
    auto& w = file.tensors.at("weight_ih_l1").values;  // [4·7, 5]: i and f exchanged
    std::swap_ranges(w.begin(), w.begin() + 35, w.begin() + 35);
  });
  EXPECT_THAT(message_of<SelfTestError>([&] { load_model<double>(path); }), HasSubstr("self-test fails"));
}

TEST(Models, AnIncompleteSelfTestIsRefused) {
  const TemporaryFolder folder;
  const auto refusal = [&](auto change) {
    return message_of<FileError>([&] { load_model<double>(altered(folder, change)); });
  };
  EXPECT_THAT(refusal([](TensorFile& f) { f.tensors.erase("selftest.y"); }), HasSubstr("selftest.y"));
  EXPECT_THAT(refusal([](TensorFile& f) { f.tensors.erase("selftest.c0_l1"); }), HasSubstr("selftest.c0_l1"));
  EXPECT_THAT(refusal([](TensorFile& f) { f.tensors.at("selftest.lengths").values[0] = 9; }),
              HasSubstr("holds 9"));
  EXPECT_THAT(refusal([](TensorFile& f) {
                f.tensors["selftest.z"] = {{1}, {1}, Dtype::float32};
              }),
              HasSubstr("tensors"));
}

TEST(Models, AnotherFormatVersionOrConfigurationIsRefusedInWords) {
  const TemporaryFolder folder;
  const auto refusal = [&](auto change) {
    return message_of<FileError>([&] { load_model<double>(altered(folder, change)); });
  };
  EXPECT_THAT(refusal([](TensorFile& f) { f.metadata.erase("format"); }),
              HasSubstr("no model of Retrograde"));
  EXPECT_THAT(refusal([](TensorFile& f) { f.metadata["format_version"] = "2"; }), HasSubstr("version 2"));
  EXPECT_THAT(refusal([](TensorFile& f) { f.metadata.erase("config"); }), HasSubstr("config is missing"));
  EXPECT_THAT(refusal([](TensorFile& f) { f.metadata["config"] = "{}"; }), HasSubstr("configuration"));
  EXPECT_THAT(refusal([](TensorFile& f) {
                auto config = Json::parse(f.metadata["config"]);
                config["hidden"] = {-5, 7};
                f.metadata["config"] = config.dump();
              }),
              HasSubstr("Nothing was loaded"));
  EXPECT_THAT(refusal([](TensorFile& f) { f.metadata["preprocess"] = "{"; }), HasSubstr("preprocess"));
}

TEST(Models, WhatIsNotFiniteIsNotSavedAndWhatWasThereStays) {
  const TemporaryFolder folder;
  Network<float> network(lstm());
  save_model(folder / "m.safetensors", network);
  const auto before = testing::bytes_of(folder / "m.safetensors");
  network.parameters()["weight_hh_l1"][3] = NAN;
  EXPECT_THAT(message_of<UsageError>([&] { save_model(folder / "m.safetensors", network); }),
              HasSubstr("weight_hh_l1"));
  EXPECT_EQ(testing::bytes_of(folder / "m.safetensors"), before);
}

}  // namespace
}  // namespace retrograde
