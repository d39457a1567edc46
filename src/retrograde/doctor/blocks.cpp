#include "retrograde/doctor/blocks.h"

#include <algorithm>

namespace retrograde::doctor {

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

Engine::Engine(const Problem& problem, Rounding* rounding)
    : problem_(problem),
      rounding_(rounding),
      tapes_(forward(problem, rounding)),
      z_(head_outputs(problem, tapes_.back().outputs(), rounding)) {}

Evaluation Engine::evaluate(const Plan& plan, int lowest) const {
  Evaluation e;
  e.dy = output_deltas(problem_, plan.head, z_, false, rounding_);
  e.up = upstream(
      problem_, plan.head,
      plan.head.slope_up == Fn::count ? e.dy : output_deltas(problem_, plan.head, z_, true, rounding_),
      rounding_);
  if (!problem_.final_gradient.empty() && !plan.drop_final_gradient) {
    const std::size_t row = problem_.final_gradient.size(),
                      at = static_cast<std::size_t>(problem_.T - 1) * row;
    for (std::size_t i = 0; i < row; ++i) e.up[at + i] += problem_.final_gradient[i];
  }
  const int L = static_cast<int>(problem_.layers.size());
  e.deltas.resize(static_cast<std::size_t>(L));
  for (const LayerPlan& layer : plan.layers) e.reset_form.push_back(layer.reset_form);
  Real up = e.up;
  for (int l = L - 1; l >= lowest; --l) {
    const auto i = static_cast<std::size_t>(l);
    e.deltas[i] = run(problem_, l, plan.layers[i], tapes_[i], up, rounding_);
    if (l > lowest) up = input_gradient(problem_, l, e.deltas[i]);
  }
  return e;
}

Product Engine::right_product(const Piece& piece, int reset_form) const {
  const bool candidate = problem_.net.cell == Cell::gru && piece.gate == 2;
  const bool reset_after = reset_form < 0 ? problem_.net.reset_after : reset_form == 1;
  const bool after = candidate && reset_after, before = candidate && !reset_after;
  Product p;
  p.left = Back::da0 + piece.gate;
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
      p.right = Var::h;
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

}  // namespace

Real Engine::gradient(const Piece& piece, const Product& p, const Evaluation& e, int from, int to) const {
  const auto l = static_cast<std::size_t>(piece.layer);
  const int T = problem_.T, B = problem_.B, rows = to < 0 ? piece.rows : to, n = rows - from;
  if (piece.kind == Kind::dh0 || piece.kind == Kind::dc0) {
    const double* d = e.deltas[l].at(piece.kind == Kind::dh0 ? Back::hc : Back::cc, 0);
    return Real(d + from * piece.cols, d + rows * piece.cols);
  }
  if (piece.kind == Kind::dx) {
    const Real dx = input_gradient(problem_, piece.layer, e.deltas[l]);
    return Real(dx.begin() + from * piece.cols, dx.begin() + rows * piece.cols);
  }
  const bool head = piece.kind == Kind::V || piece.kind == Kind::c;
  const int width = head ? problem_.O : problem_.layers[l].hidden;
  const Tape& tape = tapes_[l];
  Real out(static_cast<std::size_t>(n * piece.cols), 0);
  for (int t = 0; t < T; ++t) {
    if (!in_range(p, t, T)) continue;
    const double* left = head ? e.dy.data() + t * B * width : e.deltas[l].at(p.left, t);
    int s = t + p.shift;
    if (p.wraps && s < 0) s = T - 1;
    if (s < -1 || s > T) continue;
    const double* right = p.right == Var::none ? nullptr : tape.at(p.right, s);
    const int stride = right ? tape.step(p.right) / B : 0;
    for (int b = 0; b < (p.first_row_only ? 1 : B); ++b)
      for (int r = 0; r < n; ++r) {
        const double d = left[b * width + from + r];
        if (d == 0) continue;
        double* to_row = out.data() + r * piece.cols;
        if (!right) {
          to_row[0] += d;
        } else {
          const double* v = right + b * stride;
          for (int c = 0; c < piece.cols; ++c) to_row[c] += d * v[c];
        }
      }
  }
  return out;
}

}  // namespace retrograde::doctor
