#include "retrograde/doctor/plan.h"

#include <algorithm>
#include <cmath>

namespace retrograde::doctor {

namespace {

Factor gate(Var v, Fn fn = Fn::value, int shift = 0) { return {v, fn, Activation::tanh, shift, false}; }
Factor slope_of(Var v, Activation f) { return {v, Fn::slope, f, 0, true}; }

Term take(Back source, std::vector<Factor> factors, int shift = 0) {
  Term term;
  term.source = source;
  term.shift = shift;
  term.factors = std::move(factors);
  return term;
}

Term through(Back source, int gate) {
  Term term = take(source, {});
  term.matrix = Matrix::recurrent;
  term.gate = gate;
  return term;
}

std::vector<Step> elman(const Network& net) {
  const Factor s = slope_of(Var::z0, net.activation);
  return {{Back::dh, {take(Back::up, {}), take(Back::hc, {}, 1)}},
          {Back::da0, {take(Back::up, {s}), take(Back::hc, {s}, 1)}},
          {Back::hc, {through(Back::da0, 0)}},
          {Back::q, {take(Back::up, {s})}}};  // the own output's part alone, for mistakes that use it
}

std::vector<Step> lstm(const Network& net) {
  const auto sigmoid = Activation::sigmoid;
  return {
      {Back::dh, {take(Back::up, {}), take(Back::hc, {}, 1)}},
      {Back::dc, {take(Back::dh, {gate(Var::a3), slope_of(Var::c, net.activation)}), take(Back::cc, {}, 1)}},
      {Back::da3, {take(Back::dh, {gate(Var::m), slope_of(Var::z3, sigmoid)})}},
      {Back::da0, {take(Back::dc, {gate(Var::a2), slope_of(Var::z0, sigmoid)})}},
      {Back::da1, {take(Back::dc, {gate(Var::c, Fn::value, -1), slope_of(Var::z1, sigmoid)})}},
      {Back::da2, {take(Back::dc, {gate(Var::a0), slope_of(Var::z2, net.activation)})}},
      {Back::hc,
       {through(Back::da0, 0), through(Back::da1, 1), through(Back::da2, 2), through(Back::da3, 3)}},
      {Back::cc, {take(Back::dc, {gate(Var::a1)})}}};
}

std::vector<Step> gru(const Network& net) {
  const auto sigmoid = Activation::sigmoid;
  const Fn fresh = net.update_keeps ? Fn::complement : Fn::value,
           kept = net.update_keeps ? Fn::value : Fn::complement;
  std::vector<Step> steps = {
      {Back::dh, {take(Back::up, {}), take(Back::hc, {}, 1)}},
      {Back::da2, {take(Back::dh, {gate(Var::a1, fresh), slope_of(Var::z2, net.activation)})}},
      {Back::da1, {take(Back::dh, {gate(Var::hn), slope_of(Var::z1, sigmoid)})}}};
  Step carry{Back::hc, {take(Back::dh, {gate(Var::a1, kept)}), through(Back::da0, 0), through(Back::da1, 1)}};
  if (net.reset_after) {
    steps.push_back({Back::dp, {take(Back::da2, {gate(Var::a0)})}});
    steps.push_back({Back::da0, {take(Back::da2, {gate(Var::p), slope_of(Var::z0, sigmoid)})}});
    carry.terms.push_back(through(Back::dp, 2));
  } else {
    steps.push_back({Back::q, {through(Back::da2, 2)}});
    steps.push_back({Back::da0, {take(Back::q, {gate(Var::h, Fn::value, -1), slope_of(Var::z0, sigmoid)})}});
    carry.terms.push_back(take(Back::q, {gate(Var::a0)}));
  }
  steps.push_back(carry);
  return steps;
}

}  // namespace

Plan right_plan(const Problem& problem) {
  Plan plan;
  plan.head.loss = problem.net.loss;
  plan.head.coefficient = problem.net.scale;
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    LayerPlan layer;
    const Network& net = problem.net;
    layer.steps = net.cell == Cell::elman ? elman(net) : net.cell == Cell::lstm ? lstm(net) : gru(net);
    plan.layers.push_back(std::move(layer));
  }
  return plan;
}

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
  Real p(static_cast<std::size_t>(n)), again(static_cast<std::size_t>(n));
  softmax(z, p.data(), n);
  if (head.softmax == 4) {
    softmax(p.data(), again.data(), n);
    p = again;
  }
  for (int k = 0; k < n; ++k) {
    const double v = p[static_cast<std::size_t>(k)], e = v - t[k];
    d[k] = head.softmax == 1   ? v
           : head.softmax == 2 ? -t[k] * (1 - v)
           : head.softmax == 3 ? e * v * (1 - v)
                               : e;
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
    d[k] = head.softmax == 2 ? e * v * (1 - v) : head.softmax == 1 ? e : v * (e - inner);
  }
}

}  // namespace

