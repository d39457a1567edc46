#include "retrograde/doctor/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace retrograde::doctor {

namespace {

// A correct computation may deviate this many times further than a few disturbed runs did.
constexpr double kSafety = 12;
constexpr int kDisturbedRuns = 4;
// A block of which rounding alone may change this share tells nothing.
constexpr double kHopeless = 0.3;
// Unless the claim meets the right gradient to so many digits, which no accident does.
constexpr double kMet = 1e-6;

std::vector<Target> targets_of(const Hypothesis& h) {
  std::vector<Target> out;
  for (std::size_t b = 0; b < h.blocks.size(); ++b) {
    const Block& block = h.blocks[b];
    if (block.claim.empty()) continue;
    for (const Piece& piece : block.pieces) {
      Target t{piece, gather(piece, block.claim), gather(piece, block.value), 0, b};
      const double decay = decay_of(h.problem, piece.kind);
      for (std::size_t k = 0; k < t.claim.size(); ++k) t.claim[k] -= decay * t.parameter[k];
      out.push_back(std::move(t));
    }
  }
  return out;
}

std::string index_text(std::size_t flat, const std::vector<std::size_t>& shape) {
  std::string out;
  for (std::size_t i = shape.size(); i-- > 0;) {
    out = fmt::format("{}{}{}", flat % shape[i], out.empty() ? "" : ", ", out);
    flat /= shape[i];
  }
  return fmt::format("[{}]", out);
}

int severity(Verdict v) { return v == Verdict::differs ? 2 : v == Verdict::cannot_tell ? 1 : 0; }

}  // namespace

double unit(Precision precision) { return precision == Precision::single ? 0x1.8p-24 : 0x1p-52; }

Judge::Judge(const Hypothesis& h) : h_(h), targets_(targets_of(h)) {
  const Engine engine(h.problem);
  const Plan table = right_plan(h.problem);
  const Evaluation e = engine.evaluate(table);
  for (const Target& t : targets_) right_.push_back(engine.gradient(t.piece, e));
  measure_noise(Precision::double_);
  measure_noise(Precision::single);
}

void Judge::measure_noise(Precision precision) {
  auto& noise = noise_[static_cast<int>(precision)];
  noise.assign(targets_.size(), 0);
  const Plan plan = right_plan(h_.problem);
  for (int run = 0; run < kDisturbedRuns; ++run) {
    Rounding rounding{unit(precision), 0x9e3779b97f4a7c15ULL * static_cast<unsigned long long>(run + 1)};
    const Engine noisy(h_.problem, &rounding);
    const Evaluation disturbed = noisy.evaluate(plan);
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      const Real v = noisy.gradient(targets_[i].piece, disturbed);
      for (std::size_t k = 0; k < v.size(); ++k) noise[i] = std::max(noise[i], std::abs(v[k] - right_[i][k]));
    }
  }
}

double Judge::allowed(std::size_t i, Precision precision) const {
  return kSafety * noise_[static_cast<int>(precision)][i] + 8 * unit(precision) * largest(right_[i]);
}

std::vector<Target> Judge::search_targets(Precision precision) const {
  std::vector<Target> out = targets_;
  const double least = 64 * unit(precision);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double top = largest(right_[i]);
    out[i].tolerance = std::clamp(top > 0 ? 4 * allowed(i, precision) / top : least, least, 0.03);
  }
  return out;
}

// What rounding does to a sum over the whole sequence where nothing amplifies it: below this a gradient is
// zero, not chaotic.
double Judge::ordinary_rounding(Precision precision) const {
  const Problem& p = h_.problem;
  return 1e4 * unit(precision) * std::abs(p.net.scale) * p.T * p.B * std::max(1.0, largest(p.x)) *
         std::max(1.0, largest(p.target));
}

std::vector<BlockRow> Judge::rows(Precision precision) const {
  std::vector<BlockRow> out;
  for (std::size_t b = 0; b < h_.blocks.size(); ++b) {
    const Block& block = h_.blocks[b];
    if (block.claim.empty()) continue;
    BlockRow row;
    row.parameter = block.parameter;
    row.gradient = block.gradient;
    Real right(block.claim.size(), 0), margin(block.claim.size(), 0);
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (targets_[i].block != b) continue;
      Real whole = right_[i];
      const double decay = decay_of(h_.problem, targets_[i].piece.kind);
      for (std::size_t k = 0; k < whole.size(); ++k) whole[k] += decay * targets_[i].parameter[k];
      scatter(targets_[i].piece, whole, right);
      scatter(targets_[i].piece, Real(right_[i].size(), allowed(i, precision)), margin);
    }
    const double top = largest(right), scale = top > 0 ? top : 1;
    double worst = -1;
    for (std::size_t k = 0; k < block.claim.size(); ++k) {
      const double gap = std::abs(block.claim[k] - right[k]);
      ++row.entries;
      if (!(gap <= margin[k])) ++row.wrong;
      if (gap <= worst) continue;
      worst = gap;
      row.worst = fmt::format("{}{}: claimed {:.6g}, true {:.6g}", row.parameter, index_text(k, block.shape),
                              block.claim[k], right[k]);
    }
    row.allowed = largest(margin) / scale;
    row.gap = worst / scale;
    const bool hopeless =
        row.allowed > kHopeless && top > 0 && largest(margin) > ordinary_rounding(precision);
    const bool overflow = std::any_of(right.begin(), right.end(), [](double v) { return !std::isfinite(v); });
    row.verdict = overflow || (hopeless && !row.wrong && row.gap > kMet) ? Verdict::cannot_tell
                  : row.wrong                                            ? Verdict::differs
                                                                         : Verdict::agrees;
    out.push_back(std::move(row));
  }
  std::stable_sort(out.begin(), out.end(), [](const BlockRow& x, const BlockRow& y) {
    if (x.verdict != y.verdict) return severity(x.verdict) > severity(y.verdict);
    return x.gap / std::max(x.allowed, 1e-300) > y.gap / std::max(y.allowed, 1e-300);
  });
  return out;
}

}  // namespace retrograde::doctor
