// The tester tested: every mistake of the catalogue is planted and must be named, alone.
#include <gmock/gmock.h>

#include <cstdlib>

#include "doctor/draw.h"

namespace retrograde::doctor {
namespace {

void plant_singles(const Shape& shape, std::uint64_t seed, int instances_of_a_name) {
  Random random(seed);
  const Problem p = random_problem(shape, random);
  const Mistakes all = all_mistakes(p);
  const auto right = gradients_of(p, right_plan(p));
  std::map<std::string, int> seen;
  for (const Mistake& m : all) {
    if (seen[m.name] >= instances_of_a_name) continue;
    const auto claim = planted(p, {&m});
    if (same(claim, right)) continue;  // this network cannot show it
    ++seen[m.name];
    EXPECT_TRUE(named(make_case(p, claim), {&m})) << m.name << " in " << m.where << ": " << m.sentence << "\n"
                                                  << diagnose(make_case(p, claim)).text();
  }
  EXPECT_GT(seen.size(), 12u);
}

TEST(Catalogue, EveryMistakeIsNamedOnEveryNetwork) {
  std::uint64_t seed = 1;
  for (const Shape& shape : networks()) plant_singles(shape, seed++, 1);
}

TEST(Catalogue, LongEveryInstanceOfEveryMistakeIsNamed) {
  if (!std::getenv("RETROGRADE_LONG")) GTEST_SKIP() << "set RETROGRADE_LONG=1 to run the long tests";
  std::uint64_t seed = 100;
  for (const Shape& shape : networks()) plant_singles(shape, seed++, 1000000);
}

}  // namespace
}  // namespace retrograde::doctor
