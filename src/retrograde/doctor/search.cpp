#include "retrograde/doctor/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace retrograde::doctor {

namespace {

double largest(const double* v, std::size_t n) {
  double m = 0;
  for (std::size_t i = 0; i < n; ++i) m = std::max(m, std::abs(v[i]));
  return m;
}
double largest(const Real& v) { return largest(v.data(), v.size()); }

struct Fit {
  bool ok = false;
  double scale = 1, miss = 1;
};

// Whether claim = scale * made, to a relative tolerance.
Fit fit(const double* claim, const Real& made, double tolerance) {
  const std::size_t n = made.size();
  double cm = 0, mm = 0;
  for (std::size_t i = 0; i < n; ++i) cm += claim[i] * made[i], mm += made[i] * made[i];
  const double top = largest(claim, n);
  if (!std::isfinite(cm) || !std::isfinite(mm)) return {};
  if (mm == 0) return {top == 0, 1, top == 0 ? 0.0 : 1.0};
  if (top == 0) return {true, 0, 0};
  Fit f;
  f.scale = cm / mm;
  // A factor within the tolerance of one is one.
  if (std::abs(f.scale - 1) <= 8 * tolerance) f.scale = 1;
  double gap = 0;
  for (std::size_t i = 0; i < n; ++i) gap = std::max(gap, std::abs(claim[i] - f.scale * made[i]));
  f.miss = gap / top;
  f.ok = f.miss <= tolerance;
  return f;
}

Real transposed(const Real& m, int n) {
  Real t(m.size());
  for (int r = 0; r < n; ++r)
    for (int c = 0; c < n; ++c)
      t[static_cast<std::size_t>(c * n + r)] = m[static_cast<std::size_t>(r * n + c)];
  return t;
}

bool conflict(const Mistake& a, const Mistake& b) {
  for (int x : a.entries)
    for (int y : b.entries)
      if (x == y || x == kWholeLayer || y == kWholeLayer) return a.layer == b.layer;
  return false;
}

Atom atom_of(const Mistake& m) {
  Atom a;
  a.key = m.name + m.where + m.sentence;
  a.name = m.name, a.where = m.where, a.sentence = m.sentence, a.fix = m.fix, a.yours = m.yours,
  a.alias = m.alias, a.weight = m.weight, a.patch = m.patch;
  return a;
}

Atom atom_of(const BlockMistake& m, std::size_t piece) {
  Atom a;
  a.key = m.name + m.sentence;
  a.name = m.name, a.sentence = m.sentence, a.fix = m.fix, a.weight = m.weight;
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

}  // namespace

std::vector<Atom> name_scale(const Problem& problem, double r) {
  std::vector<Atom> out;
  auto is = [&](double v) { return std::abs(r / v - 1) < 1e-6; };
  auto add = [&](const char* name, std::string sentence, double weight) {
    Atom a;
    a.name = name, a.sentence = std::move(sentence), a.weight = weight;
    a.fix = r == 0 ? "add every step's part to it" : fmt::format("multiply by {:.6g}", 1 / r);
    out.push_back(std::move(a));
  };
  if (r == 0) {
    add("zero", "the gradient is zero throughout", 0);
    return out;
  }
  if (is(-1)) add("sign", "the sign is wrong", 0);
  if (is(2)) add("factor-two", "it is twice too large", 0);
  if (is(0.5)) add("factor-two", "it is half of what it should be", 0);
  struct Axis {
    double n;
    const char *name, *what;
  };
  double steps = 0;
  for (int e : problem.end) steps += e;
  const bool ragged = problem.ragged();
  const Axis axes[] = {
      {static_cast<double>(problem.T), "time-mean-or-sum", "the number of steps"},
      {static_cast<double>(problem.B), "batch-mean-or-sum", "the batch size"},
      {problem.net.head ? static_cast<double>(problem.O) : 1, "output-mean-or-sum", "the number of outputs"},
      {ragged ? steps : 1, "time-mean-or-sum", "the number of valid steps"}};
  for (const Axis& a : axes) {
    if (a.n < 2) continue;
    if (is(a.n))
      add(a.name,
          fmt::format("it is {} ({}) times too large: a sum where the loss takes the mean", a.n, a.what),
          0.01);
    if (is(1 / a.n))
      add(a.name,
          fmt::format("it is divided by {} ({}) once too often: a mean where the loss takes the sum", a.n,
                      a.what),
          0.01);
    auto with = [&](const char* second, const std::string& what, double weight) {
      add(a.name, fmt::format("it is off by the factor {:.6g}: {} ({}) and {}", r, a.what, a.n, what),
          weight);
      out.back().also = second;
    };
    if (is(2 * a.n) || is(0.5 * a.n) || is(2 / a.n) || is(0.5 / a.n))
      with("factor-two", "a factor two", 0.05);
    if (is(-a.n) || is(-1 / a.n)) with("sign", "the sign", 0.06);
    for (const Axis& b : axes)
      if (&b > &a && b.n >= 2 && (is(a.n * b.n) || is(1 / (a.n * b.n)) || is(a.n / b.n) || is(b.n / a.n)))
        with(b.name, fmt::format("{} ({})", b.what, b.n), 0.06);
  }
  const double all = static_cast<double>(problem.T * problem.B * (problem.net.head ? problem.O : 1));
  if (out.empty() && all > 1 && (is(all) || is(1 / all))) {
    add("time-mean-or-sum",
        fmt::format("it is off by the factor {:.6g}: the number of steps, of rows and of outputs", r), 0.06);
    out.back().also = "batch-mean-or-sum";
  }
  if (is(-2) || is(-0.5))
    add("sign", "the sign is wrong, and a factor two", 0.05), out.back().also = "factor-two";
  if (out.empty()) add("block-scaled", fmt::format("it is {:.10g} times what it should be", r), 0.1);
  std::stable_sort(out.begin(), out.end(), [](const Atom& a, const Atom& b) { return a.weight < b.weight; });
  // Where one reading suffices, two at once are far-fetched.
  if (out.front().also.empty()) std::erase_if(out, [](const Atom& a) { return !a.also.empty(); });
  return out;
}

Search::Search(const Engine& engine, const Words& words, std::vector<Target> targets,
               Clock::time_point deadline, Start start)
    : engine_(engine),
      words_(words),
      targets_(std::move(targets)),
      deadline_(deadline),
      start_(std::move(start)),
      by_layer_(engine.problem().layers.size()) {
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const Piece& p = targets_[i].piece;
    (p.kind == Kind::V || p.kind == Kind::c ? head_ : by_layer_[static_cast<std::size_t>(p.layer)])
        .push_back(i);
    block_mistakes_.push_back(block_mistakes(engine.problem(), words, p, engine.right_product(p)));
  }
  // The cheapest first: one failure ends a candidate.
  auto smaller = [&](std::size_t a, std::size_t b) {
    return targets_[a].claim.size() < targets_[b].claim.size();
  };
  for (auto& list : by_layer_) std::sort(list.begin(), list.end(), smaller);
}

