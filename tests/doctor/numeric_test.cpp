// Where no network is recognised the author's own loss judges, block by block.
#include <gmock/gmock.h>

#include <cmath>

#include "retrograde/base/random.h"
#include "retrograde/doctor/doctor.h"

namespace retrograde::doctor {
namespace {

using testing::HasSubstr;

Array random_array(Random& random, std::vector<std::size_t> shape) {
  Array a{std::move(shape), {}, Dtype::float64};
  std::size_t n = 1;
  for (std::size_t d : a.shape) n *= d;
  for (std::size_t i = 0; i < n; ++i) a.values.push_back(random.normal());
  return a;
}

const Array& find(const Arrays& arrays, const std::string& name) {
  for (const NamedArray& a : arrays)
    if (a.name == name) return a.array;
  throw std::out_of_range(name);
}

// No recurrent network: loss = sum_k (q_k sin(sum_j P_kj x_j) - y_k)^2, with its gradient.
struct Odd {
  static constexpr std::size_t kOut = 3, kIn = 5;
  static double loss(Arrays& parameters, Arrays& batch) {
    double sum = 0;
    for (std::size_t k = 0; k < kOut; ++k) sum += std::pow(error(parameters, batch, k), 2);
    return sum;
  }
  static double angle(const Arrays& p, const Arrays& batch, std::size_t k) {
    double z = 0;
    for (std::size_t j = 0; j < kIn; ++j) z += find(p, "P").values[k * kIn + j] * find(batch, "x").values[j];
    return z;
  }
  static double error(const Arrays& p, const Arrays& batch, std::size_t k) {
    return find(p, "q").values[k] * std::sin(angle(p, batch, k)) - find(batch, "y").values[k];
  }
  static Arrays gradient(Arrays& p, Arrays& batch) {
    Array dP{{kOut, kIn}, std::vector<double>(kOut * kIn), Dtype::float64},
        dq{{kOut}, std::vector<double>(kOut), Dtype::float64};
    for (std::size_t k = 0; k < kOut; ++k) {
      const double d = 2 * error(p, batch, k), z = angle(p, batch, k);
      dq.values[k] = d * std::sin(z);
      for (std::size_t j = 0; j < kIn; ++j)
        dP.values[k * kIn + j] = d * find(p, "q").values[k] * std::cos(z) * find(batch, "x").values[j];
    }
    return {{"dP", dP}, {"dq", dq}};
  }
};

template <class Spoil>
Case odd_case(Spoil spoil) {
  Random random(11);
  Case c;
  c.arrays = {{"P", random_array(random, {Odd::kOut, Odd::kIn})},
              {"q", random_array(random, {Odd::kOut})},
              {"x", random_array(random, {Odd::kIn})},
              {"y", random_array(random, {Odd::kOut})}};
  for (const char* name : {"P", "q"}) c.hints.roles[name] = "parameter";
  c.loss = Odd::loss;
  c.gradient = [spoil](Arrays& p, Arrays& b) {
    Arrays answer = Odd::gradient(p, b);
    spoil(answer);
    return answer;
  };
  return c;
}

const BlockRow& row(const Report& r, const std::string& name) {
  for (const BlockRow& b : r.blocks)
    if (b.parameter == name) return b;
  throw std::out_of_range(name);
}

TEST(Numeric, ARightGradientOfAnUnknownNetworkAgrees) {
  const Report r = diagnose(odd_case([](Arrays&) {}));
  EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
  EXPECT_THAT(r.text(), HasSubstr("judged by differences of your loss"));
}

TEST(Numeric, OneWrongEntryIsFoundWithItsPlace) {
  const Report r = diagnose(odd_case([](Arrays& a) { a[0].array.values[7] += 1e-4; }));
  EXPECT_EQ(r.verdict, Verdict::differs) << r.text();
  EXPECT_EQ(row(r, "P").verdict, Verdict::differs);
  EXPECT_EQ(row(r, "P").wrong, 1u);
  EXPECT_THAT(row(r, "P").worst, HasSubstr("P[1, 2]"));
  EXPECT_EQ(row(r, "q").verdict, Verdict::agrees);
  EXPECT_TRUE(r.findings.empty()) << r.text();
  EXPECT_FALSE(r.ruled_out.empty());
}

TEST(Numeric, AMultipleOfTheDerivativeIsNamedWithoutANetwork) {
  for (const auto& [factor, name] :
       {std::pair(-1.0, "sign"), {2.0, "factor-two"}, {0.2, "block-scaled"}, {0.0, "zero"}}) {
    const Report r = diagnose(odd_case([f = factor](Arrays& a) {
      for (double& v : a[0].array.values) v *= f;
    }));
    ASSERT_EQ(r.findings.size(), 1u) << r.text();
    EXPECT_EQ(r.findings[0].name, name);
    EXPECT_EQ(r.findings[0].where, "P");
  }
}

}  // namespace
}  // namespace retrograde::doctor
