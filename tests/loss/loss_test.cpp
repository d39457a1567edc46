#include "retrograde/loss/loss.h"

#include <gmock/gmock.h>

#include <limits>
#include <numeric>

#include "retrograde/base/error.h"
#include "retrograde/base/random.h"
#include "retrograde/cells/cell.h"

namespace retrograde {
namespace {

using Complex = std::complex<double>;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::size_t kRows = 5;
const std::vector<std::size_t> kIndex{2, 0, 4, 3, 1};

// Rows of outputs with rows of padding that must not be read, and a target for them in another order.
struct Problem {
  std::size_t width, stride;
  std::vector<double> y, t, weights, class_weights;
  std::vector<std::int32_t> classes;

  explicit Problem(std::size_t outputs, double scale = 1)
      : width(outputs), stride(round_up(outputs, head_kernels<float>().lanes)) {
    Random random(outputs);
    y.assign(kRows * stride, std::numeric_limits<double>::quiet_NaN());
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t o = 0; o < width; ++o) y[r * stride + o] = scale * random.normal();
      classes.push_back(static_cast<std::int32_t>(random.below(width)));
      weights.push_back(0.5 + random.uniform());
      for (std::size_t o = 0; o < width; ++o) t.push_back(random.uniform());
    }
    for (std::size_t o = 0; o < width; ++o) class_weights.push_back(0.5 + random.uniform());
  }
  template <class T, class S>
  LossRows<T> rows(const std::vector<T, S>& values) const {
    return {kRows, width, stride, 3, values.data(), kIndex, softmax_kernel<T>()};
  }
};

struct Kind {
  const char* name;
  bool of_classes, weighted;
};
const std::vector<Kind> kKinds{{"squared_error", false, false},
                               {"absolute_error", false, false},
                               {"huber", false, false},
                               {"binary_cross_entropy", false, false},
                               {"binary_cross_entropy", false, true},
                               {"softmax_cross_entropy", false, false},
                               {"softmax_cross_entropy", false, true},
                               {"softmax_cross_entropy", true, false},
                               {"softmax_cross_entropy", true, true}};

Loss loss_of(const Kind& kind, const Problem& problem, Reduction how = Reduction::mean) {
  Loss loss(kind.name, how);
  if (kind.weighted) loss.with_class_weights(problem.class_weights);
  if (loss.kind() == Loss::Kind::huber) loss.with_delta(0.7);
  return loss;
}

template <class T>
std::vector<T> cast(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

// The formulas of loss/loss.h as they stand, by the row.
double naive(const Loss& loss, const Kind& kind, const Problem& p, std::size_t r) {
  const double *const y = p.y.data() + r * p.stride, *const t = p.t.data() + kIndex[r] * p.width;
  double sum = 0, normaliser = 0;
  for (std::size_t o = 0; o < p.width; ++o) normaliser += std::exp(y[o]);
  for (std::size_t o = 0; o < p.width; ++o) {
    const double d = y[o] - t[o], w = kind.weighted ? p.class_weights[o] : 1;
    const double target = !kind.of_classes ? t[o] : static_cast<int>(o) == p.classes[kIndex[r]] ? 1 : 0;
    switch (loss.kind()) {
      case Loss::Kind::squared_error:
        sum += d * d;
        break;
      case Loss::Kind::absolute_error:
        sum += std::abs(d);
        break;
      case Loss::Kind::huber:
        sum += std::abs(d) <= 0.7 ? 0.5 * d * d : 0.7 * (std::abs(d) - 0.35);
        break;
      case Loss::Kind::binary_cross_entropy:
        sum -= w *
               (t[o] * std::log(1 / (1 + std::exp(-y[o]))) + (1 - t[o]) * std::log(1 / (1 + std::exp(y[o]))));
        break;
      default:
        sum -= w * target * std::log(std::exp(y[o]) / normaliser);
    }
  }
  return sum;
}

double expected(const Loss& loss, const Kind& kind, const Problem& p) {
  double sum = 0, weight = 0;
  const bool entropy = loss.kind() == Loss::Kind::softmax_cross_entropy;
  for (std::size_t r = 0; r < kRows; ++r) {
    const double v = p.weights[kIndex[r]];
    const auto label = static_cast<std::size_t>(p.classes[kIndex[r]]);
    sum += v * naive(loss, kind, p, r);
    weight += v * (!entropy                           ? static_cast<double>(p.width)
                   : kind.of_classes && kind.weighted ? p.class_weights[label]
                                                      : 1);
  }
  return loss.how() == Reduction::sum ? sum : loss.how() == Reduction::mean ? sum / weight : sum / 3;
}

template <class T>
class LossOf : public ::testing::Test {
 public:
  static Target<T> target(const Kind& kind, const Problem& p, const std::vector<T>& t,
                          const std::vector<T>& w) {
    Target<T> result{.weights = w};
    (kind.of_classes ? void(result.classes = p.classes) : void(result.values = t));
    return result;
  }
};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(LossOf, Reals);

TYPED_TEST(LossOf, EveryKindIsItsFormulaForEveryWidthAndReduction) {
  using T = TypeParam;
  const double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;
  for (const Kind& kind : kKinds)
    for (const std::size_t width : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 13u, 16u, 17u, 31u})
      for (const Reduction how : {Reduction::mean, Reduction::mean_batch, Reduction::sum}) {
        const Problem p(width);
        const Loss loss = loss_of(kind, p, how);
        const auto y = cast<T>(p.y), t = cast<T>(p.t), w = cast<T>(p.weights);
        const double value = loss.evaluate<T>(p.rows(y), this->target(kind, p, t, w), nullptr);
        const double truth = expected(loss, kind, p);
        EXPECT_TRUE(std::abs(value - truth) <= tolerance * std::abs(truth) + 1e-15)
            << kind.name << " of " << width << ": " << value << ", not " << truth;
      }
}