bool Search::matches(std::size_t i, const Evaluation& e) const {
  const Target& t = targets_[i];
  const int rows = std::min(t.piece.rows, 2);
  const Product p = engine_.right_product(
      t.piece, e.reset_form.empty() ? -1 : e.reset_form[static_cast<std::size_t>(t.piece.layer)]);
  const Real made = engine_.gradient(t.piece, p, e, 0, t.piece.cols == 1 ? -1 : rows);
  if (largest(made) == 0) return false;
  const Fit f = fit(t.claim.data(), made, t.tolerance);
  return f.ok && f.scale != 0;
}

std::vector<Search::Alternative> Search::explain(std::size_t i, const Evaluation& e, int depth) const {
  const Target& t = targets_[i];
  std::vector<Alternative> out;
  // Two numbers are some multiple of nearly anything: only a telling factor counts there.
  auto weak = [&](double scale) {
    const auto nonzero = std::count_if(t.claim.begin(), t.claim.end(), [](double v) { return v != 0; });
    return nonzero < 3 && name_scale(engine_.problem(), scale).front().name == "block-scaled";
  };
  auto accept = [&](const std::vector<const BlockMistake*>& mistakes, const Product& product, bool flip) {
    Real made = engine_.gradient(t.piece, product, e);
    if (flip) made = transposed(made, t.piece.rows);
    const auto limit = static_cast<std::size_t>(depth);
    Alternative a;
    a.choice = {product, flip, 1, 0, 0};
    for (const BlockMistake* m : mistakes) a.atoms.push_back(atom_of(*m, i));
    const Fit f = fit(t.claim.data(), made, t.tolerance);
    if (mistakes.empty()) miss_ = f.miss;
    const double bound = largest(t.claim);
    auto clipped = [&] {
      double gap = 0;
      for (std::size_t k = 0; k < made.size(); ++k)
        gap = std::max(gap, std::abs(t.claim[k] - std::clamp(made[k], -bound, bound)));
      return bound > 0 && gap <= t.tolerance * bound && largest(made) > bound * (1 + 16 * t.tolerance);
    };
    if (f.ok) {
      a.choice.scale = f.scale;
      if (f.scale != 1) {
        // A block whose every entry is at the bound is a multiple of nearly anything.
        if (a.atoms.size() < limit && f.scale != 0 && clipped()) {
          Alternative c = a;
          c.choice.scale = 1;
          c.choice.clip = bound;
          c.atoms.push_back(number_atom("clip", bound, i));
          out.push_back(std::move(c));
        }
        if (weak(f.scale) && !mistakes.empty()) return;
        a.atoms.push_back(number_atom("scale", f.scale, i));
        if (weak(f.scale)) a.atoms.back().weight = 0.4;
      }
    } else {
      if (a.atoms.size() >= limit || made.size() < 4) return;
      // claim = scale * made + decay * parameter?
      double mm = 0, mp = 0, pp = 0, cm = 0, cp = 0;
      for (std::size_t k = 0; k < made.size(); ++k) {
        mm += made[k] * made[k], mp += made[k] * t.parameter[k], pp += t.parameter[k] * t.parameter[k];
        cm += t.claim[k] * made[k], cp += t.claim[k] * t.parameter[k];
      }
      const double det = mm * pp - mp * mp;
      double s = 1, d = pp > 0 ? (cp - mp) / pp : 0;
      auto misses = [&] {
        double gap = 0;
        for (std::size_t k = 0; k < made.size(); ++k)
          gap = std::max(gap, std::abs(t.claim[k] - s * made[k] - d * t.parameter[k]));
        return !(gap <= t.tolerance * largest(t.claim));
      };
      if (misses() && det > 0) s = (cm * pp - cp * mp) / det, d = (cp * mm - cm * mp) / det;
      if (!misses()) {
        if (std::abs(s - 1) < 1e-9) s = 1;
        a.choice.scale = s, a.choice.decay = d;
        a.atoms.push_back(number_atom("decay", d, i));
        if (s != 1) a.atoms.push_back(number_atom("scale", s, i));
      } else {
        if (!clipped()) return;
        a.choice.clip = bound;
        a.atoms.push_back(number_atom("clip", bound, i));
      }
    }
    if (a.atoms.size() <= limit) out.push_back(std::move(a));
  };
  const int form = e.reset_form.empty() ? -1 : e.reset_form[static_cast<std::size_t>(t.piece.layer)];
  const Product right = engine_.right_product(t.piece, form);
  accept({}, right, false);
  const bool only_weak = !out.empty() && std::all_of(out.begin(), out.end(), [&](const Alternative& a) {
    return a.choice.scale == 0 || (a.choice.scale != 1 && weak(a.choice.scale));
  });
  if ((!out.empty() && !only_weak) || depth == 0) return out;

  const std::vector<BlockMistake> other =
      form < 0 ? std::vector<BlockMistake>() : block_mistakes(engine_.problem(), words_, t.piece, right);
  const std::vector<BlockMistake>& list = form < 0 ? block_mistakes_[i] : other;
  // Two rows are enough to refuse nearly everything.
  auto plausible = [&](const Product& p, bool flip) {
    if (t.piece.cols == 1 || flip || t.piece.rows <= 2) return true;
    const Real made = engine_.gradient(t.piece, p, e, 0, 2);
    if (largest(made) == 0) return largest(t.claim.data(), made.size()) == 0;
    return fit(t.claim.data(), made, 4 * t.tolerance).ok;
  };
  auto usable = [&](const Product& p) {
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
  };
  for (std::size_t k = 1; k < list.size(); ++k)
    if (usable(list[k].product) && plausible(list[k].product, list[k].transposed))
      accept({&list[k]}, list[k].product, list[k].transposed);
  if (!out.empty() || depth < 2) return out;
  // Two block mistakes: which steps, with what.
  for (std::size_t a = 1; a < list.size(); ++a)
    for (std::size_t b = 1; b < list.size(); ++b) {
      const Product &pa = list[a].product, &pb = list[b].product;
      const bool range_a =
          pa.first != right.first || pa.last != right.last || pa.only != right.only || pa.first_row_only;
      const bool range_b =
          pb.first != right.first || pb.last != right.last || pb.only != right.only || pb.first_row_only;
      const bool left_b = pb.left != right.left,
                 right_b = pb.right != right.right || pb.shift != right.shift || pb.wraps;
      Product p = pb;
      bool flip = list[a].transposed;
      if (range_a && !range_b && (left_b || right_b || list[b].transposed)) {
        p.first = pa.first, p.last = pa.last, p.only = pa.only, p.first_row_only = pa.first_row_only;
        flip = list[b].transposed;
      } else if (!range_a && pa.left != right.left && right_b && !left_b) {
        p.left = pa.left;
      } else if (!list[a].transposed || list[b].transposed) {
        continue;
      }
      if (usable(p) && plausible(p, flip)) accept({&list[a], &list[b]}, p, flip);
    }
  return out;
}

