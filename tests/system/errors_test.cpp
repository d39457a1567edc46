// Wrong inputs of every kind: what is said, and the exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "system/program.h"

namespace retrograde::system_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const char* const kSeries = "time,load\n1,2.5\n2,3.5\n3,1.5\n4,2.0\n5,3.0\n6,1.0\n7,2.5\n8,3.5\n";

struct Mistake {
  std::string name;
  std::string file;  // content of the data file
  std::vector<std::string> words;
  int exit;
  std::string says;
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class Mistakes : public testing::TestWithParam<Mistake> {};

TEST_P(Mistakes, AreExplained) {
  const Folder folder;
  const Mistake& mistake = GetParam();
  std::vector<std::string> words = mistake.words;
  for (std::string& word : words)
    if (word == "DATA") word = folder.write("data.csv", mistake.file);
  if (words[0] == "train") words.insert(words.end(), {"--out", folder / "run"});
  const Outcome outcome = retrograde(words);
  EXPECT_EQ(outcome.exit, mistake.exit) << outcome.err;
  EXPECT_THAT(outcome.err, StartsWith("error: "));
  EXPECT_THAT(outcome.err, HasSubstr(mistake.says));
  EXPECT_EQ(outcome.out, "");
  EXPECT_FALSE(std::filesystem::exists(folder / "run")) << "nothing may be written";
}

INSTANTIATE_TEST_SUITE_P(
    Errors, Mistakes,
    testing::Values(
        Mistake{"unknown_command", "", {"trian"}, 2, "Did you mean train?"},
        Mistake{"unknown_option", kSeries, {"train", "DATA", "--targt", "load"}, 2, "Did you mean --target?"},
        Mistake{"no_data", "", {"train"}, 2, "train wants a file"},
        Mistake{"missing_file",
                "",
                {"train", "nowhere.csv", "--target", "x"},
                1,
                "nowhere.csv: cannot be opened"},
        Mistake{"which_target", "a,b\n1,2\n3,4\n5,6\n", {"train", "DATA"}, 2, "Say with --target which"},
        Mistake{"unknown_column", kSeries, {"train", "DATA", "--target", "laod"}, 2, "laod"},
        Mistake{"not_a_number",
                "a\n1\n2\noops\n4\n",
                {"train", "DATA", "--target", "a"},
                4,
                "\"oops\" is not a number"},
        Mistake{"missing_value", "a,b\n1,1\n2,\n3,3\n4,4\n", {"train", "DATA", "--target", "a"}, 4, "--fill"},
        Mistake{"ragged_row", "a,b\n1,2\n3\n4,5\n", {"train", "DATA", "--target", "a"}, 4, "data.csv:3"},
        Mistake{"empty_file", "", {"train", "DATA", "--target", "a"}, 4, "data.csv"},
        Mistake{"too_short", "a\n1\n2\n", {"train", "DATA", "--target", "a", "--horizon", "5"}, 4, "horizon"},
        Mistake{"bad_cell", kSeries, {"train", "DATA", "--cell", "lstn"}, 2, "lstn"},
        Mistake{"bad_number", kSeries, {"train", "DATA", "--epochs", "ten"}, 2, "ten"},
        Mistake{
            "negative_number", kSeries, {"train", "DATA", "--hidden", "8,-3"}, 2, "\"-3\" is not a whole"},
        Mistake{"missing_number", "", {"check", "--hidden"}, 2, "--hidden wants a value"},
        Mistake{"too_many_units",
                kSeries,
                {"train", "DATA", "--target", "load", "--hidden", "9999999999999999"},
                1,
                "not enough memory"},
        Mistake{"bad_optimizer",
                kSeries,
                {"train", "DATA", "--optimizer", "adan"},
                2,
                "there are sgd, rmsprop, adam, adamw"},
        Mistake{"bad_bptt", kSeries, {"train", "DATA", "--bptt", "chunk:0"}, 2, "chunk"},
        Mistake{"bad_schedule", kSeries, {"train", "DATA", "--schedule", "linear"}, 2, "step:EPOCHS:FACTOR"},
        Mistake{"bad_verify", kSeries, {"train", "DATA", "--verify", "often"}, 2, "first, every:N or off"},
        Mistake{"bad_loss",
                kSeries,
                {"train", "DATA", "--target", "load", "--loss", "softmax_cross_entropy"},
                2,
                "does not fit"},
        Mistake{"bad_rate", kSeries, {"train", "DATA", "--target", "load", "--lr", "-1"}, 2, "rate is -1"},
        Mistake{
            "bad_dropout", kSeries, {"train", "DATA", "--target", "load", "--dropout", "1.5"}, 2, "dropout"},
        Mistake{"bidirectional_forecast",
                kSeries,
                {"train", "DATA", "--target", "load", "--bidirectional"},
                2,
                "has not been yet"},
        Mistake{"no_group",
                kSeries,
                {"train", "DATA", "--task", "label", "--target", "load", "--group", ""},
                4,
                "data.csv:1"},
        Mistake{"bad_task", kSeries, {"train", "DATA", "--task", "dream"}, 2, "there is no task \"dream\""},
        Mistake{"missing_config",
                kSeries,
                {"train", "DATA", "--config", "nowhere.json"},
                1,
                "nowhere.json cannot be opened"},
        Mistake{"broken_config", "{\"epochs\": ", {"train", "x.csv", "--config", "DATA"}, 1, "data.csv"},
        Mistake{
            "config_of_a_list", "[1, 2]", {"train", "x.csv", "--config", "DATA"}, 1, "expected an object"},
        Mistake{"config_typo",
                "{\"epoch\": 3}",
                {"train", "x.csv", "--config", "DATA"},
                2,
                "Did you mean --epochs?"},
        Mistake{"no_run", "", {"train", "--resume", "nowhere"}, 1, "nowhere/config.json cannot be opened"},
        Mistake{"model_is_text", kSeries, {"eval", "DATA", "DATA"}, 1, "data.csv"},
        Mistake{
            "model_missing", kSeries, {"predict", "nowhere.safetensors", "DATA"}, 1, "nowhere.safetensors"},
        Mistake{"no_model", "", {"inspect"}, 2, "model"}),
    [](const auto& test) { return test.param.name; });

class WithModel : public testing::Test {
 protected:
  void SetUp() override {
    data_ = folder_.write("series.csv", kSeries);
    const Outcome outcome =
        retrograde({"train", data_, "--target", "load", "--inputs", "load", "--epochs", "1", "--hidden", "3",
                    "--valid", "0", "--verify", "off", "--out", folder_ / "run"});
    ASSERT_EQ(outcome.exit, 0) << outcome.err;
  }
  void expect(const std::vector<std::string>& words, int exit, const std::string& says) {
    const Outcome outcome = retrograde(words);
    EXPECT_EQ(outcome.exit, exit) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(says));
    EXPECT_EQ(outcome.out, "");
  }

