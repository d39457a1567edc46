#include "retrograde/doctor/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace retrograde::doctor {

namespace {

// Plans that a level of the beam search extends, and mistakes that it puts together.
constexpr std::size_t kWidth = 48, kDepth = 4;

bool conflict(const Mistake& a, const Mistake& b) {
  for (int x : a.entries)
    for (int y : b.entries)
      if (x == y || x == kWholeLayer || y == kWholeLayer) return a.layer == b.layer;
  return false;
}

bool compatible(const std::vector<const Mistake*>& list, const Mistake& m) {
  return std::none_of(list.begin(), list.end(), [&](const Mistake* x) { return conflict(*x, m); });
}

Atom atom_of(Mistake m, const Problem& problem, const Words& words) {
  fill_lines(problem, words, m);
  Atom a;
  a.key = m.name + m.where + m.sentence;
  a.name = m.name, a.where = m.where, a.sentence = m.sentence, a.fix = m.fix, a.yours = m.yours;
  a.aliases = m.aliases, a.weight = m.weight, a.patch = m.patch;
  if (problem.layers.size() > 1 && m.layer >= 0)
    a.where = fmt::format("{}: {}", layer_name(problem, m.layer), m.where);
  return a;
}

}  // namespace

Search::Search(const Engine& engine, const Words& words, std::vector<Target> targets,
               Clock::time_point deadline, Start start)
    : reader_(engine, words, std::move(targets)),
      words_(words),
      deadline_(deadline),
      start_(std::move(start)),
      by_layer_(engine.problem().layers.size()) {
  const auto& all = reader_.targets();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Piece& p = all[i].piece;
    (p.kind == Kind::V || p.kind == Kind::c ? head_ : by_layer_[static_cast<std::size_t>(p.layer)])
        .push_back(i);
  }
  // The cheapest first: one failure ends a candidate.
  for (auto& list : by_layer_)
    std::sort(list.begin(), list.end(),
              [&](std::size_t a, std::size_t b) { return all[a].claim.size() < all[b].claim.size(); });
}

bool Search::explain_all(const std::vector<std::size_t>& which, const Evaluation& e, int depth, bool own,
                         Partial& to) {
  for (std::size_t i : which) {
    auto found = reader_.explain(i, e, depth, own);
    if (found.empty()) {
      const double miss = reader_.miss();
      if (result_.next_miss < 0 || miss < result_.next_miss) result_.next_miss = miss;
      return false;
    }
    to.readings[i] = std::move(found);
  }
  return true;
}

