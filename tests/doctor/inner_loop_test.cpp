// Programs that take every output's error back in a loop of its own, written out here: what their inner loop
// forgets is named as one mistake.
#include <gmock/gmock.h>

#include <cmath>

#include "doctor/plant.h"

namespace retrograde::doctor {
namespace {

enum class Slip {
  none,
  error_added_again,
  result_not_passed_on,
  no_error,
  inner_state_late,  // h[k] for h[k-1], in the inner loop alone
  repeated_from_its_own_state
};

using Rows = std::vector<Real>;

// An Elman network of one sequence, of tokens, with a softmax; no biases.
class Program {
 public:
  explicit Program(std::uint64_t seed) : random_(seed) {
    for (Real* m : {&U_, &W_, &V_})
      for (double& v : *m) v = 0.5 * random_.normal();
    for (int t = 0; t <= T; ++t) tokens_.push_back(static_cast<int>(random_.below(N)));
  }

  Case make(Slip slip) {
    forward();
    Real dU(U_.size()), dW(W_.size()), dV(V_.size());
    for (int t = 0; t < T; ++t) {
      const Real dy = error_of(t);
      for (int k = 0; k < N; ++k)
        for (int j = 0; j < H; ++j) dV[at(k, j, H)] += dy[at(k)] * s_[at(t + 1)][at(j)];
      const Real own = times_transposed(V_, dy, N);
      Real carried(H, 0);
      for (int i = t; i >= 0; --i) {
        Real error = carried;
        if (i == t || slip == Slip::error_added_again)
          for (int j = 0; j < H; ++j) error[at(j)] += own[at(j)];
        const bool repeated = slip == Slip::repeated_from_its_own_state;
        const Real& before = s_[at(repeated || (slip == Slip::inner_state_late && i < t) ? i + 1 : i)];
        const Real h = repeated ? state(i, before) : s_[at(i + 1)];
        for (int j = 0; j < H; ++j)
          error[at(j)] = (slip == Slip::no_error ? 1 : error[at(j)]) * (1 - h[at(j)] * h[at(j)]);
        for (int j = 0; j < H; ++j) {
          dU[at(j, tokens_[at(i)], N)] += error[at(j)];
          for (int k = 0; k < H; ++k) dW[at(j, k, H)] += error[at(j)] * before[at(k)];
        }
        if (i == t || slip != Slip::result_not_passed_on) carried = times_transposed(W_, error, H);
      }
    }
    const auto n = [](int v) { return static_cast<std::size_t>(v); };
    const auto put = [](std::vector<std::size_t> shape, Real v) {
      return Array{std::move(shape), std::move(v), Dtype::float64};
    };
    const Real ids(tokens_.begin(), tokens_.end());
    Case c;
    c.arrays = {{"U", put({n(H), n(N)}, U_)},
                {"W", put({n(H), n(H)}, W_)},
                {"V", put({n(N), n(H)}, V_)},
                {"dU", put({n(H), n(N)}, dU)},
                {"dW", put({n(H), n(H)}, dW)},
                {"dV", put({n(N), n(H)}, dV)},
                {"x", put({n(T)}, Real(ids.begin(), ids.end() - 1))},
                {"y", put({n(T)}, Real(ids.begin() + 1, ids.end()))},
                {"loss", put({}, {loss_})}};
    return c;
  }

 private:
  static constexpr int T = 6, H = 7, N = 5;
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  static std::size_t at(int row, int column, int width) {
    return static_cast<std::size_t>(row * width + column);
  }

  // Of step t, from the one before.
  Real state(int t, const Real& before) const {
    Real h(H);
    for (int j = 0; j < H; ++j) {
      double z = U_[at(j, tokens_[at(t)], N)];
      for (int k = 0; k < H; ++k) z += W_[at(j, k, H)] * before[at(k)];
      h[at(j)] = std::tanh(z);
    }
    return h;
  }
  void forward() {
    s_.assign(T + 1, Real(H, 0));
    p_.assign(T, Real(N, 0));
    loss_ = 0;
    for (int t = 0; t < T; ++t) {
      s_[at(t + 1)] = state(t, s_[at(t)]);
      double sum = 0;
      for (int k = 0; k < N; ++k) {
        double y = 0;
        for (int j = 0; j < H; ++j) y += V_[at(k, j, H)] * s_[at(t + 1)][at(j)];
        sum += p_[at(t)][at(k)] = std::exp(y);
      }
      for (double& v : p_[at(t)]) v /= sum;
      loss_ -= std::log(p_[at(t)][at(tokens_[at(t + 1)])]);
    }
  }
  Real error_of(int t) const {
    Real dy = p_[at(t)];
    dy[at(tokens_[at(t + 1)])] -= 1;
    return dy;
  }
  // M' d of a matrix with so many rows and H columns.
  static Real times_transposed(const Real& m, const Real& d, int rows) {
    Real out(H, 0);
    for (int r = 0; r < rows; ++r)
      for (int j = 0; j < H; ++j) out[at(j)] += m[at(r, j, H)] * d[at(r)];
    return out;
  }

  Random random_;
  Real U_ = Real(H * N), W_ = Real(H * H), V_ = Real(N * H);
  std::vector<int> tokens_;
  Rows s_, p_;
  double loss_ = 0;
};

void expect_alone(Slip slip, const char* name) {
  const Report r = diagnose(Program(5).make(slip));
  ASSERT_EQ(r.findings.size(), 1u) << r.text();
  EXPECT_EQ(r.findings[0].name, name) << r.text();
}

TEST(InnerLoop, TheRightGradientAgrees) {
  const Report r = diagnose(Program(5).make(Slip::none));
  EXPECT_EQ(r.verdict, Verdict::agrees) << r.text();
}

TEST(InnerLoop, TheOutputsErrorThatIsAddedAtEveryEarlierStepAgainIsNamed) {
  expect_alone(Slip::error_added_again, "counted-twice");
}

TEST(InnerLoop, ACarriedErrorThatIsNotPassedOnIsNamed) {
  expect_alone(Slip::result_not_passed_on, "carry-identity");
}

TEST(InnerLoop, ADeltaWithNoErrorInItIsNamed) { expect_alone(Slip::no_error, "upstream-missing"); }

TEST(InnerLoop, AStateOneStepLateInTheInnerLoopAloneIsNamed) {
  expect_alone(Slip::inner_state_late, "state-index-shifted");
}

TEST(InnerLoop, ABackwardThatRepeatsTheForwardFromTheStepsOwnStateIsNamed) {
  expect_alone(Slip::repeated_from_its_own_state, "state-index-shifted");
}

}  // namespace
}  // namespace retrograde::doctor
