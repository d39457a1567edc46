// The tester tested: mistakes of the catalogue, two and three at once, drawn at random, must all be named.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "doctor/draw.h"

namespace retrograde::doctor {
namespace {

std::vector<Shape> of_cell(Cell cell) {
  std::vector<Shape> out;
  for (const Shape& s : networks())
    if (s.cell == cell && s.layers == 1) out.push_back(s);
  return out;
}

struct Draws {
  Cell cell;
  int together;
  double promised;
  friend void PrintTo(const Draws& d, std::ostream* to) {
    *to << name(d.cell) << ", " << d.together << " at once";
  }
};

class Together : public testing::TestWithParam<Draws> {};

// A few draws, within three standard errors: this guards the search, the long test holds the promise.
double within_chance(double promised, int draws) {
  return promised - 3 * std::sqrt(promised * (1 - promised) / draws);
}

TEST_P(Together, AreNamedInFull) {
  const Draws d = GetParam();
  const Tally t = plant_together(of_cell(d.cell), d.together, d.together == 2 ? 12 : 8, 7);
  EXPECT_GE(t.share(), within_chance(d.promised, t.asked));
}

TEST_P(Together, LongAreNamedInFull) {
  if (!std::getenv("RETROGRADE_LONG")) GTEST_SKIP() << "set RETROGRADE_LONG=1 to run the long tests";
  const Draws d = GetParam();
  const double share = plant_together(of_cell(d.cell), d.together, 200, 8).share();
  RecordProperty("share", std::to_string(share));
  EXPECT_GE(share, d.promised);
}

INSTANTIATE_TEST_SUITE_P(Mistakes, Together,
                         testing::Values(Draws{Cell::elman, 2, 0.9}, Draws{Cell::lstm, 2, 0.9},
                                         Draws{Cell::gru, 2, 0.9}, Draws{Cell::elman, 3, 0.75},
                                         Draws{Cell::lstm, 3, 0.75}, Draws{Cell::gru, 3, 0.75}));

// With a program to ask they are told apart at short sequences.
TEST(TogetherInAProgram, ThreeAreNamedInFull) {
  const Tally t = plant_together(networks(), 3, 12, 9, true);
  EXPECT_GE(t.share(), within_chance(0.75, t.asked));
}

TEST(TogetherInAProgram, LongThreeAreNamedInFull) {
  if (!std::getenv("RETROGRADE_LONG")) GTEST_SKIP() << "set RETROGRADE_LONG=1 to run the long tests";
  const double share = plant_together(networks(), 3, 300, 10, true).share();
  RecordProperty("share", std::to_string(share));
  EXPECT_GE(share, 0.75);
}

}  // namespace
}  // namespace retrograde::doctor
