// Training from files by the command line, and what its models are good for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "retrograde/data/npy.h"
#include "retrograde/data/npz.h"
#include "system/program.h"

namespace retrograde::system_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

nlohmann::json last_json(const Outcome& outcome) {
  return nlohmann::json::parse(lines_of(outcome.out).back());
}

// A wave of period 20 with a slower one on top, `noise` beside it.
std::string wave_csv(std::size_t rows) {
  std::string text = "time,noise,load\n";
  for (std::size_t t = 0; t < rows; ++t) {
    const double x = static_cast<double>(t);
    text += std::to_string(t) + "," + std::to_string(std::fmod(x * 7.31, 1.0)) + "," +
            std::to_string(50 + 10 * std::sin(x * 0.314159) + 5 * std::sin(x * 0.05)) + "\n";
  }
  return text;
}

std::vector<double> sines(std::size_t count) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::sin(0.01 * static_cast<double>(i));
  return values;
}

class Train : public testing::Test {
 protected:
  Outcome train(std::vector<std::string> words) {
    words.insert(words.begin(), "train");
    words.insert(words.end(), {"--out", run_});
    return retrograde(words);
  }
  std::string best() const { return run_ + "/best.safetensors"; }

  Folder folder_;
  std::string run_ = folder_ / "run";
};

TEST_F(Train, ASeriesAloneGivesAModelBetterThanTheNaiveForecast) {
  const std::string data = folder_.write("wave.csv", wave_csv(900));
  const Outcome trained = train({data, "--target", "load", "--time", "time", "--period", "20", "--epochs",
                                 "15", "--hidden", "16", "--json"});
  ASSERT_EQ(trained.exit, 0) << trained.err;
  EXPECT_EQ(lines_of(trained.out).size(), 16u);
  const nlohmann::json last = last_json(trained);
  EXPECT_GT(last["naive_rmse"], 0);
  EXPECT_GT(last["seasonal_naive_rmse"], 0);

  const Outcome measured = retrograde({"eval", best(), data, "--json"});
  ASSERT_EQ(measured.exit, 0) << measured.err;
  EXPECT_LT(last_json(measured)["rmse"].get<double>(), last["naive_rmse"].get<double>() / 2);

  const Outcome predicted = retrograde({"predict", best(), data});
  ASSERT_EQ(predicted.exit, 0) << predicted.err;
  const auto lines = lines_of(predicted.out);
  EXPECT_EQ(lines.size(), 901u);  // a forecast after every row, the last one of the row to come
  EXPECT_EQ(lines[0], "sequence,step,load");
  EXPECT_THAT(lines.back(), StartsWith("1,901,"));

  const Outcome as_npy = retrograde({"predict", best(), data, "--out", folder_ / "y.npy"});
  ASSERT_EQ(as_npy.exit, 0) << as_npy.err;
  EXPECT_EQ(read_npy(folder_ / "y.npy").shape, (std::vector<std::size_t>{900, 1}));
}

TEST_F(Train, WithCheckpointsGivesTheSameLosses) {
  const std::string data = folder_.write("wave.csv", wave_csv(300));
  const std::vector<std::string> words{"train",    data,     "--target", "load",     "--bptt",
                                       "full",     "--time", "time",     "--epochs", "2",
                                       "--hidden", "8",      "--json"};
  auto with = words;
  with.push_back("--checkpoint");
  const auto loss = [&](std::vector<std::string> line, const char* run) {
    line.insert(line.end(), {"--out", folder_ / run});
    return nlohmann::json::parse(lines_of(retrograde(line).out).at(1)).at("train");
  };
  const auto whole = loss(words, "whole"), parts = loss(with, "parts");
  EXPECT_EQ(whole, parts);
  EXPECT_GT(whole, 0);
}

TEST_F(Train, PrintsTheCheckAndOneLineAnEpochAndNothingOnStdout) {
  const std::string data = folder_.write("wave.csv", wave_csv(300));
  const Outcome outcome = train({data, "--target", "load", "--epochs", "3", "--hidden", "5"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("check  gradient agrees with complex step"), HasSubstr("naive last value"),
                    HasSubstr("next   retrograde predict"), Not(HasSubstr("\x1b"))));
  for (const char* file :
       {"/config.json", "/metrics.jsonl", "/best.safetensors", "/last.safetensors", "/report.html"})
    EXPECT_NE(read(run_ + file), "") << file;
  EXPECT_EQ(lines_of(read(run_ + "/metrics.jsonl")).size(), 3u);
}

