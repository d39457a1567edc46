#include "retrograde/doctor/numeric.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "retrograde/check/gradient.h"

namespace retrograde::doctor {

namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr double kFullSeconds = 0.8, kDirectionalSeconds = 1.5;
constexpr double kEvaluations = 20, kNoise = 110;  // of an entry or direction, and of measuring the noise
constexpr double kDirections = 7;                  // for a miss of kMiss
constexpr double kMiss = 1e-2;

// The blocks with claims as one vector, and the loss as its function.
class Flat {
 public:
  Flat(Program& program, const std::vector<Block>& blocks)
      : program_(program), parameters_(program.parameters()), batch_(program.batch()) {
    for (const Block& b : blocks) {
      Array* array = nullptr;
      for (Arrays* group : {&parameters_, &batch_})
        for (NamedArray& a : *group)
          if (a.name == b.parameter) array = &a.array;
      if (b.claim.empty() || !array) continue;
      blocks_.push_back(&b);
      arrays_.push_back(array);
      theta.insert(theta.end(), b.value.begin(), b.value.end());
      const Real claim = in_order(b);
      claimed.insert(claimed.end(), claim.begin(), claim.end());
    }
  }

  double operator()(std::span<const double> x) {
    std::size_t at = 0;
    for (Array* a : arrays_) {
      std::copy_n(x.begin() + static_cast<long>(at), a->size(), a->values.begin());
      at += a->size();
    }
    return program_.loss(parameters_, batch_);
  }

  const std::vector<const Block*>& blocks() const { return blocks_; }
  Real theta, claimed;

 private:
  // A claim that is stored as the transpose of its parameter, in the parameter's order.
  static Real in_order(const Block& b) {
    if (!b.claim_transposed || b.shape.size() != 2) return b.claim;
    const std::size_t rows = b.shape[0], cols = b.shape[1];
    Real out(b.claim.size());
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < cols; ++c) out[r * cols + c] = b.claim[c * rows + r];
    return out;
  }

  Program& program_;
  Arrays parameters_, batch_;
  std::vector<const Block*> blocks_;
  std::vector<Array*> arrays_;
};

Verdict verdict_of(retrograde::Verdict v) {
  return v == retrograde::Verdict::agrees    ? Verdict::agrees
         : v == retrograde::Verdict::differs ? Verdict::differs
                                             : Verdict::cannot_tell;
}

// A block that is a multiple of the derivative, or zero.
Finding multiple(const BlockRow& row, double factor, const Arrays& batch) {
  Finding f;
  f.blocks = {row.parameter};
  f.where = row.parameter;
  f.certainty = "certain";
  const auto is = [&](double v) { return std::abs(factor / v - 1) < 1e-5; };
  if (factor == 0) {
    f.name = "zero", f.sentence = "the gradient is zero throughout", f.fix = "add every step's part to it";
    return f;
  }
  f.name = is(-1) ? "sign" : is(2) || is(0.5) ? "factor-two" : "block-scaled";
  f.sentence = is(-1) ? "the sign is wrong" : fmt::format("it is {:.8g} times what it should be", factor);
  f.fix = fmt::format("multiply by {:.6g}", 1 / factor);
  if (f.name != "block-scaled") return f;
  for (const NamedArray& a : batch)
    for (const std::size_t n : a.array.shape) {
      if (n < 2 || !(is(static_cast<double>(n)) || is(1 / static_cast<double>(n)))) continue;
      for (const char* name : {"batch-mean-or-sum", "time-mean-or-sum", "output-mean-or-sum"})
        f.equivalents.push_back({name, fmt::format("{} is the length of an axis of {}", n, a.name)});
      f.certainty = "one of several";
      return f;
    }
  return f;
}

// What the factor explains of the gap must be far more than what it leaves: 1 - cos is half its square.
bool proportional(double cosine, double factor) {
  constexpr double kLeft = 1e-3, kLeast = 1e-4;
  return std::abs(factor - 1) > kLeast &&
         1 - std::abs(cosine) < 0.5 * std::pow(kLeft * std::min(1.0, std::abs(factor - 1)), 2);
}

