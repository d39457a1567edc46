#include "retrograde/doctor/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace retrograde::doctor {

namespace {

Atom atom_of(const BlockMistake& m, std::size_t piece) {
  Atom a;
  a.key = m.name + m.sentence;
  a.name = m.name, a.sentence = m.sentence, a.fix = m.fix, a.yours = m.yours, a.aliases = m.aliases;
  a.weight = m.weight;
  a.pieces = {piece};
  return a;
}

Atom number_atom(const char* kind, double value, std::size_t piece) {
  Atom a;
  a.key = fmt::format("{}{:.6g}", kind, value);
  a.name = kind;
  a.scale = value;
  a.weight = 0.05;
  a.pieces = {piece};
  return a;
}

int form_of(const Target& t, const Evaluation& e) {
  return e.forms.empty() ? -1 : e.forms[static_cast<std::size_t>(t.piece.layer)].reset;
}

bool clipped(const Target& t, const Real& made, double bound) {
  double gap = 0;
  for (std::size_t k = 0; k < made.size(); ++k)
    gap = std::max(gap, std::abs(t.claim[k] - std::clamp(made[k], -bound, bound)));
  // One entry at the bound is at any bound.
  const auto at_bound =
      std::count_if(t.claim.begin(), t.claim.end(), [&](double v) { return std::abs(v) == bound; });
  if (at_bound < 2 && !round_number(bound)) return false;
  return bound > 0 && gap <= t.tolerance * bound && largest(made) > bound * (1 + 16 * t.tolerance);
}

// The first rows of claim = scale * made + decay * parameter?
bool decayed(const Target& t, const Real& made, double tolerance, double& scale, double& decay) {
  double mm = 0, mp = 0, pp = 0, cm = 0, cp = 0;
  for (std::size_t k = 0; k < made.size(); ++k) {
    mm += made[k] * made[k], mp += made[k] * t.parameter[k], pp += t.parameter[k] * t.parameter[k];
    cm += t.claim[k] * made[k], cp += t.claim[k] * t.parameter[k];
  }
  const auto fits = [&] {
    const double limit = tolerance * largest(t.claim.data(), made.size());
    for (std::size_t k = 0; k < made.size(); ++k)  // what overflowed explains nothing
      if (!(std::abs(t.claim[k] - scale * made[k] - decay * t.parameter[k]) <= limit)) return false;
    return true;
  };
  scale = 1, decay = pp > 0 ? (cp - mp) / pp : 0;
  if (fits()) return true;
  const double det = mm * pp - mp * mp;
  if (!(det > 0)) return false;
  scale = (cm * pp - cp * mp) / det, decay = (cp * mm - cm * mp) / det;
  if (!fits()) return false;
  if (std::abs(scale - 1) < 1e-9) scale = 1;
  return true;
}

}  // namespace

struct Reader::Attempt {
  std::size_t target;
  const Evaluation& e;
  std::size_t depth;
  std::vector<Reading> found;
};

Reader::Reader(const Engine& engine, const Words& words, std::vector<Target> targets)
    : engine_(engine), words_(words), targets_(std::move(targets)) {}

Nearness Reader::nearness(std::size_t i, const Evaluation& e, double scale) const {
  const Target& t = targets_[i];
  const int rows = std::min(t.piece.rows, t.piece.cols == 1 ? t.piece.rows : 3);
  const Real made = engine_.gradient(t.piece, engine_.right_product(t.piece, form_of(t, e)), e, 0, rows);
  Nearness n;
  double gap = 0, all = 0;
  for (std::size_t k = 0; k < made.size(); ++k) {
    const double d = t.claim[k] - scale * made[k];
    gap += d * d, all += t.claim[k] * t.claim[k];
  }
  n.distance = all > 0 && std::isfinite(gap) ? std::min(1.0, std::sqrt(gap / all)) : gap == 0 ? 0 : 1;
  if (largest(made) == 0) return n;
  const Fit f = fit(t.claim.data(), made, t.tolerance);
  n.matches = f.ok && f.scale != 0;
  return n;
}