// What is read in pieces never stands in memory: a series may be larger than it.
TEST_F(Train, ALongSeriesIsReadFromDiskInPieces) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "a sanitizer's own memory would be counted";
#endif
  const std::string data = folder_ / "long.npy";
  write_npy(data, {.shape = {4'000'000}, .values = sines(4'000'000), .dtype = Dtype::float32});
  const std::size_t size = std::filesystem::file_size(data);
  const Outcome trained = train({data, "--target", "1", "--cell", "elman", "--hidden", "2", "--epochs", "1"});
  ASSERT_EQ(trained.exit, 0) << trained.err;
  EXPECT_LT(trained.peak_bytes, size);
  const Outcome predicted = retrograde({"predict", best(), data, "--out", folder_ / "forecast.csv"});
  ASSERT_EQ(predicted.exit, 0) << predicted.err;
  EXPECT_LT(predicted.peak_bytes, size);
}

TEST_F(Train, TheSameSeedGivesTheSameBits) {
  const std::string data = folder_.write("wave.csv", wave_csv(300));
  const auto model = [&](const std::string& seed, const std::string& out) {
    const Outcome outcome = retrograde({"train", data, "--target", "load", "--epochs", "2", "--hidden", "5",
                                        "--seed", seed, "--verify", "off", "--out", folder_ / out});
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    return read(folder_ / (out + "/last.safetensors"));
  };
  const std::string first = model("1", "a");
  EXPECT_EQ(model("1", "b"), first);
  EXPECT_NE(model("2", "c"), first);
}

TEST_F(Train, LinesAreLabelled) {
  std::string text;
  for (std::size_t i = 0; i < 300; ++i)
    text += i % 2 ? "vowels\taeiou" + std::string(1 + i % 5, 'a') + "\n"
                  : "consonants\tbcd" + std::string(1 + i % 7, 'x') + "\n";
  const std::string data = folder_.write("words.tsv", text);
  ASSERT_EQ(train({data, "--epochs", "4", "--hidden", "7"}).exit, 0);
  EXPECT_EQ(retrograde({"eval", best(), data, "--fail-under", "accuracy=0.99"}).exit, 0);
  const Outcome predicted = retrograde({"predict", best(), folder_.write("new.txt", "bcdxx\naeiouaa\n")});
  ASSERT_EQ(predicted.exit, 0) << predicted.err;
  EXPECT_THAT(predicted.out, AllOf(HasSubstr("\n1,consonants,"), HasSubstr("\n2,vowels,")));
}

TEST_F(Train, ATextIsContinued) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "to be or not to be, ";
  const std::string data = folder_.write("book.txt", text);
  const Outcome trained =
      train({data, "--epochs", "6", "--hidden", "24", "--cell", "gru", "--bptt", "chunk:20"});
  ASSERT_EQ(trained.exit, 0) << trained.err;
  const Outcome sampled =
      retrograde({"sample", best(), "--prompt", "to be or", "--length", "12", "--temperature", "0"});
  EXPECT_EQ(sampled.exit, 0) << sampled.err;
  EXPECT_EQ(sampled.out, "to be or not to be, \n");
}

