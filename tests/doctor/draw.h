// Draws mistakes of the catalogue at random, plants them together and asks for all of their names.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>

#include "doctor/plant.h"

namespace retrograde::doctor {

inline std::vector<Shape> networks() {
  const Shape elman;
  Shape lstm = elman, gru = elman, before = elman, two = elman, words = elman, last = elman, both = elman;
  lstm.cell = Cell::lstm;
  gru.cell = Cell::gru, gru.second_bias = true;
  before.cell = Cell::gru, before.reset_after = false, before.update_keeps = false;
  two.layers = 2;
  words.loss = Loss::softmax_cross_entropy, words.head_activation = Activation::softmax, words.O = 3,
  words.tokens = true;
  both.directions = 2;
  last.last = true, last.head_activation = Activation::sigmoid;
  return {elman, lstm, gru, before, two, words, last, both};
}

inline bool same(const std::vector<Real>& a, const std::vector<Real>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t k = 0; k < a[i].size(); ++k)
      if (!(std::abs(a[i][k] - b[i][k]) <= 1e-9 * (1e-3 + std::abs(b[i][k])))) return false;
  return true;
}

inline bool conflict(const Mistake& a, const Mistake& b) {
  for (int x : a.entries)
    for (int y : b.entries)
      if (x == y || x == kWholeLayer || y == kWholeLayer) return a.layer == b.layer;
  return false;
}

inline std::vector<Real> planted(const Problem& p, const std::vector<const Mistake*>& mistakes) {
  Plan plan = right_plan(p);
  for (const Mistake* m : mistakes) m->patch(plan);
  return gradients_of(p, plan);
}

inline bool named(const Case& c, const std::vector<const Mistake*>& mistakes) {
  const Report r = diagnose(c);
  if (r.verdict != Verdict::differs) return false;
  return std::all_of(mistakes.begin(), mistakes.end(),
                     [&](const Mistake* m) { return mentions(r, m->name); });
}

// `count` mistakes, a name at a time, that fit together.
inline std::vector<const Mistake*> draw(const Mistakes& all, int count, Random& random) {
  std::map<std::string, std::vector<const Mistake*>> by_name;
  for (const Mistake& m : all) by_name[m.name].push_back(&m);
  std::vector<std::string> names;
  for (const auto& [name, list] : by_name) names.push_back(name);
  std::vector<const Mistake*> drawn;
  for (int attempt = 0; attempt < 50 && static_cast<int>(drawn.size()) < count; ++attempt) {
    const auto& list = by_name[names[random.below(names.size())]];
    const Mistake* m = list[random.below(list.size())];
    if (std::none_of(drawn.begin(), drawn.end(),
                     [&](const Mistake* o) { return conflict(*o, *m) || o->name == m->name; }))
      drawn.push_back(m);
  }
  return drawn;
}

// Each must leave a trace beside the others.
inline bool all_visible(const Problem& p, const std::vector<const Mistake*>& drawn) {
  const auto claim = planted(p, drawn);
  return std::all_of(drawn.begin(), drawn.end(), [&](const Mistake* m) {
    auto rest = drawn;
    std::erase(rest, m);
    return !same(planted(p, rest), claim);
  });
}

struct Tally {
  int asked = 0, named = 0;
  double share() const { return asked ? static_cast<double>(named) / asked : 0; }
};

// Of `tries` draws of `count` mistakes, those that are named in full.
inline Tally plant_together(const std::vector<Shape>& shapes, int count, int tries, std::uint64_t seed,
                            bool programs = false) {
  Random random(seed);
  Tally tally;
  while (tally.asked < tries) {
    const Problem p = random_problem(shapes[random.below(shapes.size())], random);
    const Mistakes all = all_mistakes(p);
    const auto drawn = draw(all, count, random);
    if (!all_visible(p, drawn)) continue;
    ++tally.asked;
    std::vector<Mistake> copies;
    for (const Mistake* m : drawn) copies.push_back(*m);
    const Case c = programs ? make_program(p, copies) : make_case(p, planted(p, drawn));
    if (named(c, drawn)) {
      ++tally.named;
    } else if (std::getenv("RETROGRADE_SHOW")) {
      fmt::print("not named in full:\n");
      for (const Mistake* m : drawn)
        fmt::print("  {} ({}) in {}: {}\n", m->name, m->weight, m->where, m->sentence);
      fmt::print("{}\n", diagnose(c).text());
    }
  }
  return tally;
}

}  // namespace retrograde::doctor