TYPED_TEST(LossOf, EveryGradientIsTheComplexStepOfItsValueAndItsPaddingIsZero) {
  using T = TypeParam;
  const double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;
  for (const Kind& kind : kKinds)
    for (const std::size_t width : {1u, 2u, 5u, 16u, 17u}) {
      const Problem p(width);
      const Loss loss = loss_of(kind, p);
      const auto y = cast<T>(p.y), t = cast<T>(p.t), w = cast<T>(p.weights);
      std::vector<T> d(kRows * p.stride, T(7));
      loss.evaluate<T>(p.rows(y), this->target(kind, p, t, w), d.data());
      std::vector<Complex> z(p.y.begin(), p.y.end());
      const Target<double> exact = LossOf<double>::target(kind, p, p.t, p.weights);
      double gap = 0, size = 0;
      for (std::size_t i = 0; i < z.size(); ++i) {
        if (i % p.stride >= width) {
          EXPECT_EQ(d[i], T(0)) << kind.name;
          continue;
        }
        z[i] += Complex(0, 1e-50);
        const double slope = loss.evaluate<Complex>(p.rows(z), exact, nullptr).imag() / 1e-50;
        z[i] = z[i].real();
        const double difference = std::abs(slope - static_cast<double>(d[i]));
        gap = difference <= gap ? gap : difference;
        size = std::max(size, std::abs(slope));
      }
      EXPECT_LE(gap, tolerance * size + 1e-15) << kind.name << " of " << width;
    }
}

TYPED_TEST(LossOf, RowsInPiecesIsThatOfAllBitForBit) {
  using T = TypeParam;
  for (const Kind& kind : kKinds) {
    const Problem p(7);
    const Loss loss = loss_of(kind, p);
    const auto y = cast<T>(p.y), t = cast<T>(p.t), w = cast<T>(p.weights);
    const Target<T> target = this->target(kind, p, t, w);
    const LossRows<T> all = p.rows(y);
    std::vector<T> whole(y.size()), parts(y.size());
    const double value = loss.evaluate<T>(all, target, whole.data());
    const auto piece = [&](std::size_t first, std::size_t last) {
      LossRows<T> some = all;
      some.rows = last - first;
      some.values += first * p.stride;
      some.index = all.index.subspan(first, last - first);
      return some;
    };
    double weight = 0, sum = 0;
    loss.add_weight(piece(0, 2), target, weight);
    loss.add_weight(piece(2, kRows), target, weight);
    const double denominator = loss.denominator(weight, all.batch);
    loss.add(piece(2, kRows), target, denominator, sum, parts.data() + 2 * p.stride);
    loss.add(piece(0, 2), target, denominator, sum, parts.data());
    EXPECT_EQ(sum, value) << kind.name;
    EXPECT_EQ(parts, whole) << kind.name;
  }
}

