#include "retrograde/doctor/tape.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

namespace retrograde::doctor {

double Rounding::operator()() {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return size * (static_cast<double>(seed >> 11) * 0x1p-52 - 1);
}

void multiply(const double* a, const double* w, double* out, int n, int m, int k) {
  for (int r = 0; r < n; ++r)
    for (int j = 0; j < m; ++j) {
      const double v = a[r * m + j];
      if (v == 0) continue;
      for (int i = 0; i < k; ++i) out[r * k + i] += v * w[i * m + j];
    }
}

void multiply_back(const double* a, const double* w, double* out, int n, int k, int m) {
  for (int r = 0; r < n; ++r)
    for (int i = 0; i < k; ++i) {
      const double v = a[r * k + i];
      if (v == 0) continue;
      const double* row = w + i * m;
      double* to = out + r * m;
      for (int j = 0; j < m; ++j) to[j] += v * row[j];
    }
}

namespace {

void disturb(double* v, int n, Rounding* rounding) {
  if (rounding)
    for (int i = 0; i < n; ++i) v[i] += v[i] * (*rounding)();
}

void add_bias(double* out, const Real& b, int gate, int rows, int n) {
  if (b.empty()) return;
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < n; ++i) out[r * n + i] += b[static_cast<std::size_t>(gate * n + i)];
}

}  // namespace

Tape::Tape(const Problem& problem, int index, const Real& input, Rounding* rounding)
    : steps_(problem.T),
      batch_(problem.B),
      inputs_(problem.layers[static_cast<std::size_t>(index)].inputs),
      hidden_(problem.layers[static_cast<std::size_t>(index)].hidden),
      rounding_(rounding) {
  const Layer& layer = problem.layers[static_cast<std::size_t>(index)];
  const int gates = problem.gates;
  make(Var::x);
  make(Var::h);
  for (int g = 0; g < gates; ++g) make(Var::z0 + g), make(Var::a0 + g), make(Var::wx0 + g);
  if (problem.net.cell == Cell::lstm) make(Var::c), make(Var::m);
  if (problem.net.cell == Cell::gru) {
    for (Var v : {Var::p, Var::pu, Var::rh, Var::rs, Var::zh, Var::hn, Var::hs, Var::hp}) make(v);
  }
  if (problem.net.cell == Cell::elman) recurrent_ = layer.U;
  std::copy(input.begin(), input.end(), put(Var::x, 0));
  disturb(put(Var::x, 0), steps_ * step(Var::x), rounding_);
  std::copy(layer.h0.begin(), layer.h0.end(), put(Var::h, -1));
  if (index == 0 && problem.vocabulary > 0) {
    vocabulary_ = problem.vocabulary;
    make(Var::token);
    for (std::size_t k = 0; k < problem.tokens.size(); ++k)
      put(Var::token,
          0)[k * static_cast<std::size_t>(vocabulary_) + static_cast<std::size_t>(problem.tokens[k])] = 1;
  }
  if (has(Var::c)) {
    std::copy(layer.c0.begin(), layer.c0.end(), put(Var::c, -1));
    std::transform(layer.c0.begin(), layer.c0.end(), put(Var::m, -1),
                   [&](double c) { return value(problem.net.of_cell(), c); });
  }
  for (int t = 0; t < steps_; ++t) run_step(problem, layer, t);
  if (problem.net.pool != Pool::last && problem.level(index) + 1 == problem.levels()) {
    make(Var::pool);
    const Real all = pooled(problem, outputs());
    std::copy(all.begin(), all.end(), put(Var::pool, 0));
    disturb(put(Var::pool, 0), steps_ * step(Var::pool), rounding_);
  }
}