// Two numbers are some multiple of nearly anything: only a telling factor counts there.
bool Reader::weak(const Target& t, double scale) const {
  const auto nonzero = std::count_if(t.claim.begin(), t.claim.end(), [](double v) { return v != 0; });
  return nonzero < 3 && name_scale(engine_.problem(), scale).front().name == "block-scaled";
}

void Reader::accept(Attempt& to, const std::vector<const BlockMistake*>& mistakes, const Product& product,
                    bool flip) const {
  const Target& t = targets_[to.target];
  Real made = engine_.gradient(t.piece, product, to.e);
  if (flip) made = transposed(made, t.piece.rows);
  Reading a;
  a.choice = {product, flip, 1, 0, 0};
  for (const BlockMistake* m : mistakes) a.atoms.push_back(atom_of(*m, to.target));
  const Fit f = fit(t.claim.data(), made, t.tolerance);
  if (mistakes.empty()) miss_ = f.miss;
  const double bound = largest(t.claim);
  if (f.ok) {
    a.choice.scale = f.scale;
    if (f.scale != 1) {
      // A block whose every entry is at the bound is a multiple of nearly anything.
      if (a.atoms.size() < to.depth && f.scale != 0 && clipped(t, made, bound)) {
        Reading c = a;
        c.choice.scale = 1, c.choice.clip = bound;
        c.atoms.push_back(number_atom("clip", bound, to.target));
        to.found.push_back(std::move(c));
      }
      if (weak(t, f.scale) && !mistakes.empty()) return;
      a.atoms.push_back(number_atom("scale", f.scale, to.target));
      if (weak(t, f.scale)) a.atoms.back().weight = 0.4;
    }
  } else {
    double scale = 1, decay = 0;
    if (a.atoms.size() >= to.depth || made.size() < 2) return;
    if (made.size() > 3 && decayed(t, made, t.tolerance, scale, decay)) {
      a.choice.scale = scale, a.choice.decay = decay;
      a.atoms.push_back(number_atom("decay", decay, to.target));
      if (scale != 1) a.atoms.push_back(number_atom("scale", scale, to.target));
    } else if (clipped(t, made, bound)) {
      a.choice.clip = bound;
      a.atoms.push_back(number_atom("clip", bound, to.target));
    } else {
      return;
    }
  }
  if (a.atoms.size() <= to.depth) to.found.push_back(std::move(a));
}

bool Reader::usable(const Target& t, const Product& p, const Evaluation& e) const {
  const Problem& problem = engine_.problem();
  const auto own = static_cast<std::size_t>(t.piece.layer);
  const std::size_t left = p.left_layer < 0 ? own : static_cast<std::size_t>(p.left_layer);
  const std::size_t right_layer = p.right_layer < 0 ? own : static_cast<std::size_t>(p.right_layer);
  const bool head = t.piece.kind == Kind::V || t.piece.kind == Kind::c;
  if (!head && (left >= e.deltas.size() || e.deltas[left].slots(p.left).empty())) return false;
  if (!head && problem.layers[left].hidden != problem.layers[own].hidden) return false;
  if (p.right == Var::none) return true;
  const Tape& tape = engine_.tapes()[right_layer];
  return tape.has(p.right) && tape.step(p.right) == problem.B * t.piece.cols;
}

// Two rows are enough to refuse nearly everything.
bool Reader::plausible(const Target& t, const Product& p, bool flip, const Evaluation& e) const {
  if (t.piece.cols == 1 || flip || t.piece.rows <= 2) return true;
  const Real made = engine_.gradient(t.piece, p, e, 0, 2);
  if (largest(made) == 0) return largest(t.claim.data(), made.size()) == 0;
  if (fit(t.claim.data(), made, 4 * t.tolerance).ok) return true;
  double scale = 1, decay = 0;
  return made.size() > 3 && decayed(t, made, 4 * t.tolerance, scale, decay);
}

