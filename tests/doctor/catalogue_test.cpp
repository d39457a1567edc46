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

// Tokens that are the next step's input: every class is one of the input's too.
TEST(Catalogue, EverySlipOfTheSoftmaxAndItsTargetIsNamed) {
  Shape shape;
  shape.loss = Loss::softmax_cross_entropy, shape.head_activation = Activation::softmax;
  shape.O = shape.I, shape.tokens = true;
  Random random(7);
  const Problem p = random_problem(shape, random);
  const auto right = gradients_of(p, right_plan(p));
  int asked = 0;
  for (const Mistake& m : head_mistakes(p, Words{})) {
    const auto claim = planted(p, {&m});
    if (same(claim, right)) continue;
    ++asked;
    const Report r = diagnose(make_case(p, claim));
    EXPECT_EQ(r.findings.size(), 1u) << m.sentence << "\n" << r.text();
    EXPECT_TRUE(mentions(r, m.name)) << m.sentence << "\n" << r.text();
  }
  EXPECT_GT(asked, 20);
}

// The backward has r, the forward has not.
TEST(Catalogue, AResetGateThatTheForwardLeavesOutIsNamed) {
  for (const bool after : {false, true}) {
    Shape shape;
    shape.cell = Cell::gru, shape.second_bias = after;
    Random random(9);
    Problem p = random_problem(shape, random);
    p.net.no_reset = true, p.net.reset_after = false;
    const Report right = diagnose(make_case(p, gradients_of(p, right_plan(p))));
    EXPECT_EQ(right.verdict, Verdict::agrees) << right.text();
    Problem other = p;
    other.net.no_reset = false, other.net.reset_after = after;
    Plan resets = right_plan(other);
    for (LayerPlan& layer : resets.layers) layer.reset_form = after;
    const Report r = diagnose(make_case(p, gradients_of(p, resets)));
    ASSERT_EQ(r.findings.size(), 1u) << r.text();
    EXPECT_EQ(r.findings[0].name, "reset-gate-before-or-after");
    EXPECT_THAT(r.findings[0].sentence, testing::HasSubstr("the forward leaves the reset gate out"));
  }
}

// As NumPy has it: p[np.arange(N), target] -= 1 with a target of -1.
TEST(Catalogue, TargetsOfMinusOneThatAreTakenForTheLastClassAreNamed) {
  Shape shape;
  shape.loss = Loss::softmax_cross_entropy, shape.head_activation = Activation::softmax, shape.O = 3;
  Random random(8);
  Problem p = random_problem(shape, random);
  const auto rows = static_cast<std::size_t>(p.T * p.B), O = static_cast<std::size_t>(p.O);
  p.mask.assign(rows, 1);
  for (std::size_t row : {rows - 1, rows - 2, rows - 4}) {
    p.mask[row] = 0;
    std::fill_n(p.target.begin() + static_cast<long>(row * O), O, 0.0);
  }
  Mistake leak;
  for (Mistake& m : head_mistakes(p, Words{}))
    if (m.yours == "dy[t, target[t]] -= 1") leak = std::move(m);
  ASSERT_EQ(leak.name, "padding-leaks");
  Case c = make_case(p, planted(p, {&leak}));
  for (NamedArray& a : c.arrays) {
    if (a.name != "target") continue;
    Real classes;
    for (std::size_t row = 0; row < rows; ++row) {
      const auto* first = a.array.values.data() + row * O;
      classes.push_back(p.mask[row] ? static_cast<double>(std::max_element(first, first + O) - first) : -1);
    }
    a.array = {{static_cast<std::size_t>(p.T), static_cast<std::size_t>(p.B)}, classes, Dtype::float64};
  }
  std::erase_if(c.arrays, [](const NamedArray& a) { return a.name == "lengths"; });
  const Report r = diagnose(c);
  ASSERT_EQ(r.findings.size(), 1u) << r.text();
  EXPECT_EQ(r.findings[0].name, "padding-leaks");
}

// A variable that the forward filled wrongly, or arguments in the wrong order, are one mistake and not one
// for every use.
TEST(Catalogue, AWrongRecordIsOneMistakeInAllItsUses) {
  std::uint64_t seed = 60;
  for (const Shape& shape : networks()) {
    if (shape.cell == Cell::elman) continue;
    Random random(seed++);
    const Problem p = random_problem(shape, random);
    const auto right = gradients_of(p, right_plan(p));
    Mistakes records;
    add_record_mistakes(p, records);
    EXPECT_GT(records.size(), 20u);
    int asked = 0;
    for (const Mistake& m : records) {
      const auto claim = planted(p, {&m});
      if (same(claim, right) || ++asked % 3 != 0) continue;
      const Report r = diagnose(make_case(p, claim));
      EXPECT_EQ(r.findings.size(), 1u) << m.sentence << "\n" << r.text();
      EXPECT_TRUE(mentions(r, m.name)) << m.sentence << "\n" << r.text();
    }
  }
}

TEST(Catalogue, LongEveryInstanceOfEveryMistakeIsNamed) {
  if (!std::getenv("RETROGRADE_LONG")) GTEST_SKIP() << "set RETROGRADE_LONG=1 to run the long tests";
  std::uint64_t seed = 100;
  for (const Shape& shape : networks()) plant_singles(shape, seed++, 1000000);
}

}  // namespace
}  // namespace retrograde::doctor
