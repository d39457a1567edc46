// docs/mistakes.md is what the catalogue says; RETROGRADE_WRITE=1 writes it anew.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "retrograde/doctor/catalogue.h"

namespace retrograde::doctor {
namespace {

TEST(MistakesPage, IsWhatTheCatalogueSays) {
  const std::filesystem::path path = std::filesystem::path(RETROGRADE_SOURCE_DIR) / "docs" / "mistakes.md";
  if (std::getenv("RETROGRADE_WRITE")) std::ofstream(path) << catalogue_page();
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), catalogue_page()) << "run the test with RETROGRADE_WRITE=1 to write the page anew";
}

}  // namespace
}  // namespace retrograde::doctor
