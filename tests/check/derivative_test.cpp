#include "retrograde/check/derivative.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using Span = std::span<const double>;
using ComplexSpan = std::span<const std::complex<double>>;

const std::vector<double> kOne{1.0};
constexpr Direction along(const std::vector<double>& v = kOne) { return {0, v}; }

struct Known {
  std::string name;
  double x;
  std::function<double(double)> f, derivative;
};

// Bases of natural scale 1, with their derivatives.
std::vector<Known> bases() {
  return {
      {"x", 0, [](double x) { return x; }, [](double) { return 1.0; }},
      {"x^3", 0, [](double x) { return x * x * x; }, [](double x) { return 3 * x * x; }},
      {"sin", 0, [](double x) { return std::sin(x); }, [](double x) { return std::cos(x); }},
      {"exp", 0, [](double x) { return std::exp(x); }, [](double x) { return std::exp(x); }},
      {"tanh", 0, [](double x) { return std::tanh(x); },
       [](double x) { return 1 / std::pow(std::cosh(x), 2); }},
      {"logistic", 0, [](double x) { return 1 / (1 + std::exp(-x)); },
       [](double x) { return 1 / ((1 + std::exp(-x)) * (1 + std::exp(x))); }},
      {"log1p(x^2)", 0, [](double x) { return std::log1p(x * x); },
       [](double x) { return 2 * x / (1 + x * x); }},
      {"1/(1+x^2)", 0, [](double x) { return 1 / (1 + x * x); },
       [](double x) { return -2 * x / std::pow(1 + x * x, 2); }},
      {"x|x|", 0, [](double x) { return x * std::abs(x); }, [](double x) { return 2 * std::abs(x); }},
      {"runge", 0, [](double x) { return 1 / (1 + 25 * x * x); },
       [](double x) { return -50 * x / std::pow(1 + 25 * x * x, 2); }},
      {"sin 7x exp -x", 0, [](double x) { return std::sin(7 * x) * std::exp(-x); },
       [](double x) { return (7 * std::cos(7 * x) - std::sin(7 * x)) * std::exp(-x); }},
      {"constant", 0, [](double) { return 0.7; }, [](double) { return 0.0; }},
  };
}

// Each base stretched (x / width), raised (height, offset), at a random place.
std::vector<Known> many_functions(int each, Random& random) {
  std::vector<Known> all;
  for (const auto& base : bases())
    for (int i = 0; i < each; ++i) {
      const double width = std::pow(10, random.uniform(-30, 30)),
                   height = std::pow(10, random.uniform(-30, 30));
      const double offset = random.uniform() < 0.5 ? 0 : height * random.normal() * 10;
      all.push_back({base.name, width * random.normal(),
                     [=](double x) { return offset + height * base.f(x / width); },
                     [=](double x) { return height / width * base.derivative(x / width); }});
    }
  return all;
}

Derivative differentiate(const std::function<double(double)>& f, double x, double scale,
                         std::uint64_t seed = 1) {
  const RealFunction vector = [&](Span p) { return f(p[0]); };
  Random random(seed);
  const std::vector<double> at{x}, scales{scale};
  const auto noise = measure_noise(vector, at, scales, random);
  return ridders(vector, at, along(), scale, noise);
}

TEST(Ridders, ErrorBarCoversOnEveryScale) {
  Random random(11);
  int uncovered = 0, useless = 0, all = 0;
  for (const auto& k : many_functions(300, random)) {
    const auto d = differentiate(k.f, k.x, std::abs(k.x));
    const double truth = k.derivative(k.x), rounding = 1e-14 * std::abs(truth);
    ++all;
    if (!(std::abs(d.value - truth) <= d.error + rounding)) {
      ++uncovered;
      ADD_FAILURE() << k.name << " at " << k.x << ": " << d.value << " +- " << d.error << ", true " << truth;
    }
    if (!(d.error <= 1e-3 * std::abs(truth)) && truth != 0) ++useless;
  }
  EXPECT_EQ(uncovered, 0) << "of " << all;
  EXPECT_LE(useless, all / 20);
}

TEST(Ridders, AWrongScaleCostsEvaluationsAndNotCorrectness) {
  Random random(12);
  int useless = 0, all = 0;
  for (const auto& k : many_functions(60, random)) {
    const auto d = differentiate(k.f, k.x, std::abs(k.x) * std::pow(10, random.uniform(-9, 9)));
    const double truth = k.derivative(k.x);
    ++all;
    EXPECT_LE(std::abs(d.value - truth), d.error + 1e-14 * std::abs(truth))
        << k.name << " at " << k.x << ": " << d.value << " +- " << d.error << ", true " << truth;
    if (!(d.error <= 1e-3 * std::abs(truth)) && truth != 0) ++useless;
  }
  EXPECT_LE(useless, all / 5);
}

