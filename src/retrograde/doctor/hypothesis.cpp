#include "retrograde/doctor/hypothesis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "retrograde/doctor/losses.h"

namespace retrograde::doctor {

namespace {

// A stacked or joined array is named by the part that is meant: weight_hh[z], W[f,h].
std::string part_name(Cell cell, const Block& b, const Piece& piece) {
  const auto gates = std::count_if(b.pieces.begin(), b.pieces.end(), [&](const Piece& q) {
    return q.kind == piece.kind && q.layer == piece.layer;
  });
  const bool joined = std::any_of(b.pieces.begin(), b.pieces.end(),
                                  [&](const Piece& q) { return q.cols > 1 && q.kind != piece.kind; });
  const std::string_view gate = gates > 1 ? gate_name(cell, piece.gate) : std::string_view();
  const char* part = !joined ? "" : piece.kind == Kind::U ? "h" : "x";
  if (gate.empty() && !joined) return b.parameter;
  return fmt::format("{}[{}{}{}]", b.parameter, gate, gate.empty() || !joined ? "" : ",", part);
}

void put_words(Hypothesis& h) {
  const View& x_view = h.input.view;
  Words& w = h.words;
  w.gates = h.problem.gates;
  const std::size_t n = h.problem.layers.size() * static_cast<std::size_t>(w.gates);
  w.U.assign(n, "U"), w.W.assign(n, "W");
  w.U_in_out.assign(n, false), w.W_in_out.assign(n, false);
  bool first = true, in_out = false;
  for (const Block& b : h.blocks)
    for (const Piece& piece : b.pieces) {
      const auto at = static_cast<std::size_t>(piece.layer * w.gates + piece.gate);
      const bool transposed = piece.row_stride == 1 && piece.col_stride != 1;
      if (piece.kind == Kind::U)
        w.U[at] = part_name(h.problem.net.cell, b, piece), w.U_in_out[at] = transposed;
      if (piece.kind == Kind::W)
        w.W[at] = part_name(h.problem.net.cell, b, piece), w.W_in_out[at] = transposed;
      if (piece.kind == Kind::V) w.V = b.parameter, w.V_in_out = transposed;
      if ((piece.kind == Kind::W || piece.kind == Kind::U) && piece.cols > 1 && piece.rows > 1 && first)
        in_out = transposed, first = false;
    }
  const auto f = x_view.axes.find('f'), bt = x_view.axes.find('b');
  w.column = bt == std::string::npos ? !in_out : f < bt;
  std::string axes;
  for (char c : x_view.axes)
    if (c != '1')
      axes += fmt::format("{}{}", axes.empty() ? "" : ", ",
                          c == 't'   ? "time"
                          : c == 'b' ? "batch"
                                     : "features");
  h.layout = fmt::format("weights [{}]; input ({}){}", in_out ? "in, out" : "out, in", axes,
                         x_view.spread ? ", of which step t sets feature t alone" : "");
}

// A claim for the start state of every layer along a leading axis, or of the layer whose turn it is, laid out
// as the start state itself.
void add_start_pieces(const Problem& p, const Array& given, Kind kind, int turn, Block& b) {
  const int L = static_cast<int>(p.layers.size());
  for (const View& v : views(b.shape)) {
    const bool every = L > 1 && v.T > 1;
    const int first = every ? 0 : turn, last = every ? L : turn + 1;
    if ((every && v.T != L) || (!every && v.T > 1) || last > L || (v.B && v.B != p.B)) continue;
    const int n = p.layers[static_cast<std::size_t>(first)].hidden;
    Real start;
    for (int l = first; l < last; ++l) {
      const Layer& layer = p.layers[static_cast<std::size_t>(l)];
      const Real& own = kind == Kind::dh0 ? layer.h0 : layer.c0;
      if (layer.hidden == n) start.insert(start.end(), own.begin(), own.end());
    }
    // A square one is turned as the start state itself was.
    if (v.F != n || read(v, given.values, last - first, p.B, n) != start) continue;
    for (int l = first; l < last; ++l)
      b.pieces.push_back(
          {kind, l, 0, v.B ? p.B : 1, n, every ? static_cast<std::size_t>(l) * v.t : 0, v.b, v.f});
    return;
  }
}

// Claims for x, h0 and c0.
void add_state_blocks(Hypothesis& h, const Roles& roles) {
  const View& x_view = h.input.view;
  const Problem& p = h.problem;
  for (Block b : roles.state_blocks) {
    int turn[2] = {0, 0};  // of the layers, as start states come
    for (const Datum& datum : roles.data) {
      const bool cell = datum.role == Role::c0, start = cell || datum.role == Role::h0;
      if (datum.given.name == b.parameter) {
        if (b.parameter == h.input.name) {
          for (int t = 0; t < p.T && (x_view.F || p.I == 1) && !x_view.spread; ++t)
            b.pieces.push_back(
                {Kind::dx, 0, t, p.B, p.I, static_cast<std::size_t>(t) * x_view.t, x_view.b, x_view.f});
        } else if (start) {
          add_start_pieces(p, datum.given.array, cell ? Kind::dc0 : Kind::dh0, turn[cell], b);
        }
        break;
      }
      if (start) ++turn[cell];
    }
    if (!b.pieces.empty()) h.blocks.push_back(std::move(b));
  }
}

// Whether other weights would give a loss that is further away than this one: with tiny ones every activation
// gives the same.
bool sensitive(Problem p, double gap) {
  const auto loss = [&] {
    const std::vector<Tape> tapes = forward(p);
    const Real z = head_outputs(p, pooled(p, top_states(p, tapes)));
    return p.net.scale * basic_loss(p, p.net.loss, p.net.head_activation, z) + final_loss(p, tapes);
  };
  const double before = loss();
  for (Layer& layer : p.layers)
    for (Real* w : {&layer.W, &layer.U})
      for (double& v : *w) v *= 1.01;
  return std::abs(loss() - before) > std::max(1e-7, 30 * gap) * std::abs(before);
}

// A claimed piece without the penalty's part.
Real claim_of(const Problem& problem, const Piece& piece, const Block& block) {
  Real claim = gather(piece, block.claim);
  const double decay = decay_of(problem, piece.kind);
  if (decay == 0) return claim;
  const Real parameter = gather(piece, block.value);
  for (std::size_t k = 0; k < claim.size(); ++k) claim[k] -= decay * parameter[k];
  return claim;
}

// The factor between claim and gradient, and how far they are apart with it.
struct Likeness {
  double factor = 1, gap = 0, top = 0, made_top = 0, noise = 0;
  std::size_t size = 0;
  bool same(bool single) const {
    // A claim of zeros is like what is zero but for rounding.
    if (top == 0) return made_top <= (single ? 1e-5 : 1e-12) + noise;
    return gap <= (single ? 3e-6 : 1e-8) * top + noise;
  }
  // Equal but for the rounding at this very point.
  bool exact(double scale, bool single) const {
    if (top == 0) return made_top <= noise;
    return gap + std::abs(factor - scale) * made_top <= 64 * (single ? 0x1p-24 : 0x1p-52) * top + noise;
  }
};

Likeness compare(const Real& claim, const Real& made) {
  Likeness l;
  l.size = made.size();
  if (!std::all_of(made.begin(), made.end(), [](double v) { return std::isfinite(v); })) {
    l.gap = INFINITY;  // overflowed: like nothing
    return l;
  }
  for (double v : claim) l.top = std::max(l.top, std::abs(v));
  for (double v : made) l.made_top = std::max(l.made_top, std::abs(v));
  double cm = 0, mm = 0;
  for (std::size_t k = 0; k < made.size(); ++k) {
    const double m = l.made_top > 0 ? made[k] / l.made_top : 0;
    cm += claim[k] * m, mm += m * m;
  }
  // A factor of zero explains nothing: a claim of zeros has the factor one.
  if (mm > 0 && l.top > 0) l.factor = cm / mm / l.made_top;
  for (std::size_t k = 0; k < made.size(); ++k)
    l.gap = std::max(l.gap, std::abs(claim[k] - l.factor * made[k]));
  return l;
}

void read_reduction(Hypothesis& h, const std::vector<Likeness>& pieces, bool single) {
  // Pieces of one number agree with anything: the others first.
  for (const bool several : {true, false})
    for (const Reduction& r : reductions(h.problem))
      for (const Likeness& l : pieces)
        if (l.same(single) && l.top > 0 && (l.size > 1) == several &&
            std::abs(l.factor / r.factor - 1) < (single ? 1e-4 : 1e-6)) {
          h.problem.net.scale = r.factor;
          h.problem.net.reduction = r.text;
          return;
        }
}

// What rounding alone makes of pieces that all agree, or almost: where the numbers cancel, it is much.
void add_noise(const Hypothesis& h, bool single, const std::vector<const Piece*>& where,
               const std::vector<Real>& right, std::vector<Likeness>& pieces) {
  const bool near = std::any_of(pieces.begin(), pieces.end(),
                                [&](const Likeness& l) { return l.top == 0 || l.gap < 0.1 * l.top; });
  if (!near) return;
  Rounding rounding{single ? 0x1.8p-24 : 0x1p-52, 0x9e3779b97f4a7c15ULL};
  const Engine disturbed(h.problem, &rounding);
  const Plan table = right_plan(h.problem);
  const Evaluation e = disturbed.evaluate(table);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Real made = disturbed.gradient(*where[i], e);
    double noise = 0;
    for (std::size_t k = 0; k < made.size(); ++k) noise = std::max(noise, std::abs(made[k] - right[i][k]));
    pieces[i].noise = 12 * std::abs(pieces[i].factor) * noise;
    if (pieces[i].top > 0) pieces[i].noise = std::min(pieces[i].noise, 0.1 * pieces[i].top);
  }
}

void measure(Hypothesis& h, bool single) {
  const Engine engine(h.problem);
  const Plan table = right_plan(h.problem);
  const Evaluation e = engine.evaluate(table);
  std::vector<const Piece*> where;
  std::vector<Real> right;
  std::vector<Likeness> pieces;
  for (const Block& b : h.blocks) {
    if (b.claim.empty()) continue;
    for (const Piece& piece : b.pieces) {
      where.push_back(&piece);
      right.push_back(engine.gradient(piece, e));
      pieces.push_back(compare(claim_of(h.problem, piece, b), right.back()));
    }
  }
  add_noise(h, single, where, right, pieces);
  const double before = h.problem.net.scale;
  if (!h.scale_known) read_reduction(h, pieces, single);
  const double scale = h.problem.net.scale / before;
  double agree = 0;
  h.exact = !pieces.empty();
  for (const Likeness& l : pieces) {
    h.exact &= l.exact(scale, single);
  }
  // The output's bias has its gradient from the outputs alone: it agrees with any network that makes them.
  for (std::size_t i = 0; i < pieces.size(); ++i)
    agree += pieces[i].same(single) && pieces[i].size > 1 && where[i]->kind != Kind::c;
  h.agreement = pieces.empty() ? 0 : agree / static_cast<double>(pieces.size());
}

}  // namespace