Real output_deltas(const Problem& problem, const HeadPlan& head, const Real& z, bool way_up,
                   Rounding* rounding) {
  const int n = problem.net.head ? problem.O : problem.H(), B = problem.B;
  const Activation f = problem.net.head_activation;
  const Fn fn = way_up && head.slope_up != Fn::count ? head.slope_up : head.slope;
  Real d(static_cast<std::size_t>(problem.T * B * n), 0);
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
      const double *zt = z.data() + at, *target = problem.target.data() + at;
      double* to = d.data() + (head.at_first ? b * n : at);
      const double* slope_z = head.slope_at_first ? z.data() + b * n : zt;
      if (head.loss == Loss::softmax_cross_entropy)
        softmax_deltas(head, zt, target, to, n);
      else if (f == Activation::softmax)
        squared_softmax_deltas(head, zt, target, to, n);
      else
        for (int k = 0; k < n; ++k) {
          const double y = value(f, zt[k]);
          // Cross entropy on its own sigmoid: the quotient of the slopes is one, and saturates otherwise.
          if (head.loss == Loss::binary_cross_entropy && f == Activation::sigmoid && fn == Fn::slope &&
              !head.slope_at_first)
            to[k] = y - target[k];
          else
            to[k] = loss_slope(head.loss, y, target[k]) * patched_slope(fn, f, slope_z[k]);
        }
      for (int k = 0; k < n; ++k) to[k] *= head.coefficient;
      if (rounding)
        for (int k = 0; k < n; ++k)
          to[k] += head.coefficient * std::max(std::abs(to[k] / head.coefficient), 1.0) * (*rounding)();
    }
  return d;
}

Real upstream(const Problem& problem, const HeadPlan& head, const Real& deltas, Rounding* rounding) {
  const int T = problem.T, B = problem.B, H = problem.H(), O = problem.O, row = B * H;
  Real own(static_cast<std::size_t>(T * row), 0);
  if (!problem.net.head || head.identity)
    std::copy_n(deltas.begin(), std::min(own.size(), deltas.size()), own.begin());
  else if (head.transposed)
    multiply(deltas.data(), problem.V.data(), own.data(), T * B, O, H);
  else
    multiply_back(deltas.data(), problem.V.data(), own.data(), T * B, O, H);
  if (rounding)
    for (double& v : own) v += v * (*rounding)();
  if (head.up_coefficient != 1)
    for (double& v : own) v *= head.up_coefficient;
  using Inject = HeadPlan::Inject;
  if (head.inject == Inject::own && head.shift == 0) return own;
  Real up(own.size(), 0);
  auto add = [&](int to, int from) {
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
      case Inject::sum_at_last:
        add(T - 1, t);
        break;
      case Inject::none:
        break;
    }
  return up;
}

namespace {

class Sweeper {
 public:
  Sweeper(const Problem& problem, int layer, const LayerPlan& plan, const Tape& tape, Rounding* rounding)
      : layer_(problem.layers[static_cast<std::size_t>(layer)]),
        plan_(plan),
        tape_(tape),
        rounding_(rounding),
        T_(problem.T),
        B_(problem.B),
        H_(layer_.hidden),
        row_(B_ * H_),
        scratch_(static_cast<std::size_t>(row_)) {}

  Deltas fresh(const Real& up) const {
    Deltas d;
    d.row = row_;
    auto make = [&](Back b) {
      d.back[static_cast<std::size_t>(b)].assign(static_cast<std::size_t>((T_ + 1) * row_), 0);
    };
    for (const Step& step : plan_.steps) make(step.target);
    make(Back::up);
    make(Back::hc);
    std::copy(up.begin(), up.end(), d.at(Back::up, 0));
    return d;
  }

  // One step; carried terms are read from `later`, which may be the same deltas.
  void step(Deltas& d, const Deltas& later, int t, bool with_up, bool with_carry) {
    for (const Step& s : plan_.steps) {
      double* to = d.at(s.target, t);
      std::fill(to, to + row_, 0.0);
      for (const Term& term : s.terms) {
        if (term.coefficient == 0 || (term.only_last_step && t != T_ - 1) ||
            (term.not_last_step && t == T_ - 1))
          continue;
        if (term.source == Back::up && !with_up) continue;
        const bool carried = term.shift == 1 && (term.source == Back::hc || term.source == Back::cc);
        if (carried && (!with_carry || cut(t + 1, term.source))) continue;
        if (t + term.shift > T_ || t + term.shift < 0) continue;
        add(term, (term.shift > 0 ? later : d).at(term.source, t + term.shift), to, t);
      }
      if (rounding_)
        for (int i = 0; i < row_; ++i) to[i] += to[i] * (*rounding_)();
    }
  }

