#include "retrograde/doctor/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "retrograde/base/error.h"
#include "retrograde/doctor/findings.h"
#include "retrograde/doctor/probes.h"
#include "retrograde/doctor/program.h"

namespace retrograde::doctor {

namespace {

using Clock = WorkClock;

// One reading of the case under examination.
struct Examination {
  const Hypothesis* h = nullptr;
  std::unique_ptr<Judge> judge;
  std::vector<BlockRow> rows;
  bool differs = false, unsure = false;
};

Examination examine(const Hypothesis& h, Precision precision) {
  Examination e;
  e.h = &h;
  e.judge = std::make_unique<Judge>(h);
  e.rows = e.judge->rows(precision);
  for (const BlockRow& r : e.rows)
    e.differs |= r.verdict == Verdict::differs, e.unsure |= r.verdict == Verdict::cannot_tell;
  return e;
}

// A forward that the gradient may belong to although it is not the one that was run.
struct Variant {
  const char *name, *sentence, *fix;
  Problem problem;
};

std::vector<Variant> variants(const Problem& p) {
  std::vector<Variant> out;
  auto add = [&](const char* name, const char* sentence, const char* fix, auto&& change) {
    Variant v{name, sentence, fix, p};
    change(v.problem);
    out.push_back(std::move(v));
  };
  const auto nonzero = [](const Real& v) {
    return std::any_of(v.begin(), v.end(), [](double x) { return x != 0; });
  };
  bool h0 = false, c0 = false;
  for (const Layer& l : p.layers) h0 |= nonzero(l.h0), c0 |= nonzero(l.c0);
  const auto zero_h = [](Problem& q) {
    for (Layer& l : q.layers) std::fill(l.h0.begin(), l.h0.end(), 0.0);
  };
  const auto zero_c = [](Problem& q) {
    for (Layer& l : q.layers) std::fill(l.c0.begin(), l.c0.end(), 0.0);
  };
  if (h0)
    add("initial-state-ignored", "the gradient is that of a network which starts from zero instead of h0",
        "start the backward's forward from h0 too", zero_h);
  if (c0)
    add("initial-state-ignored",
        "the gradient is that of a network whose cell starts from zero instead of c0", "start from c0 too",
        zero_c);
  if (h0 && c0)
    add("initial-state-ignored",
        "the gradient is that of a network which starts from zero instead of h0 and c0",
        "start from h0 and c0 too", [&](Problem& q) { zero_h(q), zero_c(q); });
  if (p.net.cell == Cell::lstm)
    for (double shift : {1.0, -1.0})
      add("forget-bias",
          shift > 0 ? "the gradient is that of a forget gate with 1 added to its bias, which the forward "
                      "does not add"
                    : "the gradient lacks the 1 that the forward adds to the forget gate's bias",
          "use the forward's own gates in the backward", [shift](Problem& q) {
            for (Layer& l : q.layers) {
              if (l.b.empty()) l.b.assign(static_cast<std::size_t>(4 * l.hidden), 0);
              for (int k = 0; k < l.hidden; ++k) l.b[static_cast<std::size_t>(l.hidden + k)] += shift;
            }
          });
  if (p.net.cell == Cell::gru) {
    add("reset-gate-before-or-after", "the gradient is that of the other form of the reset gate",
        "differentiate the forward that is run", [](Problem& q) { q.net.reset_after = !q.net.reset_after; });
    add("update-gate-complemented", "the gradient is that of a cell with z and 1 - z exchanged",
        "differentiate the forward that is run",
        [](Problem& q) { q.net.update_keeps = !q.net.update_keeps; });
  }
  if (p.ragged())
    add("padding-leaks", "the gradient is that of sequences without padding: the lengths are ignored",
        "stop each row at its own length", [](Problem& q) { q.end.assign(q.end.size(), q.T); });
  return out;
}

class Diagnosis {
 public:
  Diagnosis(const Case& given, const Options& options)
      : given_(given), options_(options), start_(Clock::now()) {}

