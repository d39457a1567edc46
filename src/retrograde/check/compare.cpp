#include "retrograde/check/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double smallest(Precision precision) {
  return precision == Precision::float32 ? static_cast<double>(std::numeric_limits<float>::denorm_min())
                                         : std::numeric_limits<double>::denorm_min();
}

// Rounding of the claim beyond its own last places: what the caller knows and what the oracle measured.
double claim_noise(const Entry& e, Precision claim, double scale) {
  const double ratio = epsilon(claim) / epsilon(Precision::float64);
  const double measured = tolerance::kMeasuredRounding * e.truth.rounding * ratio;
  if (std::isnan(e.claim_noise) && std::isnan(measured))
    return tolerance::kCancellation * epsilon(claim) * scale;
  return std::fmax(e.claim_noise, measured);
}

void judge(Entry& e, Precision claim, double scale, double gradient_scale) {
  const double size = std::abs(e.truth.value);
  e.gap = std::abs(e.claimed - e.truth.value);
  e.certain = e.truth.error + claim_noise(e, claim, scale) + tolerance::kRounding * epsilon(claim) * size +
              tolerance::kRounding * smallest(claim);
  e.allowed = e.certain + tolerance::kRounding * epsilon(claim) * std::max(gradient_scale, scale);
  if (!std::isfinite(e.claimed)) {
    e.verdict = Verdict::differs;
  } else if (std::isnan(e.truth.value) || !(e.allowed < kInfinity)) {
    e.verdict = Verdict::cannot_tell;
  } else if (!(e.gap <= e.allowed)) {
    e.verdict = Verdict::differs;
  } else if (!(e.gap <= e.certain)) {  // excused, and too small a share of the entry to be a mistake, or not
    e.verdict = e.gap <= tolerance::kResolution * size ? Verdict::agrees : Verdict::cannot_tell;
  } else {  // certified to a small share of the entry; or both exactly zero, and so they should be to all
            // that is seen
    const bool zero = e.gap == 0 && size == 0 &&
                      (e.truth.error == 0 || e.certain <= tolerance::kResolution * gradient_scale);
    e.verdict = zero || e.certain <= tolerance::kResolution * size ? Verdict::agrees : Verdict::cannot_tell;
  }
}

// An entry that is too small to be resolved leaves the block's verdict alone as long as it could hide nothing
// that matters to the block.
bool harmless(const Entry& e, double scale) { return e.gap + e.certain <= tolerance::kResolution * scale; }

double badness(const Entry& e) {
  if (!std::isfinite(e.claimed)) return kInfinity;
  if (e.gap == 0) return 0;
  const double ratio = e.gap / e.allowed;
  return std::isnan(ratio) ? -1 : ratio;
}

std::string explain(const BlockResult& r, const Entry* doubtful, const Block& block, bool directions) {
  const auto where = [&](const Entry& e) {
    return directions ? fmt::format("direction {}", e.index) : block.entry(e.index);
  };
  if (r.not_finite > 0) return fmt::format("{} claimed values are NaN or infinite", r.not_finite);
  if (r.verdict == Verdict::differs || r.checked == 0) return {};
  if (doubtful != nullptr) {
    const auto& e = *doubtful;
    if (std::isnan(e.truth.value)) return fmt::format("no finite derivative at {}", where(e));
    if (e.truth.kink)
      return fmt::format("at {} the finite difference is unreliable here (kink within the step)", where(e));
    if (r.scale <= e.certain * e.step)
      return fmt::format("the gradient cannot be told from zero ({:.1e} at most): nothing was tested",
                         e.certain);
    return fmt::format(
        "at {} a gap of {:.1e} may be rounding or the oracle's error ({:.1e}); the entry is {:.1e}", where(e),
        e.gap, e.allowed, std::abs(e.truth.value));
  }
  if (r.scale == 0) return "zero everywhere: nothing was tested";
  if (r.unresolved > 0)
    return fmt::format("{} of {} too small to be told from zero", r.unresolved, r.checked);
  return {};
}

}  // namespace

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::agrees:
      return "agrees";
    case Verdict::differs:
      return "differs";
    case Verdict::cannot_tell:
      return "cannot tell";
  }
  return "";
}

std::string_view name(Precision precision) { return precision == Precision::float32 ? "float32" : "float64"; }

