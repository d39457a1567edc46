// The loss's and the head's derivative, and how the outputs' errors reach the states, as the head plan has
// them.
#include <algorithm>
#include <cmath>

#include "retrograde/doctor/plan.h"

namespace retrograde::doctor {

namespace {

// d(loss)/dy of one number, y after the head's activation.
double loss_slope(Loss loss, double y, double t) {
  const double e = y - t;
  switch (loss) {
    case Loss::absolute:
      return e > 0 ? 1 : e < 0 ? -1 : 0;
    case Loss::huber:
      return std::clamp(e, -1.0, 1.0);
    case Loss::upstream:
      return t;
    case Loss::binary_cross_entropy:
      return e / (y * (1 - y));
    default:
      return e;
  }
}

double patched_slope(Fn fn, Activation f, double z) {
  switch (fn) {
    case Fn::one:
      return 1;
    case Fn::slope_at_state:
      return slope(f, value(f, z));
    case Fn::slope_of_value:
      return slope_from_value(f, z);
    case Fn::activation:
      return value(f, z);
    case Fn::slope_squared:
      return slope(f, z) * slope(f, z);
    case Fn::complement:
      return 1 - value(f, z);
    case Fn::one_minus_square:
      return 1 - value(f, z) * value(f, z);
    case Fn::logistic:
      return value(f, z) * (1 - value(f, z));
    case Fn::one_plus:
      return value(f, z) * (1 + value(f, z));
    case Fn::square:
      return value(f, z) * value(f, z);
    default:
      return slope(f, z);
  }
}

void softmax(const double* z, double* p, int n) {
  const double top = *std::max_element(z, z + n);
  double sum = 0;
  for (int k = 0; k < n; ++k) sum += p[k] = std::exp(z[k] - top);
  for (int k = 0; k < n; ++k) p[k] /= sum;
}

void softmax_deltas(const HeadPlan& head, const double* z, const double* t, double* d, int n) {
  using Softmax = HeadPlan::Softmax;
  Real p(static_cast<std::size_t>(n));
  softmax(z, p.data(), n);
  if (head.softmax == Softmax::twice) {
    const Real once = p;
    softmax(once.data(), p.data(), n);
  }
  for (int k = 0; k < n; ++k) {
    const double v = p[static_cast<std::size_t>(k)], e = head.output_factor * v - t[k];
    switch (head.softmax) {
      case Softmax::untargeted:
        d[k] = v;
        break;
      case Softmax::diagonal:
        d[k] = -t[k] * (1 - v);
        break;
      case Softmax::diagonal_again:
        d[k] = e * v * (1 - v);
        break;
      case Softmax::turned_at_target:
        d[k] = v + t[k] * (1 - 2 * v);
        break;
      case Softmax::overwritten_at_target:
        d[k] = v - t[k] * (1 + v);
        break;
      case Softmax::of_logarithm:
        d[k] = t[k] == 0 ? 0 : -t[k] / v;
        break;
      case Softmax::left_out:
        d[k] = z[k] - t[k];
        break;
      default:
        d[k] = e;
    }
  }
}

void squared_softmax_deltas(const HeadPlan& head, const double* z, const double* t, double* d, int n) {
  Real p(static_cast<std::size_t>(n));
  softmax(z, p.data(), n);
  double inner = 0;
  for (int k = 0; k < n; ++k)
    inner += loss_slope(head.loss, p[static_cast<std::size_t>(k)], t[k]) * p[static_cast<std::size_t>(k)];
  for (int k = 0; k < n; ++k) {
    const double v = p[static_cast<std::size_t>(k)], e = loss_slope(head.loss, v, t[k]);
    d[k] = head.softmax == HeadPlan::Softmax::diagonal     ? e * v * (1 - v)
           : head.softmax == HeadPlan::Softmax::untargeted ? e
                                                           : v * (e - inner);
  }
}

// The input's tokens as rows of the vocabulary.
Real one_hot(const Problem& problem) {
  const auto width = static_cast<std::size_t>(problem.vocabulary);
  Real out(problem.tokens.size() * width, 0);
  for (std::size_t k = 0; k < problem.tokens.size(); ++k)
    out[k * width + static_cast<std::size_t>(problem.tokens[k])] = 1;
  return out;
}

Real other_targets(const Problem& problem, const HeadPlan& head, int row) {
  Real out(problem.target.size(), 0);
  const Real classes = head.target_is_input && !problem.tokens.empty() ? one_hot(problem) : Real();
  const Real& from = !head.target_is_input ? problem.target : classes.empty() ? problem.x : classes;
  for (int t = 0; t < problem.T; ++t) {
    int s = replayed(head.target_replay, t, problem.T) + head.target_shift;
    if (head.target_edge == HeadPlan::Edge::wraps) s = (s + problem.T) % problem.T;
    if (head.target_edge == HeadPlan::Edge::clamped) s = std::clamp(s, 0, problem.T - 1);
    if (s < 0 || s >= problem.T) continue;
    for (int k = 0; k < row; ++k) {
      const double target = head.target_class < 0                ? from[static_cast<std::size_t>(s * row + k)]
                            : k % problem.O == head.target_class ? 1.0
                                                                 : 0.0;
      const bool none = head.index_minus_one && !problem.mask.empty() &&
                        !problem.mask[static_cast<std::size_t>(s * problem.B + k / problem.O)];
      out[static_cast<std::size_t>(t * row + k)] =
          head.target_factor * (none && k % problem.O == problem.O - 1 ? 1.0 : target);
    }
  }
  return out;
}

}  // namespace

Real activated_outputs(const Problem& problem, const Real& z) {
  Real y = z;
  const auto n = static_cast<std::size_t>(problem.O);
  if (problem.net.head_activation == Activation::softmax)
    for (std::size_t r = 0; r < y.size(); r += n) softmax(z.data() + r, y.data() + r, problem.O);
  else
    for (double& v : y) v = value(problem.net.head_activation, v);
  return y;
}

Real output_deltas(const Problem& problem, const HeadPlan& head, const Real& z, bool way_up,
                   Rounding* rounding) {
  const int n = problem.net.head ? problem.O : problem.H(), B = problem.B;
  const Activation f = problem.net.head_activation;
  const Fn fn = way_up && head.slope_up != Fn::count ? head.slope_up : head.slope;
  Real d(static_cast<std::size_t>(problem.T * B * n), 0), other;
  const bool own = head.target_replay == Replay::own && head.target_factor == 1 && head.target_shift == 0 &&
                   !head.target_is_input && head.target_class < 0 && !head.index_minus_one;
  if (!own) other = other_targets(problem, head, B * n);
  const Real& targets = own ? problem.target : other;
  for (int t = 0; t < problem.T; ++t)
    for (int b = 0; b < B; ++b) {
      const int end =
          head.ignore_lengths ? problem.T : problem.end[static_cast<std::size_t>(b)] + head.length_shift;
      if (!problem.mask.empty() && !head.ignore_lengths) {
        const int masked = std::clamp(t - head.length_shift, 0, problem.T - 1);
        if (!problem.mask[static_cast<std::size_t>(masked * B + b)]) continue;
      } else if (!(problem.net.last_output ? t == std::clamp(end - 1, 0, problem.T - 1) : t < end)) {
        continue;
      }
      const int at = (t * B + b) * n;
      const double *zt = z.data() + (replayed(head.output_replay, t, problem.T) * B + b) * n,
                   *target = targets.data() + at;
      double* to = d.data() + (head.at_first ? b * n : at);
      const double* slope_z = head.slope_at_first ? z.data() + b * n : zt;
      if (head.loss == Loss::softmax_cross_entropy)
        softmax_deltas(head, zt, target, to, n);
      else if (f == Activation::softmax)
        squared_softmax_deltas(head, zt, target, to, n);
      else
        for (int k = 0; k < n; ++k) {
          const double y = head.output_factor * value(f, zt[k]);
          // Cross entropy on its own sigmoid: the quotient of the slopes is one, and saturates otherwise.
          if (head.loss == Loss::binary_cross_entropy && f == Activation::sigmoid && fn == Fn::slope &&
              !head.slope_at_first && !head.slope_of_target)
            to[k] = y - target[k];
          else
            to[k] =
                loss_slope(head.loss, y, target[k]) *
                (head.slope_of_target ? slope_from_value(f, target[k]) : patched_slope(fn, f, slope_z[k]));
        }
      for (int k = 0; k < n; ++k) to[k] *= head.coefficient;
      if (rounding)
        for (int k = 0; k < n; ++k) {
          double size = std::max(std::abs(to[k] / head.coefficient), 1.0);
          // Written as (p - t) / (p (1 - p)) times p (1 - p), where 1 - p is known to a rounding of one.
          if (head.loss == Loss::binary_cross_entropy && f == Activation::sigmoid)
            size = std::max(size, std::abs(to[k] / head.coefficient) / std::max(slope(f, zt[k]), 1e-300));
          to[k] += head.coefficient * size * (*rounding)();
        }
    }
  return d;
}

Real upstream(const Problem& problem, const HeadPlan& head, const Real& deltas, const Real& shares,
              Rounding* rounding) {
  const int T = problem.T, B = problem.B, H = problem.H(), O = problem.O, row = B * H;
  Real own(static_cast<std::size_t>(T * row), 0);
  if (!problem.net.head || head.identity)
    std::copy_n(deltas.begin(), std::min(own.size(), deltas.size()), own.begin());
  else if (head.transposed)
    multiply(deltas.data(), problem.V.data(), own.data(), T * B, O, H);
  else if (head.columns_off != 0)
    multiply_back(
        deltas.data(),
        columns_off(problem.V.data(), problem.c.empty() ? nullptr : problem.c.data(), O, H, head.columns_off)
            .data(),
        own.data(), T * B, O, H);
  else
    multiply_back(deltas.data(), problem.V.data(), own.data(), T * B, O, H);
  if (!shares.empty()) {  // the one output's error to every step
    Real sum(static_cast<std::size_t>(row), 0);
    for (std::size_t i = 0; i < own.size(); ++i) sum[i % sum.size()] += own[i];
    for (std::size_t i = 0; i < own.size(); ++i) own[i] = shares[i] * sum[i % sum.size()];
  }
  if (rounding)
    for (double& v : own) v += v * (*rounding)();
  if (head.up_coefficient != 1)
    for (double& v : own) v *= head.up_coefficient;
  using Inject = HeadPlan::Inject;
  if (head.inject == Inject::own && head.shift == 0) return own;
  Real up(own.size(), 0);
  auto add = [&](int to, int from) {
    if (head.shift_wraps) from = (from + T) % T;
    if (to < 0 || to >= T || from < 0 || from >= T) return;
    for (int i = 0; i < row; ++i)
      up[static_cast<std::size_t>(to * row + i)] += own[static_cast<std::size_t>(from * row + i)];
  };
  for (int t = 0; t < T; ++t) switch (head.inject) {
      case Inject::own:
        add(t, t + head.shift);
        break;
      case Inject::first:
        add(0, t);
        break;
      case Inject::last:
        add(T - 1, t);
        break;
      case Inject::everywhere:
        for (int s = 0; s < T; ++s) add(s, t);
        break;
      case Inject::last_only:
        if (t == T - 1) add(t, t);
        break;
      case Inject::first_only:
        if (t == 0) add(t, t);
        break;
      case Inject::last_everywhere:
        add(t, T - 1);
        break;
      case Inject::first_everywhere:
        add(t, 0);
        break;
      case Inject::reversed:
        add(t, T - 1 - t);
        break;
      case Inject::earlier:
        for (int s = 0; s <= t; ++s) add(s, t);
        break;
      case Inject::none:
        break;
    }
  return up;
}

}  // namespace retrograde::doctor