void complete(Hypothesis& h, const Roles& roles) {
  add_state_blocks(h, roles);
  put_words(h);
  measure(h, roles.single);
  h.sensitive = h.loss_gap < 0 || sensitive(h.problem, h.loss_gap);
}

double gap_of_outputs(const Problem& p, const Real& z, const Array& outputs) {
  const Real y = activated_outputs(p, z);
  double best = -1;
  for (const Real* made : {&y, &z})
    for (const View& v : views(outputs.shape)) {
      if ((v.F ? v.F : 1) != p.O || (v.B ? v.B : 1) != p.B || (v.T && v.T != p.T)) continue;
      double gap = 0, top = 1e-300;
      for (int t = v.T || p.T == 1 ? 0 : p.T - 1; t < p.T; ++t)
        for (int b = 0; b < p.B; ++b)
          for (int k = 0; k < p.O; ++k) {
            const double given =
                outputs.values[static_cast<std::size_t>(v.T ? t : 0) * v.t +
                               static_cast<std::size_t>(b) * v.b + static_cast<std::size_t>(k) * v.f];
            const double ours = (*made)[static_cast<std::size_t>((t * p.B + b) * p.O + k)];
            gap = std::max(gap, std::abs(given - ours)), top = std::max(top, std::abs(given));
          }
      if (best < 0 || gap / top < best) best = gap / top;
    }
  return best >= 0 && best < 1e-5 ? best : -1;
}