class Judgement {
 public:
  Judgement(Program& program, const std::vector<Block>& blocks, Precision precision)
      : batch_(program.batch()), f_(program, blocks), precision_(precision) {}

  NumericJudgement run(bool blockwise, const std::function<bool(const std::string&)>& progress) {
    const auto start = Clock::now();
    f_(f_.theta);
    const double one = since(start), entries = static_cast<double>(f_.theta.size()),
                 blocks = static_cast<double>(f_.blocks().size());
    if (one * (kNoise + kEvaluations * entries) <= kFullSeconds)
      by_check(CheckMode::full, progress);
    else if (one * (kNoise + kEvaluations * kDirections * blocks) <= kDirectionalSeconds)
      by_check(CheckMode::directional, progress);
    else
      by_one_direction(blockwise);
    merge();
    return std::move(out_);
  }

 private:
  void by_check(CheckMode mode, const std::function<bool(const std::string&)>& progress) {
    CheckOptions o;
    for (const Block* b : f_.blocks()) o.blocks.push_back({b->parameter, b->shape});
    o.mode = mode;
    o.miss = kMiss;
    o.claim =
        precision_ == Precision::single ? retrograde::Precision::float32 : retrograde::Precision::float64;
    if (progress) o.progress = [&](const Progress&) { return progress("differences of the loss"); };
    const CheckReport r =
        check_gradient({[&](std::span<const double> x) { return f_(x); }, {}}, f_.theta, f_.claimed, o);
    out_.verdict = verdict_of(r.verdict);
    out_.notes = r.notes;
    out_.extent = mode == CheckMode::full
                      ? fmt::format("differences of your loss by all {} entries", r.entries)
                      : fmt::format("differences of your loss along {} directions", r.checked);
    for (const BlockResult& b : r.blocks) {
      BlockRow row;
      row.parameter = b.name;
      row.gradient = gradient_of(b.name);
      const double scale = b.scale > 0 ? b.scale : 1;
      row.gap = b.relative_gap(), row.allowed = b.worst.allowed * b.worst.step / scale;
      row.wrong = b.bad, row.entries = b.checked;
      row.worst =
          fmt::format("{}: claimed {:.6g}, true {:.6g}", b.worst_at, b.worst.claimed, b.worst.truth.value);
      row.verdict = verdict_of(b.verdict);
      const double factor = b.norm_ratio == 0 ? 0 : b.cosine * b.norm_ratio;
      if (row.verdict == Verdict::differs && b.checked > 2 && (factor == 0 || proportional(b.cosine, factor)))
        out_.findings.push_back(multiple(row, factor, batch_));
      if (row.verdict == Verdict::cannot_tell && !b.note.empty())
        out_.notes.push_back(fmt::format("{}: {}", b.name, b.note));
      out_.rows.push_back(std::move(row));
    }
  }

  // Five evaluations a direction: central differences at two steps, extrapolated (Richardson 1911); a jump of
  // the slope shows between the sides.
  void by_one_direction(bool blockwise) {
    Random random(20240608);
    Real v;
    for (const Block* b : f_.blocks()) {
      const double size = largest(b->value) > 0 ? largest(b->value) : 1;
      for (std::size_t i = 0; i < b->value.size(); ++i)
        v.push_back(size * random.uniform(0.5, 1) * (random.uniform() < 0.5 ? -1 : 1));
    }
    std::size_t from = 0;
    for (const Block* b : f_.blocks()) {
      const std::size_t to = blockwise ? from + b->value.size() : v.size();
      BlockRow row = along(v, from, to);
      row.parameter = blockwise ? b->parameter : "all parameters";
      row.gradient = blockwise ? b->gradient : "";
      row.worst = fmt::format("{} {}", row.parameter, row.worst);
      if (blockwise && row.verdict == Verdict::differs && largest(b->claim) == 0)
        out_.findings.push_back(multiple(row, 0, batch_));
      out_.rows.push_back(std::move(row));
      from = to;
      if (!blockwise) break;
    }
    std::stable_sort(out_.rows.begin(), out_.rows.end(), [](const BlockRow& x, const BlockRow& y) {
      return std::pair(severity(x.verdict), -x.gap) < std::pair(severity(y.verdict), -y.gap);
    });
    if (!out_.rows.empty()) out_.verdict = out_.rows.front().verdict;
    out_.extent = "differences of your loss along one direction a block";
  }