bool Search::explain_all(const std::vector<std::size_t>& which, const Evaluation& e, int depth, Partial& to) {
  ++result_.candidates;
  for (std::size_t i : which) {
    auto found = explain(i, e, depth);
    if (found.empty()) {
      if (result_.next_miss < 0 || miss_ < result_.next_miss) result_.next_miss = miss_;
      return false;
    }
    to.alternatives[i] = std::move(found);
  }
  return true;
}

// The number of different mistakes that the alternatives need: shared ones count once.
double Search::settle(Partial& p) const {
  std::map<std::string, int> seen;
  for (const auto& list : p.alternatives) {
    std::set<std::string> here;
    for (const Alternative& a : list)
      for (const Atom& atom : a.atoms) here.insert(atom.key);
    for (const auto& key : here) ++seen[key];
  }
  std::set<std::string> used;
  double cost = 0;
  for (const Atom& a : p.atoms) cost += 1 + a.weight;
  for (auto& list : p.alternatives) {
    auto price = [&](const Alternative& a) {
      double sum = 0;
      for (const Atom& atom : a.atoms)
        if (!used.count(atom.key)) sum += 1 + atom.weight - 0.01 * seen[atom.key];
      return sum;
    };
    std::stable_sort(list.begin(), list.end(),
                     [&](const Alternative& a, const Alternative& b) { return price(a) < price(b); });
    if (list.empty()) continue;
    for (const Atom& atom : list.front().atoms)
      if (used.insert(atom.key).second) cost += 1 + atom.weight;
  }
  return p.cost = cost;
}

