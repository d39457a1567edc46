#include "retrograde/doctor/blocks.h"

#include <algorithm>
#include <utility>

namespace retrograde::doctor {

namespace {

// A head's matrix, or its columns for one direction.
void put_columns(const Real& v, const Piece& piece, int width, Real& to) {
  to.resize(static_cast<std::size_t>(piece.rows * width), 0);
  for (int r = 0; r < piece.rows; ++r)
    std::copy_n(v.begin() + r * piece.cols, piece.cols, to.begin() + r * width + piece.gate * piece.cols);
}

}  // namespace

void put_parameters(const std::vector<Block>& blocks, Problem& problem) {
  for (const Block& block : blocks)
    for (const Piece& piece : block.pieces) {
      if (piece.kind == Kind::dx || piece.kind == Kind::dh0 || piece.kind == Kind::dc0) continue;
      Layer& layer = problem.layers[static_cast<std::size_t>(piece.layer)];
      const Real v = gather(piece, block.value);
      const bool gated = piece.kind < Kind::V;
      Real& to = piece.kind == Kind::W    ? layer.W
                 : piece.kind == Kind::U  ? layer.U
                 : piece.kind == Kind::b  ? layer.b
                 : piece.kind == Kind::b2 ? layer.b2
                 : piece.kind == Kind::V  ? problem.V
                 : piece.kind == Kind::c  ? problem.c
                 : piece.kind == Kind::E  ? problem.E
                 : piece.kind == Kind::P  ? problem.P
                                          : problem.p;
      if (piece.kind == Kind::V) {
        put_columns(v, piece, problem.H(), to);
        continue;
      }
      if (to.empty()) to.assign((gated ? static_cast<std::size_t>(problem.gates) : 1) * v.size(), 0);
      std::copy(v.begin(), v.end(), to.begin() + static_cast<long>(piece.gate) * static_cast<long>(v.size()));
    }
  derive_inputs(problem);
}

Real gather(const Piece& piece, const Real& array) {
  Real out;
  out.reserve(static_cast<std::size_t>(piece.rows * piece.cols));
  for (int r = 0; r < piece.rows; ++r)
    for (int c = 0; c < piece.cols; ++c)
      out.push_back(array[piece.base + static_cast<std::size_t>(r) * piece.row_stride +
                          static_cast<std::size_t>(c) * piece.col_stride]);
  return out;
}

void scatter(const Piece& piece, const Real& canonical, Real& array) {
  std::size_t i = 0;
  for (int r = 0; r < piece.rows; ++r)
    for (int c = 0; c < piece.cols; ++c)
      array[piece.base + static_cast<std::size_t>(r) * piece.row_stride +
            static_cast<std::size_t>(c) * piece.col_stride] = canonical[i++];
}

double decay_of(const Problem& problem, Kind k) {
  const bool layers = k == Kind::W || k == Kind::U || k == Kind::E || k == Kind::P, head = k == Kind::V,
             bias = k == Kind::b || k == Kind::b2 || k == Kind::c || k == Kind::p;
  const Decays d = problem.net.decays;
  const bool decays =
      (head && d != Decays::layers) || (layers && d != Decays::head) || (bias && d == Decays::everything);
  return (decays ? problem.net.decay : 0) + problem.net.own_decay[static_cast<std::size_t>(k)];
}

double loss_of(const Problem& p) {
  const std::vector<Tape> tapes = forward(p);
  const Real z = head_outputs(p, pooled(p, top_states(p, tapes)));
  double sum = p.net.scale * basic_loss(p, p.net.loss, p.net.head_activation, z) + final_loss(p, tapes);
  const auto add = [&](const Real& v, Kind kind) {
    for (double x : v) sum += 0.5 * decay_of(p, kind) * x * x;
  };
  for (const Layer& l : p.layers)
    add(l.W, Kind::W), add(l.U, Kind::U), add(l.b, Kind::b), add(l.b2, Kind::b2);
  add(p.V, Kind::V), add(p.c, Kind::c);
  return sum;
}

Engine::Engine(const Problem& problem, Rounding* rounding)
    : problem_(problem),
      rounding_(rounding),
      tapes_(forward(problem, rounding)),
      z_(head_outputs(problem, pooled(problem, top_states(problem, tapes_)), rounding)) {
  if (problem.net.pool != Pool::last) pool_shares_ = pool_shares(problem, top_states(problem, tapes_));
}

void Engine::head(Evaluation& e, const Plan& plan) const {
  e.dy = output_deltas(problem_, plan.head, z_, false, rounding_);
}

void Engine::way_up(Evaluation& e, const Plan& plan) const {
  const bool other = plan.head.slope_up != Fn::count;
  e.up = upstream(problem_, plan.head, other ? output_deltas(problem_, plan.head, z_, true, rounding_) : e.dy,
                  pool_shares_, rounding_);
  if (plan.drop_final_gradient) return;
  const std::size_t row = problem_.final_gradient.size();
  for (std::size_t i = 0; i < row; ++i) {
    const int end = problem_.end[i * static_cast<std::size_t>(problem_.B) / row];
    e.up[static_cast<std::size_t>(end - 1) * row + i] += problem_.final_gradient[i];
  }
}

void Engine::sweep(Evaluation& e, const Plan& plan, int layer) const {
  const auto l = static_cast<std::size_t>(layer), L = problem_.layers.size();
  const int above = problem_.level(layer) + 1;
  e.deltas.resize(L);
  e.plan = &plan;
  e.forms.resize(L);
  for (std::size_t i = 0; i < L; ++i)
    e.forms[i] = {plan.layers[i].reset_form, plan.layers[i].replay, plan.layers[i].first};
  const bool top = above == problem_.levels();
  const Real sent = top ? Real() : sent_down(e, plan, above);
  const Real& up = top ? e.up : sent;
  if (problem_.net.directions == 1)
    e.deltas[l] = run(problem_, layer, plan.layers[l], tapes_[l], up, rounding_);
  else
    e.deltas[l] =
        run(problem_, layer, plan.layers[l], tapes_[l], own_share(up, plan.layers[l], layer), rounding_);
}

// The error that a level sends down: [T,B,inputs].
Real Engine::sent_down(const Evaluation& e, const Plan& plan, int level) const {
  Real sum;
  for (int l = level * problem_.net.directions; l < (level + 1) * problem_.net.directions; ++l) {
    const LayerPlan& layer = plan.layers[static_cast<std::size_t>(l)];
    Real one = input_gradient(problem_, l, e.deltas[static_cast<std::size_t>(l)], layer.below);
    if (layer.below_upstream && e.up.size() == one.size()) one = e.up;
    for (double& v : one) v *= layer.below_coefficient;
    if (layer.below_only_last)
      std::fill(one.begin(), one.end() - static_cast<long>(one.size()) / problem_.T, 0.0);
    add_in_order(l, std::move(one), sum);
  }
  return sum;
}

// To the first layers' input.
Real Engine::sent_to_input(const Evaluation& e, const Product& product) const {
  Real sum;
  for (int l = 0; l < problem_.net.directions; ++l)
    if (product.only_direction < 0 || product.only_direction == l)
      add_in_order(product.own_order ? 0 : l,
                   input_gradient(problem_, l, e.deltas[static_cast<std::size_t>(l)], product), sum);
  return sum;
}

void Engine::add_in_order(int layer, Real one, Real& sum) const {
  if (problem_.reversed(layer)) one = in_reverse(problem_, one);
  if (sum.empty())
    sum = std::move(one);
  else
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += one[i];
}

// A direction's share of the errors of a level's states, in its own order of steps.
Real Engine::own_share(const Real& up, const LayerPlan& plan, int layer) const {
  const int n = problem_.layers[static_cast<std::size_t>(layer)].hidden,
            width = problem_.width(problem_.level(layer)), d = layer % 2,
            from = problem_.net.summed ? 0 : (plan.up_of_other ? 1 - d : d) * n;
  Real out(static_cast<std::size_t>(problem_.T * problem_.B * n));
  for (int row = 0; row < problem_.T * problem_.B; ++row)
    std::copy_n(up.begin() + row * width + from, n, out.begin() + row * n);
  const bool own_order = problem_.net.own_ends && problem_.level(layer) + 1 == problem_.levels();
  return d == 1 && !own_order && !plan.up_in_order ? in_reverse(problem_, out) : out;
}

// What the head reads, or what a mistake takes for it, of both directions.
const Real& Engine::head_side(Var v) const {
  const auto [at, fresh] = head_sides_.try_emplace(v);
  if (fresh) at->second = joined(problem_, tapes_, problem_.levels() - 1, v);
  return at->second;
}

Evaluation Engine::evaluate(const Plan& plan) const {
  Evaluation e;
  head(e, plan);
  way_up(e, plan);
  for (int l = static_cast<int>(problem_.layers.size()) - 1; l >= 0; --l) sweep(e, plan, l);
  return e;
}

Product Engine::right_product(const Piece& piece, int reset_form) const {
  const bool candidate = problem_.net.cell == Cell::gru && piece.gate == 2;
  const bool own = reset_form < 0, reset_after = own ? problem_.net.reset_after : reset_form == 1,
             resets = candidate && !(own && problem_.net.no_reset);
  const bool after = resets && reset_after, before = resets && !reset_after;
  Product p;
  p.left = piece.kind == Kind::dx ? Back::da0 : Back::da0 + piece.gate;
  switch (piece.kind) {
    case Kind::W:
      p.right = Var::x;
      break;
    case Kind::U:
      p.right = before ? Var::rh : Var::h;
      p.shift = before ? 0 : -1;
      if (after) p.left = Back::dp;
      break;
    case Kind::b2:
      if (after) p.left = Back::dp;
      break;
    case Kind::V:
      p.right = problem_.net.pool == Pool::last ? Var::h : Var::pool;
      break;
    case Kind::E:
      p.right = Var::token;
      break;
    case Kind::P:
    case Kind::p:
    case Kind::dh0:
      p.left = Back::hc;
      break;
    case Kind::dc0:
      p.left = Back::cc;
      break;
    default:
      break;
  }
  return p;
}

namespace {

bool in_range(const Product& p, int t, int T) {
  if (p.only == -2) return t == T - 1;
  if (p.only >= 0) return t == p.only;
  return t >= p.first && t < T - p.last;
}

// The number of steps that output t's error is taken to.
double window_of(const LayerPlan& plan, int t) {
  return plan.reach < 0 ? t + 1 : std::min(t, plan.reach) + 1;
}

// The step that the right-hand side is taken from.
int looked_up(const Product& p, Replay replay, int t, int T) {
  if (p.keeps_start && t == 0) return -1;
  const int s = replayed(replay, t, T) + p.shift;
  return p.wraps && s < (p.shift < -1 ? -1 : 0) ? s + T + p.wraps - 1 : s;
}

}  // namespace

// Which (step, row) contributions of one-hot inputs survive when repeated tokens overwrite each other.
std::vector<char> Engine::kept_tokens(const Tape& tape, int mode) const {
  const int T = problem_.T, B = problem_.B, I = tape.step(Var::x) / B;
  std::vector<int> token = problem_.tokens;
  token.resize(static_cast<std::size_t>(T * B), -1);
  if (problem_.tokens.empty())
    for (int t = 0; t < T; ++t)
      for (int b = 0; b < B; ++b)
        for (int i = 0; i < I; ++i)
          if (tape.at(Var::x, t)[b * I + i] != 0) token[static_cast<std::size_t>(t * B + b)] = i;
  std::vector<char> kept(token.size(), 1);
  for (std::size_t k = 0; k < token.size(); ++k)
    for (std::size_t other = 0; other < token.size(); ++other) {
      if (token[k] != token[other] || k == other) continue;
      const bool same_step = k / static_cast<std::size_t>(B) == other / static_cast<std::size_t>(B);
      const bool later_row = same_step && other > k;
      if (mode == 1 && (later_row || (!same_step && other < k))) kept[k] = 0;
      if (mode == 2 && other > k) kept[k] = 0;
      if (mode == 3 && later_row) kept[k] = 0;
      const std::size_t B_ = static_cast<std::size_t>(B), row = k % B_, other_row = other % B_;
      if (mode == 4 && (other_row > row || (other_row == row && other > k))) kept[k] = 0;
    }
  return kept;
}

// What the sweep sends to the start state, and through it to what makes it: [B,H], one row that the batch
// shares, or P [H,F] and p [H].
Real Engine::start_gradient(const Piece& piece, const Product& p, const Evaluation& e) const {
  const auto l = static_cast<std::size_t>(piece.layer);
  const int B = problem_.B, H = problem_.layers[l].hidden;
  const double* d = e.deltas[l].at(p.left, p.shift + e.forms[l].first);
  const bool state = piece.kind == Kind::dh0 || piece.kind == Kind::dc0;
  if (state && piece.rows == B) return Real(d, d + B * H);
  Real out(static_cast<std::size_t>(piece.rows * piece.cols), 0);
  for (int b = 0; b < (p.first_row_only ? 1 : B); ++b)
    for (int u = 0; u < H; ++u)
      if (piece.kind == Kind::P)
        for (int f = 0; f < piece.cols; ++f)
          out[static_cast<std::size_t>(u * piece.cols + f)] +=
              d[b * H + u] * problem_.features[static_cast<std::size_t>(b * piece.cols + f)];
      else
        out[static_cast<std::size_t>(u)] += d[b * H + u];
  return out;
}

// The output's own error and what later steps sent back, each with a right-hand side of its own.
Real Engine::apart(const Piece& piece, Product p, const Evaluation& e, int from, int to) const {
  const int shift = std::exchange(p.carried_shift, 0);
  const Back whole = std::exchange(p.left, Back::q);
  Real sum = gradient(piece, p, e, from, to);
  p.shift += shift;
  const Real own = gradient(piece, p, e, from, to);
  p.left = whole;
  const Real all = gradient(piece, p, e, from, to);
  for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += all[k] - own[k];
  return sum;
}

Real Engine::gradient(const Piece& piece, const Product& p, const Evaluation& e, int from, int to) const {
  if (p.carried_shift != 0) return apart(piece, p, e, from, to);
  const auto l = static_cast<std::size_t>(piece.layer);
  const int T = problem_.T, B = problem_.B, rows = to < 0 ? piece.rows : to, n = rows - from;
  if (p.over_units) {
    Product each = p;
    each.over_units = false;
    const Real all = gradient(piece, each, e);
    Real out(static_cast<std::size_t>(n * piece.cols), 0);
    for (std::size_t i = 0; i < all.size(); ++i)
      for (std::size_t k = i % static_cast<std::size_t>(piece.cols); k < out.size();
           k += static_cast<std::size_t>(piece.cols))
        out[k] += all[i];
    return out;
  }
  if (piece.kind >= Kind::P && piece.kind != Kind::dx) {
    const Real all = start_gradient(piece, p, e);
    return Real(all.begin() + from * piece.cols, all.begin() + rows * piece.cols);
  }
  if (piece.kind == Kind::dx) {  // the piece of step `gate`
    const Real dx = sent_to_input(e, p);
    const auto at = dx.begin() + piece.gate * piece.rows * piece.cols;
    return Real(at + from * piece.cols, at + rows * piece.cols);
  }
  const bool head = piece.kind == Kind::V || piece.kind == Kind::c;
  const std::size_t left_layer = p.left_layer < 0 ? l : static_cast<std::size_t>(p.left_layer);
  const Real dx = piece.kind == Kind::E ? sent_to_input(e, p) : Real();
  const int width = head                    ? problem_.O
                    : piece.kind == Kind::E ? problem_.I
                                            : problem_.layers[left_layer].hidden;
  const Tape& tape = tapes_[p.right_layer < 0 ? l : static_cast<std::size_t>(p.right_layer)];
  Real own;
  if (p.own)
    own = remade(problem_, static_cast<int>(left_layer), tapes_[left_layer], e.deltas[left_layer], *p.own);
  if (p.per_output) own = per_output(problem_, piece.layer, e.plan->layers[l], tapes_[l], e.up);
  const Real outputs_y = p.left_output ? activated_outputs(problem_, z_) : Real();
  const Replay replay =
      p.replay != Replay::own || head || piece.kind == Kind::E ? p.replay : e.forms[l].replay;
  const auto kept = p.tokens ? kept_tokens(tape, p.tokens) : std::vector<char>();
  Real out(static_cast<std::size_t>(n * piece.cols), 0);
  const Real* side =
      head && problem_.net.directions == 2 && p.right != Var::none ? &head_side(p.right) : nullptr;
  const int side_row = side ? static_cast<int>(side->size()) / (T + 2) : 0,
            offset =
                piece.kind == Kind::V ? (p.other_direction ? 1 - piece.gate : piece.gate) * piece.cols : 0;
  if (side && side_row / B < offset + piece.cols) return out;
  // A table of another form may not have it.
  const bool from_deltas = !head && p.left_value == Var::none && piece.kind != Kind::E && own.empty();
  if (from_deltas && e.deltas[left_layer].slots(p.left).empty()) return out;
  for (int t = 0; t < T; ++t) {
    if (!in_range(p, t, T)) continue;
    const int l_step = replayed(p.left_replay, t, T);
    const double* left = head ? (p.left_output ? outputs_y.data() : e.dy.data()) + l_step * B * width
                         : p.left_value != Var::none ? tapes_[l].at(p.left_value, t)
                         : piece.kind == Kind::E     ? dx.data() + t * B * width
                         : !own.empty()              ? own.data() + t * B * width
                                                     : e.deltas[left_layer].at(p.left, l_step + p.left_shift);
    const int s = looked_up(p, replay, t, T);
    if (s < -1 || s > T) continue;
    const double* right = p.right == Var::none ? nullptr
                          : side               ? side->data() + (s + 1) * side_row
                                               : tape.at(p.right, s);
    if (p.target_tokens) right = s < 0 || s >= T ? nullptr : problem_.target.data() + s * B * problem_.O;
    if (p.target_tokens && !right) continue;
    const int stride = p.target_tokens ? problem_.O
                       : side          ? side_row / B
                       : right         ? tape.step(p.right) / B
                                       : 0;
    for (int b = 0; b < (p.first_row_only ? 1 : B); ++b) {
      if (p.tokens && !kept[static_cast<std::size_t>(t * B + b)]) continue;
      for (int r = 0; r < n; ++r) {
        const double d = (p.per_window ? window_of(e.plan->layers[l], t) : 1) * left[b * width + from + r];
        if (d == 0) continue;
        double* to_row = out.data() + r * piece.cols;
        if (!right) {
          to_row[0] += d;
        } else {
          const double* v = right + b * stride + offset;
          for (int c = 0; c < piece.cols; ++c) to_row[c] += d * v[c];
        }
      }
    }
  }
  return out;
}

}  // namespace retrograde::doctor