  static int severity(Verdict v) { return v == Verdict::differs ? 0 : v == Verdict::cannot_tell ? 1 : 2; }

  BlockRow along(const Real& v, std::size_t from, std::size_t to) {
    double claimed = 0;
    for (std::size_t i = from; i < to; ++i) claimed += v[i] * f_.claimed[i];
    const auto at = [&](double h) {
      Real x = f_.theta;
      for (std::size_t i = from; i < to; ++i) x[i] += h * v[i];
      return f_(x);
    };
    const bool single = precision_ == Precision::single;
    const double h = single ? 2e-2 : 2e-3, here = at(0);
    struct Two {
      double central, apart, size;
    };
    const auto difference = [&](double step) {
      const double up = at(step), down = at(-step);
      return Two{(up - down) / (2 * step), (up - 2 * here + down) / step,
                 std::max(std::abs(up), std::abs(down))};
    };
    const Two wide = difference(h), narrow = difference(h / 2);
    const double truth = (4 * narrow.central - wide.central) / 3;
    const double noise = (single ? 0x1p-22 : 0x1p-50) * std::max(wide.size, narrow.size) / h;
    const double kink = std::abs(2 * narrow.apart - wide.apart);
    const double error = std::abs(narrow.central - wide.central) + kink + 8 * noise,
                 gap = std::abs(claimed - truth);
    const double scale = std::abs(truth) > 0 ? std::abs(truth) : 1;
    BlockRow row;
    row.entries = 1;
    row.gap = gap / scale, row.allowed = error / scale;
    row.verdict = !std::isfinite(truth)             ? Verdict::cannot_tell
                  : !(gap <= error)                 ? Verdict::differs
                  : error <= 1e-2 * std::abs(truth) ? Verdict::agrees
                                                    : Verdict::cannot_tell;
    row.wrong = row.verdict == Verdict::differs;
    row.worst = fmt::format("along a random direction: claimed {:.6g}, true {:.6g}", claimed, truth);
    return row;
  }

  // One finding for all blocks that have the same fault.
  void merge() {
    auto& list = out_.findings;
    merge_equal(list);
    for (Finding& f : list) {
      const bool direction =
          f.name == "zero" && std::all_of(f.blocks.begin(), f.blocks.end(), names_a_direction);
      if (!direction) continue;
      f.name = "direction-missing", f.certainty = "one of several";
      f.sentence = "one direction's gradients are zero throughout";
      f.fix = "run that direction's backward too";
      f.equivalents.push_back({"zero", "these gradients are zero throughout"});
    }
  }

  static bool names_a_direction(const std::string& name) {
    for (const char* part : {"reverse", "backward", "bwd", "_bw", "_b", "right"})
      if (name.find(part) != std::string::npos) return true;
    return false;
  }

  static void merge_equal(std::vector<Finding>& list) {
    for (std::size_t i = 0; i < list.size(); ++i)
      for (std::size_t k = i + 1; k < list.size();)
        if (list[i].name == list[k].name && list[i].fix == list[k].fix) {
          list[i].blocks.push_back(list[k].where);
          list[i].where += ", " + list[k].where;
          list.erase(list.begin() + static_cast<long>(k));
        } else {
          ++k;
        }
  }

  std::string gradient_of(const std::string& parameter) const {
    for (const Block* b : f_.blocks())
      if (b->parameter == parameter) return b->gradient;
    return "";
  }

  const Arrays& batch_;
  Flat f_;
  Precision precision_;
  NumericJudgement out_;
};

}  // namespace

NumericJudgement judge_by_loss(Program& program, const std::vector<Block>& blocks, Precision precision,
                               bool blockwise, const std::function<bool(const std::string&)>& progress) {
  return Judgement(program, blocks, precision).run(blockwise, progress);
}

}  // namespace retrograde::doctor