std::vector<Partial> Search::settle_head() {
  const Problem& problem = engine().problem();
  const Mistakes mistakes = head_mistakes(problem, words_);
  std::vector<Partial> found;
  const auto attempt = [&](const std::vector<const Mistake*>& list, int depth) {
    ++result_.candidates;
    Partial p;
    p.plan = right_plan(problem);
    p.atoms = start_;
    for (const Atom& a : start_) a.patch(p.plan);
    p.readings.resize(reader_.targets().size());
    for (const Mistake* m : list) m->patch(p.plan), p.atoms.push_back(atom_of(*m, problem, words_));
    Evaluation e;
    engine().head(e, p.plan);
    if (!explain_all(head_, e, depth, false, p)) return;
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
  keep_best(found);
  if (found.size() > 4) found.resize(4);
  return found;
}

double Search::head_scale(const Partial& p) const {
  double scale = 0;
  for (std::size_t i : head_) {
    const double s = p.readings[i].empty() ? 1 : p.readings[i].front().choice.scale;
    if (scale != 0 && std::abs(s - scale) > 1e-9 * std::abs(scale)) return 1;
    scale = s;
  }
  return scale == 0 ? 1 : scale;
}

Search::Ground Search::ground(int layer, const Partial& above) const {
  Ground g{layer, above, {}, head_scale(above)};
  engine().head(g.base, above.plan);
  engine().way_up(g.base, above.plan);
  for (int l = static_cast<int>(by_layer_.size()) - 1; l > layer; --l) engine().sweep(g.base, above.plan, l);
  if (engine().problem().reversed(layer))
    engine().sweep(g.base, above.plan, layer - 1);  // its twin, for comparison
  return g;
}

// Tries a plan. Unless thorough, only where the right product explains some block.
Search::Node Search::attempt(const Ground& g, std::vector<const Mistake*> mistakes, bool thorough,
                             std::vector<Partial>& found) {
  ++result_.candidates;
  Plan plan = g.above.plan;
  bool head = false;
  for (const Mistake* m : mistakes) m->patch(plan), head |= m->layer < 0;
  Evaluation e = g.base;
  if (head) engine().way_up(e, plan);
  engine().sweep(e, plan, g.layer);
  if (mistakes.empty())  // a block may be made from a lower layer's delta
    for (int below = g.layer - 1; below >= 0; --below) engine().sweep(e, plan, below);
  const auto& which = by_layer_[static_cast<std::size_t>(g.layer)];
  Node node{std::move(mistakes), 0};
  std::size_t matched = 0;
  for (std::size_t i : which) {
    const Nearness n = reader_.nearness(i, e, g.scale);
    matched += n.matches;
    node.score += std::log(n.distance + reader_.targets()[i].tolerance);
  }
  if (!thorough && matched == 0) return node;
  Partial p = g.above;
  p.mistakes = node.mistakes;
  if (!explain_all(which, e, matched || node.mistakes.empty() ? 2 : 1, matched > 0, p)) return node;
  p.plan = std::move(plan);
  for (const Mistake* m : node.mistakes) p.atoms.push_back(atom_of(*m, engine().problem(), words_));
  settle(p);
  found.push_back(std::move(p));
  return node;
}

namespace {

double least(const std::vector<Partial>& found) {
  double cost = 1e9;
  for (const Partial& p : found) cost = std::min(cost, p.cost);
  return cost;
}

// The nearest plans; of those that give the same numbers, one.
template <class Node>
void keep_nearest(std::vector<Node>& nodes) {
  std::stable_sort(nodes.begin(), nodes.end(),
                   [](const Node& a, const Node& b) { return a.score < b.score; });
  nodes.erase(std::unique(nodes.begin(), nodes.end(),
                          [](const Node& a, const Node& b) { return std::abs(a.score - b.score) < 1e-9; }),
              nodes.end());
  if (nodes.size() > kWidth) nodes.resize(kWidth);
}

}  // namespace

void Search::beam(const Ground& g, const Mistakes& mistakes, std::vector<Node> nodes,
                  std::vector<Partial>& found) {
  for (std::size_t depth = 2; depth <= kDepth && !late(); ++depth) {
    keep_nearest(nodes);
    std::vector<Node> next;
    for (const Node& node : nodes) {
      for (const Mistake& m : mistakes) {
        if (late()) return;
        if (!compatible(node.mistakes, m)) continue;
        auto list = node.mistakes;
        list.push_back(&m);
        next.push_back(attempt(g, std::move(list), false, found));
      }
      if (least(found) < g.above.cost + static_cast<double>(depth) + 0.8) return;
    }
    nodes = std::move(next);
  }
}

// Pairs, those of likely mistakes first.
void Search::every_pair(const Ground& g, const Mistakes& mistakes, std::vector<Partial>& found) {
  std::vector<const Mistake*> order;
  for (const Mistake& m : mistakes) order.push_back(&m);
  std::stable_sort(order.begin(), order.end(),
                   [](const Mistake* a, const Mistake* b) { return a->weight < b->weight; });
  for (std::size_t b = 1; b < order.size(); ++b)
    for (std::size_t a = 0; a < b; ++a) {
      if (late()) return;
      if (!conflict(*order[a], *order[b])) attempt(g, {order[a], order[b]}, false, found);
    }
}

// What else could stand for each mistake of the best combination.
void Search::exchange(const Ground& g, const Mistakes& mistakes, std::vector<Partial>& found) {
  if (found.empty()) return;
  const auto best = std::min_element(found.begin(), found.end(),
                                     [](const Partial& a, const Partial& b) { return a.cost < b.cost; });
  const std::vector<const Mistake*> list = best->mistakes;
  for (std::size_t k = 0; k < list.size() && list.size() > 1; ++k) {
    auto rest = list;
    rest.erase(rest.begin() + static_cast<long>(k));
    for (const Mistake& m : mistakes) {
      if (late()) return;
      if (&m == list[k] || !compatible(rest, m)) continue;
      auto other = rest;
      other.push_back(&m);
      attempt(g, std::move(other), false, found);
    }
  }
}

std::vector<Partial> Search::settle_layer(int layer, const std::vector<Partial>& above) {
  if (by_layer_[static_cast<std::size_t>(layer)].empty()) return above;
  // Mistakes are patches of the right table; one that is known from the start may have put another there.
  const bool replaced = above.front().plan.layers[static_cast<std::size_t>(layer)].reset_form >= 0;
  const Mistakes mistakes = replaced ? Mistakes() : sweep_mistakes(engine().problem(), words_, layer);
  std::vector<Partial> found;
  std::vector<Ground> grounds;
  std::vector<std::vector<Node>> singles;
  for (const Partial& from : above) {
    grounds.push_back(ground(layer, from));
    attempt(grounds.back(), {}, true, found);
    std::vector<Node> nodes;
    for (const Mistake& m : mistakes)
      if (!late()) nodes.push_back(attempt(grounds.back(), {&m}, true, found));
    singles.push_back(std::move(nodes));
  }
  // More than two mistakes beside those above: fewer of the sweep may do.
  const auto open = [&] { return combinations_ && least(found) > above.front().cost + 2.7; };
  for (std::size_t k = 0; k < grounds.size() && k < 2 && open(); ++k)
    beam(grounds[k], mistakes, std::move(singles[k]), found);
  if (open() && found.empty()) every_pair(grounds[0], mistakes, found);
  if (combinations_ && !found.empty()) exchange(grounds[0], mistakes, found);
  keep_best(found);
  return found;
}

SearchResult Search::run(bool combinations) {
  combinations_ = combinations;
  result_ = {};
  std::vector<Partial> partials = settle_head();
  for (int l = static_cast<int>(by_layer_.size()) - 1; l >= 0 && !partials.empty(); --l)
    partials = settle_layer(l, partials);
  if (partials.empty()) return std::move(result_);
  keep_best(partials);
  std::size_t fewest = 1000;
  std::vector<Explanation> all;
  for (const Partial& p : partials)
    all.push_back(finish(p)), fewest = std::min(fewest, all.back().atoms.size());
  for (Explanation& e : all)
    if (e.atoms.size() == fewest) result_.best.push_back(std::move(e));
  return std::move(result_);
}

Real Search::reproduce(const Explanation& e, std::size_t i, const Engine& engine,
                       const Real& parameter) const {
  return doctor::reproduce(reader_.targets()[i], e.choices[i], engine, engine.evaluate(e.plan), parameter);
}

}  // namespace retrograde::doctor