 private:
  bool cut(int from, Back source) const {
    if (plan_.chunk <= 0 || (from - plan_.chunk_offset) % plan_.chunk != 0) return false;
    return source == Back::hc ? plan_.cut_h : plan_.cut_c;
  }

  void add(const Term& term, const double* from, double* to, int t) {
    double* v = scratch_.data();
    if (term.matrix == Matrix::none || term.matrix == Matrix::identity) {
      std::copy(from, from + row_, v);
    } else {
      std::fill(v, v + row_, 0.0);
      const bool input = term.matrix == Matrix::input || term.matrix == Matrix::input_transposed;
      const double* w = (input ? layer_.W : layer_.U).data() + term.gate * H_ * H_;
      if (term.matrix == Matrix::recurrent || term.matrix == Matrix::input)
        multiply_back(from, w, v, B_, H_, H_);
      else
        multiply(from, w, v, B_, H_, H_);
    }
    for (const Factor& factor : term.factors) {
      if (factor.fn == Fn::one) continue;
      const double* by = tape_.factor(factor.var, factor.fn, factor.f, std::clamp(t + factor.shift, -1, T_));
      for (int i = 0; i < row_; ++i) v[i] *= by[i];
    }
    for (int i = 0; i < row_; ++i) to[i] += term.coefficient * v[i];
  }

  const Layer& layer_;
  const LayerPlan& plan_;
  const Tape& tape_;
  Rounding* rounding_;
  int T_, B_, H_, row_;
  Real scratch_;
};

void accumulate(Deltas& sum, const Deltas& level) {
  for (std::size_t b = 0; b < sum.back.size(); ++b)
    for (std::size_t i = 0; i < sum.back[b].size(); ++i) sum.back[b][i] += level.back[b][i];
}

}  // namespace

Deltas run(const Problem& problem, int layer, const LayerPlan& plan, const Tape& tape, const Real& up,
           Rounding* rounding) {
  Sweeper sweeper(problem, layer, plan, tape, rounding);
  const int from = problem.T - 1 - plan.last, to = plan.first;
  Deltas all = sweeper.fresh(up);
  if (plan.reach < 0) {
    for (int t = from; t >= to; --t) sweeper.step(all, all, t, true, true);
    return all;
  }
  // Windows: level j holds what the errors of output t+j contribute at step t, so that the levels' sum up to
  // `reach` is every output's error taken back through its own step and `reach` earlier ones.
  for (int t = from; t >= to; --t) sweeper.step(all, all, t, true, false);
  if (plan.window_last_only) {
    // Only the last output's window is followed.
    Deltas tail = all;
    for (int t = from; t >= std::max(to, from - plan.reach); --t)
      sweeper.step(tail, tail, t, t == from, t != from);
    for (std::size_t b = 0; b < all.back.size(); ++b)
      for (int t = std::max(to, from - plan.reach); t < from; ++t)
        if (!all.back[b].empty())
          for (int i = 0; i < all.row; ++i)
            all.back[b][static_cast<std::size_t>(t * all.row + i)] +=
                tail.back[b][static_cast<std::size_t>(t * all.row + i)];
    return all;
  }
  Deltas level = all;
  for (int j = 1; j <= plan.reach && j < problem.T; ++j) {
    Deltas next = sweeper.fresh(Real());
    for (int t = from - j; t >= to; --t) sweeper.step(next, level, t, false, true);
    accumulate(all, next);
    level = std::move(next);
  }
  return all;
}

Real input_gradient(const Problem& problem, int index, const Deltas& deltas, const Product& product) {
  const Layer& layer = problem.layers[static_cast<std::size_t>(index)];
  Real dx(static_cast<std::size_t>(problem.T * problem.B * layer.inputs), 0);
  for (int g = 0; g < problem.gates; ++g) {
    if (g == product.without_gate || (product.only_gate >= 0 && g != product.only_gate)) continue;
    const double* w = layer.W.data() + g * layer.hidden * layer.inputs;
    const double* da = deltas.at(Back::da0 + g, 0);
    if (product.matrix_transposed)
      multiply(da, w, dx.data(), problem.T * problem.B, layer.hidden, layer.inputs);
    else
      multiply_back(da, w, dx.data(), problem.T * problem.B, layer.hidden, layer.inputs);
  }
  return dx;
}

}  // namespace retrograde::doctor
