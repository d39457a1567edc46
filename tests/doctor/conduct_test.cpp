// Programs that misbehave between calls are found before any number is judged.
#include <gmock/gmock.h>

#include "doctor/plant.h"
#include "retrograde/base/error.h"
#include "retrograde/doctor/fit.h"

namespace retrograde::doctor {
namespace {

// A case whose gradient is a call; `spoil` may change the answer and what was handed over.
template <class Spoil>
Case called(const Problem& p, const Plan& plan, Spoil spoil) {
  const Case whole = make_case(p, gradients_of(p, plan));
  Case c;
  for (const NamedArray& a : whole.arrays)
    if (a.name.rfind("d_", 0) != 0) c.arrays.push_back(a);
  c.gradient = [p, plan, spoil](Arrays& parameters, Arrays& batch) mutable {
    const Problem q = at_point(p, parameters, batch);
    Arrays answer;
    for (const NamedArray& a : make_case(q, gradients_of(q, plan)).arrays)
      if (a.name.rfind("d_", 0) == 0) answer.push_back(a);
    spoil(answer, parameters, batch);
    return answer;
  };
  return c;
}

Problem a_problem() {
  Random random(3);
  return random_problem(Shape{}, random);
}

std::vector<std::string> names(const Report& r) {
  std::vector<std::string> out;
  for (const Finding& f : r.findings) out.push_back(f.name);
  return out;
}

TEST(Conduct, AWellBehavedRightGradientAgrees) {
  const Problem p = a_problem();
  const Report r = diagnose(called(p, right_plan(p), [](Arrays&, Arrays&, Arrays&) {}));
  EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
}

TEST(Conduct, AnAnswerWithoutAnyGradientIsRefusedAndNotCalledRight) {
  const Problem p = a_problem();
  const Case c = called(p, right_plan(p), [](Arrays& answer, Arrays&, Arrays&) {
    answer = {{"norm", {{}, {1.0}, Dtype::float64}}};
  });
  EXPECT_THROW(diagnose(c), DataError);
}

TEST(Conduct, AMistakeIsConfirmedAtASecondPoint) {
  const Problem p = a_problem();
  Plan plan = right_plan(p);
  plan.layers[0].steps[2].terms[0].matrix = Matrix::recurrent_transposed;
  const Report r = diagnose(called(p, plan, [](Arrays&, Arrays&, Arrays&) {}));
  EXPECT_THAT(names(r), testing::ElementsAre("recurrent-not-transposed")) << r.text();
  EXPECT_THAT(r.proof, testing::HasSubstr("confirmed at a second random point"));
}

TEST(Conduct, GradientsThatAddUpFromCallToCall) {
  const Problem p = a_problem();
  const Report r =
      diagnose(called(p, right_plan(p), [sum = Arrays()](Arrays& answer, Arrays&, Arrays&) mutable {
        for (std::size_t i = 0; i < sum.size(); ++i)
          for (std::size_t k = 0; k < sum[i].array.size(); ++k)
            answer[i].array.values[k] += sum[i].array.values[k];
        sum = answer;
      }));
  EXPECT_THAT(names(r), testing::ElementsAre("accumulates-between-calls")) << r.text();
}

TEST(Conduct, GradientsThatAddUpFromCallToCallAndAreClipped) {
  const Problem p = a_problem();
  double top = 0;
  for (const Real& v : gradients_of(p, right_plan(p))) top = std::max(top, largest(v));
  const Report r = diagnose(
      called(p, right_plan(p), [sum = Arrays(), bound = 1.1 * top](Arrays& answer, Arrays&, Arrays&) mutable {
        for (std::size_t i = 0; i < answer.size(); ++i)
          for (std::size_t k = 0; k < answer[i].array.size(); ++k) {
            double& v = answer[i].array.values[k];
            if (!sum.empty()) v += sum[i].array.values[k];
            v = std::clamp(v, -bound, bound);
          }
        sum = answer;
      }));
  EXPECT_THAT(names(r), testing::ElementsAre("accumulates-between-calls")) << r.text();
  EXPECT_THAT(r.findings[0].sentence, testing::HasSubstr("clipped"));
}

TEST(Conduct, AStateThatFadesFromCallToCallIsKeptAndNotRandom) {
  const Problem p = a_problem();
  const Report r =
      diagnose(called(p, right_plan(p), [kept = 0.0](Arrays& answer, Arrays& parameters, Arrays&) mutable {
        kept = 0.5 * kept + parameters[0].array.values[0];
        answer[0].array.values[0] += kept;
      }));
  EXPECT_THAT(names(r), testing::ElementsAre("keeps-state")) << r.text();
}

TEST(Conduct, RandomAnswersAreNotRepeatable) {
  const Problem p = a_problem();
  const Report r =
      diagnose(called(p, right_plan(p), [random = Random(5)](Arrays& answer, Arrays&, Arrays&) mutable {
        for (NamedArray& a : answer)
          for (double& v : a.array.values) v *= random.uniform(0.5, 1.5);
      }));
  EXPECT_THAT(names(r), testing::Contains("not-repeatable")) << r.text();
}

TEST(Conduct, InputsThatTheCallWritesInto) {
  const Problem p = a_problem();
  const Report r = diagnose(called(p, right_plan(p), [](Arrays&, Arrays& parameters, Arrays& batch) {
    parameters[0].array.values[0] -= 0.1;
    batch[0].array.values[0] = 7;
  }));
  EXPECT_THAT(names(r), testing::UnorderedElementsAre("parameters-left-changed", "mutates-input"))
      << r.text();
}

}  // namespace
}  // namespace retrograde::doctor
