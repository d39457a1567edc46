// Wrong words on the command line: what is said, and the exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "system/program.h"

namespace retrograde::system_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(Arguments, HelpShowsExamplesFirstOnStdout) {
  const Outcome outcome = retrograde({"--help"});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_LT(outcome.out.find("Examples:"), outcome.out.find("Usage:"));
}

TEST(Arguments, VersionIsOneLineOnStdout) {
  const Outcome outcome = retrograde({"--version"});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_THAT(outcome.out, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(Arguments, NoCommandIsAUsageError) {
  const Outcome outcome = retrograde({});
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, StartsWith("error: a command is missing; see retrograde --help"));
}

TEST(Arguments, AnUnknownOptionIsAUsageError) {
  const Outcome outcome = retrograde({"--versoin"});
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_THAT(outcome.err, HasSubstr("does not take --versoin. Did you mean --version?"));
}

}  // namespace
}  // namespace retrograde::system_test