TEST(Ridders, ErrorBarCoversTheNoiseOfSinglePrecision) {
  Random random(13);
  int useless = 0, all = 0;
  for (const auto& base : bases())
    for (int i = 0; i < 200; ++i) {
      const double x = random.normal(), offset = random.normal();
      const auto f = [&](double at) {
        return static_cast<double>(static_cast<float>(offset) +
                                   static_cast<float>(base.f(static_cast<float>(at))));
      };
      const auto d = differentiate(f, x, std::max(1e-2, std::abs(x)));
      const double truth = base.derivative(x);
      ++all;
      EXPECT_LE(std::abs(d.value - truth), d.error) << base.name << " at " << x << ": " << d.value << " +- "
                                                    << d.error << " true " << truth << " offset " << offset;
      if (!(d.error <= 1e-2 * std::abs(truth)) && truth != 0) ++useless;
    }
  EXPECT_LE(useless, all / 5);
}

TEST(Ridders, ErrorBarCoversNoiseOfEverySize) {
  Random random(14);
  for (const double size : {1e-14, 1e-10, 1e-6, 1e-3})
    for (const auto& base : bases())
      for (int i = 0; i < 60; ++i) {
        const double x = random.normal();
        // A fixed pseudo-random error of each argument: repeatable, as rounding is.
        const auto f = [&](double at) {
          std::uint64_t bits;
          static_assert(sizeof bits == sizeof at);
          std::memcpy(&bits, &at, sizeof at);
          return base.f(at) + size * Random(bits).normal();
        };
        const auto d = differentiate(f, x, std::max(1e-2, std::abs(x)));
        EXPECT_LE(std::abs(d.value - base.derivative(x)), d.error)
            << base.name << " at " << x << ", noise " << size << ": " << d.value << " +- " << d.error;
      }
}

TEST(Ridders, ErrorBarCoversAStaircase) {
  Random random(15);
  for (const double quantum : {1e-12, 1e-9, 1e-6, 1e-4})
    for (const auto& base : bases())
      for (int i = 0; i < 60; ++i) {
        const double x = random.normal();
        const auto f = [&](double at) { return std::round(base.f(at) / quantum) * quantum; };
        const auto d = differentiate(f, x, std::max(1e-2, std::abs(x)));
        EXPECT_LE(std::abs(d.value - base.derivative(x)), d.error)
            << base.name << " at " << x << ", steps " << quantum << ": " << d.value << " +- " << d.error;
      }
}

TEST(Ridders, SeesAKinkAtEveryDistance) {
  Random random(16);
  const auto f = [](double x) { return std::max(0.0, x) + std::sin(x) + 3; };
  for (double distance = 1e-12; distance < 1; distance *= 1.7)
    for (const double side : {-1.0, 1.0}) {
      const double x = side * distance, truth = (x > 0) + std::cos(x);
      for (const double scale : {1.0, distance}) {
        const auto d = differentiate(f, x, scale);
        EXPECT_LE(std::abs(d.value - truth), d.error) << x << ": " << d.value << " +- " << d.error;
        if (distance > 1e-9) {
          EXPECT_LT(d.error, 1e-2) << x;
        } else if (d.error > 0.1) {
          EXPECT_TRUE(d.kink) << x << " +- " << d.error;
        }
      }
    }
}

TEST(Ridders, AtAKinkTheBarSpansBothSlopes) {
  const auto d = differentiate([](double x) { return std::abs(x) + 0.25 * x; }, 0, 1);
  EXPECT_TRUE(d.kink);
  EXPECT_LE(d.value - d.error, -0.75);
  EXPECT_GE(d.value + d.error, 1.25);
  EXPECT_LT(d.error, 4);
}

TEST(Ridders, AJumpHasNoUsefulBar) {
  const auto d = differentiate([](double x) { return x > 0.1 ? 1 + x : x; }, 0.1, 1);
  EXPECT_GT(d.error, 1);
}

TEST(Ridders, SeesAWaveShorterThanItsFirstStep) {
  for (const double wave : {1e-2, 1e-4, 1e-6}) {
    const auto d = differentiate([&](double x) { return x + 1e-3 * std::sin(x / wave); }, 0.4, 1);
    const double truth = 1 + 1e-3 / wave * std::cos(0.4 / wave);
    EXPECT_LE(std::abs(d.value - truth), d.error) << wave;
    EXPECT_LT(d.error, 1e-2 * std::abs(truth)) << wave;
  }
}

TEST(Ridders, IsHonestAtTheEdgeOfTheDomain) {
  EXPECT_GT(differentiate([](double x) { return std::sqrt(x); }, 0, 1).error, 1e3);
  const auto near = differentiate([](double x) { return std::sqrt(x); }, 1e-3, 1);
  EXPECT_LE(std::abs(near.value - 0.5 / std::sqrt(1e-3)), near.error);
  EXPECT_LT(near.error, 1e-3);
  const auto nan = differentiate([](double) { return std::nan(""); }, 1, 1);
  EXPECT_TRUE(std::isnan(nan.value));
  EXPECT_EQ(nan.error, std::numeric_limits<double>::infinity());
}

