#include "retrograde/doctor/own_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "retrograde/doctor/judge.h"

namespace retrograde::doctor {

namespace {

// A numeric gradient that is this close is good enough for any threshold in use.
constexpr double kGood = 1e-6;
// A cause must leave no more than this share of the gap unexplained.
constexpr double kLeft = 0.02;
constexpr std::size_t kLookedAt = 8;

struct Form {
  const char* name;
  bool central;
};
constexpr Form kForms[] = {{"central", true}, {"one-sided", false}};

struct Entry {
  std::size_t block, index;
  double claim, numeric;
  double gap() const { return std::abs(numeric - claim); }
};

double last_place(double value, bool single) {
  const double size = std::abs(value);
  if (single) {
    const auto f = static_cast<float>(size);
    return static_cast<double>(std::nextafter(f, std::numeric_limits<float>::infinity()) - f);
  }
  return std::nextafter(size, std::numeric_limits<double>::infinity()) - size;
}

Finding finding(const char* name, std::string sentence, std::string fix, std::string certainty = "certain") {
  Finding f;
  f.name = name, f.sentence = std::move(sentence), f.fix = std::move(fix);
  f.certainty = std::move(certainty);
  f.where = "your check, not your gradient";
  return f;
}

class Examiner {
 public:
  explicit Examiner(const OwnCheck& check) : check_(check), point_(check.blocks), loss_(check.loss(point_)) {}

  CheckFaults run() {
    collect();
    if (all_.empty()) return {};
    if (not_numbers() || the_same()) return std::move(out_);
    if (wrong_.empty()) {
      out_.notes.push_back(fmt::format("your numeric gradient agrees with it to {:.0e}", worst_));
      return std::move(out_);
    }
    if (nothing_moves() || left_state() || too_large() || rounding()) return std::move(out_);
    out_.notes.push_back(fmt::format(
        "your numeric gradient is off by {:.0e} of its block's largest entry, and no step, precision or "
        "left state explains it: does it perturb the parameter that the loss reads, and restore it?",
        worst_));
    return std::move(out_);
  }

 private:
  // All entries with a numeric value, and the worst of those that are off.
  void collect() {
    for (std::size_t b = 0; b < point_.size(); ++b) {
      const Block& block = point_[b];
      if (block.numeric.size() != block.claim.size() || block.claim.empty()) continue;
      const double top = largest(block.claim) > 0 ? largest(block.claim) : 1;
      std::vector<Entry> off;
      for (std::size_t i = 0; i < block.claim.size(); ++i) {
        const Entry e{b, i, block.claim[i], block.numeric[i]};
        all_.push_back(e);
        worst_ = std::max(worst_, e.gap() / top);
        if (!(e.gap() <= kGood * top)) off.push_back(e);
      }
      std::stable_sort(off.begin(), off.end(),
                       [](const Entry& x, const Entry& y) { return x.gap() > y.gap(); });
      if (off.size() > kLookedAt) off.resize(kLookedAt);
      wrong_.insert(wrong_.end(), off.begin(), off.end());
    }
  }

  bool not_numbers() {
    const auto bad =
        std::count_if(all_.begin(), all_.end(), [](const Entry& e) { return !std::isfinite(e.numeric); });
    if (bad == 0) return false;
    out_.findings.push_back(finding(
        "nan-compared",
        fmt::format("{} values of your numeric gradient are NaN or infinite; gap > threshold lets them pass",
                    bad),
        "test with not (gap <= allowed), and look for the overflow or 0/0 that made them"));
    return true;
  }

  bool the_same() {
    constexpr std::size_t kEnough = 4;
    const bool same = all_.size() >= kEnough && std::all_of(all_.begin(), all_.end(), [](const Entry& e) {
                        return e.numeric == e.claim;
                      });
    if (!same) return false;
    out_.findings.push_back(
        finding("nothing-tested",
                "your numeric gradient is the claimed one bit by bit: the same memory or the same "
                "code stands on both sides, and nothing was compared",
                "compute the numeric side from the loss alone, into an array of its own"));
    return true;
  }

  bool nothing_moves() {
    if (std::any_of(all_.begin(), all_.end(), [](const Entry& e) { return e.numeric != 0; })) return false;
    Finding f = finding(
        "step-too-small",
        "your numeric gradient is zero throughout: the step is lost in rounding and the loss does not "
        "change by a bit",
        "a step of about 1e-5 of the parameter's size, in float64", "one of several");
    f.equivalents.push_back({"nothing-tested", "a copy is perturbed that the loss does not read"});
    out_.findings.push_back(std::move(f));
    return true;
  }

  double at(const Entry& e, double h) {
    double& v = point_[e.block].value[e.index];
    const double before = v;
    v += h;
    const double value = check_.loss(point_);
    v = before;
    return value;
  }

