// Networks off the usual form are recognised, and what is said about arrays must fit.
#include <gmock/gmock.h>

#include "doctor/draw.h"
#include "retrograde/base/error.h"

namespace retrograde::doctor {
namespace {

std::size_t n(int v) { return static_cast<std::size_t>(v); }

Array array(std::vector<std::size_t> shape, Real v) {
  return {std::move(shape), std::move(v), Dtype::float64};
}

TEST(Recognition, AnLstmWithoutAnActivationOfItsCellState) {
  Random random(21);
  Shape s;
  s.cell = Cell::lstm;
  Problem p = random_problem(s, random);
  p.net.plain_cell = true;
  const Report right = diagnose(make_case(p, gradients_of(p, right_plan(p))));
  EXPECT_EQ(right.verdict, Verdict::agrees) << right.text();
  EXPECT_THAT(right.network, testing::HasSubstr("h = o c"));
  Mistakes mistakes;
  add_cell_mistakes(p, 0, mistakes);
  EXPECT_EQ(mistakes.size(), 3U);
  for (const Mistake& m : mistakes) EXPECT_TRUE(named(make_case(p, planted(p, {&m})), {&m})) << m.sentence;
}

// A bias as the first column of the input's matrix and of the head's.
TEST(Recognition, ABiasAsOneMoreColumn) {
  Random random(22);
  const Problem p = random_problem(Shape{}, random);
  const auto made = gradients_of(p, right_plan(p));  // W U b V c
  const auto with_bias = [](const Real& w, const Real& b) {
    const std::size_t cols = w.size() / b.size();
    Real out;
    for (std::size_t r = 0; r < b.size(); ++r) {
      out.push_back(b[r]);
      out.insert(out.end(), w.begin() + static_cast<long>(r * cols),
                 w.begin() + static_cast<long>((r + 1) * cols));
    }
    return out;
  };
  const Layer& y = p.layers[0];
  Case c;
  c.arrays = {{"Wxh", array({n(y.hidden), n(p.I + 1)}, with_bias(y.W, y.b))},
              {"Whh", array({n(y.hidden), n(y.hidden)}, y.U)},
              {"Why", array({n(p.O), n(y.hidden + 1)}, with_bias(p.V, p.c))},
              {"dWxh", array({n(y.hidden), n(p.I + 1)}, with_bias(made[0], made[2]))},
              {"dWhh", array({n(y.hidden), n(y.hidden)}, made[1])},
              {"dWhy", array({n(p.O), n(y.hidden + 1)}, with_bias(made[3], made[4]))},
              {"input_tensor", array({n(p.T), n(p.B), n(p.I)}, p.x)},
              {"label_tensor", array({n(p.T), n(p.B), n(p.O)}, p.target)},
              {"h0", array({n(p.B), n(y.hidden)}, y.h0)},
              {"loss", array({}, {loss_of(p)})}};
  EXPECT_EQ(diagnose(c).verdict, Verdict::agrees) << diagnose(c).text();
}

TEST(Recognition, TheStatesFirstUnitAsTheOutput) {
  Random random(23);
  Shape s;
  s.O = 1;
  Problem p = random_problem(s, random);
  std::fill(p.V.begin(), p.V.end(), 0.0);
  p.V[0] = 1, p.c = {0};
  Case c = make_case(p, gradients_of(p, right_plan(p)));
  std::erase_if(c.arrays, [](const NamedArray& a) { return a.name.find("head") != std::string::npos; });
  const Report right = diagnose(c);
  EXPECT_EQ(right.verdict, Verdict::agrees) << right.text();
  EXPECT_THAT(right.network, testing::HasSubstr("first unit"));
}

TEST(Recognition, AGradientOfAnotherSizeIsRefused) {
  Random random(24);
  const Problem p = random_problem(Shape{}, random);
  Case c = make_case(p, gradients_of(p, right_plan(p)));
  c.hints.roles["d_bias_ih_l0"] = "gradient of x";
  EXPECT_THROW(diagnose(c), UsageError);
}

// The loss that is given as a function is none that a recurrent network has: no reading of the arrays wins
// over it.
TEST(Recognition, AReadingThatMissesTheLossDoesNotSilenceIt) {
  Random random(25);
  const Problem p = random_problem(Shape{}, random);
  Case c = make_program(p, {});
  std::erase_if(c.arrays, [](const NamedArray& a) { return a.name == "loss"; });
  const auto loss = c.loss;
  c.loss = [loss](Arrays& parameters, Arrays& batch) {
    const double v = loss(parameters, batch);
    return v + 0.01 * v * v;
  };
  const Report r = diagnose(c);
  EXPECT_EQ(r.verdict, Verdict::differs) << r.text();
}

}  // namespace
}  // namespace retrograde::doctor