namespace {

template <class P>
void keep_best(std::vector<P>& list, std::size_t most, double slack) {
  std::stable_sort(list.begin(), list.end(), [](const P& a, const P& b) { return a.cost < b.cost; });
  std::size_t n = 0;
  while (n < list.size() && n < most && list[n].cost <= list.front().cost + slack) ++n;
  list.resize(n);
}

}  // namespace

std::vector<Search::Partial> Search::settle_head() {
  const Problem& problem = engine_.problem();
  const Mistakes mistakes = head_mistakes(problem, words_);
  std::vector<Partial> found;
  auto attempt = [&](const std::vector<const Mistake*>& list, int depth) {
    Partial p;
    p.plan = right_plan(problem);
    p.atoms = start_;
    for (const Atom& a : start_) a.patch(p.plan);
    p.alternatives.resize(targets_.size());
    for (const Mistake* m : list) m->patch(p.plan), p.atoms.push_back(atom_of(*m));
    Evaluation e;
    engine_.head(e, p.plan);
    if (!explain_all(head_, e, depth, p)) return;
    settle(p);
    found.push_back(std::move(p));
  };
  attempt({}, 2);
  for (const Mistake& m : mistakes) attempt({&m}, 2);
  if (found.empty())
    for (const Mistake& a : mistakes)
      for (const Mistake& b : mistakes)
        if (&a < &b && !conflict(a, b)) attempt({&a, &b}, 1);
  if (head_.empty()) return found;
  keep_best(found, 4, 1.2);
  if (found.empty()) result_.unexplained = head_;
  return found;
}

