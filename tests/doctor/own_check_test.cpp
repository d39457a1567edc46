// A right gradient whose author's own numeric check fails, or passes without testing: the check is named.
#include <gmock/gmock.h>

#include <cmath>

#include "doctor/plant.h"

namespace retrograde::doctor {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The author's loss at other parameters; it may keep what it likes between calls.
using Loss1 = std::function<double(const Problem&)>;

Arrays parameters_of(const Case& c) {
  Arrays out;
  for (const NamedArray& a : c.arrays)
    if (a.name.rfind("weight", 0) == 0 || a.name.rfind("bias", 0) == 0 || a.name.rfind("head", 0) == 0)
      out.push_back(a);
  return out;
}

// A right claim, and beside it differences of `loss` with this step.
Case with_numeric(const Problem& p, const Loss1& loss, double h, bool central = true) {
  Case c = make_case(p, gradients_of(p, right_plan(p)));
  Arrays at = parameters_of(c);
  const double here = central ? 0 : loss(p);
  for (NamedArray& a : at) {
    Array numeric = a.array;
    for (std::size_t i = 0; i < a.array.size(); ++i) {
      const double before = a.array.values[i];
      a.array.values[i] = before + h;
      const double up = loss(at_point(p, at, {}));
      a.array.values[i] = before - h;
      const double down = central ? loss(at_point(p, at, {})) : here;
      a.array.values[i] = before;
      numeric.values[i] = (up - down) / (central ? 2 * h : h);
    }
    c.arrays.push_back({"num_" + a.name, numeric});
  }
  return c;
}

std::vector<std::string> names(const Report& r) {
  std::vector<std::string> out;
  for (const Finding& f : r.findings) out.push_back(f.name);
  return out;
}

Problem a_problem(Activation f = Activation::tanh) {
  Random random(17);
  Shape s;
  s.activation = f;
  return random_problem(s, random);
}

double exact(const Problem& p) { return loss_of(p); }
double single(const Problem& p) { return static_cast<double>(static_cast<float>(loss_of(p))); }

TEST(OwnCheck, AGoodOneIsNotAccused) {
  const Report r = diagnose(with_numeric(a_problem(), exact, 1e-5));
  EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
  EXPECT_THAT(names(r), IsEmpty()) << r.text();
  EXPECT_THAT(r.text(), testing::HasSubstr("your numeric gradient agrees"));
}

TEST(OwnCheck, AStepTooLarge) {
  for (const auto& [h, central] : {std::pair(1e-2, false), {1e-4, false}, {0.1, true}, {0.5, true}}) {
    const Report r = diagnose(with_numeric(a_problem(), exact, h, central));
    EXPECT_EQ(r.verdict, Verdict::agrees);
    EXPECT_THAT(names(r), ElementsAre("step-too-large")) << h << "\n" << r.text();
  }
}

TEST(OwnCheck, AStepTooSmall) {
  for (const auto& [h, central] : {std::pair(1e-11, true), {1e-12, true}, {1e-13, false}, {1e-15, true}}) {
    const Report r = diagnose(with_numeric(a_problem(), exact, h, central));
    EXPECT_THAT(names(r), ElementsAre("step-too-small")) << h << "\n" << r.text();
  }
}

TEST(OwnCheck, ALossInSinglePrecision) {
  for (const double h : {1e-3, 1e-4, 1e-5}) {
    const Report r = diagnose(with_numeric(a_problem(), single, h));
    EXPECT_THAT(names(r), ElementsAre("single-precision")) << h << "\n" << r.text();
  }
}

TEST(OwnCheck, AKinkWithinTheStep) {
  Problem p = a_problem(Activation::relu);
  // one unit's pre-activation at step 0 is brought close to zero.
  const Engine engine(p);
  p.layers[0].b[2] -= engine.tapes()[0].at(Var::z0, 0)[2] - 2e-4;
  const Report r = diagnose(with_numeric(p, exact, 1e-3));
  EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
  EXPECT_THAT(names(r), ElementsAre("kink")) << r.text();
}

TEST(OwnCheck, NotANumber) {
  Case c = with_numeric(a_problem(), exact, 1e-5);
  c.arrays.back().array.values[0] = NAN;
  const Report r = diagnose(c);
  EXPECT_THAT(names(r), ElementsAre("nan-compared")) << r.text();
}

TEST(OwnCheck, TheSameMemoryOnBothSides) {
  const Problem p = a_problem();
  Case c = make_case(p, gradients_of(p, right_plan(p)));
  const Arrays all = c.arrays;
  for (const NamedArray& a : all)
    if (a.name.rfind("d_", 0) == 0) c.arrays.push_back({"num_" + a.name.substr(2), a.array});
  EXPECT_THAT(names(diagnose(c)), ElementsAre("nothing-tested"));
}

Problem from_last_state(Problem p, const Problem& of) {
  const std::vector<Tape> tapes = forward(of);
  for (std::size_t l = 0; l < p.layers.size(); ++l) {
    const double* h = tapes[l].at(Var::h, p.T - 1);
    p.layers[l].h0.assign(h, h + p.layers[l].h0.size());
  }
  return p;
}

TEST(OwnCheck, AStateThatTheFirstForwardLeft) {
  const Problem p = a_problem();
  const Report r = diagnose(with_numeric(
      p, [p](const Problem& q) { return loss_of(from_last_state(q, p)); }, 1e-5));
  EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
  EXPECT_THAT(names(r), ElementsAre("state-overwritten-between-evaluations")) << r.text();
}

TEST(OwnCheck, AStateThatEveryEvaluationLeavesToTheNext) {
  const Problem p = a_problem();
  const Report r = diagnose(with_numeric(
      p,
      [last = p.layers[0].h0](Problem q) mutable {
        q.layers[0].h0 = last;
        last = from_last_state(q, q).layers[0].h0;
        return loss_of(q);
      },
      1e-4));
  EXPECT_THAT(names(r), ElementsAre("state-overwritten-between-evaluations")) << r.text();
}

TEST(OwnCheck, AStateThatOneSideOfEveryDifferenceLeavesToTheOther) {
  const Problem p = a_problem();
  for (const int restarted : {0, 1}) {
    const Report r = diagnose(with_numeric(
        p,
        [last = p.layers[0].h0, start = p.layers[0].h0, calls = 0, restarted](Problem q) mutable {
          q.layers[0].h0 = calls++ % 2 == restarted ? start : last;
          last = from_last_state(q, q).layers[0].h0;
          return loss_of(q);
        },
        1e-4));
    EXPECT_THAT(names(r), ElementsAre("state-overwritten-between-evaluations")) << r.text();
  }
}

TEST(OwnCheck, AStepThatIsKnownNeedNotBeGuessed) {
  Case c = with_numeric(a_problem(), exact, 0.037, false);
  c.arrays.push_back({"eps", {{}, {0.037}, Dtype::float64}});
  EXPECT_THAT(names(diagnose(c)), ElementsAre("step-too-large"));
}

}  // namespace
}  // namespace retrograde::doctor
