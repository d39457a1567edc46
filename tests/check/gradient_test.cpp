#include "retrograde/check/gradient.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using testing::HasSubstr;
using Span = std::span<const double>;

// A small layered function, float64 or complex: c . tanh(W x + b), W [5, 3], b [5], c [5].
constexpr std::size_t kRows = 5, kColumns = 3, kSize = kRows * kColumns + 2 * kRows;
const std::vector<Block> kBlocks{{"W", {kRows, kColumns}, {"unit", "input"}}, {"b", {kRows}}, {"c", {kRows}}};
template <class T>
constexpr T kInput[kColumns] = {T(0.7), T(-1.1), T(0.4)};

template <class T>
T layer(std::span<const T> theta) {
  using std::tanh;
  T sum = 0;
  for (std::size_t r = 0; r < kRows; ++r) {
    T z = theta[kRows * kColumns + r];
    for (std::size_t k = 0; k < kColumns; ++k) z += theta[r * kColumns + k] * kInput<T>[k];
    sum += theta[kRows * kColumns + kRows + r] * tanh(z);
  }
  return sum;
}

const auto kGeneric = []<class T>(std::span<const T> theta) { return layer(theta); };
const auto kReal = [](Span theta) { return layer(theta); };

std::vector<double> layer_gradient(Span theta) {
  std::vector<double> g(kSize);
  for (std::size_t r = 0; r < kRows; ++r) {
    double z = theta[kRows * kColumns + r];
    for (std::size_t k = 0; k < kColumns; ++k) z += theta[r * kColumns + k] * kInput<double>[k];
    const double a = std::tanh(z), dz = theta[kRows * kColumns + kRows + r] * (1 - a * a);
    for (std::size_t k = 0; k < kColumns; ++k) g[r * kColumns + k] = dz * kInput<double>[k];
    g[kRows * kColumns + r] = dz;
    g[kRows * kColumns + kRows + r] = a;
  }
  return g;
}

std::vector<double> random_point(std::size_t n = kSize, std::uint64_t seed = 5) {
  Random random(seed);
  std::vector<double> theta(n);
  for (double& x : theta) x = 0.5 * random.normal();
  return theta;
}

TEST(CheckGradient, AgreesByDifferencesAndByComplexStep) {
  const auto theta = random_point(), claimed = layer_gradient(theta);
  const auto real = check_gradient(kReal, theta, claimed, {.blocks = kBlocks});
  EXPECT_EQ(real.verdict, Verdict::agrees) << real.text();
  EXPECT_THAT(real.line(), testing::StartsWith("gradient agrees with finite differences: worst "));
  const auto generic = check_gradient(kGeneric, theta, claimed, {.blocks = kBlocks});
  EXPECT_EQ(generic.verdict, Verdict::agrees) << generic.text();
  EXPECT_THAT(generic.line(), HasSubstr("gradient agrees with complex step: worst "));
  EXPECT_THAT(generic.line(), HasSubstr("of all 25 entries ("));
  EXPECT_TRUE(generic.agrees());
}

TEST(CheckGradient, SeesOneWrongEntryByEveryOracleAndMode) {
  const auto theta = random_point();
  for (const auto mode : {CheckMode::full, CheckMode::sampled, CheckMode::directional})
    for (std::size_t wrong = 0; wrong < kSize; wrong += 4) {
      auto claimed = layer_gradient(theta);
      claimed[wrong] += 1e-3;
      const CheckOptions options{.blocks = kBlocks, .mode = mode};
      for (const auto& report : {check_gradient(kReal, theta, claimed, options),
                                 check_gradient(kGeneric, theta, claimed, options)}) {
        EXPECT_EQ(report.verdict, Verdict::differs) << name(mode) << " " << wrong << "\n" << report.text();
        std::size_t differing = 0;
        for (const auto& b : report.blocks) differing += b.verdict == Verdict::differs;
        EXPECT_EQ(differing, 1u);
        if (mode != CheckMode::directional) {
          EXPECT_EQ(report.blocks[0].bad, 1u) << report.text();
        }
      }
    }
}