const std::vector<BlockMistake>& Reader::list_of(std::size_t i, int form) const {
  auto [at, made] = lists_.try_emplace({i, form});
  const Piece& piece = targets_[i].piece;
  if (made) at->second = block_mistakes(engine_.problem(), words_, piece, engine_.right_product(piece, form));
  return at->second;
}

const std::vector<BlockMistake>& Reader::own_of(std::size_t i, const Product& right) const {
  auto [at, made] = own_.try_emplace({i, -1});
  const Piece& piece = targets_[i].piece;
  if (made)
    at->second = own_mistakes(engine_.problem(), words_, piece, right,
                              sweep_mistakes(engine_.problem(), words_, piece.layer));
  return at->second;
}

// Two block mistakes: which steps, with what.
void Reader::pairs(Attempt& to, const std::vector<BlockMistake>& list, const Product& right) const {
  const Target& t = targets_[to.target];
  const auto ranged = [&](const Product& p) {
    return p.first != right.first || p.last != right.last || p.only != right.only || p.first_row_only;
  };
  for (std::size_t a = 1; a < list.size(); ++a)
    for (std::size_t b = 1; b < list.size(); ++b) {
      const Product &pa = list[a].product, &pb = list[b].product;
      const bool left_b = pb.left != right.left, right_b = pb.right != right.right ||
                                                           pb.shift != right.shift || pb.wraps ||
                                                           pb.replay != right.replay;
      Product p = pb;
      bool flip = list[a].transposed;
      if (ranged(pa) && !ranged(pb) && (left_b || right_b || list[b].transposed)) {
        p.first = pa.first, p.last = pa.last, p.only = pa.only, p.first_row_only = pa.first_row_only;
        flip = list[b].transposed;
      } else if (!ranged(pa) && pa.left != right.left && right_b && !left_b) {
        p.left = pa.left;
      } else if (!list[a].transposed || list[b].transposed) {
        continue;
      }
      if (usable(t, p, to.e) && plausible(t, p, flip, to.e)) accept(to, {&list[a], &list[b]}, p, flip);
    }
}

std::vector<Reading> Reader::explain(std::size_t i, const Evaluation& e, int depth, bool own) const {
  const Target& t = targets_[i];
  const int form = form_of(t, e);
  const Product right = engine_.right_product(t.piece, form);
  Attempt to{i, e, static_cast<std::size_t>(depth), {}};
  accept(to, {}, right, false);
  const bool only_weak = std::all_of(to.found.begin(), to.found.end(), [&](const Reading& a) {
    return a.choice.scale == 0 || (a.choice.scale != 1 && weak(t, a.choice.scale));
  });
  if ((!to.found.empty() && !only_weak) || depth == 0) return to.found;
  const auto try_list = [&](const std::vector<BlockMistake>& list, std::size_t first) {
    for (std::size_t k = first; k < list.size(); ++k)
      if (usable(t, list[k].product, e) && plausible(t, list[k].product, list[k].transposed, e))
        accept(to, {&list[k]}, list[k].product, list[k].transposed);
  };
  const std::vector<BlockMistake>& list = list_of(i, form);
  try_list(list, 1);
  const bool gate = right.left >= Back::da0 && right.left <= Back::da3 && t.piece.kind != Kind::dx;
  if (to.found.empty() && own && gate && form < 0) try_list(own_of(i, right), 0);
  if (to.found.empty() && depth >= 2) pairs(to, list, right);
  return to.found;
}

Real reproduce(const Target& target, const Choice& c, const Engine& engine, const Evaluation& made,
               const Real& parameter) {
  Real v = engine.gradient(target.piece, c.product, made);
  if (c.transposed) v = transposed(v, target.piece.rows);
  for (std::size_t k = 0; k < v.size(); ++k) {
    v[k] = c.scale * v[k] + c.decay * parameter[k];
    if (c.clip > 0) v[k] = std::clamp(v[k], -c.clip, c.clip);
  }
  return v;
}

}  // namespace retrograde::doctor
