// Networks off the usual form are recognised, and what is said about arrays must fit.
#include <gmock/gmock.h>

#include <functional>

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

// The names that a case's gradients get from its parameters' names.
Case renamed(Case c, const std::function<std::string(const std::string&)>& gradient) {
  for (NamedArray& a : c.arrays)
    if (a.name.starts_with("d_")) a.name = gradient(a.name.substr(2));
  return c;
}

TEST(Recognition, GradientsByTheNamesThatTheyShareWithTheirParameters) {
  Random random(26);
  const Problem p = random_problem(Shape{}, random);
  const Case c = make_case(p, gradients_of(p, right_plan(p)));
  for (const auto& name : std::vector<std::function<std::string(const std::string&)>>{
           [](const std::string& of) { return of + "_update"; },
           [](const std::string& of) { return "sgrads_" + of; },
           [](const std::string& of) { return "my_" + of + "_slope"; }}) {
    const Report r = diagnose(renamed(c, name));
    EXPECT_EQ(r.verdict, Verdict::agrees) << name("weight_x") << "\n" << r.text();
    EXPECT_EQ(r.blocks.size(), 5U) << name("weight_x");
  }
}

TEST(Recognition, GradientsByTheNamesThatBothHaveInPart) {
  Random random(31);
  const Problem p = random_problem(Shape{}, random);
  Case c = renamed(make_case(p, gradients_of(p, right_plan(p))),
                   [](const std::string& of) { return "fall_" + of; });
  for (NamedArray& a : c.arrays)
    if (a.name.find("weight") == 0 || a.name.find("bias") == 0 || a.name.find("head") == 0)
      a.name = "hill_" + a.name;
  const Report r = diagnose(c);
  EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
  EXPECT_EQ(r.blocks.size(), 5U);
}

TEST(Recognition, GradientsByTheirOrderWhereNamesTellNothing) {
  Random random(27);
  const Problem p = random_problem(Shape{}, random);
  Case c = make_case(p, gradients_of(p, right_plan(p)));
  std::stable_partition(c.arrays.begin(), c.arrays.end(),
                        [](const NamedArray& a) { return !a.name.starts_with("d_"); });
  int k = 0;
  for (NamedArray& a : c.arrays)
    if (a.name.starts_with("d_") || a.name.find("weight") != std::string::npos ||
        a.name.find("bias") != std::string::npos)
      a.name = fmt::format("arr_{}", k++);
  EXPECT_EQ(k, 10);
  EXPECT_EQ(diagnose(c).verdict, Verdict::agrees) << diagnose(c).text();
}

// Without gradients the gates' matrices are no gradients of one another.
TEST(Recognition, GatesAreNotTakenForGradients) {
  Random random(28);
  Case c;
  for (const char* gate : {"f", "i", "o", "c"})
    for (const char* kind : {"kernel_", "recurrent_", "shift_"}) {
      const std::size_t cols = kind[0] == 'k' ? 4 : kind[0] == 'r' ? 7 : 1;
      c.arrays.push_back({std::string(kind) + gate,
                          array({7, cols}, random_numbers(random, static_cast<int>(7 * cols), 1))});
    }
  EXPECT_THROW(diagnose(c), DataError);
}

// The gates in one matrix, the candidate in another: [r z] and n, [i f o] and g.
TEST(Recognition, TheCandidateApartFromTheGates) {
  for (const Cell cell : {Cell::gru, Cell::lstm}) {
    Random random(29);
    Shape s;
    s.cell = cell;
    Problem p = random_problem(s, random);
    p.net.reset_after = false;
    const auto H = n(s.H), G = n(p.gates);
    // Rows of the gates but the candidate's, or the candidate's alone.
    const auto rows = [&](const Real& all, bool candidate) {
      const std::size_t size = all.size() / G;
      Real out;
      for (std::size_t g = 0; g < G; ++g)
        if ((g == 2) == candidate)
          out.insert(out.end(), all.begin() + static_cast<long>(g * size),
                     all.begin() + static_cast<long>((g + 1) * size));
      return out;
    };
    Case c = make_case(p, gradients_of(p, right_plan(p)));
    Arrays whole;
    for (const NamedArray& a : c.arrays)
      if (a.name.find("l0") != std::string::npos) whole.push_back(a);
    std::erase_if(c.arrays, [](const NamedArray& a) { return a.name.find("l0") != std::string::npos; });
    for (const bool candidate : {false, true}) {
      const std::string tail = candidate ? "_candidate" : "_gates";
      for (const NamedArray& a : whole) {
        auto shape = a.array.shape;
        shape[0] = candidate ? H : (G - 1) * H;
        c.arrays.push_back({a.name + tail, array(shape, rows(a.array.values, candidate))});
      }
    }
    const Report r = diagnose(c);
    EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
    EXPECT_THAT(r.network, testing::HasSubstr(cell == Cell::gru ? "GRU" : "LSTM"));
  }
}