TEST(CheckGradient, NamesTheWorstEntryInWords) {
  const auto theta = random_point();
  auto claimed = layer_gradient(theta);
  claimed[2 * kColumns + 1] = -claimed[2 * kColumns + 1];
  const auto report = check_gradient(kGeneric, theta, claimed, {.blocks = kBlocks});
  EXPECT_EQ(report.blocks[0].worst_at, "W[2, 1] (unit 2, input 1)");
  EXPECT_THAT(report.line(),
              HasSubstr("gradient differs from complex step in 1 of 3 blocks: W[2, 1] (unit 2, input 1)"));
  EXPECT_THAT(report.text(), HasSubstr("claimed is the gradient under test (float64)"));
}

TEST(CheckGradient, TellsAMissingFactorAMissingBlockAndANan) {
  const auto theta = random_point(), right = layer_gradient(theta);
  auto claimed = right;
  for (double& g : claimed) g *= 0.5;
  auto report = check_gradient(kReal, theta, claimed, {.blocks = kBlocks});
  EXPECT_EQ(report.verdict, Verdict::differs);
  EXPECT_NEAR(report.blocks[0].norm_ratio, 0.5, 1e-9);
  EXPECT_NEAR(report.blocks[0].cosine, 1, 1e-9);

  claimed.assign(kSize, 0);
  report = check_gradient(kReal, theta, claimed, {.blocks = kBlocks});
  for (const auto& b : report.blocks) EXPECT_EQ(b.verdict, Verdict::differs) << b.name;

  claimed = right;
  claimed[3] = std::nan("");
  for (const auto mode : {CheckMode::full, CheckMode::directional}) {
    report = check_gradient(kReal, theta, claimed, {.blocks = kBlocks, .mode = mode});
    EXPECT_EQ(report.verdict, Verdict::differs);
    EXPECT_EQ(report.blocks[0].name, "W");
    EXPECT_GT(report.blocks[0].not_finite, 0u);
  }
}

TEST(CheckGradient, JudgesASinglePrecisionClaimBySinglePrecision) {
  const auto theta = random_point(), right = layer_gradient(theta);
  const std::vector<float> claimed(right.begin(), right.end());
  const auto report = check_gradient(kGeneric, theta, claimed, {.blocks = kBlocks});
  EXPECT_EQ(report.claim, Precision::float32);
  EXPECT_EQ(report.verdict, Verdict::agrees) << report.text();
  EXPECT_EQ(check_gradient(kReal, theta, claimed, {.blocks = kBlocks}).verdict, Verdict::agrees);
  EXPECT_EQ(
      check_gradient(kGeneric, theta, claimed, {.blocks = kBlocks, .claim = Precision::float64}).verdict,
      Verdict::differs);
  auto wrong = claimed;
  wrong[7] *= 1.001f;
  EXPECT_EQ(check_gradient(kGeneric, theta, wrong, {.blocks = kBlocks}).verdict, Verdict::differs);
}

TEST(CheckGradient, DoesNotAccuseAcrossASinglePrecisionFunction) {
  const auto single = [](Span theta) {
    const std::vector<float> t(theta.begin(), theta.end());
    return static_cast<double>(layer(std::span<const float>(t)));
  };
  const auto theta = random_point();
  auto claimed = layer_gradient(theta);
  const auto report =
      check_gradient(single, theta, claimed, {.blocks = kBlocks, .claim = Precision::float32});
  EXPECT_EQ(report.verdict, Verdict::agrees) << report.text();
  claimed[4] *= 1.05;
  EXPECT_EQ(check_gradient(single, theta, claimed, {.blocks = kBlocks, .claim = Precision::float32}).verdict,
            Verdict::differs);
}

TEST(CheckGradient, SaysThatAKinkLiesWithinTheStep) {
  const auto relu = [](Span x) { return std::max(0.0, x[0]) + x[1] * x[1]; };
  const std::vector<double> theta{0, 0.7};
  for (const double subgradient : {0.0, 0.5, 1.0}) {
    const auto report = check_gradient(relu, theta, std::vector<double>{subgradient, 1.4});
    EXPECT_EQ(report.verdict, Verdict::cannot_tell);
    EXPECT_THAT(report.text(), HasSubstr("the finite difference is unreliable here (kink within the step)"));
  }
  EXPECT_EQ(check_gradient(relu, theta, std::vector<double>{7, 1.4}).verdict, Verdict::differs);
  EXPECT_EQ(check_gradient(relu, theta, std::vector<double>{1, 1.5}).verdict, Verdict::differs);
}