bool head_agrees(const Problem& p, const Real& states, const Real& z, const std::vector<Block>& blocks,
                 bool single) {
  const Real dy = output_deltas(p, right_plan(p).head, z, false);
  bool any = false;
  for (const Block& b : blocks)
    for (const Piece& piece : b.pieces) {
      if ((piece.kind != Kind::V && piece.kind != Kind::c) || b.claim.empty()) continue;
      if (piece.rows * piece.cols == 1) continue;  // one number is like any other
      any = true;
      const auto cols = static_cast<std::size_t>(piece.cols), width = static_cast<std::size_t>(p.H()),
                 from = piece.kind == Kind::V ? static_cast<std::size_t>(piece.gate) * cols : 0,
                 O = static_cast<std::size_t>(p.O);
      Real made(O * cols, 0);
      for (std::size_t row = 0; row < dy.size() / O; ++row)
        for (std::size_t k = 0; k < O; ++k)
          for (std::size_t c = 0; c < cols; ++c)
            made[k * cols + c] +=
                dy[row * O + k] * (piece.kind == Kind::V ? states[row * width + from + c] : 1);
      if (compare(gather(piece, b.claim), made).same(single)) return true;
    }
  return !any;
}

std::string describe(const Hypothesis& h) {
  const Problem& p = h.problem;
  const Network& net = p.net;
  std::string cell(name(net.cell));
  if (net.plain_cell) cell += " (h = o c, without an activation)";
  if (net.forget_plus_one) cell += " (forget gate sigmoid(z + 1))";
  if (net.cell == Cell::gru)
    cell += fmt::format(" ({}, h' = {})",
                        net.no_reset      ? "its reset gate used nowhere"
                        : net.reset_after ? "reset after the product"
                                          : "reset before the product",
                        net.update_keeps ? "(1-z) n + z h" : "(1-z) h + z n");
  std::string layers = p.levels() > 1 ? fmt::format("{} layers, ", p.levels()) : "";
  if (net.directions == 2)
    layers += fmt::format("bidirectional ({}{}), ", net.summed ? "states summed" : "states side by side",
                          net.own_ends ? ", each direction's own last one" : "");
  const std::string head = net.first_unit ? "its first unit the output"
                           : !net.head    ? "no head"
                           : net.head_activation == Activation::identity
                               ? "linear head"
                               : fmt::format("{} head", name(net.head_activation));
  return fmt::format("{}, {}{}, {}, {} {}; {}", cell, layers, name(net.activation), head, net.reduction,
                     !net.head && net.loss == Loss::upstream ? ""
                     : net.pool != Pool::last
                         ? fmt::format("over the one output that is made of the {} of the states",
                                       net.pool == Pool::mean  ? "mean"
                                       : net.pool == Pool::sum ? "sum"
                                                               : "maximum")
                     : net.last_output ? "over the last step's output"
                                       : "over every step",
                     h.layout);
}

}  // namespace retrograde::doctor
