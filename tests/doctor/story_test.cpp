// The story that the doctor was made for: an Elman network written by hand, whose gradient check fails for U,
// W and the state's bias, because the loop back through time takes f' at the state where the pre-activation
// is due.
#include <gmock/gmock.h>

#include <cmath>

#include "retrograde/base/random.h"
#include "retrograde/doctor/doctor.h"

namespace retrograde::doctor {
namespace {

using Real = std::vector<double>;

// Row vectors, weights [in, out], everything (batch, time, features), loops as a beginner writes them.
struct HandWritten {
  static constexpr std::size_t B = 3, T = 6, I = 4, H = 5, O = 2;
  Real W = Real(I * H), U = Real(H * H), b = Real(H), V = Real(H * O), c = Real(O);
  Real x = Real(B * T * I), y = Real(B * T * O);

  explicit HandWritten(std::uint64_t seed) {
    Random random(seed);
    for (Real* p : {&W, &U, &b, &V, &c})
      for (double& v : *p) v = 0.5 * random.normal();
    for (Real* p : {&x, &y})
      for (double& v : *p) v = random.normal();
  }

  Case make(bool slope_at_state) const {
    Real dW(W.size()), dU(U.size()), db(H), dV(V.size()), dc(O);
    double loss = 0;
    for (std::size_t n = 0; n < B; ++n) {
      std::vector<Real> z(T, Real(H)), s(T + 1, Real(H));  // s[t + 1] is the state after step t
      std::vector<Real> dy(T, Real(O));
      for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t j = 0; j < H; ++j) {
          z[t][j] = b[j];
          for (std::size_t i = 0; i < I; ++i) z[t][j] += x[(n * T + t) * I + i] * W[i * H + j];
          for (std::size_t i = 0; i < H; ++i) z[t][j] += s[t][i] * U[i * H + j];
          s[t + 1][j] = std::tanh(z[t][j]);
        }
        for (std::size_t k = 0; k < O; ++k) {
          double out = c[k];
          for (std::size_t j = 0; j < H; ++j) out += s[t + 1][j] * V[j * O + k];
          dy[t][k] = out - y[(n * T + t) * O + k];
          loss += 0.5 * dy[t][k] * dy[t][k];
        }
      }
      Real dz(H, 0);
      for (std::size_t t = T; t-- > 0;) {
        Real next(H, 0);
        const auto slope = [](double v) { return 1 - std::tanh(v) * std::tanh(v); };
        for (std::size_t j = 0; j < H; ++j) {
          double own = 0, carried = 0;
          for (std::size_t k = 0; k < O; ++k) own += dy[t][k] * V[j * O + k];
          for (std::size_t i = 0; i < H; ++i) carried += dz[i] * U[j * H + i];
          next[j] = own * slope(z[t][j]) + carried * slope(slope_at_state ? s[t + 1][j] : z[t][j]);
        }
        dz = next;
        for (std::size_t j = 0; j < H; ++j) {
          db[j] += dz[j];
          for (std::size_t i = 0; i < I; ++i) dW[i * H + j] += x[(n * T + t) * I + i] * dz[j];
          for (std::size_t i = 0; i < H; ++i) dU[i * H + j] += s[t][i] * dz[j];
          for (std::size_t k = 0; k < O; ++k) dV[j * O + k] += s[t + 1][j] * dy[t][k];
        }
        for (std::size_t k = 0; k < O; ++k) dc[k] += dy[t][k];
      }
    }
    const auto a = [](std::vector<std::size_t> shape, Real v) {
      return Array{std::move(shape), std::move(v), Dtype::float64};
    };
    return {.arrays = {{"W", a({I, H}, W)},
                       {"U", a({H, H}, U)},
                       {"B_state", a({H}, b)},
                       {"V", a({H, O}, V)},
                       {"B_out", a({O}, c)},
                       {"dW", a({I, H}, dW)},
                       {"dU", a({H, H}, dU)},
                       {"dB_state", a({H}, db)},
                       {"dV", a({H, O}, dV)},
                       {"dB_out", a({O}, dc)},
                       {"x", a({B, T, I}, x)},
                       {"y", a({B, T, O}, y)},
                       {"loss", a({}, {loss})}},
            .hints = {},
            .loss = {},
            .gradient = {}};
  }
};

TEST(Story, TheRightGradientAgrees) {
  const Report r = diagnose(HandWritten(1).make(false));
  EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
  EXPECT_TRUE(r.findings.empty());
}

TEST(Story, TheDerivativeAtTheStateIsNamedInTheCarryAlone) {
  const Report r = diagnose(HandWritten(1).make(true));
  EXPECT_EQ(r.verdict, Verdict::differs);
  ASSERT_EQ(r.findings.size(), 1u) << r.text();
  EXPECT_EQ(r.findings[0].name, "derivative-at-state");
  EXPECT_EQ(r.findings[0].where, "the carry");
  EXPECT_EQ(r.findings[0].certainty, "certain");
  EXPECT_EQ(r.findings[0].fix, "dz[t] = (dz[t+1] @ U.T) * tanh'(z[t])");
}

TEST(Story, TheReportTellsWhichBlocksAreWrongTheWorstFirst) {
  const Report r = diagnose(HandWritten(2).make(true));
  ASSERT_EQ(r.blocks.size(), 5u);
  EXPECT_EQ(r.blocks[0].verdict, Verdict::differs);
  EXPECT_EQ(r.blocks[3].verdict, Verdict::agrees);
  EXPECT_EQ(r.blocks[4].verdict, Verdict::agrees);
  EXPECT_THAT(r.text(), testing::HasSubstr("derivative-at-state (certain)"));
}

TEST(Story, NeedsNoLossValue) {
  Case c = HandWritten(3).make(true);
  c.arrays.pop_back();
  const Report r = diagnose(c);
  ASSERT_EQ(r.findings.size(), 1u) << r.text();
  EXPECT_EQ(r.findings[0].name, "derivative-at-state");
}

}  // namespace
}  // namespace retrograde::doctor
