#include "retrograde/doctor/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "retrograde/base/error.h"
#include "retrograde/doctor/identify.h"
#include "retrograde/doctor/search.h"

namespace retrograde::doctor {

namespace {

using Clock = std::chrono::steady_clock;

double largest(const Real& v) {
  double m = 0;
  for (double x : v) m = std::max(m, std::abs(x));
  return m;
}

// Roundings of a computation in double, and in single precision.
constexpr double kDouble = 0x1p-52, kSingle = 0x1.8p-24;
// How often the largest deviation seen in a few perturbed runs a correct computation may deviate.
constexpr double kSafety = 12;
constexpr int kPerturbedRuns = 4;

// The right gradient and what rounding of a given size makes of it, per target.
struct Truth {
  std::vector<Real> right;
  std::vector<double> noise_double, noise_single;  // absolute, per target
};

std::vector<Target> targets_of(const Hypothesis& h) {
  std::vector<Target> out;
  for (std::size_t b = 0; b < h.blocks.size(); ++b) {
    const Block& block = h.blocks[b];
    if (block.claim.empty()) continue;
    for (const Piece& piece : block.pieces) {
      Target t;
      t.piece = piece;
      t.block = b;
      t.parameter = gather(piece, block.value);
      t.claim = gather(piece, block.claim);
      out.push_back(std::move(t));
    }
  }
  return out;
}

double noise_of(double deviation, double size, double top) { return kSafety * deviation + 8 * size * top; }

Truth right_gradient(const Problem& problem, const std::vector<Target>& targets, const Plan& plan) {
  Truth truth;
  const Engine engine(problem);
  const Evaluation e = engine.evaluate(plan);
  for (const Target& t : targets) truth.right.push_back(engine.gradient(t.piece, e));
  for (const double size : {kDouble, kSingle}) {
    std::vector<double> worst(targets.size(), 0);
    for (int run = 0; run < kPerturbedRuns; ++run) {
      Rounding rounding{size, 0x9e3779b97f4a7c15ULL * static_cast<unsigned long long>(run + 1)};
      const Engine noisy(problem, &rounding);
      const Evaluation disturbed = noisy.evaluate(plan);
      for (std::size_t i = 0; i < targets.size(); ++i) {
        const Real v = noisy.gradient(targets[i].piece, disturbed);
        for (std::size_t k = 0; k < v.size(); ++k)
          worst[i] = std::max(worst[i], std::abs(v[k] - truth.right[i][k]));
      }
    }
    auto& noise = size == kDouble ? truth.noise_double : truth.noise_single;
    for (std::size_t i = 0; i < targets.size(); ++i)
      noise.push_back(noise_of(worst[i], size, largest(truth.right[i])));
  }
  return truth;
}

std::string index_text(std::size_t flat, const std::vector<std::size_t>& shape) {
  std::string out;
  for (std::size_t i = shape.size(); i-- > 0;) {
    out = fmt::format("{}{}{}", flat % shape[i], out.empty() ? "" : ", ", out);
    flat /= shape[i];
  }
  return fmt::format("[{}]", out);
}

// Blocks against the truth.
class Judge {
 public:
  Judge(const Hypothesis& h, const std::vector<Target>& targets, const Truth& truth, bool single)
      : h_(h), targets_(targets), truth_(truth), single_(single) {}

  const std::vector<double>& noise() const { return single_ ? truth_.noise_single : truth_.noise_double; }

