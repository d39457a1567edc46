#include "retrograde/check/truncation.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace retrograde {
namespace {

BlockBias bias(std::span<const double> truncated, std::span<const double> full) {
  double dot = 0, gap = 0, a = 0, b = 0;
  std::size_t same = 0;
  for (std::size_t i = 0; i < full.size(); ++i) {
    dot += truncated[i] * full[i];
    gap = std::hypot(gap, truncated[i] - full[i]);
    a = std::hypot(a, truncated[i]);
    b = std::hypot(b, full[i]);
    same += (truncated[i] > 0) == (full[i] > 0) && (truncated[i] < 0) == (full[i] < 0);
  }
  return {gap / b, dot / (a * b), static_cast<double>(same) / static_cast<double>(full.size())};
}

std::vector<double> parameter_gradient(const Network<double>& network, LossProblem problem,
                                       const Bptt& bptt) {
  problem.bptt = bptt;
  auto flat = own_gradient(network, problem);
  flat.resize(network.size());
  return flat;
}

double share(std::span<const double> more, std::span<const double> less, std::span<const double> full) {
  double gap = 0, size = 0;
  for (std::size_t i = 0; i < full.size(); ++i) {
    gap = std::hypot(gap, more[i] - less[i]);
    size = std::hypot(size, full[i]);
  }
  return gap / size;
}

}  // namespace

BiasReport truncation_bias(const Network<double>& network, const LossProblem& problem,
                           const std::vector<Bptt>& truncations) {
  const auto full_gradient = parameter_gradient(network, problem, full());
  BiasReport report;
  for (const ParamBlock& block : network.parameters().blocks()) report.blocks.push_back(block.name);
  std::vector<double> before(network.size());
  for (const Bptt& bptt : truncations) {
    const auto truncated = parameter_gradient(network, problem, bptt);
    BiasAt at{bptt, {}, bias(truncated, full_gradient), {}, share(truncated, before, full_gradient)};
    for (const ParamBlock& block : network.parameters().blocks()) {
      const auto part = [&](const std::vector<double>& v) {
        return std::span<const double>(v).subspan(block.offset, block.size);
      };
      at.blocks.push_back(bias(part(truncated), part(full_gradient)));
      at.added.push_back(share(part(truncated), part(before), part(full_gradient)));
    }
    report.at.push_back(std::move(at));
    before = truncated;
  }
  return report;
}

std::vector<Bptt> windows_up_to(std::size_t steps) {
  std::vector<Bptt> windows;
  for (std::size_t reach = 0, step = 1; reach + 1 < steps;
       reach += step, step = std::max<std::size_t>(1, reach * 2 / 3))
    windows.push_back(window(reach));
  windows.push_back(window(steps - 1));
  return windows;
}

std::size_t smallest_reach(const Network<double>& network, const LossProblem& problem, double bound) {
  const auto full_gradient = parameter_gradient(network, problem, full());
  const auto within = [&](std::size_t reach) {
    return bias(parameter_gradient(network, problem, window(reach)), full_gradient).relative_norm <= bound;
  };
  const std::size_t whole = problem.input.steps - 1;
  std::size_t above = 0;  // all windows below it are taken to be out of bound
  std::size_t reach = 0;
  while (reach < whole && !within(reach)) {
    above = reach + 1;
    reach = std::min(whole, 2 * reach + 1);
  }
  while (above < reach) {
    const std::size_t middle = above + (reach - above) / 2;
    if (within(middle))
      reach = middle;
    else
      above = middle + 1;
  }
  return reach;
}

std::string BiasReport::text() const {
  std::string out = fmt::format("{:<12}{:<28}{:>10}{:>10}{:>10}{:>10}\n", "truncation", "block", "bias",
                                "cosine", "signs", "adds");
  const auto row = [&](const std::string& truncation, const std::string& block, const BlockBias& b,
                       double added) {
    out += fmt::format("{:<12}{:<28}{:>10.2e}{:>10.4f}{:>9.1f}%{:>10.2e}\n", truncation, block,
                       b.relative_norm, b.cosine, 100 * b.sign_agreement, added);
  };
  for (const auto& a : at) {
    row(to_string(a.bptt), "all", a.whole, a.added_whole);
    for (std::size_t i = 0; i < blocks.size(); ++i) row("", blocks[i], a.blocks[i], a.added[i]);
  }
  return out + "bias is |truncated - full| / |full|; adds is what this line has over the one before it\n";
}

nlohmann::ordered_json BiasReport::json() const {
  const auto number = [](double x) {
    return std::isfinite(x) ? nlohmann::ordered_json(x) : nlohmann::ordered_json();
  };
  const auto numbers = [&](const std::string& name, const BlockBias& b, double added) {
    return nlohmann::ordered_json{{"block", name},
                                  {"relative_norm", number(b.relative_norm)},
                                  {"cosine", number(b.cosine)},
                                  {"sign_agreement", b.sign_agreement},
                                  {"added", number(added)}};
  };
  auto result = nlohmann::ordered_json::array();
  for (const auto& a : at) {
    auto rows = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < blocks.size(); ++i)
      rows.push_back(numbers(blocks[i], a.blocks[i], a.added[i]));
    result.push_back({{"truncation", to_string(a.bptt)},
                      {"whole", numbers("all", a.whole, a.added_whole)},
                      {"blocks", rows}});
  }
  return result;
}

}  // namespace retrograde
