// What an explanation costs, and which of its readings share their mistakes.
#include <algorithm>
#include <map>
#include <set>

#include "retrograde/doctor/search.h"

namespace retrograde::doctor {

void settle(Partial& p) {
  std::map<std::string, int> seen;
  for (const auto& list : p.readings) {
    std::set<std::string> here;
    for (const Reading& a : list)
      for (const Atom& atom : a.atoms) here.insert(atom.key);
    for (const auto& key : here) ++seen[key];
  }
  std::set<std::string> used;
  double cost = 0;
  for (const Atom& a : p.atoms) cost += 1 + a.weight;
  for (auto& list : p.readings) {
    auto price = [&](const Reading& a) {
      double sum = 0;
      for (const Atom& atom : a.atoms)
        if (!used.count(atom.key)) sum += 1 + atom.weight - 0.01 * seen[atom.key];
      return sum;
    };
    std::stable_sort(list.begin(), list.end(),
                     [&](const Reading& a, const Reading& b) { return price(a) < price(b); });
    if (list.empty()) continue;
    for (const Atom& atom : list.front().atoms)
      if (used.insert(atom.key).second) cost += 1 + atom.weight;
  }
  p.cost = cost;
}

void keep_best(std::vector<Partial>& list) {
  constexpr std::size_t kMost = 24;
  std::stable_sort(list.begin(), list.end(),
                   [](const Partial& a, const Partial& b) { return a.cost < b.cost; });
  std::size_t n = 0;
  while (n < list.size() && n < kMost && list[n].cost <= list.front().cost + 0.999) ++n;
  list.resize(n);
}

Explanation finish(const Partial& p) {
  Explanation e;
  e.plan = p.plan;
  e.atoms = p.atoms;
  e.equivalents.resize(e.atoms.size());
  e.choices.resize(p.readings.size());
  for (std::size_t i = 0; i < p.readings.size(); ++i) {
    if (p.readings[i].empty()) continue;
    const Reading& a = p.readings[i].front();
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
      for (std::size_t k = 1; k < p.readings[i].size(); ++k)
        if (p.readings[i][k].atoms.size() == 1 && a.atoms.size() == 1)
          equals.push_back(p.readings[i][k].atoms.front());
      e.equivalents.push_back(std::move(equals));
    }
  }
  // An equivalent must stand wherever its original stands.
  for (std::size_t k = 0; k < e.atoms.size(); ++k)
    std::erase_if(e.equivalents[k], [&](const Atom& other) {
      return !std::all_of(e.atoms[k].pieces.begin(), e.atoms[k].pieces.end(), [&](std::size_t i) {
        const auto& list = p.readings[i];
        return std::any_of(list.begin(), list.end(), [&](const Reading& a) {
          return a.atoms.size() == 1 && a.atoms.front().key == other.key;
        });
      });
    });
  return e;
}

}  // namespace retrograde::doctor