void Search::try_plan(int layer, const Partial& above, const Evaluation& base,
                      const std::vector<const Mistake*>& mistakes, bool thorough,
                      std::vector<Partial>& found) {
  const auto l = static_cast<std::size_t>(layer);
  Plan plan = above.plan;
  bool head = false;
  for (const Mistake* m : mistakes) m->patch(plan), head |= m->layer < 0;
  Evaluation e = base;
  if (head) engine_.way_up(e, plan);
  engine_.sweep(e, plan, layer);
  const auto& which = by_layer_[l];
  std::size_t matched = 0;
  for (std::size_t i : which) {
    matched += matches(i, e);
    if (!thorough && matched) break;
  }
  if (!thorough && matched == 0) {
    ++result_.candidates;
    return;
  }
  Partial p = above;
  p.plan = std::move(plan);
  const bool ok = explain_all(which, e, matched ? 2 : 1, p);
  for (const Mistake* m : mistakes) p.atoms.push_back(atom_of(*m));
  if (!ok) {
    if (matched > result_.partial.size() && !mistakes.empty()) result_.partial = p.atoms;
    return;
  }
  settle(p);
  found.push_back(std::move(p));
}

std::vector<Search::Partial> Search::settle_layer(int layer, const std::vector<Partial>& above) {
  const Mistakes mistakes = sweep_mistakes(engine_.problem(), words_, layer);
  std::vector<Partial> found;
  if (by_layer_[static_cast<std::size_t>(layer)].empty()) return above;
  std::vector<Evaluation> bases;
  for (const Partial& from : above) {
    Evaluation base;
    engine_.head(base, from.plan);
    engine_.way_up(base, from.plan);
    for (int l = static_cast<int>(by_layer_.size()) - 1; l > layer; --l) engine_.sweep(base, from.plan, l);
    bases.push_back(std::move(base));
  }
  for (std::size_t k = 0; k < above.size(); ++k) {
    try_plan(layer, above[k], bases[k], {}, true, found);
    for (const Mistake& m : mistakes)
      if (!late()) try_plan(layer, above[k], bases[k], {&m}, true, found);
  }
  double least = 1e9;
  for (const Partial& p : found) least = std::min(least, p.cost);
  const double base = above.empty() ? 0 : above.front().cost;
  if (least > base + 2.7 && pairs_) {
    // Pairs, the likeliest first.
    struct Pair {
      const Mistake *a, *b;
    };
    std::vector<Pair> pairs;
    for (std::size_t a = 0; a < mistakes.size(); ++a)
      for (std::size_t b = a + 1; b < mistakes.size(); ++b)
        if (!conflict(mistakes[a], mistakes[b])) pairs.push_back({&mistakes[a], &mistakes[b]});
    std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& x, const Pair& y) {
      return x.a->weight + x.b->weight < y.a->weight + y.b->weight;
    });
    for (const Pair& pair : pairs) {
      if (late()) break;
      for (std::size_t k = 0; k < above.size(); ++k)
        try_plan(layer, above[k], bases[k], {pair.a, pair.b}, false, found);
    }
  }
  keep_best(found, 24, 0.999);
  if (found.empty()) result_.unexplained = by_layer_[static_cast<std::size_t>(layer)];
  return found;
}

