// Layers without a head whose loss is their states times given arrays, which have any name, and whose claims
// include the gradients of the input and of the start states.
#include <gmock/gmock.h>

#include "doctor/plant.h"
#include "retrograde/doctor/fit.h"

namespace retrograde::doctor {
namespace {

struct Given {
  bool states = true, final_state = false, final_cell = false;
};

Problem a_layer(Cell cell, const Given& given, std::uint64_t seed = 31) {
  Random random(seed);
  Shape s;
  s.cell = cell, s.head = false, s.loss = Loss::upstream, s.reset_after = false;
  Problem p = random_problem(s, random);
  const int row = p.B * p.H();
  if (!given.states) std::fill(p.target.begin(), p.target.end(), 0.0);
  if (given.final_state) p.final_gradient = random_numbers(random, row, 1);
  if (given.final_cell) p.final_cell_gradient = random_numbers(random, row, 1);
  return p;
}

// With the claims for x, h0 and c0, and arrays whose names say nothing.
Case case_of(const Problem& p, const Plan& plan) {
  const Engine engine(p);
  const Evaluation e = engine.evaluate(plan);
  Case c = make_case(p, gradients_of(p, plan));
  std::erase_if(c.arrays,
                [](const NamedArray& a) { return a.name == "dh" || a.name == "h0" || a.name == "c0"; });
  const auto n = [](int v) { return static_cast<std::size_t>(v); };
  const auto add = [&](const char* name, std::vector<std::size_t> shape, const Real& v) {
    c.arrays.push_back({name, {std::move(shape), v, Dtype::float64}});
  };
  const auto start = [&](Kind kind) { return engine.gradient({kind, 0, 0, p.B, p.H(), 0, n(p.H()), 1}, e); };
  Real dx;
  for (int t = 0; t < p.T; ++t)
    for (double v : engine.gradient({Kind::dx, 0, t, p.B, p.I, 0, n(p.I), 1}, e)) dx.push_back(v);
  add("dx", {n(p.T), n(p.B), n(p.I)}, dx);
  add("h0", {n(p.B), n(p.H())}, p.layers[0].h0), add("dh0", {n(p.B), n(p.H())}, start(Kind::dh0));
  if (p.net.cell == Cell::lstm)
    add("c0", {n(p.B), n(p.H())}, p.layers[0].c0), add("dc0", {n(p.B), n(p.H())}, start(Kind::dc0));
  if (largest(p.target) > 0) add("some", {n(p.T), n(p.B), n(p.H())}, p.target);
  if (!p.final_gradient.empty()) add("more", {n(p.B), n(p.H())}, p.final_gradient);
  if (!p.final_cell_gradient.empty()) add("others", {n(p.B), n(p.H())}, p.final_cell_gradient);
  add("loss", {}, {loss_of(p)});
  return c;
}

std::vector<Given> choices(Cell cell) {
  std::vector<Given> out = {{true, false, false}, {false, true, false}, {true, true, false}};
  if (cell == Cell::lstm)
    out.insert(out.end(), {{true, true, true}, {true, false, true}, {false, false, true}});
  return out;
}

TEST(Cotangents, ARightGradientAgreesWhateverTheStatesAreMultipliedWith) {
  for (const Cell cell : {Cell::elman, Cell::gru, Cell::lstm})
    for (const Given& given : choices(cell)) {
      const Problem p = a_layer(cell, given);
      const Report r = diagnose(case_of(p, right_plan(p)));
      EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
      EXPECT_THAT(r.found_by, testing::HasSubstr("found from the loss"));
      EXPECT_THAT(r.blocks, testing::Contains(testing::Field(&BlockRow::parameter, "x")));
    }
}

TEST(Cotangents, AGivenFinalGradientThatIsLeftOutIsNamed) {
  const Problem p = a_layer(Cell::lstm, {true, true, true});
  for (const bool cell : {false, true}) {
    Plan plan = right_plan(p);
    (cell ? plan.layers[0].drop_final_cell : plan.drop_final_gradient) = true;
    const Report r = diagnose(case_of(p, plan));
    EXPECT_EQ(r.verdict, Verdict::differs);
    EXPECT_TRUE(mentions(r, "final-state-gradient-dropped")) << r.text();
  }
}

TEST(Cotangents, MistakesOfTheSweepAreNamed) {
  for (const Cell cell : {Cell::elman, Cell::gru, Cell::lstm}) {
    const Problem p = a_layer(cell, {true, false, false});
    int asked = 0, named = 0;
    for (const Mistake& m : sweep_mistakes(p, Words{}, 0)) {
      if (++asked % 23 != 0) continue;
      Plan plan = right_plan(p);
      m.patch(plan);
      const Report r = diagnose(case_of(p, plan));
      if (r.verdict == Verdict::agrees) continue;  // this network cannot show it
      ++named;
      EXPECT_TRUE(mentions(r, m.name)) << m.sentence << "\n" << r.text();
    }
    EXPECT_GT(named, 2);
  }
}

// In the gradient of the input, with the parameters' right.
TEST(Cotangents, MistakesOfTheInputsOwnGradientAreNamedThere) {
  for (const Cell cell : {Cell::elman, Cell::gru}) {
    const Problem p = a_layer(cell, {true, false, false});
    const Engine engine(p);
    const Plan plan = right_plan(p);
    const Evaluation e = engine.evaluate(plan);
    const Piece first{Kind::dx, 0, 0, p.B, p.I, 0, static_cast<std::size_t>(p.I), 1};
    for (const BlockMistake& m : block_mistakes(p, Words{}, first, engine.right_product(first))) {
      if (m.name.empty()) continue;
      Case c = case_of(p, plan);
      Real dx;
      for (int t = 0; t < p.T; ++t) {
        Piece piece = first;
        piece.gate = t;
        for (double v : engine.gradient(piece, m.product, e)) dx.push_back(v);
      }
      for (NamedArray& a : c.arrays)
        if (a.name == "dx") a.array.values = dx;
      const Report r = diagnose(c);
      EXPECT_EQ(r.findings.size(), 1u) << m.sentence << "\n" << r.text();
      EXPECT_TRUE(mentions(r, m.name)) << m.sentence << "\n" << r.text();
    }
  }
}

// Start states of two layers, in one array or in one each, with their gradients.
Case with_start_claims(const Problem& p, bool one_array, double factor) {
  const Engine engine(p);
  const Plan plan = right_plan(p);
  const Evaluation e = engine.evaluate(plan);
  Case c = make_case(p, gradients_of(p, plan));
  if (!one_array) std::erase_if(c.arrays, [](const NamedArray& a) { return a.name == "h0"; });
  const std::size_t B = static_cast<std::size_t>(p.B), H = static_cast<std::size_t>(p.H());
  Real all;
  for (int l = 0; l < static_cast<int>(p.layers.size()); ++l) {
    Real d = engine.gradient({Kind::dh0, l, 0, p.B, p.H(), 0, H, 1}, e);
    for (double& v : d) v *= factor;
    all.insert(all.end(), d.begin(), d.end());
    if (one_array) continue;
    const std::string name = l == 0 ? "h0" : "h_start";
    c.arrays.push_back({name, {{B, H}, p.layers[static_cast<std::size_t>(l)].h0, Dtype::float64}});
    c.arrays.push_back({"d_" + name, {{B, H}, d, Dtype::float64}});
  }
  if (one_array) c.arrays.push_back({"dh0", {{p.layers.size(), B, H}, all, Dtype::float64}});
  return c;
}

TEST(Cotangents, StartStatesOfSeveralLayersHaveTheirGradientsJudged) {
  for (const bool one_array : {true, false}) {
    Shape two;
    two.layers = 2;
    Random random(41);
    const Problem p = random_problem(two, random);
    const Report right = diagnose(with_start_claims(p, one_array, 1));
    EXPECT_EQ(right.verdict, Verdict::agrees) << right.text();
    EXPECT_EQ(right.blocks.size(), pieces_of(p).size() + (one_array ? 1 : 2)) << right.text();
    const Report scaled = diagnose(with_start_claims(p, one_array, p.B));
    ASSERT_EQ(scaled.findings.size(), 1u) << scaled.text();
    EXPECT_EQ(scaled.findings[0].name, "batch-mean-or-sum");
  }
}

// The states themselves, summed or squared: there is no other array.
TEST(Cotangents, ALossOfTheStatesAlone) {
  for (const Cell cell : {Cell::elman, Cell::gru, Cell::lstm})
    for (const bool squares : {false, true}) {
      Problem p = a_layer(cell, {});
      if (squares) p.net.loss = Loss::squared;
      std::fill(p.target.begin(), p.target.end(), squares ? 0.0 : 1.0);
      Case c = case_of(p, right_plan(p));
      std::erase_if(c.arrays, [](const NamedArray& a) { return a.name == "some" || a.name == "target"; });
      const Report r = diagnose(c);
      EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
    }
}

}  // namespace
}  // namespace retrograde::doctor