  std::vector<BlockRow> rows() const {
    std::vector<BlockRow> out;
    for (std::size_t b = 0; b < h_.blocks.size(); ++b) {
      const Block& block = h_.blocks[b];
      if (block.claim.empty()) continue;
      BlockRow row;
      row.parameter = block.parameter;
      row.gradient = block.gradient;
      Real right(block.claim.size(), 0), allowed(block.claim.size(), 0);
      double top = 0;
      for (std::size_t i = 0; i < targets_.size(); ++i) {
        if (targets_[i].block != b) continue;
        scatter(targets_[i].piece, truth_.right[i], right);
        scatter(targets_[i].piece, Real(truth_.right[i].size(), noise()[i]), allowed);
      }
      top = largest(right);
      double worst = -1;
      for (std::size_t k = 0; k < block.claim.size(); ++k) {
        const double gap = std::abs(block.claim[k] - right[k]);
        row.entries += 1;
        if (!(gap <= allowed[k])) row.wrong += 1;
        const double over = std::isfinite(gap) ? gap : 1e300;
        if (over > worst) {
          worst = over;
          row.worst = fmt::format("{}{}: claimed {:.6g}, true {:.6g}", row.parameter,
                                  index_text(k, block.shape), block.claim[k], right[k]);
        }
      }
      row.allowed = top > 0 ? largest(allowed) / top : largest(allowed);
      row.gap = top > 0 ? worst / top : worst;
      row.verdict = row.wrong                      ? Verdict::differs
                    : row.allowed > 0.3 && top > 0 ? Verdict::cannot_tell
                                                   : Verdict::agrees;
      out.push_back(std::move(row));
    }
    std::stable_sort(out.begin(), out.end(), [](const BlockRow& x, const BlockRow& y) {
      if (x.verdict != y.verdict)
        return x.verdict == Verdict::differs ||
               (x.verdict == Verdict::cannot_tell && y.verdict == Verdict::agrees);
      return x.gap / std::max(x.allowed, 1e-300) > y.gap / std::max(y.allowed, 1e-300);
    });
    return out;
  }

 private:
  const Hypothesis& h_;
  const std::vector<Target>& targets_;
  const Truth& truth_;
  bool single_;
};

std::string list_blocks(const Hypothesis& h, const std::vector<Target>& targets,
                        const std::vector<std::size_t>& pieces, std::vector<std::string>* names = nullptr) {
  std::vector<std::string> seen;
  for (std::size_t i : pieces) {
    const std::string& n = h.blocks[targets[i].block].parameter;
    if (std::find(seen.begin(), seen.end(), n) == seen.end()) seen.push_back(n);
  }
  if (names) *names = seen;
  return fmt::format("{}", fmt::join(seen, ", "));
}

class Diagnosis {
 public:
  Diagnosis(const Case& given, const Options& options)
      : given_(given), options_(options), start_(Clock::now()) {}

  Report run() {
    for (const NamedArray& a : given_.arrays)
      if (a.array.values.size() != count(a.array.shape))
        throw DataError("array {} has {} values but shape {}", a.name, a.array.values.size(),
                        describe_shape(a.array.shape));
    const Roles roles = find_roles(given_);
    nothing_but_numbers(roles);
    if (report_.verdict == Verdict::differs) return finish();
    auto hypotheses = identify(roles, given_.hints,
                               start_ + std::chrono::milliseconds(static_cast<int>(options_.seconds * 450)));
    if (hypotheses.empty()) {
      report_.verdict = Verdict::cannot_tell;
      report_.notes.push_back(
          "no Elman, LSTM or GRU network of one or two layers fits the arrays' shapes; hints (cell, roles of "
          "the arrays) may help");
      return finish();
    }
    consider(roles, hypotheses);
    return finish();
  }

 private:
  static std::size_t count(const std::vector<std::size_t>& shape) {
    std::size_t n = 1;
    for (std::size_t d : shape) n *= d;
    return n;
  }

  Report finish() {
    report_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    return std::move(report_);
  }

  // NaN or infinity in a claim is a finding of its own.
  void nothing_but_numbers(const Roles& roles) {
    for (const Block& b : roles.blocks) {
      for (double v : b.value)
        if (!std::isfinite(v))
          throw DataError("parameter {} contains {}; a gradient cannot be judged there", b.parameter, v);
      const auto bad = static_cast<std::size_t>(
          std::count_if(b.claim.begin(), b.claim.end(), [](double v) { return !std::isfinite(v); }));
      if (!bad) continue;
      report_.verdict = Verdict::differs;
      report_.blocks.push_back(
          {b.parameter, b.gradient, INFINITY, 0, bad, b.claim.size(), "not a number", Verdict::differs});
    }
    if (report_.verdict != Verdict::differs) return;
    Finding f;
    f.name = "nan-compared";
    f.sentence =
        "the claimed gradient contains NaN or infinity; a check that compares NaN > threshold lets it pass";
    f.fix = "test with not (gap <= allowed), and look for the overflow that made the NaN";
    f.certainty = "certain";
    for (const BlockRow& b : report_.blocks) f.blocks.push_back(b.parameter);
    report_.findings.push_back(std::move(f));
  }

