// False alarms: a correct gradient is never accused, whatever network, layout, precision or degenerate point.
#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>

#include "doctor/autodiff.h"
#include "doctor/plant.h"
#include "retrograde/doctor/doctor.h"

namespace retrograde::doctor {
namespace {

struct Tally {
  int agrees = 0, cannot_tell = 0, accused = 0;
};

Tally judge_correct_gradients(int count, std::uint64_t first) {
  Tally tally;
  for (int k = 0; k < count; ++k) {
    Random random(first + static_cast<std::uint64_t>(k));
    const autodiff::Draw draw = autodiff::random_draw(random);
    const Case c = random.below(4) == 0 ? autodiff::Net<float>(draw, random).build()
                                        : autodiff::Net<double>(draw, random).build();
    bool finite = true;
    for (const NamedArray& a : c.arrays)
      for (double v : a.array.values) finite &= std::isfinite(v);
    if (!finite) continue;
    const Report r = diagnose(c);
    tally.agrees += r.verdict == Verdict::agrees;
    tally.cannot_tell += r.verdict == Verdict::cannot_tell;
    tally.accused += r.verdict == Verdict::differs;
    EXPECT_NE(r.verdict, Verdict::differs) << autodiff::describe(draw) << "\n" << r.text();
  }
  return tally;
}

TEST(FalseAlarms, ACorrectGradientIsNotAccused) {
  const Tally t = judge_correct_gradients(16, 1);
  EXPECT_EQ(t.accused, 0);
  EXPECT_GE(t.agrees, 13);
}

TEST(FalseAlarms, LongTenThousandCorrectGradients) {
  if (!std::getenv("RETROGRADE_LONG")) GTEST_SKIP() << "set RETROGRADE_LONG=1 to run the long tests";
  const Tally t = judge_correct_gradients(10000, 1000);
  RecordProperty("cannot_tell", t.cannot_tell);
  EXPECT_EQ(t.accused, 0);
  EXPECT_LT(t.cannot_tell, 200);
}

// Ones sent into the last state, as the sum of its units has them, are what the absolute error would send in
// the other way; but the loss that is given is neither's.
TEST(FalseAlarms, MistakesInANetworkWhoseLossIsAnotherAreNoExplanation) {
  Random random(5);
  Shape s;
  s.cell = Cell::lstm, s.head = false, s.last = true;
  Problem p = random_problem(s, random);
  p.net.loss = Loss::absolute;
  std::fill(p.target.begin(), p.target.end(), 9.0);
  std::vector<Real> claim = gradients_of(p, right_plan(p));
  for (Real& block : claim)
    for (double& v : block) v = -v;
  Case c = make_case(p, claim);
  for (NamedArray& a : c.arrays)
    if (a.name == "loss") a.array.values = {0.1234};
  const Report r = diagnose(c);
  EXPECT_EQ(r.verdict, Verdict::cannot_tell) << r.text();
  EXPECT_TRUE(r.findings.empty());
}

}  // namespace
}  // namespace retrograde::doctor
