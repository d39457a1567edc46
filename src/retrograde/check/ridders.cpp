// Ridders' extrapolated central differences (Ridders 1982) with the noise of the function carried through the
// table, in windows of steps that move until the bar is as small as rounding lets it be.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "retrograde/check/line.h"

namespace retrograde {
namespace {

using detail::Line;

// Steps of a window: h, h/1.6, h/1.6^2, ... No power of two, so that a function with a period is not sampled
// in step with it.
constexpr double kRatio = 1.6;
constexpr int kRows = 8;
const double kWindowSpan = std::pow(kRatio, kRows);
constexpr double kColumnPatience = 0.05, kRowPatience = 0.2;

// Central difference at one step, and how far the one-sided differences are apart: h f'' where f is smooth,
// the jump of f' where there is a kink within h.
struct Difference {
  double step, central, noise, apart, apart_noise;
};

std::optional<Difference> difference(Line& line, double h) {
  const auto plus = line.at(h), minus = line.at(-h);
  const double width = plus.t - minus.t;
  if (!(plus.t > 0 && minus.t < 0) || !std::isfinite(plus.value) || !std::isfinite(minus.value))
    return std::nullopt;
  line.note(h, plus.value != line.origin() || minus.value != line.origin());
  const double noise = line.noise(plus.value) + line.noise(minus.value);
  const double right = (plus.value - line.origin()) / plus.t, left = (minus.value - line.origin()) / minus.t;
  Difference d{h, (plus.value - minus.value) / width, noise / width, right - left,
               2 * (noise + 2 * line.noise(line.origin())) / width};
  if (!std::isfinite(d.central) || !std::isfinite(d.apart)) return std::nullopt;
  return d;
}

struct Window {
  double value = 0, error = detail::kInfinity;
  double noise = 0;                       // the part of the error that rounding explains
  double jump = 0;                        // of f' within the smallest step; 0 where f is smooth
  double jump_noise = detail::kInfinity;  // the least that would have been seen
  Difference last{};
  bool flat = true;  // nothing but noise was seen
};

// f'(x+) - f'(x-), if the differences on the two sides do not close as the step shrinks: the intercept of a
// line through two of them, accepted where it is above noise and above its own change from the pair before.
class JumpFinder {
 public:
  double noise() const { return least_; }
  double add(const Difference& d) {
    if (have_ > 0) {
      const double jump = (kRatio * d.apart - before_.apart) / (kRatio - 1);
      const double noise = (kRatio * d.apart_noise + before_.apart_noise) / (kRatio - 1);
      if (have_ > 1 && std::abs(jump) > noise + 2 * std::abs(jump - jump_))
        found_ = jump;
      else if (noise < std::abs(found_) / 2)
        found_ = 0;  // the steps are now below the distance of the kink
      if (have_ > 1) least_ = std::min(least_, noise);
      jump_ = jump;
    }
    before_ = d;
    ++have_;
    return found_;
  }