  double difference(const Entry& e, double h, bool central) {
    return central ? (at(e, h) - at(e, -h)) / (2 * h) : (at(e, h) - loss_) / h;
  }

  // The author's step, or all that are in use.
  std::vector<double> steps() const {
    if (check_.step) return {*check_.step};
    std::vector<double> out;
    for (int k = 0; k >= -8; --k)
      for (const double digit : {1.0, 0.5, 0.3, 0.2}) out.push_back(digit * std::pow(10.0, k));
    return out;
  }

  // The same difference, computed well, is off by the same amount.
  bool too_large() {
    for (const Form& form : kForms)
      for (const double h : steps()) {
        const double noise = 8 * last_place(loss_, false) / h;
        bool fits = true, seen = false;
        for (const Entry& e : wrong_) {
          const double made = difference(e, h, form.central);
          fits = fits && std::abs(made - e.numeric) <= kLeft * e.gap() + noise;
          seen = seen || e.gap() > 4 * noise;
          if (!fits) break;
        }
        if (!fits || !seen) continue;
        const bool kink = at_a_kink(h);
        out_.findings.push_back(finding(
            kink ? "kink" : "step-too-large",
            kink ? fmt::format(
                       "the step {:.3g} of your {} differences crosses a kink (an activation or a loss whose "
                       "derivative jumps): the difference is a mean of two slopes",
                       h, form.name)
                 : fmt::format(
                       "your {} differences with step {:.3g} are off by {:.0e} of the block's largest entry: "
                       "that is their truncation, exactly",
                       form.name, h, worst_),
            kink ? "a smaller step there (1e-6), or leave out entries whose one-sided differences disagree"
            : form.central ? "a step of about 1e-5"
                           : "central differences with a step of about 1e-5"));
        return true;
      }
    return false;
  }

  // Where f is smooth the two sides close in proportion to the step; a jump of f' within it does not.
  bool at_a_kink(double h) {
    std::size_t jumps = 0;
    for (const Entry& e : wrong_) {
      const auto apart = [&](double s) { return (at(e, s) - 2 * loss_ + at(e, -s)) / s; };
      const double wide = apart(h), narrow = apart(h / 2), noise = 16 * last_place(loss_, false) / h;
      jumps += std::abs(2 * narrow - wide) > 0.2 * std::max(std::abs(wide), std::abs(narrow)) + noise;
    }
    return 2 * jumps > wrong_.size();
  }

  // Whole multiples of the loss's last place over the step: rounding is all that is off.
  bool rounding() {
    std::vector<double> steps;
    if (check_.step)
      steps = {*check_.step};
    else
      for (int k = -2; k >= -17; --k)
        for (const double digit : {1.0, 0.5, 0.3, 0.2}) steps.push_back(digit * std::pow(10.0, k));
    for (const bool single : {true, false})
      for (const Form& form : kForms)
        for (const double h : steps)
          if (quantised(single, h * (form.central ? 2 : 1)) && enough_noise(single, h)) {
            say_rounding(single, h);
            return true;
          }
    if (check_.step) {  // the loss may be a sum of rounded parts: by size alone
      for (const bool single : {false, true})
        if (enough_noise(single, *check_.step)) {
          say_rounding(single, *check_.step);
          return true;
        }
      return false;
    }
    return false;
  }

  bool quantised(bool single, double width) const {
    const double unit =
        last_place(loss_, single) / 2;  // a value just below a power of two has half the place
    std::size_t different = 0;
    for (const Entry& e : all_) {
      const double multiple = e.numeric * width / unit, off = std::abs(multiple - std::round(multiple));
      const double precision = (single ? 1e-6 : 4e-16) * std::abs(multiple);
      if (!(off <= 0.02 + precision) || precision > 0.2) return false;
      different += std::round(multiple) != 0;
    }
    return different > 2;
  }

  // The gaps are of the size that rounding makes of them at this step.
  bool enough_noise(bool single, double h) const {
    const double expected = last_place(loss_, single) / h;
    double gap = 0;
    for (const Entry& e : wrong_) gap = std::max(gap, e.gap());
    return gap <= 64 * expected && gap >= expected / 64;
  }

  void say_rounding(bool single, double h) {
    if (single)
      out_.findings.push_back(finding("single-precision",
                                      fmt::format("your numeric gradient is made of a loss in float32: its "
                                                  "last place, {:.0e}, over the step {:.0e} is "
                                                  "all that is off",
                                                  last_place(loss_, true), h),
                                      "evaluate the loss in float64 for the check"));
    else
      out_.findings.push_back(finding("step-too-small",
                                      fmt::format("with the step {:.0e} rounding of the loss ({:.0e}) is all "
                                                  "that is off in your numeric gradient",
                                                  h, last_place(loss_, false)),
                                      "a step of about 1e-5 of the parameter's size"));
  }

