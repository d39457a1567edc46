// One output a sequence that is made of all states: of their mean, their sum, their maximum.
#include <gmock/gmock.h>

#include "doctor/plant.h"

namespace retrograde::doctor {
namespace {

constexpr Pool kPools[] = {Pool::mean, Pool::sum, Pool::max};

struct Head {
  Loss loss;
  Activation activation;
  int outputs;
};
constexpr Head kHeads[] = {{Loss::squared, Activation::identity, 2},
                           {Loss::squared, Activation::sigmoid, 1},
                           {Loss::softmax_cross_entropy, Activation::softmax, 3},
                           {Loss::binary_cross_entropy, Activation::sigmoid, 1}};

Problem a_problem(Cell cell, Pool pool, const Head& head, std::uint64_t seed = 5) {
  Random random(seed);
  Shape s;
  s.cell = cell, s.last = true, s.loss = head.loss, s.head_activation = head.activation, s.O = head.outputs;
  Problem p = random_problem(s, random);
  p.net.pool = pool;
  p.net.scale = 1.0 / p.B;
  return p;
}

Case case_of(const Problem& p, const Plan& plan, bool with_loss = true) {
  return make_case(p, gradients_of(p, plan), with_loss);
}

// The definition: differences of the loss.
TEST(Pool, TheReferenceIsTheLossesDerivative) {
  for (const Cell cell : {Cell::elman, Cell::lstm, Cell::gru})
    for (const Pool pool : kPools)
      for (const Head& head : kHeads) {
        Problem p = a_problem(cell, pool, head);
        const auto pieces = pieces_of(p);
        const auto right = gradients_of(p, right_plan(p));
        const auto slope = [&](double& v) {
          const double at = v, h = 1e-5;
          v = at + h;
          const double up = loss_of(p);
          v = at - h;
          const double down = loss_of(p);
          v = at;
          return (up - down) / (2 * h);
        };
        EXPECT_NEAR(slope(p.layers[0].U[3]), right[1][3], 1e-8);
        EXPECT_NEAR(slope(p.layers[0].W[2]), right[0][2], 1e-8);
        EXPECT_NEAR(slope(p.V[1]), right[pieces.size() - 2][1], 1e-8);
      }
}

TEST(Pool, ARightGradientAgreesWithEveryHead) {
  for (const Cell cell : {Cell::elman, Cell::lstm, Cell::gru})
    for (const Pool pool : kPools)
      for (const Head& head : kHeads)
        for (const bool with_loss : {true, false}) {
          const Problem p = a_problem(cell, pool, head);
          const Report r = diagnose(case_of(p, right_plan(p), with_loss));
          EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
        }
}

TEST(Pool, ItsOwnMistakesAreNamed) {
  for (const Cell cell : {Cell::elman, Cell::gru})
    for (const Pool pool : kPools) {
      const Problem p = a_problem(cell, pool, kHeads[2]);
      Mistakes own;
      add_upstream_mistakes(p, Words{}, own);
      EXPECT_GT(own.size(), 5U);
      for (const Mistake& m : own) {
        Plan plan = right_plan(p);
        m.patch(plan);
        const Report r = diagnose(case_of(p, plan));
        EXPECT_EQ(r.verdict, Verdict::differs) << m.sentence;
        EXPECT_TRUE(mentions(r, m.name)) << m.sentence << "\n" << r.text();
      }
    }
}

TEST(Pool, TheHeadsMatrixFromTheLastStateAlone) {
  const Problem p = a_problem(Cell::elman, Pool::mean, kHeads[3]);
  const Engine engine(p);
  const Plan plan = right_plan(p);
  const Evaluation e = engine.evaluate(plan);
  const auto pieces = pieces_of(p);
  auto claims = gradients_of(p, plan);
  Product last = engine.right_product(pieces[3]);
  last.right = Var::h;
  claims[3] = engine.gradient(pieces[3], last, e);
  const Report r = diagnose(make_case(p, claims));
  EXPECT_TRUE(mentions(r, "layer-input-wrong")) << r.text();
}

}  // namespace
}  // namespace retrograde::doctor