  Report run() {
    for (const NamedArray& a : given_.arrays) {
      std::size_t n = 1;
      for (std::size_t d : a.array.shape) n *= d;
      if (a.array.values.size() != n)
        throw DataError("array {} has {} values but shape {}", a.name, a.array.values.size(),
                        describe_shape(a.array.shape));
    }
    const Roles roles = given_.gradient ? ask_program() : find_roles(given_);
    precision_ = roles.single ? Precision::single : Precision::double_;
    if (!only_numbers(roles)) return finish();
    if (nothing_to_test(roles)) return finish();
    const auto hypotheses = identify(roles, given_.hints, after(0.45));
    if (hypotheses.empty()) {
      report_.notes.push_back(
          "no Elman, LSTM or GRU network of one or two layers fits the arrays' shapes; hints (the cell, the "
          "arrays' roles) may help");
      return finish();
    }
    const bool random = std::any_of(conduct_.begin(), conduct_.end(),
                                    [](const Finding& f) { return f.name == "not-repeatable"; });
    if (!random) consider(hypotheses);
    return finish();
  }

 private:
  Clock::time_point after(double share) const {
    return start_ + std::chrono::microseconds(static_cast<long>(options_.seconds * share * 1e6));
  }

  Report finish() {
    if (!conduct_.empty()) {
      report_.findings.insert(report_.findings.begin(), conduct_.begin(), conduct_.end());
      report_.verdict = Verdict::differs;
    }
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_).count();
    return std::move(report_);
  }

  // Audits the author's functions; their first answer is the claim.
  Roles ask_program() {
    tell("asking the program");
    Roles roles = find_roles(given_);
    program_ = std::make_unique<Program>(given_, roles);
    Arrays answer;
    conduct_ = program_->audit(answer);
    asked_ = given_;
    std::erase_if(asked_.arrays, [&](const NamedArray& a) {
      return std::any_of(roles.blocks.begin(), roles.blocks.end(),
                         [&](const Block& b) { return b.gradient == a.name; });
    });
    const auto holds = [](const Arrays& arrays, const std::string& name) {
      return std::any_of(arrays.begin(), arrays.end(), [&](const NamedArray& b) { return b.name == name; });
    };
    for (const NamedArray& a : answer) {
      // A gradient may be named as what it is the gradient by; whatever else has its name was answered
      // before.
      const bool asked = holds(program_->parameters(), a.name) || holds(program_->batch(), a.name);
      if (!asked) std::erase_if(asked_.arrays, [&](const NamedArray& b) { return b.name == a.name; });
      asked_.arrays.push_back({asked ? fmt::format("d_{}", a.name) : a.name, a.array});
    }
    const bool knows_loss = std::any_of(roles.data.begin(), roles.data.end(),
                                        [](const Datum& d) { return d.role == Role::loss; });
    if (program_->has_loss() && !knows_loss)
      asked_.arrays.push_back(
          {"loss", {{}, {program_->loss(program_->parameters(), program_->batch())}, Dtype::float64}});
    return find_roles(asked_);
  }

  void tell(const std::string& what) const {
    if (options_.progress) options_.progress(what);
  }

  // A loss of zero is the least there is: a gradient of zeros is right there, and shows nothing.
  bool nothing_to_test(const Roles& roles) {
    const bool least = std::any_of(roles.data.begin(), roles.data.end(), [](const Datum& d) {
      return d.role == Role::loss && d.given.array.size() == 1 && d.given.array.values[0] == 0;
    });
    const bool zeros = std::all_of(roles.blocks.begin(), roles.blocks.end(), [](const Block& b) {
      return std::all_of(b.claim.begin(), b.claim.end(), [](double v) { return v == 0; });
    });
    if (!least || !zeros) return false;
    report_.verdict = Verdict::agrees;
    report_.power.push_back(
        "nothing-tested: the loss is zero, where every gradient is; take targets that the outputs miss");
    return true;
  }

