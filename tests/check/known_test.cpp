// The judge against functions whose derivatives are known: at scales from 1e-150 to 1e150, with kinks, jumps
// and singularities at any distance, waves, noise, single precision and cancellation. Error bars must cover
// and verdicts be right.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>
#include <string>

#include "retrograde/base/random.h"
#include "retrograde/check/gradient.h"

namespace retrograde {
namespace {

using Curve = std::function<double(double)>;

struct Known {
  std::string family;
  Curve f, derivative;  // at unit scale
};

double power_of_ten(Random& random, double from, double to) { return std::pow(10, random.uniform(from, to)); }

// A number in [-0.5, 0.5) that looks random but is a function of t.
double hashed(double t) {
  auto bits = std::bit_cast<std::uint64_t>(t) * 0x9e3779b97f4a7c15u;
  bits = (bits ^ (bits >> 29)) * 0xbf58476d1ce4e5b9u;
  return static_cast<double>((bits ^ (bits >> 32)) >> 11) * 0x1p-53 - 0.5;
}

// A function to be differentiated near x.
Known draw(Random& random, double x) {
  const double side = random.uniform() < 0.5 ? -1 : 1, near = x + side * power_of_ten(random, -12, 0);
  const double a = random.uniform(-2, 2), b = random.uniform(-2, 2);
  const auto cosine = [](double t) { return std::cos(t); };
  switch (random.below(12)) {
    case 0:
      return {"tanh", [](double t) { return std::tanh(t); },
              [](double t) { return 1 / std::pow(std::cosh(t), 2); }};
    case 1:
      return {"polynomial", [a](double t) { return a + t * (1 + t * (0.5 + t * t)); },
              [](double t) { return 1 + t + 4 * t * t * t; }};
    case 2: {
      const double w = power_of_ten(random, -1, 5);
      return {"wave", [w](double t) { return std::sin(w * t); },
              [w](double t) { return w * std::cos(w * t); }};
    }
    case 3:
      return {"kink", [=](double t) { return 0.3 * std::sin(t) + (t > near ? a : b) * (t - near); },
              [=](double t) { return 0.3 * std::cos(t) + (t > near ? a : b); }};
    case 4:
      return {"single precision",
              [](double t) { return static_cast<double>(static_cast<float>(std::sin(t))); }, cosine};
    case 5: {
      const double size = power_of_ten(random, -12, -3);
      return {"noise", [size](double t) { return std::sin(t) + size * hashed(t); }, cosine};
    }
    case 6:
      return {"constant", [a](double) { return a; }, [](double) { return 0.0; }};
    case 7:
      return {"jump", [=](double t) { return std::sin(t) + (t > near ? a : 0); }, cosine};
    case 8: {
      const double edge = x - power_of_ten(random, -8, 0);  // NaN below it
      return {"edge", [edge](double t) { return std::sqrt(t - edge); },
              [edge](double t) { return 0.5 / std::sqrt(t - edge); }};
    }
    case 9: {
      const double large = power_of_ten(random, 0, 12);
      return {"cancellation", [large](double t) { return large + std::sin(t); }, cosine};
    }
    case 10: {
      const double quantum = power_of_ten(random, -9, -3);
      return {"rounded", [quantum](double t) { return std::round(std::sin(t) / quantum) * quantum; }, cosine};
    }
    default:
      return {"saturated", [](double t) { return std::log1p(std::exp(20 * t)); },
              [](double t) { return 20 / (1 + std::exp(-20 * t)); }};
  }
}

struct Tally {
  int tried = 0, missed = 0, accused = 0, unsure = 0, passed = 0;
};

std::map<std::string, Tally> judge_known(int count) {
  std::map<std::string, Tally> tallies;
  for (int k = 0; k < count; ++k) {
    Random random(static_cast<std::uint64_t>(k) + 1);
    const bool extreme = random.uniform() < 0.5;
    const double sx = power_of_ten(random, extreme ? -150 : -3, extreme ? 150 : 3);
    const double sy = power_of_ten(random, extreme ? -100 : -3, extreme ? 100 : 3);
    const double x = random.uniform(-2, 2);
    const Known known = draw(random, x);
    const std::vector<double> at = {x * sx};
    const double truth = sy / sx * known.derivative(at[0] / sx);
    if (!std::isfinite(truth) || (truth != 0 && std::abs(truth) < 1e-290)) continue;
    const RealFunction f = [&](std::span<const double> t) { return sy * known.f(t[0] / sx); };

    Tally& tally = tallies[known.family];
    ++tally.tried;
    const double one[] = {1}, scale[] = {std::abs(at[0])};
    Random noise_random(7);
    const Derivative d = ridders(f, at, {0, one}, scale[0], measure_noise(f, at, scale, noise_random));
    const double last_places = 4e-16 * std::abs(truth);  // of the known value itself
    if (std::isfinite(d.value) && !(std::abs(d.value - truth) <= d.error + last_places)) ++tally.missed;

    const auto verdict = [&](double claim) {
      return check_gradient(Objective{f, {}}, at, std::vector<double>{claim}).verdict;
    };
    const Verdict right = verdict(truth);
    tally.accused += right == Verdict::differs;
    tally.unsure += right == Verdict::cannot_tell;
    const double factors[] = {2, -1, 1.01, 0};
    tally.passed += truth != 0 && verdict(truth * factors[random.below(4)]) == Verdict::agrees;
  }
  return tallies;
}

TEST(Known, ErrorBarsCoverAndVerdictsAreRight) {
  const auto tallies = judge_known(4000);
  ASSERT_EQ(tallies.size(), 12u);
  int tried = 0, missed = 0;
  for (const auto& [family, t] : tallies) {
    EXPECT_GT(t.tried, 200) << family;
    EXPECT_EQ(t.accused, 0) << family;
    EXPECT_EQ(t.passed, 0) << family;
    tried += t.tried, missed += t.missed;
  }
  EXPECT_LE(missed, tried / 1000);
}

// Where f is smooth and quiet there is nothing to be unsure about.
TEST(Known, SmoothFunctionsAreJudgedAtEveryScale) {
  const auto tallies = judge_known(2000);
  for (const char* family : {"tanh", "polynomial", "wave", "edge", "saturated"})
    EXPECT_EQ(tallies.at(family).unsure, 0) << family;
}

}  // namespace
}  // namespace retrograde