TYPED_TEST(LossOf, EntropiesStayFiniteAndExactForEveryPreactivation) {
  using T = TypeParam;
  const std::size_t stride = head_kernels<T>().lanes * 2;
  std::vector<T> z(stride), d(stride);
  z[0] = 300, z[1] = -300;
  const std::vector<std::size_t> index{0};
  const LossRows<T> rows{1, 2, stride, 1, z.data(), index, softmax_kernel<T>()};
  const std::vector<T> t{0, 1};
  const std::vector<std::int32_t> wrong{1};
  EXPECT_NEAR(Loss("binary_cross_entropy", Reduction::sum).evaluate<T>(rows, {.values = t}, d.data()), 600,
              1e-3);
  EXPECT_EQ(d[0], T(1));
  EXPECT_EQ(d[1], T(-1));
  EXPECT_NEAR(Loss("softmax_cross_entropy").evaluate<T>(rows, {.classes = wrong}, d.data()), 600, 1e-3);
  EXPECT_EQ(d[0], T(1));
  EXPECT_EQ(d[1], T(-1));
}

TYPED_TEST(LossOf, PassesNanOn) {
  using T = TypeParam;
  for (const Kind& kind : kKinds) {
    const Problem p(5);
    auto y = cast<T>(p.y);
    const auto t = cast<T>(p.t), w = cast<T>(p.weights);
    y[p.stride + 3] = std::numeric_limits<T>::quiet_NaN();
    EXPECT_TRUE(std::isnan(loss_of(kind, p).evaluate<T>(p.rows(y), this->target(kind, p, t, w), nullptr)))
        << kind.name;
  }
}

TEST(Loss, RefusesWhatDoesNotFitAndSaysSo) {
  const Problem p(3);
  const auto evaluate = [&](Loss loss, const Target<double>& target) {
    return loss.evaluate<double>(p.rows(p.y), target, nullptr);
  };
  const std::vector<std::int32_t> beyond(kRows, 3);
  EXPECT_THAT([&] { evaluate(Loss(), {}); },
              ThrowsMessage<UsageError>(HasSubstr("neither values nor classes")));
  EXPECT_THAT([&] { evaluate(Loss(), {.classes = p.classes}); },
              ThrowsMessage<UsageError>(HasSubstr("wants values")));
  EXPECT_THAT([&] { evaluate(Loss("softmax_cross_entropy"), {.classes = beyond}); },
              ThrowsMessage<UsageError>(HasSubstr("is class 3, but there are 3 outputs")));
  EXPECT_THAT(
      [&] {
        evaluate(Loss("binary_cross_entropy").with_class_weights({1, 2}), {.values = p.t});
      },
      ThrowsMessage<UsageError>(HasSubstr("2 class weights for 3 outputs")));
  EXPECT_THAT([] { Loss("hinge"); }, ThrowsMessage<UsageError>(HasSubstr("squared_error, absolute_error")));
  EXPECT_THAT([] { Loss().with_delta(0); }, ThrowsMessage<UsageError>(HasSubstr("above 0")));
}

TEST(Loss, OfTheUsersOwnIsCalledRowByRow) {
  const Problem p(3);
  const auto cube = [](std::span<const double> y, std::span<const double> t) {
    double sum = 0;
    for (std::size_t o = 0; o < y.size(); ++o) sum += std::pow(y[o] - t[o], 3);
    return sum;
  };
  const auto slope = [](std::span<const double> y, std::span<const double> t, std::span<double> d) {
    for (std::size_t o = 0; o < y.size(); ++o) d[o] = 3 * std::pow(y[o] - t[o], 2);
  };
  const Loss own("cubes", cube, slope, Reduction::sum);
  std::vector<double> d(p.y.size());
  double sum = 0;
  for (std::size_t r = 0; r < kRows; ++r)
    sum += cube({p.y.data() + r * p.stride, 3}, {p.t.data() + kIndex[r] * 3, 3});
  EXPECT_NEAR(own.evaluate<double>(p.rows(p.y), {.values = p.t}, d.data()), sum, 1e-13);
  EXPECT_NEAR(d[1], 3 * std::pow(p.y[1] - p.t[kIndex[0] * 3 + 1], 2), 1e-13);
  std::vector<Complex> z(p.y.begin(), p.y.end());
  z[1] += Complex(0, 1e-50);
  EXPECT_NEAR(own.evaluate<Complex>(p.rows(z), {.values = p.t}, nullptr).imag() / 1e-50, d[1], 1e-9);
}

}  // namespace
}  // namespace retrograde