  // NaN or infinity in a claim is a finding of its own.
  bool only_numbers(const Roles& roles) {
    for (const Block& b : roles.blocks) {
      for (double v : b.value)
        if (!std::isfinite(v))
          throw DataError("parameter {} contains {}; a gradient cannot be judged there", b.parameter, v);
      const auto bad = static_cast<std::size_t>(
          std::count_if(b.claim.begin(), b.claim.end(), [](double v) { return !std::isfinite(v); }));
      if (bad)
        report_.blocks.push_back(
            {b.parameter, b.gradient, INFINITY, 0, bad, b.claim.size(), "not a number", Verdict::differs});
    }
    if (report_.blocks.empty()) return true;
    report_.verdict = Verdict::differs;
    Finding f;
    f.name = "nan-compared";
    f.sentence =
        "the claimed gradient contains NaN or infinity; a check that asks gap > threshold lets it pass";
    f.fix = "test with not (gap <= allowed), and look for the overflow or 0/0 that made it";
    f.certainty = "certain";
    for (const BlockRow& b : report_.blocks) f.blocks.push_back(b.parameter);
    f.where = fmt::format("{}", fmt::join(f.blocks, ", "));
    report_.findings.push_back(std::move(f));
    return false;
  }

  // Readings that the evidence does not tell apart are all examined.
  void consider(const std::vector<Hypothesis>& hypotheses) {
    const auto rank = [](const Hypothesis& h) {
      return (h.loss_gap >= 0 ? 2 : 0) + (h.outputs_gap >= 0 ? 1 : 0) + (h.confirmed() ? 4 : 0);
    };
    std::vector<Examination> open;
    for (const Hypothesis& h : hypotheses) {
      if (rank(h) != rank(hypotheses[0]) || (!open.empty() && Clock::now() > after(0.6))) break;
      Examination e = examine(h, precision_);
      if (!e.differs) return agree(e);
      if (open.size() < 40 && !(h.agreement + 0.2 < hypotheses[0].agreement)) open.push_back(std::move(e));
    }
    const bool settled = search(open, false) || search_from_short_points(open.front()) ||
                         try_variants(open.front()) || search(open, true);
    if (settled) return;
    // A claim that was computed in single precision somewhere is no mistake.
    for (const Examination& e : open) {
      const auto loose = e.judge->rows(Precision::single);
      if (std::any_of(loose.begin(), loose.end(),
                      [](const BlockRow& b) { return b.verdict == Verdict::differs; }))
        continue;
      describe_network(e);
      report_.verdict = Verdict::agrees;
      report_.blocks = loose;
      report_.notes.push_back("it agrees to single precision: some of it was computed in float32");
      return;
    }
    unnamed(open.front());
  }

  // Whether something other than the gradient speaks for this reading of the arrays.
  static bool confirmed(const Hypothesis& h) { return h.confirmed(); }

  void describe_network(const Examination& e) {
    const Hypothesis& h = *e.h;
    const Problem& p = h.problem;
    report_.network = describe(h);
    report_.found_by = h.loss_gap >= 0      ? fmt::format("found from the loss {:.6g}, reproduced to {:.0e}",
                                                          h.given_loss, std::max(h.loss_gap, 1e-16))
                       : h.outputs_gap >= 0 ? fmt::format("found from the outputs, reproduced to {:.0e}",
                                                          std::max(h.outputs_gap, 1e-16))
                                            : "found from the shapes and the gradient itself";
    report_.sizes = fmt::format("B {} · T {} · I {} · H {} · O {}", p.B, p.T, p.I, p.H(), p.O);
    report_.blocks = e.rows;
  }