Explanation Search::finish(const Partial& p) const {
  Explanation e;
  e.plan = p.plan;
  e.atoms = p.atoms;
  e.equivalents.resize(e.atoms.size());
  e.choices.resize(targets_.size());
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (p.alternatives[i].empty()) continue;
    const Alternative& a = p.alternatives[i].front();
    e.choices[i] = a.choice;
    for (const Atom& atom : a.atoms) {
      auto same =
          std::find_if(e.atoms.begin(), e.atoms.end(), [&](const Atom& x) { return x.key == atom.key; });
      if (same != e.atoms.end()) {
        same->pieces.push_back(i);
        continue;
      }
      e.atoms.push_back(atom);
      std::vector<Atom> equals;
      for (std::size_t k = 1; k < p.alternatives[i].size(); ++k)
        if (p.alternatives[i][k].atoms.size() == 1 && a.atoms.size() == 1)
          equals.push_back(p.alternatives[i][k].atoms.front());
      e.equivalents.push_back(std::move(equals));
    }
  }
  // An equivalent must stand wherever its original stands.
  for (std::size_t k = 0; k < e.atoms.size(); ++k)
    std::erase_if(e.equivalents[k], [&](const Atom& other) {
      return !std::all_of(e.atoms[k].pieces.begin(), e.atoms[k].pieces.end(), [&](std::size_t i) {
        const auto& list = p.alternatives[i];
        return std::any_of(list.begin(), list.end(), [&](const Alternative& a) {
          return a.atoms.size() == 1 && a.atoms.front().key == other.key;
        });
      });
    });
  return e;
}

SearchResult Search::run(bool pairs) {
  pairs_ = pairs;
  result_ = {};
  std::vector<Partial> partials = settle_head();
  if (!partials.empty())
    for (int l = static_cast<int>(by_layer_.size()) - 1; l >= 0 && !partials.empty(); --l)
      partials = settle_layer(l, partials);
  if (!partials.empty()) {
    keep_best(partials, 24, 0.999);
    std::size_t least = 1000;
    std::vector<Explanation> all;
    for (const Partial& p : partials)
      all.push_back(finish(p)), least = std::min(least, all.back().atoms.size());
    for (Explanation& e : all)
      if (e.atoms.size() == least) result_.best.push_back(std::move(e));
  }
  return std::move(result_);
}

Real Search::reproduce(const Explanation& e, std::size_t i, const Engine& engine,
                       const Real& parameter) const {
  const Choice& c = e.choices[i];
  const Evaluation made = engine.evaluate(e.plan);
  Real v = engine.gradient(targets_[i].piece, c.product, made);
  if (c.transposed) v = transposed(v, targets_[i].piece.rows);
  for (std::size_t k = 0; k < v.size(); ++k) {
    v[k] = c.scale * v[k] + c.decay * parameter[k];
    if (c.clip > 0) v[k] = std::clamp(v[k], -c.clip, c.clip);
  }
  return v;
}

}  // namespace retrograde::doctor
