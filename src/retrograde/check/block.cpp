#include "retrograde/check/block.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <numeric>

#include "retrograde/base/error.h"

namespace retrograde {

std::size_t Block::size() const {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

std::string Block::entry(std::size_t index) const {
  if (shape.empty()) return name;
  std::vector<std::size_t> at(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0; index /= shape[axis]) at[axis] = index % shape[axis];
  std::string text = fmt::format("{}[{}]", name, fmt::join(at, ", "));
  if (axes.empty() && gates.empty()) return text;
  std::vector<std::string> words;
  if (!gates.empty()) {
    const std::size_t units = shape[0] / gates.size();
    words.push_back("gate " + gates[at[0] / units]);
    at[0] %= units;
  }
  for (std::size_t axis = 0; axis < axes.size(); ++axis)
    words.push_back(fmt::format("{} {}", axes[axis], at[axis]));
  return fmt::format("{} ({})", text, fmt::join(words, ", "));
}

void require_fit(const std::vector<Block>& blocks, std::size_t entries) {
  std::size_t sum = 0;
  for (const auto& block : blocks) {
    sum += block.size();
    if (!block.axes.empty() && block.axes.size() != block.shape.size())
      throw UsageError("block {} has {} axes in words and {} in its shape", block.name, block.axes.size(),
                       block.shape.size());
    if (!block.gates.empty() && (block.shape.empty() || block.shape[0] % block.gates.size() != 0))
      throw UsageError("block {} has {} gates, which do not divide its first axis", block.name,
                       block.gates.size());
  }
  if (sum != entries)
    throw UsageError(
        "the blocks hold {} entries, the parameter vector holds {}; give every block its full shape", sum,
        entries);
}

}  // namespace retrograde