TEST(CheckGradient, SeesAComplexFunctionThatDropsTheImaginaryPart) {
  const auto detached = []<class T>(std::span<const T> x) {
    using std::abs;
    return T(abs(x[0])) + x[1] * x[1];  // abs of a complex number is real: the complex step sees 0
  };
  const std::vector<double> theta{0.3, 0.7};
  const auto report = check_gradient(detached, theta, std::vector<double>{1, 1.4});
  EXPECT_EQ(report.verdict, Verdict::agrees) << report.text();
  EXPECT_EQ(report.oracle, "finite differences");
  EXPECT_THAT(report.text(), HasSubstr("drops the imaginary part"));
  EXPECT_EQ(check_gradient(detached, theta, std::vector<double>{0, 1.4}).verdict, Verdict::differs);
}

TEST(CheckGradient, SaysThatAFunctionIsNotRepeatable) {
  Random dropout(3);
  const auto f = [&](Span x) { return x[0] * x[0] * dropout.uniform(); };
  const auto report = check_gradient(f, std::vector<double>{0.7}, std::vector<double>{1.4});
  EXPECT_NE(report.verdict, Verdict::agrees);
  EXPECT_THAT(report.text(), HasSubstr("not repeatable"));
}

TEST(CheckGradient, AFunctionThatIsNotFiniteIsNoProof) {
  const auto f = [](Span x) { return std::log(x[0]); };
  const auto report = check_gradient(f, std::vector<double>{-1}, std::vector<double>{-1});
  EXPECT_EQ(report.verdict, Verdict::cannot_tell);
  EXPECT_THAT(report.text(), HasSubstr("f is not finite at theta"));
}

TEST(CheckGradient, AZeroGradientProvesNothingAndSaysSo) {
  const auto minimum = [](Span x) { return 1 + x[0] * x[0] + x[1] * x[1]; };
  const auto report = check_gradient(minimum, std::vector<double>{0, 0}, std::vector<double>{0, 0});
  EXPECT_NE(report.verdict, Verdict::differs);
  EXPECT_THAT(report.text(), HasSubstr("nothing was tested"));
}

TEST(CheckGradient, AnUnusedParameterAgreesWithZeroOnly) {
  const auto f = [](Span x) { return std::sin(x[0]); };
  const std::vector<double> theta{0.4, 0.9};
  const std::vector<Block> blocks{{"used", {1}}, {"unused", {1}}};
  EXPECT_EQ(check_gradient(f, theta, std::vector<double>{std::cos(0.4), 0}, {.blocks = blocks}).verdict,
            Verdict::agrees);
  EXPECT_EQ(check_gradient(f, theta, std::vector<double>{std::cos(0.4), 1e-6}, {.blocks = blocks}).verdict,
            Verdict::differs);
}

// Cross entropy far on the right side: p - 1 by the usual formula has lost its digits, which is rounding and
// no fault.
TEST(CheckGradient, ASaturatedOutputIsNoOnesFault) {
  const auto cross_entropy = []<class T>(std::span<const T> z) {
    using std::exp, std::log;
    return log(exp(z[0] - z[1]) + T(1) + exp(z[2] - z[1]));  // class 1, the largest
  };
  const auto real = [&](Span z) { return cross_entropy(z); };
  for (const double margin : {3.0, 20.0, 35.0, 60.0, 200.0}) {
    const std::vector<double> z{-margin / 2, margin / 2, -margin};
    const auto claims = [&]<class T>(T) {
      const T a = static_cast<T>(std::exp(z[0] - z[1])), c = static_cast<T>(std::exp(z[2] - z[1])),
              sum = a + T(1) + c;
      return std::vector<T>{a / sum, T(1) / sum - T(1), c / sum};
    };
    for (const auto mode : {CheckMode::full, CheckMode::directional}) {
      const CheckOptions options{.mode = mode};
      for (const auto& report : {check_gradient(cross_entropy, z, claims(1.0), options),
                                 check_gradient(real, z, claims(1.0), options),
                                 check_gradient(cross_entropy, z, claims(1.0f), options),
                                 check_gradient(real, z, claims(1.0f), options)})
        EXPECT_NE(report.verdict, Verdict::differs) << margin << "\n" << report.text();
    }
  }
}

