// The story of examples/story, whole: both of its faults are named, from the arrays alone.
#include <gmock/gmock.h>

#include "system/program.h"

namespace retrograde::system_test {
namespace {

using testing::HasSubstr;

const std::string kStory = std::string(RETROGRADE_SOURCE_DIR) + "/examples/story/";

TEST(Story, TheDoctorNamesTheDerivativeTakenAtTheState) {
  const Outcome outcome = retrograde({"doctor", kStory + "every_step.npz"});
  EXPECT_EQ(outcome.exit, 3);
  EXPECT_THAT(outcome.out, HasSubstr("derivative-at-state (certain)"));
  EXPECT_THAT(outcome.out, HasSubstr("the carry"));
}

TEST(Story, TheDoctorNamesTheErrorSentInAtTheWrongStep) {
  const Outcome outcome = retrograde({"doctor", kStory + "one_output.npz"});
  EXPECT_EQ(outcome.exit, 3);
  EXPECT_THAT(outcome.out, HasSubstr("output-gradient-at-wrong-step"));
  EXPECT_THAT(outcome.out, HasSubstr("nothing is carried back"));
}

TEST(Story, ItsFilesAreWhatItsCodeWrites) {
  if (std::system("python3 -c 'import numpy' 2>/dev/null") != 0)
    GTEST_SKIP() << "python3 with numpy is not here: whether the story's files match its code was NOT tested";
  const Folder folder;
  const std::string script =
      "import os, sys, numpy as np; sys.path.insert(0, sys.argv[1]); import story\n"
      "root, folder = sys.argv[1:]; os.chdir(folder); sys.argv = ['story.py']; story.main()\n"
      "for name in ('every_step', 'one_output'):\n"
      "    a, b = np.load(f'{root}/{name}.npz'), np.load(f'{name}.npz')\n"
      "    assert sorted(a) == sorted(b)\n"
      "    for k in a: np.testing.assert_allclose(a[k], b[k], rtol=1e-12, atol=1e-14)\n";
  const std::string file = folder.write("compare.py", script);
  EXPECT_EQ(std::system(("PYTHONDONTWRITEBYTECODE=1 python3 " + file + " " + kStory + " " + (folder / ".") +
                         " >/dev/null")
                            .c_str()),
            0);
}

}  // namespace
}  // namespace retrograde::system_test
