#include "retrograde/check/derivative.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

constexpr double kEps = std::numeric_limits<double>::epsilon();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Steps of a window: h, h/1.6, h/1.6^2, ... No power of two, so that a function with a period is not sampled
// in step with it.
constexpr double kRatio = 1.6;
constexpr int kRows = 8;
const double kWindowSpan = std::pow(kRatio, kRows);
constexpr double kColumnPatience = 0.05, kRowPatience = 0.2;

// f on the line x + t v.
class Line {
 public:
  Line(const RealFunction& f, std::span<const double> x, Direction v, const FunctionNoise& noise)
      : f_(f), x_(x), v_(v), point_(x.begin(), x.end()), origin_(f(point_)) {
    if (v.values.empty() || v.offset + v.values.size() > x.size())
      throw UsageError("a direction moves entries {} to {} of a vector of {}", v.offset,
                       v.offset + v.values.size(), x.size());
    floor_ = std::max(noise.sigma, kEps / 4 * std::abs(origin_));
    relative_ = origin_ == 0 ? kEps : std::max(kEps, floor_ / std::abs(origin_));
    relative_ = std::min(relative_, 1e-2);
  }

  struct Point {
    double t, value;
  };

  // A single parameter is moved to the nearest number there is, and t is where it really went.
  Point at(double t) {
    for (std::size_t k = 0; k < v_.values.size(); ++k)
      point_[v_.offset + k] = x_[v_.offset + k] + t * v_.values[k];
    const double value = f_(point_);
    if (v_.values.size() == 1) t = (point_[v_.offset] - x_[v_.offset]) / v_.values[0];
    return {t, value};
  }

  double origin() const { return origin_; }
  // The largest step below every other at which f did not change by a bit, and the smallest at which it did.
  double still() const { return still_ < moved_ ? still_ : 0; }
  double moved() const { return moved_; }
  void note(double h, bool changed) {
    if (changed)
      moved_ = std::min(moved_, h);
    else
      still_ = std::max(still_, h);
  }
  // Three standard deviations of the noise in a value of f.
  double noise(double value) const {
    return 3 * (floor_ + relative_ * std::max(0.0, std::abs(value) - std::abs(origin_))) +
           std::numeric_limits<double>::denorm_min();
  }

 private:
  const RealFunction& f_;
  std::span<const double> x_;
  Direction v_;
  std::vector<double> point_;
  double origin_;
  double floor_ = 0, relative_ = 0;
  double still_ = 0, moved_ = kInfinity;
};

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
  double value = 0, error = kInfinity;
  double noise = 0;               // the part of the error that rounding explains
  double jump = 0;                // of f' within the smallest step; 0 where f is smooth
  double jump_noise = kInfinity;  // the least that would have been seen
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
  double jump_ = 0, found_ = 0, least_ = kInfinity;
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
    best.error = best.noise = 2 * best.last.noise;
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

// The deviation of noise in nine values on a line, from their differences of order 3, 4, 5: noise makes the
// three estimates alike, a smooth function makes them fall. Negative where it is smooth or not finite.
double roughness(const std::function<double(int)>& values) {
  constexpr int kPoints = 9;
  std::array<double, kPoints> table{};
  double largest = 0;
  for (int k = 0; k < kPoints; ++k) {
    table[static_cast<std::size_t>(k)] = values(k);
    largest = std::max(largest, std::abs(table[static_cast<std::size_t>(k)]));
  }
  if (largest == 0) return 0;
  for (double& t : table) t /= largest;  // the squares of 1e-200 must not vanish
  double sigma[6] = {}, gamma = 1;
  for (int order = 1; order <= 5; ++order) {
    gamma *= order / (2.0 * (2 * order - 1));  // (k!)^2 / (2k)!
    double sum = 0;
    for (int k = 0; k < kPoints - order; ++k) {
      const auto at = static_cast<std::size_t>(k);
      table[at] = table[at + 1] - table[at];
      sum += table[at] * table[at];
    }
    sigma[order] = std::sqrt(gamma * sum / (kPoints - order));
    if (!std::isfinite(sigma[order])) return -1;
  }
  const bool smooth = sigma[3] > 16 * sigma[5] && sigma[3] > sigma[4] && sigma[4] > sigma[5];
  return smooth ? -1 : largest * std::max({sigma[3], sigma[4], sigma[5]});
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
  double probe_step = kInfinity;
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
    if (const double jump = edge_jump(line); jump > 0)
      return ridders(f, x, v, scale, {jump, noise.repeatable});
  }

  result.value = std::isfinite(best.error) ? best.value : std::numeric_limits<double>::quiet_NaN();
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