 private:
  Difference before_{};
  double jump_ = 0, found_ = 0, least_ = detail::kInfinity;
  int have_ = 0;
};

// The differences at smaller steps than the best entry needed may not contradict it by more than their noise
// and their own truncation, which falls as h^2 from the row of that entry.
void contradict(Window& best, std::span<const Difference> rows) {
  const double first = std::abs(rows[0].central - best.value);
  for (const auto& row : rows.subspan(1)) {
    const double truncation = first * std::pow(row.step / rows[0].step, 2);
    const double apart = std::abs(row.central - best.value) - row.noise - truncation;
    if (apart > best.error) best.error = 2 * apart + best.error;
  }
}

// Ridders' table over one window of steps, each entry with truncation (the difference from its neighbours)
// and noise (carried through the extrapolation with worst signs).
std::optional<Window> window(Line& line, double h) {
  std::array<double, kRows> value{}, noise{}, doubt{};
  std::array<Difference, kRows> seen{};
  Window best;
  JumpFinder jumps;
  int rows = 0, best_row = 0;
  for (int i = 0; i < kRows; ++i, h /= kRatio) {
    const auto d = difference(line, h);
    if (!d) {
      if (rows > 0) break;
      continue;
    }
    best.last = seen[static_cast<std::size_t>(rows)] = *d;
    best.jump = jumps.add(*d);
    best.jump_noise = jumps.noise();
    best.flat = best.flat && std::abs(d->central) <= d->noise && std::abs(d->apart) <= d->apart_noise;
    double next = d->central, next_noise = d->noise, next_doubt = 0, factor = 1;
    for (int j = 0; j < rows; ++j) {
      factor *= kRatio * kRatio;
      const auto at = static_cast<std::size_t>(j);
      const double old = std::exchange(value[at], next), old_noise = std::exchange(noise[at], next_noise),
                   old_doubt = std::exchange(doubt[at], next_doubt);
      const double better = next + (next - old) / (factor - 1);
      // Neighbours that meet by chance are not believed at once: doubt falls slowly from column to column and
      // from row to row.
      const double above = j + 1 < rows ? doubt[at + 1] : 0;
      next_doubt = std::max({std::abs(better - next), std::abs(better - old), kColumnPatience * next_doubt,
                             kColumnPatience * old_doubt, kRowPatience * above});
      next_noise = (factor * next_noise + old_noise) / (factor - 1);
      if (2 * next_doubt + next_noise < best.error) {
        best.value = better;
        best.error = 2 * next_doubt + next_noise;
        best.noise = next_noise;
        best_row = rows;
      }
      next = better;
    }
    const auto at = static_cast<std::size_t>(rows);
    value[at] = next;
    noise[at] = next_noise;
    doubt[at] = next_doubt;
    ++rows;
    const bool enough = best.error <= 1e-10 * std::abs(best.value) && d->noise > best.error;
    if ((rows > 3 && enough) || (rows > 2 && best.flat)) break;
  }
  if (rows < 2 || !std::isfinite(best.value)) return std::nullopt;
  if (best.flat) {  // differences that are all noise bound the slope by the noise at the largest step, no
                    // better
    best.value = 0;
    best.error = best.noise = 2 * best.last.noise + line.quantum() / best.last.step;
  }
  best.error += std::abs(best.jump);
  contradict(best, std::span(seen).subspan(static_cast<std::size_t>(best_row),
                                           static_cast<std::size_t>(rows - best_row)));
  return best;
}

bool overlap(const Window& a, const Window& b) { return std::abs(a.value - b.value) <= a.error + b.error; }

// Larger steps, while rounding is all that limits the bar. A function that is flat at every step is bounded
// by the first: how far it stays so is not known.
void grow(Line& line, double h, Window& best) {
  const auto drowned = [](const Window& w) {
    return w.jump == 0 && w.noise > 1e-7 * std::abs(w.value) && w.noise > 0.5 * w.error;
  };
  for (int i = 0; i < 24 && drowned(best); ++i) {
    h *= 32;
    const auto next = window(line, h);
    if (!next || !drowned(*next) || (next->flat && !best.flat)) return;
    const bool seen = std::abs(next->value) > next->error;
    if (seen && overlap(*next, best) && next->error < best.error) best = *next;
  }
}

// f does not change at all up to one step and does at another: by a jump (a staircase, whose steps are noise
// and were too wide to be measured as such) or without one (a dead zone)? Returns the size of the jump.
double edge_jump(Line& line) {
  double still = line.still(), moved = line.moved(), jump = 0, first = 0;
  for (int i = 0; i < 45 && still > 0 && std::isfinite(moved) && moved > still * (1 + 1e-9); ++i) {
    const double middle = i == 0 ? moved : std::sqrt(still * moved);
    const double change = std::max(std::abs(line.at(middle).value - line.origin()),
                                   std::abs(line.at(-middle).value - line.origin()));
    if (i == 0) first = change;
    if (change > 0)
      moved = middle, jump = change;
    else
      still = middle;
  }
  return jump > 1e-6 * first && jump > 2 * line.noise(line.origin()) ? jump : 0;
}

// Smaller steps, down to where rounding hides everything. The derivative is a limit: where two windows
// contradict each other the smaller steps are right.
void shrink(Line& line, double h, Window& best) {
  for (int i = 0; i < 60; ++i, h /= kWindowSpan) {
    if (const auto next = window(line, h)) {
      const bool blind = best.jump != 0 && next->jump_noise > std::abs(best.jump) / 2;  // to that kink
      if (!overlap(*next, best) || (!blind && next->error < best.error)) best = *next;
      const double noise = line.noise(line.origin()) / next->last.step;
      if (noise > std::max(best.error, 1e-3 * std::abs(best.value))) return;
    }
  }
}

}  // namespace

Derivative ridders(const RealFunction& f, std::span<const double> x, Direction v, double scale,
                   const FunctionNoise& noise) {
  Line line(f, x, v, noise);
  Derivative result;
  if (!std::isfinite(line.origin())) return result;
  const double h = scale / 4;
  auto best = window(line, h).value_or(Window{});
  const bool started = std::isfinite(best.error);
  if (started) grow(line, h, best);

  // One difference at a step so small that rounding leaves three digits: what a window of large steps cannot
  // see (a kink close by, a wave shorter than the step) shows here.
  bool contradicted = !started || best.error > 1e-6 * std::abs(best.value) || best.jump != 0;
  double probe_apart = 0;
  double probe_step = detail::kInfinity;
  for (const double precision : {1e-3, 3e-2, 3e-1})
    if (probe_step > best.last.step / 4)
      probe_step = line.noise(line.origin()) / (precision * std::abs(best.value));
  if (!contradicted && probe_step <= best.last.step / 4) {
    if (const auto d = difference(line, probe_step)) {
      const double smooth = 2 * std::abs(best.last.apart) * probe_step / best.last.step;
      if (std::abs(d->apart) > d->apart_noise + smooth) probe_apart = std::abs(d->apart);
      contradicted = probe_apart > 0 || std::abs(d->central - best.value) > best.error + d->noise;
    }
  }
  if (contradicted && !(best.flat && started))
    shrink(line, started ? best.last.step / kRatio : h / kWindowSpan, best);
  if (best.last.central == 0 && best.last.apart == 0) {
    if (const double jump = edge_jump(line); jump > 0) {
      auto rough = noise;
      rough.sigma = jump;
      return ridders(f, x, v, scale, rough);
    }
  }

  result.value = std::isfinite(best.error) ? best.value : std::numeric_limits<double>::quiet_NaN();
  result.step = best.last.step;
  result.kink = best.jump != 0;
  // A bar that is no small part of the value is made of few entries that noise or a kink spoils.
  const bool poor = best.jump == 0 && best.error > 1e-3 * std::abs(best.value);
  result.error = poor ? 4 * best.error : best.error;
  if (probe_apart > 0 && !result.kink && best.last.step > probe_step) {
    result.kink = true;
    result.error += probe_apart;
  }
  return result;
}

}  // namespace retrograde