TEST(CheckGradient, WorksOnEveryScale) {
  for (int ex = -30; ex <= 30; ex += 10)
    for (int ef = -30; ef <= 30; ef += 10) {
      const double width = std::pow(10, ex), height = std::pow(10, ef);
      const auto f = [=](Span x) { return height * std::sin(x[0] / width) * std::exp(x[1] / width); };
      const std::vector<double> theta{0.4 * width, 0.9 * width};
      std::vector<double> g{height / width * std::cos(theta[0] / width) * std::exp(theta[1] / width),
                            height / width * std::sin(theta[0] / width) * std::exp(theta[1] / width)};
      EXPECT_EQ(check_gradient(f, theta, g).verdict, Verdict::agrees) << ex << " " << ef;
      g[1] *= 1.001;
      EXPECT_EQ(check_gradient(f, theta, g).verdict, Verdict::differs) << ex << " " << ef;
    }
}

TEST(CheckGradient, SampledTakesFromEveryGateAndStatesItsPower) {
  const std::size_t units = 101;
  const std::vector<Block> blocks{{"bias", {4 * units}, {"unit"}, {"i", "f", "g", "o"}}};
  const auto theta = random_point(4 * units);
  const auto f = [](Span x) {
    double sum = 0;
    for (const double v : x) sum += v * v;
    return sum;
  };
  std::vector<double> claimed(theta);
  for (double& g : claimed) g *= 2;
  auto report =
      check_gradient(f, theta, claimed, {.blocks = blocks, .mode = CheckMode::sampled, .entries = 7});
  EXPECT_EQ(report.verdict, Verdict::agrees);
  EXPECT_EQ(report.checked, 28u);
  EXPECT_THAT(report.line(), HasSubstr("of 28 sampled entries"));
  EXPECT_THAT(report.power, HasSubstr("a fault in 35 % of them is missed with probability 5 %"));
  for (std::size_t i = 2 * units; i < 3 * units; ++i) claimed[i] = 0;  // gate g alone
  report = check_gradient(f, theta, claimed, {.blocks = blocks, .mode = CheckMode::sampled, .entries = 7});
  EXPECT_EQ(report.blocks[0].bad, 7u);
  EXPECT_THAT(report.blocks[0].worst_at, HasSubstr("gate g"));
}

TEST(CheckGradient, DirectionsSeeErrorsThatCancelInTheSum) {
  const auto theta = random_point();
  int missed = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    auto claimed = layer_gradient(theta);
    claimed[1] += 1e-3;
    claimed[8] -= 1e-3;
    const auto report =
        check_gradient(kGeneric, theta, claimed,
                       {.blocks = kBlocks, .mode = CheckMode::directional, .miss = 1e-3, .seed = seed});
    missed += report.verdict != Verdict::differs;
    EXPECT_THAT(report.power, HasSubstr("1e-03 at most"));
  }
  EXPECT_EQ(missed, 0);
}

TEST(CheckGradient, ADirectionThatDiffersIsHalvedDownToAnEntry) {
  const auto theta = random_point();
  for (const double wrong : {1e-3, std::nan("")}) {
    auto claimed = layer_gradient(theta);
    claimed[2 * kColumns + 1] += wrong;
    for (const auto& report :
         {check_gradient(kGeneric, theta, claimed, {.blocks = kBlocks, .mode = CheckMode::directional}),
          check_gradient(kReal, theta, claimed, {.blocks = kBlocks, .mode = CheckMode::directional})}) {
      EXPECT_EQ(report.blocks[0].worst_at, "W[2, 1] (unit 2, input 1)");
      EXPECT_NEAR(report.blocks[0].worst.truth.value, layer_gradient(theta)[2 * kColumns + 1], 1e-9);
    }
  }
}

TEST(CheckGradient, FewerDirectionsForAGreaterChanceOfMissing) {
  const auto theta = random_point(), claimed = layer_gradient(theta);
  const auto count = [&](double miss) {
    return check_gradient(kGeneric, theta, claimed,
                          {.blocks = {{"x", {kSize}}}, .mode = CheckMode::directional, .miss = miss})
        .checked;
  };
  EXPECT_EQ(count(0.5), 1u);
  EXPECT_EQ(count(1e-3), 10u);
}