  void agree(const Examination& e) {
    describe_network(e);
    report_.verdict = e.unsure ? Verdict::cannot_tell : Verdict::agrees;
    if (e.unsure)
      report_.notes.push_back(
          "rounding alone may change a block by a third at this point (saturated or chaotic): take smaller "
          "weights");
    else
      report_.power = power_of(*e.h, *e.judge, precision_,
                               std::min(after(1), Clock::now() + std::chrono::milliseconds(500)));
  }

  // Whether some reading has an explanation; the one with the fewest mistakes is reported.
  bool search(const std::vector<Examination>& open, bool pairs) {
    double best = 1e9;
    for (const Examination& e : open) {
      if (Clock::now() > after(pairs ? 1 : 0.7)) break;
      const Engine engine(e.h->problem);
      const std::vector<Target> targets = e.judge->search_targets(precision_);
      Search s(engine, e.h->words, targets, after(pairs ? 1 : 0.7));
      const SearchResult found = s.run(pairs);
      candidates_ += found.candidates;
      if (found.best.empty()) continue;
      const double cost = found.best.front().cost() + e.h->doubt * 0.01;
      if (!(cost < best) || !believable(found.best.front(), targets, e.h->confirmed())) continue;
      best = cost;
      describe_network(e);
      say(*e.h, targets, s, found);
      if (best < 1.5) break;
    }
    if (best < (pairs ? 1e9 : 3.2)) return true;
    if (best < 1e9) fallback_ = report_;
    return false;
  }

  // Mistakes that hide each other in the whole sequence are looked for where few steps matter.
  bool search_from_short_points(const Examination& e) {
    if (!program_ || !conduct_.empty() || !confirmed(*e.h)) return false;
    tell("asking at short sequences");
    std::vector<Start> starts = climb(*program_, *e.h, precision_, after(0.8));
    // What else would do as well as one of them?
    if (!starts.empty())
      for (std::size_t i = 0; i < starts.front().size(); ++i) {
        starts.push_back(starts.front());
        starts.back().erase(starts.back().begin() + static_cast<long>(i));
      }
    const Engine engine(e.h->problem);
    const std::vector<Target> targets = e.judge->search_targets(precision_);
    for (const bool pairs : {false, true}) {
      SearchResult all;
      for (const Start& start : starts) {
        Search s(engine, e.h->words, targets, after(0.9), start);
        SearchResult found = s.run(pairs);
        candidates_ += found.candidates;
        if (found.best.empty() || !believable(found.best.front(), targets, true)) continue;
        if (all.best.empty() || found.best.front().cost() < all.best.front().cost()) std::swap(all, found);
        for (Explanation& other : found.best)
          if (other.atoms.size() == all.best.front().atoms.size()) all.best.push_back(std::move(other));
      }
      if (all.best.empty()) continue;
      describe_network(e);
      say(*e.h, targets, Search(engine, e.h->words, targets, after(1)), all);
      return true;
    }
    return false;
  }

  // A free factor on one or two numbers explains anything.
  static bool believable(const Explanation& e, const std::vector<Target>& targets, bool confirmed) {
    for (const Atom& a : e.atoms) {
      if (a.name != "scale" && a.name != "decay" && a.name != "clip") continue;
      std::size_t entries = 0;
      for (std::size_t i : a.pieces) entries += targets[i].claim.size();
      if (entries < 3 && a.scale != 0 && (e.atoms.size() > 1 || !confirmed)) return false;
    }
    return true;
  }

  void say(const Hypothesis& h, const std::vector<Target>& targets, const Search& s,
           const SearchResult& found) {
    report_.verdict = Verdict::differs;
    report_.findings = findings_of(h, targets, found);
    if (report_.findings.empty()) {  // only the reduction, which nothing tells
      report_.verdict = Verdict::agrees;
      report_.notes.push_back(
          "the loss's reduction was read off the gradient: give the loss value to have it checked too");
      return;
    }
    report_.where = where_of(h, report_.blocks);
    report_.proof = proof_of(targets, s, found, report_.findings.size());
    report_.proof += confirmation(h, s, found.best.front());
    report_.ruled_out = ruled_out(report_.findings, report_.blocks);
  }