  void consider(const Roles& roles, std::vector<Hypothesis>& hypotheses) {
    // Readings that the evidence does not tell apart are all examined.
    const auto rank = [](const Hypothesis& h) {
      return std::make_pair(h.loss_gap >= 0 ? 1 : 0, h.outputs_gap >= 0 ? 1 : 0);
    };
    std::size_t n = 1;
    while (n < hypotheses.size() && n < 6 && rank(hypotheses[n]) == rank(hypotheses[0])) ++n;
    if (hypotheses[0].agreement == 1) n = 1;
    double best_cost = 1e9;
    for (std::size_t k = 0; k < n; ++k) {
      Report trial = examine(roles, hypotheses[k]);
      const double cost = trial.verdict == Verdict::agrees ? 0
                          : trial.findings.empty()
                              ? 1e6 + static_cast<double>(k)
                              : static_cast<double>(trial.findings.size()) + 0.01 * static_cast<double>(k);
      if (cost < best_cost) {
        best_cost = cost;
        report_ = std::move(trial);
      }
      if (best_cost < 2) break;
    }
  }

  Report examine(const Roles& roles, const Hypothesis& h) {
    Report r;
    r.network = describe(h);
    r.found_by = h.loss_gap >= 0      ? fmt::format("found from the loss {:.6g}, reproduced to {:.0e}",
                                                    h.given_loss, std::max(h.loss_gap, 1e-16))
                 : h.outputs_gap >= 0 ? fmt::format("found from the outputs, reproduced to {:.0e}",
                                                    std::max(h.outputs_gap, 1e-16))
                                      : "found from the shapes and the blocks that agree";
    const Problem& p = h.problem;
    r.sizes = fmt::format("B {} · T {} · I {} · H {} · O {}", p.B, p.T, p.I, p.H(), p.O);
    std::vector<Target> targets = targets_of(h);
    const Truth truth = right_gradient(p, targets, right_plan(p));
    const Judge judge(h, targets, truth, roles.single), coarse(h, targets, truth, true);
    r.blocks = judge.rows();
    const bool differs = std::any_of(r.blocks.begin(), r.blocks.end(),
                                     [](const BlockRow& b) { return b.verdict == Verdict::differs; });
    const bool unsure = std::any_of(r.blocks.begin(), r.blocks.end(),
                                    [](const BlockRow& b) { return b.verdict == Verdict::cannot_tell; });
    if (!differs) {
      r.verdict = unsure ? Verdict::cannot_tell : Verdict::agrees;
      if (unsure)
        r.notes.push_back(
            "rounding alone may change this gradient by a third at this point (saturated or chaotic): take "
            "smaller weights");
      return r;
    }
    const auto loose = coarse.rows();
    const bool single_would_do = std::none_of(
        loose.begin(), loose.end(), [](const BlockRow& b) { return b.verdict == Verdict::differs; });

    for (std::size_t i = 0; i < targets.size(); ++i) {
      const double top = largest(truth.right[i]), size = roles.single ? kSingle : kDouble;
      targets[i].tolerance =
          std::clamp(4 * std::max(top > 0 ? judge.noise()[i] / top : 0.0, 64 * size), 64 * size, 0.03);
    }
    const Engine engine(p);
    Search search(engine, h.words, targets,
                  start_ + std::chrono::milliseconds(static_cast<int>(options_.seconds * 1000)));
    SearchResult found = search.run();
    r.verdict = Verdict::differs;
    if (!found.best.empty()) {
      name_findings(h, targets, search, found, r);
      if (!h.scale_known && r.findings.empty()) r.verdict = Verdict::agrees;
      return r;
    }
    if (single_would_do) {
      r.verdict = Verdict::agrees;
      r.blocks = loose;
      r.notes.push_back("it agrees to single precision only: some of it was computed in float32");
      return r;
    }
    std::vector<std::string> unexplained;
    list_blocks(h, targets, found.unexplained, &unexplained);
    r.notes.push_back(fmt::format("not in the catalogue: none of {} candidates reproduces {}",
                                  found.candidates, fmt::join(unexplained, ", ")));
    return r;
  }

