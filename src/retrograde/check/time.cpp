#include "retrograde/check/time.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

std::string at_step(const std::string& block, std::size_t t) {
  return fmt::format("{} at step {}", block, t);
}

// f with everything behind the copies held fixed.
template <class T, class F>
std::function<T(std::span<const T>)> with_rest(const F& f, std::span<const double> rest) {
  if (!f) return {};
  return [f, point = std::vector<T>(),
          tail = std::vector<T>(rest.begin(), rest.end())](std::span<const T> copies) mutable {
    point.assign(copies.begin(), copies.end());
    point.insert(point.end(), tail.begin(), tail.end());
    return f(std::span<const T>(point));
  };
}

}  // namespace

TimeStrip time_strip(const Objective& f, std::span<const double> theta, std::span<const double> claimed,
                     std::size_t steps, CheckOptions options) {
  if (steps == 0 || claimed.size() % steps != 0 || claimed.size() > theta.size())
    throw UsageError("{} claimed values are no {} copies of the parameters, of which theta holds {} values",
                     claimed.size(), steps, theta.size());
  const auto own =
      options.blocks.empty() ? std::vector<Block>{{"x", {claimed.size() / steps}}} : options.blocks;
  options.blocks.clear();
  for (std::size_t t = 0; t < steps; ++t)
    for (Block block : own) {
      block.name = at_step(block.name, t);
      options.blocks.push_back(std::move(block));
    }
  const auto rest = theta.subspan(claimed.size());
  const auto report = check_gradient(
      Objective{with_rest<double>(f.real, rest), with_rest<std::complex<double>>(f.complex, rest)},
      theta.first(claimed.size()), claimed, options);
  std::map<std::string, BlockResult> by_name;
  for (const auto& block : report.blocks) by_name[block.name] = block;
  TimeStrip strip;
  for (const auto& block : own) strip.blocks.push_back(block.name);
  for (std::size_t t = 0; t < steps; ++t) {
    auto& row = strip.steps.emplace_back();
    for (const auto& block : strip.blocks) row.push_back(by_name.at(at_step(block, t)));
  }
  return strip;
}

Verdict TimeStrip::verdict() const {
  std::vector<BlockResult> all;
  for (const auto& row : steps) all.insert(all.end(), row.begin(), row.end());
  return overall(all);
}

std::string TimeStrip::where() const {
  std::vector<std::size_t> wrong, doubtful;
  for (std::size_t t = 0; t < steps.size(); ++t) {
    if (overall(steps[t]) == Verdict::differs) wrong.push_back(t);
    if (overall(steps[t]) == Verdict::cannot_tell) doubtful.push_back(t);
  }
  const std::size_t last = steps.size() - 1;
  std::string text;
  if (wrong.empty())
    text = doubtful.size() == steps.size() ? "nothing can be told" : "right at every step that can be told";
  else if (wrong.size() == steps.size())
    text = "wrong at every step, the last one too: the fault is not in the way back";
  else if (wrong.back() + 1 == wrong.size())
    text = fmt::format("right for t >= {0}, wrong for t <= {1}: the fault is in the step back from {0}",
                       wrong.back() + 1, wrong.back());
  else if (wrong.front() + wrong.size() == steps.size())
    text = fmt::format("right for t <= {}, wrong for t >= {}{}", wrong.front() - 1, wrong.front(),
                       wrong.front() == last ? ": the last step" : "");
  else
    text = fmt::format("wrong at t = {}", fmt::join(wrong, ", "));
  if (!doubtful.empty() && doubtful.size() < steps.size())
    text += fmt::format("; cannot tell at t = {}", fmt::join(doubtful, ", "));
  return text;
}

std::string TimeStrip::text() const {
  std::size_t width = 5;
  for (const auto& block : blocks) width = std::max(width, block.size());
  std::string out = fmt::format("{:<{}}  t =", "block", width);
  for (std::size_t t = 0; t < steps.size(); ++t) out += fmt::format("{:>4}", t);
  out += '\n';
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    out += fmt::format("{:<{}}     ", blocks[b], width);
    for (const auto& row : steps)
      out += row[b].verdict == Verdict::agrees    ? "   ."
             : row[b].verdict == Verdict::differs ? "   X"
                                                  : "   ?";
    out += '\n';
  }
  return out + where() + '\n';
}

nlohmann::ordered_json TimeStrip::json() const {
  auto rows = nlohmann::ordered_json::array();
  for (std::size_t t = 0; t < steps.size(); ++t) {
    nlohmann::ordered_json row{{"step", t}};
    for (std::size_t b = 0; b < blocks.size(); ++b) row[blocks[b]] = name(steps[t][b].verdict);
    rows.push_back(std::move(row));
  }
  return {{"where", where()}, {"steps", rows}};
}

}  // namespace retrograde
