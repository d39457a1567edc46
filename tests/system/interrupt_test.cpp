// Ctrl-C and kill -9 at any moment: what is on disk is whole, and going on gives the bits of a run that never
// stopped. Five kills at random moments; fifty with RETROGRADE_LONG=1.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "retrograde/base/random.h"
#include "system/program.h"

namespace retrograde::system_test {
namespace {

using testing::HasSubstr;

using std::chrono::milliseconds;

class Interrupted : public testing::Test {
 protected:
  void SetUp() override {
    std::string text = "load\n";
    for (int t = 0; t < 1500; ++t) text += std::to_string(std::sin(t * 0.3) + std::sin(t * 0.071)) + "\n";
    data_ = folder_.write("wave.csv", text);
    const auto start = std::chrono::steady_clock::now();
    const Outcome outcome = Running(words("whole")).wait();
    ASSERT_EQ(outcome.exit, 0) << outcome.err;
    duration_ = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  }

  std::vector<std::string> words(const std::string& out) const {
    return {"train",
            data_,
            "--target",
            "load",
            "--epochs",
            "12",
            "--hidden",
            "24",
            "--bptt",
            "chunk:10",
            "--batch",
            "3",
            "--recurrent-dropout",
            "0.1",
            "--schedule",
            "plateau:1:0.5",
            "--out",
            folder_ / out};
  }
  // Goes on until it ends by itself.
  Outcome resume(const std::string& out) { return retrograde({"train", "--resume", folder_ / out}); }
  void expect_the_same_bits(const std::string& out) {
    for (const char* file : {"/best.safetensors", "/last.safetensors"})
      EXPECT_TRUE(read(folder_ / ("whole" + std::string(file))) == read(folder_ / (out + file))) << file;
  }

  Folder folder_;
  std::string data_;
  milliseconds duration_{};
};

TEST_F(Interrupted, ByCtrlCSavesExits130AndGoesOnToTheSameBits) {
  Running run(words("stopped"));
  while (!std::filesystem::exists(folder_ / "stopped/last.safetensors"))
    std::this_thread::sleep_for(milliseconds(1));
  run.send(SIGINT);
  const Outcome stopped = run.wait();
  ASSERT_EQ(stopped.exit, 130) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("Go on with: retrograde train --resume"));
  const Outcome resumed = resume("stopped");
  ASSERT_EQ(resumed.exit, 0) << resumed.err;
  expect_the_same_bits("stopped");
}

TEST_F(Interrupted, ByKillAtAnyMomentLosesNothingThatWasSaved) {
  const int kills = std::getenv("RETROGRADE_LONG") != nullptr ? 50 : 5;
  Random random(11);
  for (int i = 0; i < kills; ++i) {
    const std::string out = "killed" + std::to_string(i);
    {
      Running run(words(out));
      const auto moment = static_cast<double>(duration_.count()) * random.uniform();
      std::this_thread::sleep_for(milliseconds(static_cast<int>(moment)));
      run.send(SIGKILL);
      run.wait();
    }
    for (const char* file : {"/best.safetensors", "/last.safetensors"}) {
      const std::string path = folder_ / (out + file);
      if (std::filesystem::exists(path)) {
        EXPECT_EQ(retrograde({"inspect", path}).exit, 0) << path;
      }
    }
    if (!std::filesystem::exists(folder_ / (out + "/config.json"))) continue;  // it had not begun
    const Outcome resumed = resume(out);
    ASSERT_EQ(resumed.exit, 0) << resumed.err;
    expect_the_same_bits(out);
  }
}

}  // namespace
}  // namespace retrograde::system_test