  void name_findings(const Hypothesis& h, const std::vector<Target>& targets, const Search& search,
                     const SearchResult& found, Report& r) {
    const Explanation& best = found.best.front();
    // Which equivalents stand at the same place in the other explanations.
    for (std::size_t k = 0; k < best.atoms.size(); ++k) {
      const Atom& a = best.atoms[k];
      Finding f;
      std::vector<Atom> named = {a};
      if (a.name == "scale") named = name_scale(h.problem, a.scale);
      if (a.name == "scale" && covers_everything(a, targets) && !h.scale_known &&
          named.front().name != "zero")
        continue;  // the reduction is not known
      const Atom& main = named.front();
      f.name = main.name, f.sentence = main.sentence, f.fix = main.fix, f.yours = main.yours;
      if (a.name == "decay") {
        f.name = "regulariser-missing";
        f.sentence = fmt::format(
            "{:.6g} times the parameter is added to the gradient, which the loss does not contain", a.scale);
        f.fix = fmt::format("leave out {:.6g} * parameter, or put {:.6g}/2 * sum of squares into the loss",
                            a.scale, a.scale);
      }
      if (a.name == "clip") {
        f.name = "clipped";
        f.sentence = fmt::format("entries are clipped to [-{0:.6g}, {0:.6g}]", a.scale);
        f.fix = "check the gradient before it is clipped";
      }
      f.where = a.pieces.empty() ? a.where : list_blocks(h, targets, a.pieces, &f.blocks);
      std::set<std::string> seen = {main.name + main.sentence};
      auto also = [&](const std::string& n, const std::string& s) {
        if (seen.insert(n + s).second) f.equivalents.push_back({n, s});
      };
      for (std::size_t i = 1; i < named.size(); ++i) also(named[i].name, named[i].sentence);
      for (const Atom& e : best.equivalents[k]) also(e.name, e.sentence);
      if (!a.alias.empty()) also(a.alias, a.sentence);
      for (std::size_t other = 1; other < found.best.size(); ++other)
        for (const Atom& e : found.best[other].atoms)
          if (std::none_of(best.atoms.begin(), best.atoms.end(),
                           [&](const Atom& x) { return x.key == e.key; }) &&
              e.name != "scale" && found.best[other].atoms.size() == best.atoms.size() &&
              best.atoms.size() == 1)
            also(e.name, e.sentence);
      f.certainty = f.equivalents.empty() ? "certain" : "one of several";
      r.findings.push_back(std::move(f));
    }
    double miss = 0;
    std::size_t entries = 0;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const Real made = search.reproduce(best, i, search.engine());
      const double top = largest(targets[i].claim);
      for (std::size_t n = 0; n < made.size(); ++n) {
        ++entries;
        if (top > 0) miss = std::max(miss, std::abs(made[n] - targets[i].claim[n]) / top);
      }
    }
    r.proof =
        fmt::format("{} reproduce{} all {} entries to {:.0e}{}",
                    r.findings.size() == 1 ? "this mistake" : "together these mistakes",
                    r.findings.size() == 1 ? "s" : "", entries, std::max(miss, 1e-17),
                    found.next_miss > 0 ? fmt::format("; the next best of {} explanations misses by {:.0e}",
                                                      found.candidates, found.next_miss)
                                        : "");
  }

  static bool covers_everything(const Atom& a, const std::vector<Target>& targets) {
    return a.pieces.size() == targets.size();
  }

  const Case& given_;
  const Options& options_;
  Clock::time_point start_;
  Report report_;
};

}  // namespace

Report diagnose(const Case& given, const Options& options) { return Diagnosis(given, options).run(); }

}  // namespace retrograde::doctor