FunctionNoise measure_noise(const RealFunction& f, std::span<const double> x, std::span<const double> scales,
                            Random& random) {
  if (scales.size() != x.size()) throw UsageError("{} scales for {} parameters", scales.size(), x.size());
  FunctionNoise noise;
  std::vector<double> point(x.begin(), x.end()), v(scales.begin(), scales.end());
  const double origin = f(point);
  for (int i = 0; i < 2; ++i) {
    const double again = f(point);
    if (again != origin && !(std::isnan(again) && std::isnan(origin))) {
      noise.repeatable = false;
      noise.sigma = std::max(noise.sigma, std::abs(again - origin));
    }
  }
  for (double& vi : v) vi *= random.uniform(0.5, 1) * (random.uniform() < 0.5 ? -1 : 1);

  // Spacings from the last bits upwards. Once f is smooth there is nothing more to learn: coarser spacings
  // would take a steep function for noise. Wide ones count only if all before were silent (a single-precision
  // inside). A kink close to x lies on one side of it, noise on both.
  bool single = true;
  for (int exponent = -48; exponent <= -8 && (exponent <= -20 || noise.sigma == 0); exponent += 4) {
    double sigma = kInfinity;
    for (const double side : {1.0, -1.0}) {
      const auto values = [&](int k) {
        const double t = side * std::ldexp(k + 1, exponent);
        for (std::size_t i = 0; i < x.size(); ++i) point[i] = x[i] + t * v[i];
        const double value = f(point);
        single = single && static_cast<double>(static_cast<float>(value)) == value;
        return value;
      };
      sigma = std::min(sigma, roughness(values));
    }
    if (!(sigma >= 0)) break;
    noise.sigma = std::max(noise.sigma, sigma);
  }
  // Where f stays on one number nothing rough is seen; that it only takes float32 values is.
  if (single)
    noise.sigma = std::max(noise.sigma, std::abs(origin) * std::numeric_limits<float>::epsilon() / 4);
  return noise;
}

TaylorSlope taylor_slope(const RealFunction& f, std::span<const double> x, Direction v, double claimed,
                         double scale, const FunctionNoise& noise) {
  constexpr int kPoints = 6;
  TaylorSlope best;
  Line line(f, x, v, noise);
  for (double start = scale / 8; start > scale / 1e5; start /= 16) {
    double sum = 0, moment = 0, spread = 0, before = kInfinity, bound = kInfinity, y[kPoints];
    bool seen = true;
    for (int i = 0; i < kPoints; ++i) {
      const auto p = line.at(std::ldexp(start, -i));
      const double remainder = std::abs(p.value - line.origin() - p.t * claimed);
      const double rounding =
          line.noise(p.value) + line.noise(line.origin()) + kEps * std::abs(p.t * claimed);
      seen = seen && remainder > 4 * rounding && std::isfinite(remainder);
      const double slope_gap = (remainder + rounding) / std::abs(p.t);
      if (slope_gap >= 0) bound = std::min(bound, std::max(slope_gap, before));
      before = slope_gap;
      const double u = (kPoints - 1) / 2.0 - i;  // log2 of the step, centred
      y[i] = std::log2(remainder);
      sum += u * u;
      moment += u * y[i];
      spread += u * u * std::pow(rounding / remainder / std::log(2), 2);
    }
    best.bound = std::min(best.bound, bound);
    if (!seen) continue;
    double mean = 0, residual = 0;
    for (const double yi : y) mean += yi / kPoints;
    for (int i = 0; i < kPoints; ++i)
      residual += std::pow(y[i] - mean - moment / sum * ((kPoints - 1) / 2.0 - i), 2) / (kPoints - 2);
    const double error = 3 * std::sqrt(residual / sum) + std::sqrt(spread) / sum;
    if (error < best.error) best = {moment / sum, error, best.bound};
  }
  return best;
}

Derivative complex_step(const ComplexFunction& f, std::span<const double> x, Direction v, Random& random,
                        int draws) {
  if (v.values.empty() || v.offset + v.values.size() > x.size())
    throw UsageError("a direction moves entries {} to {} of a vector of {}", v.offset,
                     v.offset + v.values.size(), x.size());
  double h = 1e-50;
  for (std::size_t k = 0; k < v.values.size(); ++k)
    if (x[v.offset + k] != 0 && v.values[k] != 0)
      h = std::min(h, 1e-20 * std::abs(x[v.offset + k] / v.values[k]));
  h = std::max(h, 1e-200);

  std::vector<std::complex<double>> point(x.begin(), x.end());
  const auto slope = [&](double step) {
    for (std::size_t k = 0; k < v.values.size(); ++k) point[v.offset + k].imag(step * v.values[k]);
    return f(point).imag() / step;
  };
  Derivative result;
  result.value = slope(h);
  double squares = 0;
  for (int draw = 1; draw < draws; ++draw) {
    for (std::size_t i = 0; i < x.size(); ++i) point[i].real(x[i] * (1 + kEps * random.uniform(-1, 1)));
    const double d = slope(h * random.uniform(1, 2)) - result.value;
    squares += d * d;
  }
  if (!std::isfinite(result.value)) return result;
  result.rounding = std::sqrt(squares / std::max(1, draws - 1));
  result.error = 6 * result.rounding + 4 * kEps * std::abs(result.value);
  return result;
}

}  // namespace retrograde