  // The gradient from the state that an earlier evaluation left behind.
  bool left_state() {
    if (!check_.problem) return false;
    for (const int passes : {1, 2, 20}) {
      Problem p = *check_.problem;
      for (int i = 0; i < passes; ++i) leave_state(p);
      const Engine engine(p);
      const Plan table = right_plan(p);
      const Evaluation e = engine.evaluate(table);
      if (!reproduces(engine, e)) continue;
      out_.findings.push_back(finding("state-overwritten-between-evaluations",
                                      passes == 1 ? "your numeric gradient is that of the loss started from "
                                                    "the state which the first forward left behind"
                                                  : "your numeric gradient is that of the loss started from "
                                                    "the state which earlier evaluations left behind",
                                      "start every evaluation from the same h0"));
      return true;
    }
    return chain_of_states();
  }

  static void leave_state(Problem& p) {
    const std::vector<Tape> tapes = forward(p);
    for (std::size_t l = 0; l < p.layers.size(); ++l) {
      const auto n = p.layers[l].h0.size();
      const double* h = tapes[l].at(Var::h, p.T - 1);
      p.layers[l].h0.assign(h, h + n);
      if (p.net.cell != Cell::lstm) continue;
      const double* c = tapes[l].at(Var::c, p.T - 1);
      p.layers[l].c0.assign(c, c + n);
    }
  }

  bool reproduces(const Engine& engine, const Evaluation& e) const {
    for (const Block& b : point_) {
      if (b.numeric.empty()) continue;
      for (const Piece& piece : b.pieces) {
        if (piece.kind >= Kind::dx) continue;
        const Real made = engine.gradient(piece, e), numeric = gather(piece, b.numeric);
        const Real parameter = gather(piece, b.value);
        for (std::size_t k = 0; k < made.size(); ++k)
          if (!(std::abs(made[k] + decay_of(engine.problem(), piece.kind) * parameter[k] - numeric[k]) <=
                kLeft * worst_ * largest(b.claim)))
            return false;
      }
    }
    return true;
  }

  // Each evaluation starts where the one before ended: f(x + h) and f(x - h) from different states, whose
  // distance over the step swamps the slope.
  bool chain_of_states() {
    const double h = check_.step.value_or(1e-5);
    for (const std::size_t passes : {0u, 1u, 20u}) {
      Problem p = *check_.problem;
      for (std::size_t i = 0; i < passes; ++i) leave_state(p);
      for (const double step : check_.step ? std::vector{h} : steps())
        for (const Block& b : point_)
          if (!b.numeric.empty() &&
              (chained(p, b, step, Restart::none) || chained(p, b, step, Restart::above) ||
               chained(p, b, step, Restart::below))) {
            out_.findings.push_back(finding("state-overwritten-between-evaluations",
                                            "each evaluation of the loss starts from the state that the one "
                                            "before left behind, so that the two sides of "
                                            "a difference do not start alike",
                                            "start every evaluation from the same h0"));
            return true;
          }
    }
    return false;
  }

  // Which side of every difference starts from the given state after all.
  enum class Restart { none, above, below };

  // Whether the first entries of a block are such differences.
  bool chained(Problem p, const Block& b, double h, Restart restart) {
    const auto value = [&](std::size_t i, double by) {
      if (restart == (by > 0 ? Restart::above : Restart::below))
        for (std::size_t l = 0; l < p.layers.size(); ++l)
          p.layers[l].h0 = check_.problem->layers[l].h0, p.layers[l].c0 = check_.problem->layers[l].c0;
      std::vector<Block> moved = {b};
      moved[0].value[i] += by;
      put_parameters(moved, p);
      derive_inputs(p);
      const double loss = loss_of(p);
      leave_state(p);
      return loss;
    };
    const std::size_t n = std::min<std::size_t>(4, b.numeric.size());
    for (std::size_t i = 0; i < n; ++i) {
      const double up = value(i, h), down = value(i, -h);
      if (!(std::abs((up - down) / (2 * h) - b.numeric[i]) <= 1e-3 * std::abs(b.numeric[i]) + 1e-15 / h))
        return false;
    }
    return n > 1;
  }

  const OwnCheck& check_;
  std::vector<Block> point_;
  double loss_, worst_ = 0;
  std::vector<Entry> all_, wrong_;
  CheckFaults out_;
};

}  // namespace

CheckFaults faults_of(const OwnCheck& check) {
  const bool any = std::any_of(check.blocks.begin(), check.blocks.end(),
                               [](const Block& b) { return !b.numeric.empty(); });
  return any ? Examiner(check).run() : CheckFaults{};
}

}  // namespace retrograde::doctor
