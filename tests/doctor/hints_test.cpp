// What the author means is said by hints: a truncation, an array that holds the start state.
#include <gmock/gmock.h>

#include "doctor/plant.h"
#include "retrograde/base/error.h"
#include "retrograde/doctor/variants.h"

namespace retrograde::doctor {
namespace {

using testing::Contains;
using testing::ElementsAre;

Problem a_problem(Cell cell = Cell::elman) {
  Random random(23);
  Shape s;
  s.cell = cell, s.T = 6;
  return random_problem(s, random);
}

Problem truncated(Problem p, int reach, int chunk) {
  p.net.reach = reach, p.net.chunk = chunk;
  return p;
}

Case hinted(const Problem& p, const Problem& claimed, const std::string& truncation) {
  Case c = make_case(p, gradients_of(claimed, right_plan(claimed)));
  c.hints.truncation = truncation;
  return c;
}

std::vector<std::string> names(const Report& r) {
  std::vector<std::string> out;
  for (const Finding& f : r.findings) {
    out.push_back(f.name);
    for (const Alternative& a : f.equivalents) out.push_back(a.name);
  }
  return out;
}

TEST(Hints, ATruncatedGradientIsRightIfItIsMeant) {
  for (const Cell cell : {Cell::elman, Cell::lstm, Cell::gru}) {
    const Problem p = a_problem(cell);
    EXPECT_EQ(diagnose(hinted(p, truncated(p, -1, 2), "chunk 2")).verdict, Verdict::agrees);
    EXPECT_EQ(diagnose(hinted(p, truncated(p, 3, 0), "window 3")).verdict, Verdict::agrees);
    EXPECT_EQ(diagnose(hinted(p, p, "full")).verdict, Verdict::agrees);
    const Report r = diagnose(hinted(p, truncated(p, -1, 2), ""));
    EXPECT_THAT(names(r), Contains("truncated")) << r.text();
  }
}

TEST(Hints, AnotherCutThanTheOneThatIsMeant) {
  const Problem p = a_problem();
  const Report full = diagnose(hinted(p, p, "chunk 2"));
  EXPECT_THAT(names(full), Contains("chunk-not-cut")) << full.text();
  const Report shorter = diagnose(hinted(p, truncated(p, 1, 0), "window 2"));
  EXPECT_THAT(names(shorter), Contains("window-off-by-one")) << shorter.text();
  const Report count = diagnose(hinted(p, truncated(p, -1, 3), "chunk 2"));
  EXPECT_THAT(names(count), Contains("count-for-length")) << count.text();
}

TEST(Hints, PiecesThatDoNotCarryTheState) {
  for (const Cell cell : {Cell::elman, Cell::lstm}) {
    const Problem p = a_problem(cell);
    for (const Variant& v : variants(truncated(p, -1, 2))) {
      if (v.name != "chunk-not-carried") continue;
      for (const char* hint : {"chunk 2", ""}) {
        Case c = hinted(p, v.problem, hint);
        const Report r = diagnose(c);
        EXPECT_THAT(names(r), Contains("chunk-not-carried")) << r.text();
      }
    }
  }
}

TEST(Hints, ATruncationThatIsNoneIsRefused) {
  const Problem p = a_problem();
  for (const char* hint : {"window", "chunk 0", "pieces 3"})
    EXPECT_THROW(diagnose(hinted(p, p, hint)), UsageError) << hint;
}

// The story's States: one row longer than the sequence, the start state in its last row.
TEST(Hints, AnArrayThatHoldsTheStatesAndTheStart) {
  const Problem p = a_problem();
  Case c = make_case(p, gradients_of(p, right_plan(p)));
  std::erase_if(c.arrays, [](const NamedArray& a) { return a.name == "h0"; });
  const Engine engine(p);
  std::vector<double> states = engine.tapes()[0].outputs();
  states.insert(states.end(), p.layers[0].h0.begin(), p.layers[0].h0.end());
  c.arrays.push_back({"memory", {{7, 3, 7}, states, Dtype::float64}});
  c.hints.roles["memory"] = "states";
  const Report r = diagnose(c);
  EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
  EXPECT_THAT(r.found_by, testing::HasSubstr("found from the loss"));
}

}  // namespace
}  // namespace retrograde::doctor
