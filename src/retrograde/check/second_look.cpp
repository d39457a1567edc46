// Nobody is accused on one measurement: entries that look wrong are measured again, and directions that
// differ are followed down to an entry.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "retrograde/check/gradient_check.h"

namespace retrograde::detail {
namespace {

constexpr int kSecondDraws = 12;  // for an entry that is about to be accused
constexpr std::size_t kSecondLooks = 8;
constexpr double kReach = 32;  // of the Taylor remainder's first step, which is an eighth of it

}  // namespace

// Before an entry is accused: more draws, other steps, the other oracle, the Taylor remainder. Where they
// contradict each other the bar is widened to hold them all.
void GradientCheck::confirm(Probe probe, Entry& e) {
  auto truth = measure(probe, kSecondDraws);
  const auto v = direction(probe);
  const double scale = directional_ ? 1 : steps_[v.offset];
  if (!complex_) {
    truth.error = std::max(truth.error, e.truth.error);
    if (report_.claim == Precision::float32) truth.rounding = rounding_by_differences(v, scale, truth.value);
  }
  if (f_.real) {
    const auto other = differences(v, complex_ ? scale : 0.37 * scale);
    const double apart = std::abs(other.value - truth.value);
    if (other.kink || !(apart <= other.error + truth.error)) {
      truth.kink = other.kink;
      if (std::isfinite(other.value)) truth.error = std::max(truth.error, apart + other.error);
      if (!other.kink)
        report_.notes.push_back(fmt::format("{}: two oracles disagree ({:.6g} and {:.6g})",
                                            options_.blocks[probe.block].entry(probe.index), truth.value,
                                            other.value));
    }
    // At steps that resolve f: above, a claim of zero is as good as any where f waves or bends.
    const double reach = other.step > 0 ? std::min(scale, kReach * other.step) : scale;
    const auto taylor = taylor_slope(f_.real, theta_, v, e.claimed, reach, noise_);
    const double gap = std::abs(e.claimed - truth.value);
    if (gap - truth.error > 4 * taylor.bound) {
      truth.error = gap;
      report_.notes.push_back(fmt::format("{}: the Taylor remainder contradicts the {}",
                                          options_.blocks[probe.block].entry(probe.index), report_.oracle));
    }
    if (std::isnan(report_.taylor.slope)) report_.taylor = taylor;
  }
  e.truth = truth;
}

// What rounding every parameter to float32 does to the derivative, scaled to float64's last places.
double GradientCheck::rounding_by_differences(Direction v, double scale, double value) {
  constexpr int kShakes = 4;
  const double eps = epsilon(Precision::float32);
  double squares = 0;
  std::vector<double> shaken(theta_.begin(), theta_.end());
  for (int i = 0; i < kShakes; ++i) {
    for (std::size_t k = 0; k < shaken.size(); ++k)
      shaken[k] = theta_[k] * (1 + eps * random_.uniform(-1, 1));
    const double moved = ridders(f_.real, shaken, v, scale, noise_).value - value;
    if (std::isfinite(moved)) squares += moved * moved / kShakes;
  }
  return std::sqrt(squares) * epsilon(Precision::float64) / eps;
}

// Returns whether anything was looked at. Worst first, until the worst are confirmed.
bool GradientCheck::second_look(std::size_t block) {
  std::vector<Entry*> suspects;
  for (auto& e : entries_[block])
    if (std::isfinite(e.claimed) && e.gap > e.certain) suspects.push_back(&e);
  std::sort(suspects.begin(), suspects.end(),
            [](const Entry* a, const Entry* b) { return a->gap / a->allowed > b->gap / b->allowed; });
  for (std::size_t i = 0; i < suspects.size(); ++i) {
    if (i >= kSecondLooks && i % kSecondLooks == 0) {
      const bool confirmed =
          compare_block(options_.blocks[block], entries_[block], report_.claim, whole_, directional_)
                  .verdict == Verdict::differs &&
          suspects[0]->verdict == Verdict::differs;
      if (confirmed) break;
    }
    confirm({block, suspects[i]->index, 0}, *suspects[i]);
  }
  return !suspects.empty();
}

// Follows the half of the worst direction that holds the larger gap, down to one entry, and reports that
// entry.
void GradientCheck::localise(std::size_t b) {
  const auto& block = options_.blocks[b];
  BlockResult& result = report_.blocks[b];
  direction({b, result.worst.index, 0});
  const auto values = direction_;
  const auto claimed = claimed_.subspan(offsets_[b], block.size());
  const auto measured = [&](std::size_t from, std::size_t to) {
    const Direction v{offsets_[b] + from, std::span(values).subspan(from, to - from)};
    return complex_ ? complex_step(f_.complex, theta_, v, random_, kDraws) : differences(v, 1);
  };
  const auto gap = [&](std::size_t from, std::size_t to) {
    double sum = 0;
    for (std::size_t i = from; i < to; ++i) sum += claimed[i] * values[i];
    const double difference = std::abs(sum - measured(from, to).value);
    return std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
  };
  std::size_t from = 0, to = block.size();
  while (to - from > 1) {
    const std::size_t middle = from + (to - from) / 2;
    if (gap(from, middle) >= gap(middle, to))
      to = middle;
    else
      from = middle;
  }
  std::vector<Entry> found(1);
  found[0].index = from;
  found[0].claimed = claimed[from];
  found[0].step = steps_[offsets_[b] + from];
  found[0].truth = measured(from, to);
  found[0].truth.value /= values[from];
  found[0].truth.error /= std::abs(values[from]);
  const auto entry = compare_block(block, found, report_.claim, whole_);
  result.worst = entry.worst;
  result.worst_at = entry.worst_at;
  if (entry.verdict != Verdict::differs) {
    result.verdict = Verdict::cannot_tell;
    result.note = "a direction differs, but halving it led to no entry that does";
  } else if (result.note.empty()) {
    result.note = "the entry was found by halving a direction; there may be worse ones";
  }
}

}  // namespace retrograde::detail