TEST(CheckGradient, CostIsPredictedAndProgressCanStopIt) {
  const auto theta = random_point(), claimed = layer_gradient(theta);
  const auto cost = predict_cost(objective(kReal), theta, {.blocks = kBlocks});
  EXPECT_EQ(cost.probes, kSize);
  std::vector<Progress> seen;
  const auto report =
      check_gradient(kReal, theta, claimed, {.blocks = kBlocks, .progress = [&](const Progress& p) {
                                               seen.push_back(p);
                                               return false;
                                             }});
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].done, 0u);
  EXPECT_EQ(seen[0].total, kSize);
  EXPECT_EQ(report.verdict, Verdict::cannot_tell);
  EXPECT_EQ(report.checked, 0u);
  EXPECT_THAT(report.text(), HasSubstr("stopped after 0 of 25"));
}

TEST(CheckGradient, ThePredictionHolds) {
  const auto theta = random_point(), claimed = layer_gradient(theta);
  for (const auto mode : {CheckMode::full, CheckMode::directional}) {
    const CheckOptions options{.blocks = kBlocks, .mode = mode};
    const auto real = check_gradient(kReal, theta, claimed, options),
               generic = check_gradient(kGeneric, theta, claimed, options);
    EXPECT_LT(real.evaluations, 2 * real.predicted.evaluations) << name(mode);
    EXPECT_GT(2 * real.evaluations, real.predicted.evaluations) << name(mode);
    EXPECT_LT(generic.evaluations, 2 * generic.predicted.evaluations) << name(mode);
    EXPECT_GT(2 * generic.evaluations, generic.predicted.evaluations) << name(mode);
  }
}

TEST(CheckGradient, OutOfTimeItSaysWhatWasReached) {
  const auto theta = random_point(997);
  // At least a millisecond a call, however fast the machine; far from all 997 entries fit into the half
  // second.
  const auto slow = [](Span x) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    double sum = 0;
    for (const double v : x) sum += std::sin(v);
    return sum;
  };
  std::vector<double> claimed(theta.size());
  for (std::size_t i = 0; i < theta.size(); ++i) claimed[i] = std::cos(theta[i]);
  const auto report = check_gradient(slow, theta, claimed, {.mode = CheckMode::full, .seconds = 0.5});
  EXPECT_EQ(report.verdict, Verdict::cannot_tell);
  EXPECT_LT(report.checked, 997u);
  EXPECT_GT(report.checked, 0u);
  EXPECT_THAT(report.text(), HasSubstr("out of time"));
  EXPECT_THAT(report.text(), HasSubstr("what was reached agrees"));
}

TEST(CheckGradient, TheJsonHoldsTheWholeVerdict) {
  const auto theta = random_point();
  auto claimed = layer_gradient(theta);
  claimed[0] = std::nan("");
  const auto json = check_gradient(kGeneric, theta, claimed, {.blocks = kBlocks}).json();
  EXPECT_EQ(json["verdict"], "differs");
  EXPECT_EQ(json["blocks"][0]["block"], "W");
  EXPECT_EQ(json["blocks"][0]["worst"]["claimed"], "nan");
  EXPECT_EQ(json["blocks"].size(), 3u);
  EXPECT_NO_THROW(json.dump());
}

TEST(CheckGradient, NamesWhatDoesNotFit) {
  const std::vector<double> two{1, 2}, three{1, 2, 3};
  const auto f = [](Span x) { return x[0]; };
  EXPECT_THROW(check_gradient(f, two, three), UsageError);
  EXPECT_THROW(check_gradient(f, two, two, {.blocks = kBlocks}), UsageError);
  EXPECT_THROW(check_gradient(f, two, two, {.claim_noise = three}), UsageError);
  EXPECT_THROW(check_gradient(f, two, two, {.miss = 0}), UsageError);
  EXPECT_THROW(check_gradient(f, std::vector<double>{}, std::vector<double>{}), UsageError);
}

}  // namespace
}  // namespace retrograde
