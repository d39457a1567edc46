#include "retrograde/io/run.h"

#include <gmock/gmock.h>

#include "data/files.h"
#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using ::testing::AllOf;
using testing::bytes_of;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::Not;
using testing::TemporaryFolder;

TEST(RunFolder, WhatWasWrittenIsThereWhenItIsOpenedAgain) {
  const TemporaryFolder folder;
  auto run = RunFolder::create(folder / "a/run", {{"hidden", 64}}, false);
  run.append({{"epoch", 1}, {"train", 0.5}});
  run.append({{"epoch", 2}, {"train", 0.25}});
  const auto back = RunFolder::open(folder / "a/run");
  EXPECT_EQ(back.config()["hidden"], 64);
  ASSERT_EQ(back.epochs().size(), 2u);
  EXPECT_EQ(back.epochs()[1]["train"], 0.25);
}

TEST(RunFolder, ARunIsNotOverwrittenUnlessAsked) {
  const TemporaryFolder folder;
  RunFolder::create(folder / "run", {}, false).append({{"epoch", 1}});
  testing::save(folder / "run/best.safetensors", "old");
  EXPECT_THAT(message_of<UsageError>([&] { RunFolder::create(folder / "run", {}, false); }),
              HasSubstr("already"));
  EXPECT_EQ(bytes_of(folder / "run/best.safetensors"), "old");
  RunFolder::create(folder / "run", {}, true);
  EXPECT_FALSE(std::filesystem::exists(folder / "run/best.safetensors"));
  EXPECT_TRUE(RunFolder::open(folder / "run").epochs().empty());
  EXPECT_THROW(RunFolder::open(folder / "none"), FileError);
  EXPECT_THROW(RunFolder::create(testing::save(folder / "file", "x"), {}, false), FileError);
}

TEST(RunFolder, AKilledRunIsTakenUpAtItsCheckpoint) {
  const TemporaryFolder folder;
  auto run = RunFolder::create(folder / "run", {}, false);
  for (int epoch = 1; epoch <= 3; ++epoch) run.append({{"epoch", epoch}});
  const auto metrics = folder / "run/metrics.jsonl";
  testing::save(metrics, bytes_of(metrics) + R"({"epoch": 4, "tra)");
  testing::save(folder / "run/last.safetensors.part-1-2", "unfinished");
  auto back = RunFolder::open(folder / "run");
  ASSERT_EQ(back.epochs().size(), 3u);
  EXPECT_FALSE(std::filesystem::exists(folder / "run/last.safetensors.part-1-2"));
  EXPECT_THROW(back.keep(4), FileError);
  back.keep(2);
  back.append({{"epoch", 3}});
  EXPECT_EQ(bytes_of(metrics), "{\"epoch\":1}\n{\"epoch\":2}\n{\"epoch\":3}\n");
}

TEST(RunFolder, DamagedFilesAreNamedByLine) {
  const TemporaryFolder folder;
  RunFolder::create(folder / "run", {}, false);
  testing::save(folder / "run/metrics.jsonl", "{\"epoch\":1}\n{\"epo\n");
  EXPECT_THAT(message_of<FileError>([&] { RunFolder::open(folder / "run"); }), HasSubstr("metrics.jsonl:2"));
  testing::save(folder / "run/config.json", "{");
  EXPECT_THAT(message_of<FileError>([&] { RunFolder::open(folder / "run"); }), HasSubstr("config.json"));
}

TEST(RunFolder, TheReportIsOneFileWithAPictureAndATable) {
  const TemporaryFolder folder;
  auto run = RunFolder::create(folder / "my <run>", {{"cell", "lstm & co"}}, false);
  run.write_report();
  EXPECT_THAT(bytes_of(run.report()), HasSubstr("No epoch"));
  for (int epoch = 1; epoch <= 30; ++epoch) {
    run.append(
        {{"epoch", epoch}, {"train", 1.0 / epoch}, {"valid", 0.1 + 1.0 / epoch}, {"rmse", 2.0 / epoch}});
  }
  run.write_report();
  EXPECT_THAT(
      bytes_of(run.report()),
      AllOf(HasSubstr("<svg"), HasSubstr("polyline"), HasSubstr("<th>rmse</th>"), HasSubstr("class='best'"),
            HasSubstr("my &lt;run&gt;"), HasSubstr("lstm &amp; co"), Not(HasSubstr("http"))));
  // A single epoch, equal losses and losses that are no numbers have a picture too.
  auto flat = RunFolder::create(folder / "flat", {}, false);
  flat.append({{"epoch", 1}, {"train", 3.0}, {"valid", nullptr}});
  flat.write_report();
  EXPECT_THAT(bytes_of(flat.report()), AllOf(HasSubstr("polyline"), Not(HasSubstr("nan"))));
}

}  // namespace
}  // namespace retrograde