double epsilon(Precision precision) {
  return precision == Precision::float32 ? static_cast<double>(std::numeric_limits<float>::epsilon())
                                         : std::numeric_limits<double>::epsilon();
}

double BlockResult::relative_gap() const {
  if (worst.gap == 0) return 0;
  return worst.gap * worst.step / scale;
}

BlockResult compare_block(const Block& block, std::vector<Entry>& entries, Precision claim,
                          double gradient_scale, bool directions) {
  BlockResult r;
  r.name = block.name;
  r.entries = block.size();
  r.checked = entries.size();
  for (const auto& e : entries)
    if (std::isfinite(e.truth.value)) r.scale = std::max(r.scale, std::abs(e.truth.value) * e.step);

  const Entry* doubtful = nullptr;
  double dot = 0, claimed_norm = 0, true_norm = 0, worst = -kInfinity;
  const double unit = r.scale > 0 ? r.scale : 1;  // the squares of 1e-200 must not vanish
  for (auto& e : entries) {
    judge(e, claim, r.scale / e.step, gradient_scale / e.step);
    r.bad += e.verdict == Verdict::differs;
    r.not_finite += !std::isfinite(e.claimed);
    r.unresolved += e.verdict == Verdict::cannot_tell;
    r.kinks += e.truth.kink;
    if (e.verdict == Verdict::cannot_tell && !harmless(e, r.scale / e.step) &&
        (doubtful == nullptr || !(e.certain <= doubtful->certain)))
      doubtful = &e;
    if (badness(e) > worst) {
      worst = badness(e);
      r.worst = e;
    }
    if (std::isnan(e.truth.value)) continue;
    const double claimed = e.claimed * e.step / unit, truth = e.truth.value * e.step / unit;
    dot += claimed * truth;
    claimed_norm = std::hypot(claimed_norm, claimed);
    true_norm = std::hypot(true_norm, truth);
  }
  r.cosine = dot / (claimed_norm * true_norm);
  r.norm_ratio = claimed_norm / true_norm;
  if (r.bad > 0)
    r.verdict = Verdict::differs;
  else if (doubtful != nullptr || entries.empty() || 2 * r.unresolved > r.checked)
    r.verdict = Verdict::cannot_tell;
  else
    r.verdict = Verdict::agrees;
  if (r.verdict == Verdict::cannot_tell && doubtful != nullptr) r.worst = *doubtful;
  if (!entries.empty())
    r.worst_at =
        directions ? fmt::format("{}, direction {}", block.name, r.worst.index) : block.entry(r.worst.index);
  r.note = explain(r, doubtful, block, directions);
  return r;
}

std::vector<BlockResult> compare(const std::vector<Block>& blocks, std::span<const double> claimed,
                                 std::span<const double> truth, Precision claim,
                                 std::span<const double> truth_error, std::span<const double> claim_noise) {
  const std::size_t n = claimed.size();
  require_fit(blocks, n);
  if (truth.size() != n || (!truth_error.empty() && truth_error.size() != n) ||
      (!claim_noise.empty() && claim_noise.size() != n))
    throw UsageError("claimed, true, error and noise have {}, {}, {}, {} entries; they must be equally many",
                     n, truth.size(), truth_error.size(), claim_noise.size());
  std::vector<BlockResult> results;
  std::size_t offset = 0;
  for (const auto& block : blocks) {
    std::vector<Entry> entries(block.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      entries[i].index = i;
      entries[i].claimed = claimed[offset + i];
      entries[i].truth.value = truth[offset + i];
      entries[i].truth.error = truth_error.empty() ? 0 : truth_error[offset + i];
      if (!claim_noise.empty()) entries[i].claim_noise = claim_noise[offset + i];
    }
    results.push_back(compare_block(block, entries, claim));
    offset += block.size();
  }
  return results;
}

Verdict overall(std::span<const BlockResult> blocks) {
  const auto any = [&](Verdict v) {
    return std::any_of(blocks.begin(), blocks.end(), [&](const auto& b) { return b.verdict == v; });
  };
  if (any(Verdict::differs)) return Verdict::differs;
  return blocks.empty() || any(Verdict::cannot_tell) ? Verdict::cannot_tell : Verdict::agrees;
}

}  // namespace retrograde