void Tape::run_step(const Problem& problem, const Layer& layer, int t) {
  const int n = batch_ * hidden_, H = hidden_, gates = problem.gates;
  const Network& net = problem.net;
  const double* before = at(Var::h, t - 1);
  auto pre = [&](int g, const double* state) {
    double* wx = put(Var::wx0 + g, t);
    multiply(at(Var::x, t), layer.W.data() + g * H * inputs_, wx, batch_, inputs_, H);
    add_bias(wx, layer.b, g, batch_, H);
    double* z = put(Var::z0 + g, t);
    std::copy(wx, wx + n, z);
    if (state) {
      multiply(state, layer.U.data() + g * H * H, z, batch_, H, H);
      add_bias(z, layer.b2, g, batch_, H);
    }
    disturb(z, n, rounding_);
  };
  auto activate = [&](int g, Activation f) {
    const double* z = at(Var::z0 + g, t);
    double* a = put(Var::a0 + g, t);
    for (int i = 0; i < n; ++i) a[i] = value(f, z[i]);
    disturb(a, n, rounding_);
    if (rounding_ && f == Activation::elu)  // usually written exp(z) - 1, known to a rounding of one
      for (int i = 0; i < n; ++i)
        if (z[i] < 0) a[i] += (*rounding_)();
  };
  double* h = put(Var::h, t);
  if (net.cell == Cell::elman) {
    pre(0, before);
    activate(0, net.activation);
    std::copy(at(Var::a0, t), at(Var::a0, t) + n, h);
  } else if (net.cell == Cell::lstm) {
    for (int g = 0; g < gates; ++g)
      pre(g, before), activate(g, g == 2 ? net.activation : Activation::sigmoid);
    const double *i = at(Var::a0, t), *f = at(Var::a1, t), *g = at(Var::a2, t), *o = at(Var::a3, t);
    const double* old = at(Var::c, t - 1);
    double *c = put(Var::c, t), *m = put(Var::m, t);
    for (int k = 0; k < n; ++k) {
      c[k] = f[k] * old[k] + i[k] * g[k];
      m[k] = value(net.of_cell(), c[k]);
      h[k] = o[k] * m[k];
    }
    disturb(c, n, rounding_);
    disturb(m, n, rounding_);
    disturb(h, n, rounding_);
  } else {
    for (int g = 0; g < 2; ++g) pre(g, before), activate(g, Activation::sigmoid);
    const double *r = at(Var::a0, t), *z = at(Var::a1, t);
    double *p = put(Var::p, t), *rh = put(Var::rh, t);
    multiply(before, layer.U.data() + 2 * H * H, p, batch_, H, H);
    std::copy(p, p + n, put(Var::pu, t));
    add_bias(p, layer.b2, 2, batch_, H);
    for (int k = 0; k < n; ++k) rh[k] = r[k] * before[k];
    disturb(p, n, rounding_);
    disturb(rh, n, rounding_);
    const bool after = net.reset_after && !net.no_reset;
    pre(2, net.no_reset ? before : after ? nullptr : rh);
    if (after) {
      double* zn = put(Var::z2, t);
      for (int k = 0; k < n; ++k) zn[k] += r[k] * p[k];
      disturb(zn, n, rounding_);
    }
    activate(2, net.activation);
    const double* cand = at(Var::a2, t);
    double *hn = put(Var::hn, t), *hs = put(Var::hs, t), *hp = put(Var::hp, t);
    for (int k = 0; k < n; ++k) {
      hn[k] = net.update_keeps ? before[k] - cand[k] : cand[k] - before[k];
      h[k] = net.update_keeps ? (1 - z[k]) * cand[k] + z[k] * before[k]
                              : (1 - z[k]) * before[k] + z[k] * cand[k];
      hs[k] = net.update_keeps ? h[k] - cand[k] : cand[k] - h[k];
      hp[k] = before[k] + cand[k];
    }
    if (rounding_)
      for (int k = 0; k < n; ++k) hn[k] += (std::abs(before[k]) + std::abs(cand[k])) * (*rounding_)();
    double *rs = put(Var::rs, t), *zh = put(Var::zh, t);
    for (int k = 0; k < n; ++k) rs[k] = r[k] * h[k], zh[k] = z[k] * before[k];
    disturb(h, n, rounding_);
  }
}

namespace {

double made_of(double v, Fn fn, Activation f) {
  switch (fn) {
    case Fn::value:
      return v;
    case Fn::complement:
      return 1 - v;
    case Fn::one_plus:
      return 1 + v;
    case Fn::square:
      return v * v;
    case Fn::one_minus_square:
      return 1 - v * v;
    case Fn::one_plus_square:
      return 1 + v * v;
    case Fn::complement_square:
      return (1 - v) * (1 - v);
    case Fn::value_one_plus:
      return v * (1 + v);
    case Fn::logistic:
      return v * (1 - v);
    case Fn::slope:
      return slope(f, v);
    case Fn::slope_at_state:
      return slope(f, value(f, v));
    case Fn::slope_of_value:
      return slope_from_value(f, v);
    case Fn::activation:
      return value(f, v);
    case Fn::slope_squared:
      return slope(f, v) * slope(f, v);
    case Fn::value_slope:
      return v * slope(f, v);
    case Fn::slope_without_one:
      return slope(f, v - 1);
    case Fn::activation_without_one:
      return value(f, v - 1);
    case Fn::one_minus_cube:
      return 1 - v * v * v;
    case Fn::one:
    case Fn::one_minus_product:
    case Fn::count:
      break;
  }
  return 1;
}

}  // namespace

void Tape::repeat_forward() const {
  Real& z = vars_[static_cast<std::size_t>(Var::zr)];
  z = slots(Var::z0);
  const int n = step(Var::h);
  Real moved(static_cast<std::size_t>(n));
  for (int t = 0; t < steps_; ++t) {
    std::transform(at(Var::h, t), at(Var::h, t) + n, at(Var::h, t - 1), moved.begin(), std::minus<>());
    multiply(moved.data(), recurrent_.data(), z.data() + (t + 1) * n, batch_, hidden_, hidden_);
  }
}