TEST(Ridders, FollowsADirection) {
  const RealFunction f = [](Span x) { return x[0] * x[1] * x[1] + std::exp(x[2]); };
  const std::vector<double> x{0.3, -1.1, 0.7}, v{2, -0.5};
  const auto d = ridders(f, x, {1, v}, 1, {});
  EXPECT_NEAR(d.value, 2 * 2 * 0.3 * -1.1 - 0.5 * std::exp(0.7), 1e-9);
  EXPECT_LE(std::abs(d.value - (2 * 2 * 0.3 * -1.1 - 0.5 * std::exp(0.7))), d.error);
  EXPECT_THROW(ridders(f, x, {2, v}, 1, {}), UsageError);
}

TEST(Noise, IsMeasuredToAFactor) {
  Random random(17);
  const std::vector<double> x{0.3, 0.9}, scales{1, 1};
  for (const double size : {1e-13, 1e-9, 1e-5}) {
    const auto noise = measure_noise(
        [&](Span p) { return std::sin(p[0]) * p[1] + size * Random(std::hash<double>()(p[0])).normal(); }, x,
        scales, random);
    EXPECT_GT(noise.sigma, size / 4);
    EXPECT_LT(noise.sigma, size * 4);
    EXPECT_TRUE(noise.repeatable);
  }
  const auto single = measure_noise(
      [](Span p) {
        return static_cast<double>(std::sin(static_cast<float>(p[0])) * static_cast<float>(p[1]));
      },
      x, scales, random);
  EXPECT_GT(single.sigma, 1e-9);
  EXPECT_LT(single.sigma, 1e-6);
  const auto smooth = measure_noise([](Span p) { return std::sin(p[0]) * p[1]; }, x, scales, random);
  EXPECT_LT(smooth.sigma, 1e-15);
  const auto steep = measure_noise([](Span p) { return std::sin(1e5 * p[0]) * p[1]; }, x, scales, random);
  EXPECT_LT(steep.sigma, 1e-9);
}

TEST(Noise, SaysThatAFunctionIsNotRepeatable) {
  Random random(18), dropout(19);
  const std::vector<double> x{0.3}, scales{1};
  EXPECT_FALSE(measure_noise([&](Span p) { return p[0] * dropout.uniform(); }, x, scales, random).repeatable);
}

TEST(TaylorSlope, IsTwoForTheRightSlopeAndOneForAWrongOne) {
  const RealFunction f = [](Span x) { return std::sin(x[0]) + x[0] * x[0]; };
  const std::vector<double> x{0.7};
  const double truth = std::cos(0.7) + 1.4;
  const auto right = taylor_slope(f, x, along(), truth, 1, {}),
             wrong = taylor_slope(f, x, along(), truth * 1.01, 1, {});
  EXPECT_NEAR(right.slope, 2, right.error + 0.05);
  EXPECT_NEAR(wrong.slope, 1, wrong.error + 0.05);
  EXPECT_LT(right.error, 0.2);
  EXPECT_LT(wrong.error, 0.2);
  EXPECT_LT(right.bound, 1e-2);
  EXPECT_GT(wrong.bound, 0.005 * truth);
}

TEST(TaylorSlope, IsSilentWhereTheRemainderDrowns) {
  const RealFunction line = [](Span x) { return 3 * x[0]; };
  EXPECT_EQ(taylor_slope(line, std::vector<double>{0.7}, along(), 3, 1, {}).error,
            std::numeric_limits<double>::infinity());
}

template <class T>
T smooth(std::span<const T> x) {
  using std::exp, std::sin, std::tanh;
  return sin(x[0]) * exp(x[1] * x[0]) + tanh(x[1] * x[1]);
}

TEST(ComplexStep, IsExactToRounding) {
  Random random(20);
  for (int i = 0; i < 300; ++i) {
    const std::vector<double> x{random.normal(), random.normal()}, v{1, 0};
    const auto d = complex_step(smooth<std::complex<double>>, x, {0, v}, random);
    const double e = std::exp(x[1] * x[0]), truth = std::cos(x[0]) * e + std::sin(x[0]) * e * x[1];
    EXPECT_LE(std::abs(d.value - truth), d.error + 1e-15 * std::abs(truth));
    EXPECT_LE(d.error, 1e-13 * (1 + std::abs(x[1])) * e);
  }
}

TEST(ComplexStep, ItsBarSeesCancellation) {
  const ComplexFunction f = [](ComplexSpan x) { return 1e10 * x[0] - (1e10 - 0.3) * x[0]; };
  Random random(21);
  const auto d = complex_step(f, std::vector<double>{0.7}, along(), random, 8);
  EXPECT_LE(std::abs(d.value - 0.3), d.error);
  EXPECT_GT(d.error, 1e-9);
  EXPECT_LT(d.error, 1e-3);
}

TEST(ComplexStep, WorksOnEveryScale) {
  Random random(22);
  for (int exponent = -180; exponent <= 180; exponent += 20) {
    const double width = std::pow(10, exponent);
    const ComplexFunction f = [&](ComplexSpan x) { return std::sin(x[0] / width); };
    const double truth = std::cos(0.3) / width;
    EXPECT_NEAR(complex_step(f, std::vector<double>{0.3 * width}, along(), random).value, truth,
                1e-14 * truth)
        << exponent;
  }
}

}  // namespace
}  // namespace retrograde