  Folder folder_;
  std::string data_, model_ = folder_ / "run/best.safetensors";
};

TEST_F(WithModel, ARunIsNotOverwrittenUnlessAsked) {
  expect({"train", data_, "--target", "load", "--out", folder_ / "run"}, 2, "replace it (--overwrite)");
}

TEST_F(WithModel, DataWithoutTheModelsColumnIsRefused) {
  expect({"eval", model_, folder_.write("other.csv", "time,laod\n1,2\n2,3\n")}, 2, "load");
}

TEST_F(WithModel, UnknownMetricsAndBoundsAreRefused) {
  expect({"eval", model_, data_, "--metrics", "acuracy"}, 2, "there are rmse, mae, r2, loss");
  expect({"eval", model_, data_, "--fail-under", "rmse=low"}, 2, "METRIC=NUMBER");
}

TEST_F(WithModel, OnlyAModelOfCharactersIsSampled) {
  expect({"sample", model_}, 2, "only one of characters can be sampled");
}

TEST_F(WithModel, ATruncatedOrChangedFileIsRefused) {
  const std::string whole = read(model_);
  expect({"inspect", folder_.write("cut.safetensors", whole.substr(0, whole.size() / 2))}, 1,
         "cut.safetensors");
  std::string changed = whole;
  changed[changed.size() - 3] = static_cast<char>(changed[changed.size() - 3] ^ 0x40);
  const Outcome outcome = retrograde({"inspect", folder_.write("changed.safetensors", changed)});
  EXPECT_TRUE(outcome.exit == 1 || outcome.exit == 3) << outcome.exit;
  EXPECT_EQ(outcome.out, "");
}

TEST_F(WithModel, AnUnwritableOutputIsAnError) {
  expect({"predict", model_, data_, "--out", folder_ / "no/such/folder.csv"}, 1, "cannot be written");
}

}  // namespace
}  // namespace retrograde::system_test