const double* Tape::factor(Var v, Fn fn, Activation f, int t, Fn inner) const {
  if (v == Var::zr && !has(v)) repeat_forward();
  if (fn == Fn::value && inner == Fn::value && !rounding_) return at(v, t);
  constexpr int kFns = static_cast<int>(Fn::count);
  const int key =
      ((static_cast<int>(v) * kFns + static_cast<int>(fn)) * kFns + static_cast<int>(inner)) * 16 +
      static_cast<int>(f);
  Real& made = factors_[key];
  if (made.empty()) {
    made.reserve(slots(v).size());
    const Real& all = slots(v);
    const auto row = static_cast<std::size_t>(step(v));
    for (std::size_t k = 0; k < all.size(); ++k) {
      double r = fn == Fn::one_minus_product ? 1 - all[k] * (k < row ? 0 : all[k - row])
                                             : made_of(made_of(all[k], inner, f), fn, f);
      // A slope such as 1 - a*a is known to a rounding of one, not of itself.
      if (rounding_) r += std::max(std::abs(r), fn == Fn::value ? 0.0 : 1.0) * (*rounding_)();
      made.push_back(r);
    }
  }
  return made.data() + (t + 1) * step(v);
}

Real Tape::outputs() const {
  const Real& h = slots(Var::h);
  return Real(h.begin() + step(Var::h), h.end() - step(Var::h));
}

namespace {

// The step that a direction which reads in reverse takes row b's step t for.
int mirrored(const Problem& problem, int t, int b) {
  const int end = problem.end[static_cast<std::size_t>(b)];
  return t <= end ? end - 1 - t : t;
}

}  // namespace

Real in_reverse(const Problem& problem, const Real& sequence) {
  Real out(sequence.size());
  const auto B = static_cast<std::size_t>(problem.B),
             n = sequence.size() / (static_cast<std::size_t>(problem.T) * B);
  for (int t = 0; t < problem.T; ++t)
    for (std::size_t b = 0; b < B; ++b) {
      const int from = t < problem.end[b] ? mirrored(problem, t, static_cast<int>(b)) : t;
      std::copy_n(sequence.begin() + static_cast<long>((static_cast<std::size_t>(from) * B + b) * n), n,
                  out.begin() + static_cast<long>((static_cast<std::size_t>(t) * B + b) * n));
    }
  return out;
}

Real joined(const Problem& problem, const std::vector<Tape>& tapes, int level, Var v) {
  const int D = problem.net.directions, B = problem.B;
  const std::size_t first = static_cast<std::size_t>(level * D);
  if (D == 1) return tapes[first].slots(v);
  const int n = tapes[first].step(v) / B, width = problem.net.summed ? n : D * n;
  Real out(static_cast<std::size_t>((problem.T + 2) * B * width), 0);
  if (!tapes[first].has(v)) return out;
  const bool own_order = problem.net.own_ends && level + 1 == problem.levels();
  for (int d = 0; d < D; ++d)
    for (int t = -1; t <= problem.T; ++t)
      for (int b = 0; b < B; ++b) {
        const double* from = tapes[first + static_cast<std::size_t>(d)].at(
                                 v, d == 1 && !own_order ? mirrored(problem, t, b) : t) +
                             b * n;
        double* to = out.data() + ((t + 1) * B + b) * width + (problem.net.summed ? 0 : d * n);
        for (int k = 0; k < n; ++k) to[k] += from[k];
      }
  return out;
}

namespace {

Real states_of(const Problem& problem, const std::vector<Tape>& tapes, int level) {
  const Real all = joined(problem, tapes, level, Var::h);
  const auto row = static_cast<long>(all.size()) / (problem.T + 2);
  return Real(all.begin() + row, all.end() - row);
}

}  // namespace

std::vector<Tape> forward(const Problem& problem, Rounding* rounding) {
  std::vector<Tape> tapes;
  Real input = problem.x;
  for (int l = 0; l < static_cast<int>(problem.layers.size()); ++l) {
    if (l > 0 && l % problem.net.directions == 0) input = states_of(problem, tapes, problem.level(l) - 1);
    tapes.emplace_back(problem, l, problem.reversed(l) ? in_reverse(problem, input) : input, rounding);
  }
  return tapes;
}

Real top_states(const Problem& problem, const std::vector<Tape>& tapes) {
  return states_of(problem, tapes, problem.levels() - 1);
}

