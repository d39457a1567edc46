#include "retrograde/doctor/losses.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "retrograde/doctor/plan.h"
#include "retrograde/doctor/tape.h"

namespace retrograde::doctor {

namespace {

double square(const Real& v) {
  double sum = 0;
  for (double x : v) sum += x * x;
  return sum;
}

// Two significant digits say it all.
bool is_round(double v) {
  const double unit = std::pow(10, std::floor(std::log10(v)) - 1), digits = v / unit;
  return std::abs(digits / std::round(digits) - 1) < 1e-9;
}

}  // namespace

std::vector<Objective> objectives(bool head) {
  std::vector<Objective> out = {{Loss::squared, Activation::identity}};
  if (!head) return out;  // the states times given numbers: cotangents.h
  out.push_back({Loss::softmax_cross_entropy, Activation::softmax});
  out.push_back({Loss::binary_cross_entropy, Activation::sigmoid});
  for (Activation f :
       {Activation::sigmoid, Activation::tanh, Activation::softmax, Activation::relu, Activation::leaky_relu,
        Activation::elu, Activation::softsign, Activation::softplus, Activation::sin})
    out.push_back({Loss::squared, f});
  out.push_back({Loss::absolute, Activation::identity});
  out.push_back({Loss::huber, Activation::identity});
  for (Activation f : {Activation::sigmoid, Activation::tanh})
    out.push_back({Loss::absolute, f}), out.push_back({Loss::huber, f});
  for (Activation f : {Activation::identity, Activation::sigmoid, Activation::tanh, Activation::softmax})
    out.push_back({Loss::upstream, f});
  return out;
}

std::vector<Reduction> reductions(const Problem& p) {
  double steps = 0;
  for (int t = 0; t < p.T; ++t)
    for (int b = 0; b < p.B; ++b) steps += counts(p, t, b);
  const double T = p.net.last_output ? 1 : p.T, B = p.B, O = p.net.head ? p.O : p.H();
  const bool squared = p.net.loss == Loss::squared;
  struct Over {
    double n;
    const char* text;
  };
  std::vector<Over> overs = {{1, ""}};
  auto add = [&](double n, const char* text) {
    if (n > 1 && std::none_of(overs.begin(), overs.end(), [&](const Over& o) { return o.n == n; }))
      overs.push_back({n, text});
  };
  add(steps * O, "averaged over steps, batch and outputs");
  add(steps, "averaged over steps and batch");
  add(B, "averaged over the batch");
  add(T, "averaged over the steps");
  add(p.T, "divided by the number of steps");
  add(O, "averaged over the outputs");
  add(B * O, "averaged over batch and outputs");
  add(T * O, "averaged over steps and outputs");
  add(T * B * O, "divided by steps, batch and outputs");
  add(T * B, "divided by steps and batch");
  std::vector<Reduction> out;
  for (const Over& o : overs) {
    const std::string tail = o.n == 1 ? "summed" : o.text;
    if (squared) {
      out.push_back({1 / o.n, fmt::format("half the squared error, {}", tail)});
      out.push_back({2 / o.n, fmt::format("squared error, {}", tail)});
    } else {
      out.push_back({1 / o.n, fmt::format("{}, {}", name(p.net.loss), tail)});
    }
  }
  if (p.net.loss == Loss::softmax_cross_entropy || p.net.loss == Loss::binary_cross_entropy)
    out.push_back({1 / std::log(2.0), fmt::format("{} in bits, summed", name(p.net.loss))});
  return out;
}

double loss_rounding(const Problem& p, const Real& z) {
  HeadPlan head;
  head.loss = p.net.loss;
  const Real dy = output_deltas(p, head, z, false);
  const int n = p.net.head ? p.O : p.H();
  double sum = 0;
  for (int row = 0; row < p.T * p.B; ++row) {
    if (!counts(p, row / p.B, row % p.B)) continue;
    double top = 0;
    for (int k = 0; k < n; ++k) {
      const auto at = static_cast<std::size_t>(row * n + k);
      sum += std::abs(dy[at] * z[at]), top = std::max(top, std::abs(z[at]));
    }
    if (p.net.loss == Loss::softmax_cross_entropy) sum += top;
  }
  return sum;
}

std::optional<Problem> with_penalty(const Problem& p, double basic, double loss) {
  double matrices = square(p.V) + square(p.E) + square(p.P), head = square(p.V),
         biases = square(p.c) + square(p.p);
  for (const Layer& l : p.layers) {
    matrices += square(l.W) + square(l.U);
    biases += square(l.b) + square(l.b2);
  }
  struct Sum {
    Decays what;
    double squares;
    const char* text;
  };
  const Sum sums[] = {{Decays::matrices, matrices, "matrices"},
                      {Decays::everything, matrices + biases, "parameters"},
                      {Decays::layers, matrices - head, "layers' matrices"},
                      {Decays::head, head, "head's matrix"}};
  for (const Reduction& r : reductions(p))
    for (const Sum& sum : sums) {
      const double decay = 2 * (loss - r.factor * basic) / sum.squares;
      if (!(decay > 1e-9 * std::abs(loss) / sum.squares) || !(decay < 10)) continue;
      if (!is_round(decay) && !is_round(decay / 2) && !is_round(decay * p.B) && !is_round(decay * p.B / 2))
        continue;
      Problem with = p;
      with.net.scale = r.factor;
      with.net.decay = decay, with.net.decays = sum.what;
      with.net.reduction =
          fmt::format("{}, and a penalty of {:.4g}/2 times the squared {},", r.text, decay, sum.text);
      return with;
    }
  return std::nullopt;
}

}  // namespace retrograde::doctor
