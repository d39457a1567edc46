// retrograde check, as it is typed.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "retrograde/io/model.h"
#include "system/program.h"

namespace retrograde::system_test {
namespace {

using ::testing::HasSubstr;

TEST(CheckCommand, ProvesEveryCellInBothPrecisionsAndEveryTruncation) {
  const Outcome o = retrograde({"check", "--hidden", "5"});
  EXPECT_EQ(o.exit, 0) << o.err;
  for (const char* row :
       {"elman tanh         window:2  float64  agrees", "gru, reset before  full      float32  agrees",
        "lstm               chunk:2   float32  agrees", "30 of 30 gradients agree with complex step"})
    EXPECT_THAT(o.out, HasSubstr(row));
}

TEST(CheckCommand, TellsTheWholeReportOfOneGradient) {
  const Outcome o =
      retrograde({"check", "--cell", "gru", "--bptt", "window:1", "--precision", "double", "--bidirectional",
                  "--hidden", "5,3", "--loss", "softmax_cross_entropy", "--bias", "--bound", "0.1"});
  EXPECT_EQ(o.exit, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("gradient agrees with complex step: worst"));
  EXPECT_THAT(o.out, HasSubstr("weight_hh_l1_reverse"));
  EXPECT_THAT(o.out, HasSubstr("bias is |truncated - full| / |full|"));
  EXPECT_THAT(o.out, HasSubstr("is the smallest whose gradient is within 0.1"));
}

TEST(CheckCommand, ChecksTruncatedGradientsUnderASoftmax) {
  for (const char* bptt : {"chunk:2", "window:2"}) {
    const Outcome o = retrograde(
        {"check", "--cell", "gru", "--bptt", bptt, "--output-activation", "softmax", "--hidden", "5"});
    EXPECT_EQ(o.exit, 0) << bptt << o.err;
  }
}

TEST(CheckCommand, WritesJson) {
  const Outcome o =
      retrograde({"check", "--cell", "lstm", "--hidden", "3", "--bptt", "full", "--json", "--bias"});
  EXPECT_EQ(o.exit, 0) << o.err;
  const auto json = nlohmann::json::parse(o.out);
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["verdict"], "agrees");
  EXPECT_EQ(json[1]["claim"], "float32");
  EXPECT_EQ(json[0]["network"]["config"]["cell"], "lstm");
  EXPECT_EQ(json[0]["bias"][0]["truncation"], "window:0");
}

TEST(CheckCommand, ChecksATrainedModel) {
  const Folder folder;
  Config config{.cell = Lstm{}, .inputs = 3, .hidden = {5}, .outputs = 2};
  config.activation = Nonlinearity::Kind::sigmoid;
  save_model(folder / "net.safetensors", Network<float>(config));
  const Outcome o = retrograde({"check", folder / "net.safetensors", "--bptt", "full"});
  EXPECT_EQ(o.exit, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("claimed is the gradient under test (float32)"));
  EXPECT_EQ(retrograde({"check", folder / "net.safetensors", "--hidden", "7"}).exit, 2);
  EXPECT_EQ(retrograde({"check", folder / "none.safetensors"}).exit, 1);
}

TEST(CheckCommand, WhatCannotBeToldHasItsOwnExitCode) {
  const Outcome o =
      retrograde({"check", "--cell", "elman", "--outputs", "1", "--output-activation", "softmax", "--loss",
                  "squared_error", "--bptt", "full", "--precision", "double", "--seconds", "1e-9"});
  EXPECT_EQ(o.exit, 5) << o.out;
  EXPECT_THAT(o.out, HasSubstr("cannot tell"));
}

TEST(CheckCommand, RefusesWhatItDoesNotKnow) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"check", "--cell", "lsmt"},
                                                                 {"check", "--mode", "some"},
                                                                 {"check", "--bptt", "chunk:0"},
                                                                 {"check", "--loss", "squared"},
                                                                 {"check", "--activation", "tan"}}) {
    const Outcome o = retrograde(words);
    EXPECT_EQ(o.exit, 2) << words[1];
    EXPECT_THAT(o.err, HasSubstr("error: "));
  }
}

}  // namespace
}  // namespace retrograde::system_test
