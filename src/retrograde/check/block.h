// Names for the entries of a flat vector: parameter blocks with shapes, and words for an index
// ("gate f, unit 3, input 2").
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace retrograde {

struct Block {
  std::string name;
  std::vector<std::size_t> shape{};  // row-major; empty is a scalar
  std::vector<std::string> axes{};   // a word for each axis: {"unit", "input"}; empty: plain indices
  std::vector<std::string> gates{};  // the first axis is gates x units, gate by gate: {"i", "f", "g", "o"}

  std::size_t size() const;
  // Entries of a gate lie together: gate k is entries [k * size() / strata(), (k + 1) * size() / strata()).
  std::size_t strata() const { return gates.empty() ? 1 : gates.size(); }
  // "weight_hh_l0[14, 2] (gate f, unit 3, from 2)", "U[3, 2]", "scale"
  std::string entry(std::size_t index) const;
};

// Throws UsageError unless the blocks hold exactly `entries` entries and their gates and axes fit the shapes.
void require_fit(const std::vector<Block>& blocks, std::size_t entries);

}  // namespace retrograde