  // Whether the explanation holds at other parameters too, if there is a program to ask.
  std::string confirmation(const Hypothesis& h, const Search& s, const Explanation& e) {
    if (!program_ || !conduct_.empty()) return "";
    for (const Finding& f : report_.findings)
      if (f.name == "clipped") return "";  // another point is clipped otherwise
    Hypothesis other = h;
    const Arrays parameters = program_->other_parameters();
    for (Block& b : other.blocks)
      for (const NamedArray& a : parameters)
        if (a.name == b.parameter) b.value = a.array.values;
    take_claims(program_->gradient(parameters, program_->batch()), other.blocks);
    put_parameters(other.blocks, other.problem);
    const Judge judge(other);
    const Engine engine(other.problem);
    double miss = 0;
    for (std::size_t i = 0; i < judge.targets().size(); ++i) {
      const Target& t = judge.targets()[i];
      const Real made = s.reproduce(e, i, engine, t.parameter);
      const double top = std::max(largest(t.claim), largest(made));
      for (std::size_t k = 0; k < made.size(); ++k)
        if (top > 0) miss = std::max(miss, std::abs(made[k] - t.claim[k]) / top);
    }
    if (miss <= (precision_ == Precision::single ? 1e-3 : 1e-7))
      return fmt::format("; confirmed at a second random point to {:.0e}", std::max(miss, 1e-16));
    for (Finding& f : report_.findings) f.certainty = "likely";
    return fmt::format("; but at a second random point it misses by {:.0e}", miss);
  }

  bool try_variants(const Examination& e) {
    if (!confirmed(*e.h)) return false;  // the gradient may be right, and the variant the network
    for (const Variant& v : variants(e.h->problem)) {
      const Engine engine(v.problem);
      const std::vector<Target> targets = e.judge->search_targets(precision_);
      Search s(engine, e.h->words, targets, after(0.8));
      const SearchResult found = s.run(false);
      candidates_ += found.candidates;
      if (found.best.empty() || found.best.front().cost() > 2.5 ||
          !believable(found.best.front(), targets, true))
        continue;
      describe_network(e);
      say(*e.h, targets, s, found);
      report_.verdict = Verdict::differs;
      report_.notes.clear();
      Finding f;
      f.name = v.name, f.sentence = v.sentence, f.fix = v.fix, f.where = "the forward that is differentiated",
      f.certainty = "certain";
      report_.findings.insert(report_.findings.begin(), std::move(f));
      report_.where = where_of(*e.h, report_.blocks);
      report_.proof = proof_of(targets, s, found, report_.findings.size());
      report_.ruled_out = ruled_out(report_.findings, report_.blocks);
      return true;
    }
    return false;
  }

  void unnamed(const Examination& e) {
    if (fallback_.verdict == Verdict::differs) {
      report_ = std::move(fallback_);
      return;
    }
    describe_network(e);
    const bool known = confirmed(*e.h);
    report_.verdict = known ? Verdict::differs : Verdict::cannot_tell;
    report_.where = where_of(*e.h, report_.blocks);
    report_.notes.push_back(
        fmt::format("not in the catalogue: none of {} candidates reproduces the claim", candidates_));
    report_.ruled_out = ruled_out({}, report_.blocks);
    if (!known)
      report_.notes.push_back(
          "nothing confirms this reading of the arrays: the loss value or the outputs would");
  }

  const Case& given_;
  const Options& options_;
  Clock::time_point start_;
  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
  Precision precision_ = Precision::double_;
  int candidates_ = 0;
  Case asked_;  // the case with the program's answer
  std::unique_ptr<Program> program_;
  std::vector<Finding> conduct_;
  Report report_, fallback_;
};

}  // namespace

Report diagnose(const Case& given, const Options& options) { return Diagnosis(given, options).run(); }

}  // namespace retrograde::doctor