TEST_F(Train, NotesArraysAndLabelledRowsAreTasksToo) {
  std::string notes;
  for (int piece = 0; piece < 12; ++piece) notes += "60 64\n62\n-\n60 64 67\n\n";
  const std::string music = folder_.write("music.txt", notes);
  ASSERT_EQ(train({music, "--epochs", "2", "--hidden", "5", "--overwrite"}).exit, 0);
  EXPECT_THAT(retrograde({"eval", best(), music}).out, HasSubstr("nll"));

  Npz arrays;
  arrays.arrays["x"] = {.shape = {30, 6, 2}, .values = std::vector<double>(360)};
  arrays.arrays["y"] = {.shape = {30}, .values = std::vector<double>(30), .dtype = Dtype::int64};
  arrays.arrays["lengths"] = {.shape = {30}, .values = std::vector<double>(30, 6), .dtype = Dtype::int64};
  for (std::size_t n = 0; n < 30; ++n) {
    arrays.arrays["y"].values[n] = static_cast<double>(n % 3);
    arrays.arrays["lengths"].values[n] = static_cast<double>(2 + n % 5);
    for (std::size_t i = 0; i < 12; ++i)
      arrays.arrays["x"].values[n * 12 + i] = static_cast<double>(n % 3) - 1;
  }
  const std::string file = folder_ / "arrays.npz";
  write_npz(file, arrays);
  ASSERT_EQ(train({file, "--epochs", "30", "--hidden", "6", "--bidirectional", "--overwrite"}).exit, 0);
  EXPECT_EQ(retrograde({"eval", best(), file, "--fail-under", "accuracy=0.99"}).exit, 0);
  EXPECT_EQ(lines_of(retrograde({"predict", best(), file}).out).size(), 31u);

  std::string rows = "who,a,b,speaker\n";
  for (int n = 0; n < 40; ++n)
    for (int t = 0; t < 3 + n % 4; ++t)
      rows += std::to_string(n) + "," + std::to_string(n % 2) + "," + std::to_string(t) +
              (n % 2 ? ",ann\n" : ",bob\n");
  const std::string table = folder_.write("rows.csv", rows);
  ASSERT_EQ(train({table, "--task", "label", "--group", "who", "--target", "speaker", "--epochs", "15",
                   "--overwrite"})
                .exit,
            0);
  EXPECT_EQ(retrograde({"eval", best(), table, "--fail-under", "accuracy=0.99"}).exit, 0);
}

TEST_F(Train, FailUnderIsExit3AndSaysWhy) {
  const std::string data = folder_.write("wave.csv", wave_csv(300));
  ASSERT_EQ(train({data, "--target", "load", "--epochs", "1", "--hidden", "2"}).exit, 0);
  const Outcome outcome =
      retrograde({"eval", best(), data, "--metrics", "rmse", "--fail-under", "rmse=0.001"});
  EXPECT_EQ(outcome.exit, 3);
  EXPECT_THAT(outcome.err, HasSubstr("failed: rmse is"));
  EXPECT_EQ(lines_of(outcome.out).size(), 1u);
}

TEST_F(Train, FlagsWinOverTheConfigurationFile) {
  const std::string data = folder_.write("wave.csv", wave_csv(300));
  const std::string config =
      folder_.write("config.json",
                    R"({"hidden": [7, 5], "epochs": 9, "target": "load", "verify": "off", "no-bias": true})");
  const Outcome outcome = train({data, "--config", config, "--epochs", "2", "--json"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(lines_of(outcome.out).size(), 3u);
  const auto model = nlohmann::json::parse(retrograde({"inspect", best(), "--json"}).out);
  EXPECT_EQ(model["config"]["hidden"], (std::vector<int>{7, 5}));
  EXPECT_EQ(model["config"]["bias"], false);
}

TEST_F(Train, ADryRunWritesNothing) {
  const std::string data = folder_.write("wave.csv", wave_csv(300));
  const Outcome outcome = train({data, "--target", "load", "--dry-run"});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("17,729 parameters"), HasSubstr("nothing was trained")));
  EXPECT_FALSE(std::filesystem::exists(run_));
}

TEST_F(Train, ADivergedRunSaysWhereAndNamesTheLastGoodCheckpoint) {
  const std::string data = folder_.write("wave.csv", wave_csv(300));
  const Outcome outcome =
      train({data, "--target", "load", "--cell", "elman", "--activation", "identity", "--optimizer", "sgd",
             "--lr", "1e20", "--clip", "0", "--verify", "off", "--epochs", "3"});
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("the loss is no longer a number: epoch 1, batch"), HasSubstr("of sequence"),
                    HasSubstr("Last good checkpoint: none"), HasSubstr("--lr")));
}

TEST(Demo, ShowsAForecastAndTheFault) {
  const Folder folder;
  const Outcome outcome = retrograde({"demo", "--out", folder / "demo"});
  EXPECT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("gradient agrees"), HasSubstr("naive last value"),
                                 HasSubstr("the month after the last")));
  EXPECT_THAT(outcome.out, HasSubstr("derivative-at-state (certain)"));
}

}  // namespace
}  // namespace retrograde::system_test