// A unit's four gates side by side, as Chainer stores an LSTM's.
TEST(Recognition, InterleavedGates) {
  Random random(32);
  Shape s;
  s.cell = Cell::lstm;
  const Problem p = random_problem(s, random);
  Case c = make_case(p, gradients_of(p, right_plan(p)));
  const auto H = n(s.H);
  for (NamedArray& a : c.arrays) {
    if (a.name.find("l0") == std::string::npos) continue;
    const Real all = a.array.values;
    const std::size_t cols = all.size() / (4 * H);
    for (std::size_t g = 0; g < 4; ++g)
      for (std::size_t u = 0; u < H; ++u)
        std::copy_n(all.begin() + static_cast<long>((g * H + u) * cols), cols,
                    a.array.values.begin() + static_cast<long>((u * 4 + g) * cols));
  }
  const Report r = diagnose(c);
  EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
  EXPECT_THAT(r.network, testing::HasSubstr("LSTM"));
}

// The claim and the loss know a penalty with a factor for each matrix; a loss without it accuses the claim.
TEST(Recognition, PenaltiesWithFactorsOfTheirOwn) {
  Random random(33);
  Problem p = random_problem(Shape{}, random);
  Case c = make_case(p, gradients_of(p, right_plan(p)));
  const std::pair<const char*, double> factors[] = {
      {"weight_ih_l0", 0.013}, {"weight_hh_l0", 0.021}, {"head.weight", 0.034}};
  double penalty = 0;
  for (const auto& [name, factor] : factors) {
    const auto at = [&](const std::string& of) {
      return std::find_if(c.arrays.begin(), c.arrays.end(),
                          [&](const NamedArray& a) { return a.name == of; });
    };
    const Real w = at(name)->array.values;
    Real& claim = at(fmt::format("d_{}", name))->array.values;
    for (std::size_t k = 0; k < w.size(); ++k) claim[k] += factor * w[k], penalty += factor / 2 * w[k] * w[k];
  }
  Case with = c;
  for (NamedArray& a : with.arrays)
    if (a.name == "loss") a.array.values[0] += penalty;
  EXPECT_EQ(diagnose(with).verdict, Verdict::agrees) << diagnose(with).text();
  EXPECT_EQ(diagnose(c).verdict, Verdict::differs);
}

// The bits of two numbers, the last first, and of their sum.
TEST(Recognition, FeaturesInArraysOfTheirOwnReadFromTheEnd) {
  Random random(30);
  Shape s;
  s.B = 1, s.I = 2, s.O = 1, s.T = 11;
  Problem p = random_problem(s, random);
  for (double& v : p.x) v = v > 0;
  Case c = make_case(p, gradients_of(p, right_plan(p)));
  std::erase_if(c.arrays, [](const NamedArray& a) { return a.name == "x" || a.name == "target"; });
  Real a, b, sum;
  for (std::size_t t = n(s.T); t-- > 0;)
    a.push_back(p.x[2 * t]), b.push_back(p.x[2 * t + 1]), sum.push_back(p.target[t]);
  c.arrays.push_back({"a", array({n(s.T)}, a)});
  c.arrays.push_back({"b", array({n(s.T)}, b)});
  c.arrays.push_back({"c", array({n(s.T)}, sum)});
  EXPECT_EQ(diagnose(c).verdict, Verdict::agrees) << diagnose(c).text();
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
  ASSERT_FALSE(r.findings.empty()) << r.text();
  EXPECT_EQ(r.findings[0].name, "loss-and-gradient-disagree");
}

}  // namespace
}  // namespace retrograde::doctor
