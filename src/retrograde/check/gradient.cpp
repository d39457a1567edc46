#include "retrograde/check/gradient.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "retrograde/base/error.h"
#include "retrograde/check/gradient_check.h"

namespace retrograde {
namespace detail {
namespace {

constexpr std::size_t kRiddersCost = 18;  // evaluations an entry, where f is smooth
constexpr std::size_t kNoiseCost = 106;   // evaluations of measure_noise, typically
constexpr int kFinest = -40;              // of complex functions only rounding is of interest
constexpr std::size_t kFinestCost = 61;

// A first step for a parameter: as large as its block's parameters are, unless its own size is nothing like
// theirs.
double moderate_step(double x, double scale) {
  const double size = std::abs(x);
  return size > 0 && size < 1e-4 * scale ? size : scale;
}

}  // namespace

GradientCheck::GradientCheck(const Objective& f, std::span<const double> theta,
                             std::span<const double> claimed, const CheckOptions& options)
    : theta_(theta), claimed_(claimed), options_(options), random_(Random::named(options.seed, "check")) {
  if (theta.empty()) throw UsageError("theta is empty: there is no gradient to check");
  if (claimed.size() != theta.size())
    throw UsageError("the claimed gradient has {} entries, theta has {}", claimed.size(), theta.size());
  if (!options.claim_noise.empty() && options.claim_noise.size() != theta.size())
    throw UsageError("claim_noise has {} entries, theta has {}; leave it empty if it is not known",
                     options.claim_noise.size(), theta.size());
  if (!(options.miss > 0 && options.miss < 1))
    throw UsageError("miss is {}; it is a probability", options.miss);
  if (options.entries == 0) throw UsageError("entries is 0; sampled mode needs at least 1 a block");
  if (!f.real && !f.complex) throw UsageError("there is no function to check the gradient of");
  auto& blocks = options_.blocks;
  if (blocks.empty()) blocks.push_back({"x", {theta.size()}});
  require_fit(blocks, theta.size());

  if (f.real) f_.real = [this, &f](std::span<const double> x) { return ++report_.evaluations, f.real(x); };
  if (f.complex)
    f_.complex = [this, &f](std::span<const std::complex<double>> x) {
      return ++report_.evaluations, f.complex(x);
    };
  complex_ = static_cast<bool>(f.complex);

  steps_.resize(theta.size());
  std::size_t offset = 0;
  for (const auto& block : blocks) {
    double squares = 0, largest = 0;
    const auto values = theta.subspan(offset, block.size());
    for (const double x : values)
      if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    for (const double x : values)
      if (std::isfinite(x) && largest > 0) squares += x / largest * (x / largest);
    const double scale = largest > 0 ? largest * std::sqrt(squares / static_cast<double>(block.size())) : 1;
    for (std::size_t i = 0; i < block.size(); ++i) steps_[offset + i] = moderate_step(values[i], scale);
    offsets_.push_back(offset);
    offset += block.size();
  }
  report_.entries = theta.size();
  report_.claim = options.claim.value_or(Precision::float64);
  report_.mode = options.mode;
  if (options.mode == CheckMode::automatic)
    report_.mode = theta.size() <= kFullLimit ? CheckMode::full
                   : f.complex                ? CheckMode::directional
                                              : CheckMode::sampled;
  directional_ = report_.mode == CheckMode::directional;
}

std::size_t GradientCheck::planned_entries(const Block& block) const {
  if (report_.mode == CheckMode::full) return block.size();
  if (report_.mode == CheckMode::sampled)
    return std::min(options_.entries, block.size() / block.strata()) * block.strata();
  // A direction misses an error with probability 1/2 at most (state_power); a single entry needs no chance.
  const auto directions = static_cast<std::size_t>(std::ceil(-std::log2(options_.miss)));
  return std::min(block.size(), std::max<std::size_t>(1, directions));
}

void GradientCheck::plan() {
  for (std::size_t b = 0; b < options_.blocks.size(); ++b) {
    const auto& block = options_.blocks[b];
    const std::size_t count = planned_entries(block);
    std::vector<std::size_t> chosen(count);
    const std::size_t strata = directional_ ? 1 : block.strata();
    for (std::size_t s = 0, at = 0; s < strata; ++s) {
      std::vector<std::size_t> stratum(directional_ ? count : block.size() / strata);
      for (std::size_t i = 0; i < stratum.size(); ++i) stratum[i] = s * stratum.size() + i;
      if (!directional_) random_.shuffle(std::span<std::size_t>(stratum));
      for (std::size_t i = 0; i < count / strata; ++i) chosen[at++] = stratum[i];
    }
    random_.shuffle(std::span<std::size_t>(chosen));
    for (std::size_t i = 0; i < count; ++i)
      probes_.push_back({b, chosen[i], static_cast<double>(i) / static_cast<double>(count)});
  }
  std::stable_sort(probes_.begin(), probes_.end(),
                   [](const Probe& a, const Probe& b) { return a.order < b.order; });
  report_.planned = probes_.size();
}

double GradientCheck::timed_evaluation() {
  const double before = seconds();
  double value;
  if (complex_) {
    const std::vector<std::complex<double>> point(theta_.begin(), theta_.end());
    value = f_.complex(point).real();
  } else {
    value = f_.real(theta_);
  }
  if (!std::isfinite(value)) report_.notes.push_back(fmt::format("f is not finite at theta ({})", value));
  return seconds() - before;
}

CheckCost GradientCheck::predict() {
  CheckCost cost;
  cost.mode = report_.mode;
  for (const auto& block : options_.blocks) cost.probes += planned_entries(block);
  cost.evaluations = cost.probes * (complex_ ? kDraws : kRiddersCost);
  cost.evaluations += f_.real ? kNoiseCost : kFinestCost;
  if (f_.real && complex_) cost.evaluations += kRiddersCost * options_.blocks.size();
  cost.seconds = timed_evaluation() * static_cast<double>(cost.evaluations);
  return cost;
}

// Sign and size at random: errors of one size that cancel for +-1 do not cancel here.
std::vector<double> GradientCheck::random_direction(std::size_t block, Random& random) const {
  std::vector<double> v(options_.blocks[block].size());
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = steps_[offsets_[block] + i] * random.uniform(0.5, 1) * (random.uniform() < 0.5 ? -1 : 1);
  return v;
}

Direction GradientCheck::direction(const Probe& probe) {
  if (!directional_) {
    direction_ = {1.0};
    return {offsets_[probe.block] + probe.index, direction_};
  }
  Random random(options_.seed ^ (0x9e3779b97f4a7c15u * (probe.block + 1)) ^ (probe.index << 32));
  direction_ = random_direction(probe.block, random);
  return {offsets_[probe.block], direction_};
}

Derivative GradientCheck::differences(Direction v, double scale) {
  return ridders(f_.real, theta_, v, scale, noise_);
}

Derivative GradientCheck::measure(const Probe& probe, int draws) {
  const auto v = direction(probe);
  if (complex_) return complex_step(f_.complex, theta_, v, random_, draws);
  return differences(v, directional_ ? 1 : steps_[v.offset]);
}

Entry GradientCheck::entry(const Probe& probe) {
  Entry e;
  e.index = probe.index;
  e.truth = measure(probe, kDraws);
  const auto v = direction(probe);
  if (!directional_) {
    e.claimed = claimed_[v.offset];
    e.step = steps_[v.offset];
    if (!options_.claim_noise.empty()) e.claim_noise = options_.claim_noise[v.offset];
    return e;
  }
  double squares = 0;  // of the rounding of the claimed entries, each by its own size
  e.claimed = 0;
  for (std::size_t i = 0; i < v.values.size(); ++i) {
    const double claim = claimed_[v.offset + i];
    e.claimed += claim * v.values[i];
    const double noise = options_.claim_noise.empty() ? tolerance::kRounding * epsilon(report_.claim) * claim
                                                      : options_.claim_noise[v.offset + i];
    squares += std::pow(noise * v.values[i], 2);
  }
  e.claim_noise = 3 * std::sqrt(squares);
  return e;
}

// The complex step sees through code that drops or conjugates the imaginary part (abs, real, a cast) as
// little as a detached gradient does; a difference along a random direction of each block does see it.
void GradientCheck::cross_check() {
  for (std::size_t b = 0; b < options_.blocks.size(); ++b) {
    const auto values = random_direction(b, random_);
    const Direction v{offsets_[b], values};
    const auto exact = complex_step(f_.complex, theta_, v, random_, 4);
    const auto numeric = differences(v, 1);
    if (numeric.kink || std::abs(exact.value - numeric.value) <= exact.error + numeric.error) continue;
    if (!std::isfinite(numeric.value)) continue;
    complex_ = false;
    report_.notes.push_back(
        fmt::format("complex step and finite differences disagree in {} ({:.6g} against {:.6g} along a "
                    "random direction): f drops "
                    "the imaginary part somewhere (abs, real, a cast); finite differences were used",
                    options_.blocks[b].name, exact.value, numeric.value));
    return;
  }
}

void GradientCheck::prepare_oracle() {
  const RealFunction real_part = [&](std::span<const double> x) {
    const std::vector<std::complex<double>> point(x.begin(), x.end());
    return f_.complex(point).real();
  };
  noise_ = f_.real ? measure_noise(f_.real, theta_, steps_, random_)
                   : measure_noise(real_part, theta_, steps_, random_, kFinest);
  if (!noise_.repeatable)
    report_.notes.push_back(
        fmt::format("f is not repeatable: two calls at theta differ by {:.1e}; fix its random source "
                    "(dropout, shuffling)",
                    noise_.sigma));
  if (f_.real && complex_) cross_check();
  report_.oracle = complex_ ? "complex step" : "finite differences";
}

bool GradientCheck::measure_all() {
  double reported = -1;
  for (const auto& probe : probes_) {
    const double now = seconds();
    if (options_.progress && now - reported > 0.05) {
      reported = now;
      if (!options_.progress({"check", report_.checked, report_.planned, now, report_.predicted.seconds})) {
        report_.notes.push_back(fmt::format("stopped after {} of {}", report_.checked, report_.planned));
        return false;
      }
    }
    if (options_.seconds > 0 && now > options_.seconds) {
      report_.notes.push_back(fmt::format("out of time ({:.3g} s) after {} of {}", options_.seconds,
                                          report_.checked, report_.planned));
      return false;
    }
    entries_[probe.block].push_back(entry(probe));
    ++report_.checked;
  }
  return true;
}

void GradientCheck::judge() {
  // Largest |gradient| x |parameter|: the part of f that a parameter accounts for; at least the numbers that
  // f is made of, so that a saturated output, whose gradient is all rounding, is no one's fault.
  whole_ = std::isfinite(noise_.magnitude) ? noise_.magnitude : 0;
  for (std::size_t b = 0; b < entries_.size(); ++b)
    for (const auto& e : entries_[b])
      if (std::isfinite(e.truth.value)) whole_ = std::max(whole_, std::abs(e.truth.value) * e.step);
  report_.blocks.clear();
  for (std::size_t b = 0; b < entries_.size(); ++b) {
    report_.blocks.push_back(
        compare_block(options_.blocks[b], entries_[b], report_.claim, whole_, directional_));
    if (entries_[b].empty()) report_.blocks.back().note = "not reached";
  }
}

void GradientCheck::state_power() {
  if (report_.mode == CheckMode::full) return;
  if (directional_) {
    double seen = 0;
    for (const auto& block : entries_)
      for (const auto& e : block) seen = std::max(seen, 4 * e.allowed / whole_);
    report_.power = fmt::format(
        "an error of a block is missed with probability {:.0e} at most, if in one entry it reaches {:.1e} of "
        "the "
        "largest gradient times its parameter's size",
        options_.miss, seen);
    return;
  }
  const bool all = std::all_of(options_.blocks.begin(), options_.blocks.end(), [&](const Block& block) {
    return block.size() / block.strata() <= options_.entries;
  });
  if (all) return;
  report_.power = fmt::format(
      "{} entries of each block and gate: a fault in {:.2g} % of them is missed with probability 5 %, in one "
      "entry "
      "alone it is likely missed",
      options_.entries, 100 * (1 - std::pow(0.05, 1 / static_cast<double>(options_.entries))));
}

void GradientCheck::sum_up() {
  report_.verdict = overall(report_.blocks);
  if (report_.verdict == Verdict::agrees && report_.checked < report_.planned) {
    report_.verdict = Verdict::cannot_tell;
    report_.notes.push_back("what was reached agrees");
  }
  state_power();
  const auto rank = [](const BlockResult& b) {
    return b.verdict == Verdict::differs ? 0 : b.verdict == Verdict::cannot_tell ? 1 : 2;
  };
  std::stable_sort(report_.blocks.begin(), report_.blocks.end(),
                   [&](const BlockResult& a, const BlockResult& b) {
                     if (rank(a) != rank(b)) return rank(a) < rank(b);
                     return a.relative_gap() > b.relative_gap();
                   });
  report_.seconds = seconds();
}

CheckReport GradientCheck::run() {
  report_.predicted = predict();
  plan();
  entries_.resize(options_.blocks.size());
  prepare_oracle();
  measure_all();
  judge();
  bool looked = false;
  for (std::size_t b = 0; b < entries_.size(); ++b) looked = second_look(b) || looked;
  if (looked) judge();
  for (std::size_t b = 0; directional_ && b < entries_.size(); ++b)
    if (report_.blocks[b].verdict == Verdict::differs) localise(b);
  sum_up();
  return std::move(report_);
}

}  // namespace detail

std::string_view name(CheckMode mode) {
  switch (mode) {
    case CheckMode::automatic:
      return "automatic";
    case CheckMode::full:
      return "full";
    case CheckMode::sampled:
      return "sampled";
    case CheckMode::directional:
      return "directional";
  }
  return "";
}

CheckCost predict_cost(const Objective& f, std::span<const double> theta, const CheckOptions& options) {
  return detail::GradientCheck(f, theta, theta, options).predict();
}

CheckReport check_gradient(const Objective& f, std::span<const double> theta, std::span<const double> claimed,
                           const CheckOptions& options) {
  return detail::GradientCheck(f, theta, claimed, options).run();
}

}  // namespace retrograde