Real pooled(const Problem& problem, Real states) {
  if (problem.net.pool == Pool::last) return states;
  const Real share = pool_shares(problem, states);
  const std::size_t row = states.size() / static_cast<std::size_t>(problem.T);
  Real sum(row, 0);
  for (std::size_t i = 0; i < states.size(); ++i) sum[i % row] += share[i] * states[i];
  for (std::size_t i = 0; i < states.size(); ++i) states[i] = sum[i % row];
  return states;
}

Real pool_shares(const Problem& problem, const Real& states) {
  const int T = problem.T, B = problem.B, n = static_cast<int>(states.size()) / (T * B);
  Real share(states.size(), 0);
  for (int b = 0; b < B; ++b)
    for (int u = 0; u < n; ++u) {
      const int end = problem.end[static_cast<std::size_t>(b)];
      const auto at = [&](int t) { return static_cast<std::size_t>((t * B + b) * n + u); };
      int top = 0;
      for (int t = 0; t < end; ++t) {
        share[at(t)] = problem.net.pool == Pool::mean ? 1.0 / end : problem.net.pool == Pool::sum ? 1 : 0;
        if (states[at(t)] > states[at(top)]) top = t;
      }
      if (problem.net.pool == Pool::max) share[at(top)] = 1;
    }
  return share;
}

Real head_outputs(const Problem& problem, const Real& states, Rounding* rounding) {
  if (!problem.net.head) return states;
  const int rows = problem.T * problem.B;
  Real y(static_cast<std::size_t>(rows * problem.O), 0);
  multiply(states.data(), problem.V.data(), y.data(), rows, problem.H(), problem.O);
  add_bias(y.data(), problem.c, 0, rows, problem.O);
  disturb(y.data(), rows * problem.O, rounding);
  return y;
}

double final_loss(const Problem& p, const std::vector<Tape>& tapes) {
  if (p.net.loss != Loss::upstream || p.net.directions == 2)
    return 0;  // with a loss of its own the rest comes from outside
  double sum = 0;
  for (const auto& [by, v] :
       {std::pair(&p.final_gradient, Var::h), std::pair(&p.final_cell_gradient, Var::c)})
    for (std::size_t i = 0; i < by->size(); ++i) {
      const std::size_t b = i / (by->size() / static_cast<std::size_t>(p.B));
      sum += (*by)[i] * tapes.back().at(v, p.end[b] - 1)[i];
    }
  return sum;
}

bool counts(const Problem& problem, int t, int b) {
  if (!problem.mask.empty()) return problem.mask[static_cast<std::size_t>(t * problem.B + b)] != 0;
  const int end = problem.end[static_cast<std::size_t>(b)];
  return problem.net.last_output ? t == end - 1 : t < end;
}

namespace {

double log_sum_exp(const double* z, int n) {
  const double top = *std::max_element(z, z + n);
  double sum = 0;
  for (int k = 0; k < n; ++k) sum += std::exp(z[k] - top);
  return top + std::log(sum);
}

double row_loss(Loss loss, Activation f, const double* z, const double* t, int n) {
  double sum = 0;
  if (loss == Loss::softmax_cross_entropy) {
    const double all = log_sum_exp(z, n);
    for (int k = 0; k < n; ++k)
      if (t[k] != 0) sum += t[k] * (all - z[k]);
    return sum;
  }
  if (f == Activation::softmax) {
    const double all = log_sum_exp(z, n);
    for (int k = 0; k < n; ++k) {
      const double e = std::exp(z[k] - all) - t[k];
      sum += loss == Loss::upstream ? t[k] * (e + t[k]) : loss == Loss::absolute ? std::abs(e) : 0.5 * e * e;
    }
    return sum;
  }
  for (int k = 0; k < n; ++k) {
    const double y = value(f, z[k]), e = y - t[k];
    switch (loss) {
      case Loss::squared:
        sum += 0.5 * e * e;
        break;
      case Loss::absolute:
        sum += std::abs(e);
        break;
      case Loss::huber:
        sum += std::abs(e) <= 1 ? 0.5 * e * e : std::abs(e) - 0.5;
        break;
      case Loss::binary_cross_entropy:  // of the logit: softplus(z) - t z
        sum += value(Activation::softplus, z[k]) - t[k] * z[k];
        break;
      case Loss::upstream:
        sum += t[k] * y;
        break;
      case Loss::softmax_cross_entropy:
        break;
    }
  }
  return sum;
}

}  // namespace

double basic_loss(const Problem& problem, Loss loss, Activation f, const Real& z) {
  const int n = problem.net.head ? problem.O : problem.H();
  double sum = 0;
  for (int t = 0; t < problem.T; ++t)
    for (int b = 0; b < problem.B; ++b)
      if (counts(problem, t, b))
        sum += row_loss(loss, f, z.data() + (t * problem.B + b) * n,
                        problem.target.data() + (t * problem.B + b) * n, n);
  return sum;
}

}  // namespace retrograde::doctor
