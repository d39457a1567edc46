#include "retrograde/doctor/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "retrograde/base/error.h"
#include "retrograde/doctor/explain.h"
#include "retrograde/doctor/numeric.h"
#include "retrograde/doctor/own_check.h"
#include "retrograde/doctor/penalties.h"

namespace retrograde::doctor {

namespace {

using Clock = WorkClock;

constexpr double kNearly = 1e-9;

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
    if (conduct("not-repeatable")) return finish();
    tell("recognising the network");
    const auto hypotheses = identify(roles, given_.hints, after(0.45));
    if (hypotheses.empty())
      unrecognised(roles);
    else
      consider(hypotheses, roles);
    judge_the_rest(roles);
    examine_own_check(roles);
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
    if (program_->has_loss() && !knows_loss(roles))
      asked_.arrays.push_back(
          {"loss", {{}, {program_->loss(program_->parameters(), program_->batch())}, Dtype::float64}});
    roles = find_roles(asked_);
    if (std::all_of(roles.blocks.begin(), roles.blocks.end(),
                    [](const Block& b) { return b.claim.empty(); })) {
      std::vector<std::string> names;
      for (const NamedArray& a : asked_.arrays) names.push_back(a.name);
      throw DataError(
          "nothing that the gradient answered with is named as a parameter's gradient: found [{}], expected "
          "pairs such as W and dW (or W and W_grad); say which by hints",
          fmt::join(names, ", "));
    }
    return roles;
  }

  static bool knows_loss(const Roles& roles) {
    return std::any_of(roles.data.begin(), roles.data.end(),
                       [](const Datum& d) { return d.role == Role::loss; });
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

  bool conduct(std::string_view name) const {
    return std::any_of(conduct_.begin(), conduct_.end(), [&](const Finding& f) { return f.name == name; });
  }
  // The author's own loss can be asked, and answers the same every time.
  bool can_ask_loss() const {
    return program_ && program_->has_loss() && !conduct("keeps-state") && !conduct("not-repeatable");
  }
  const std::function<bool(const std::string&)>& progress() const { return options_.progress; }

  // The loss itself speaks for this reading, to more digits than an accident would. (A penalty that is read
  // off the loss makes any loss fit.)
  static bool certain(const Hypothesis& h) {
    return h.sensitive && h.loss_gap >= 0 &&
           (h.agreement > 0 || (h.loss_gap < 1e-11 && h.problem.net.decay == 0));
  }

  // Readings that the evidence does not tell apart are all examined.
  void consider(const std::vector<Hypothesis>& hypotheses, const Roles& roles) {
    const auto rank = [](const Hypothesis& h) {
      return (h.loss_gap >= 0 ? 2 : 0) + (h.outputs_gap >= 0 ? 1 : 0) + (h.confirmed() ? 4 : 0);
    };
    std::vector<Examination> open;
    std::optional<NumericJudgement> heard;
    if (can_ask_loss() && !certain(hypotheses.front()))
      heard = judge_by_loss(*program_, roles.blocks, precision_, false, progress());
    for (const Hypothesis& h : hypotheses) {
      if (rank(h) != rank(hypotheses[0]) || (!open.empty() && Clock::now() > after(0.6))) break;
      Examination e = examine(h, precision_);
      if (heard && refutes(*heard, e)) {
        if (!e.differs && !e.unsure && heard->verdict == Verdict::differs) return other_loss(e, *heard);
        continue;
      }
      if (!e.differs) return agree(e);
      if ((penalised_ = with_own_penalties(h, *e.judge))) return agree(examine(*penalised_, precision_));
      if (open.size() < 40 && !(h.agreement + 0.2 < hypotheses[0].agreement)) open.push_back(std::move(e));
    }
    if (open.empty()) return unrecognised(roles);
    if (nearly_agrees(open.front())) return hardly_differs(open.front());
    const double spent = std::chrono::duration<double>(Clock::now() - start_).count();
    // A loss that no reading makes speaks against all of them.
    const bool spoken_against = knows_loss(roles) && !hypotheses.front().confirmed();
    const double seconds = options_.seconds;
    Explainer explainer(conduct_.empty() ? program_.get() : nullptr, precision_,
                        spoken_against ? 0.25 * seconds : std::max(0.5 * seconds, seconds - spent),
                        [this](const std::string& what) { tell(what); });
    if (auto report = explainer.run(open)) {
      report_ = *std::move(report);
      return;
    }
    // A claim that was computed in single precision somewhere is no mistake.
    for (const Examination& e : open) {
      const auto loose = e.judge->rows(Precision::single);
      if (std::any_of(loose.begin(), loose.end(),
                      [](const BlockRow& b) { return b.verdict == Verdict::differs; }))
        continue;
      describe_network(e, report_);
      report_.verdict = Verdict::agrees;
      report_.blocks = loose;
      report_.notes.push_back("it agrees to single precision: some of it was computed in float32");
      return;
    }
    // A reading that nothing confirms does not win over the author's own loss.
    if (!open.front().h->confirmed() && can_ask_loss()) return unrecognised(roles);
    unnamed(open.front(), explainer.candidates());
  }

  // With tiny weights every activation gives the same to many digits: a reading that nothing confirms may
  // have another than the author's, and accuses nobody of the last ones.
  static bool nearly_agrees(const Examination& e) {
    return !e.h->confirmed() &&
           std::all_of(e.rows.begin(), e.rows.end(), [](const BlockRow& row) { return row.gap < kNearly; });
  }
  void hardly_differs(const Examination& e) {
    describe_network(e, report_);
    report_.verdict = Verdict::cannot_tell;
    report_.notes.push_back(
        fmt::format("every block agrees to {:.0e}; what is left may be another network's than this one: take "
                    "larger weights",
                    kNearly));
  }

  // Whether the author's own loss calls a block right that this reading calls wrong, or the reverse.
  static bool refutes(const NumericJudgement& heard, const Examination& e) {
    if (heard.verdict == Verdict::agrees && e.differs) return true;
    for (const BlockRow& ours : e.rows)
      for (const BlockRow& theirs : heard.rows)
        if (ours.parameter == theirs.parameter && ours.verdict != theirs.verdict &&
            ours.verdict != Verdict::cannot_tell && theirs.verdict != Verdict::cannot_tell)
          return true;
    return !e.differs && heard.verdict == Verdict::differs;
  }

  void agree(const Examination& e) {
    describe_network(e, report_);
    reading_ = e.h;
    report_.verdict = e.unsure ? Verdict::cannot_tell : Verdict::agrees;
    if (e.h->loss_missed)
      report_.notes.push_back(fmt::format(
          "it is the gradient of {} ({:.6g} here); the loss given is {:.6g}, which was not found again",
          e.h->problem.net.reduction, loss_of(e.h->problem), e.h->given_loss));
    if (e.unsure)
      report_.notes.push_back(
          "rounding alone may change a block by a third at this point (saturated or chaotic): take smaller "
          "weights");
    else
      report_.power = power_of(*e.h, *e.judge, precision_,
                               std::min(after(1), Clock::now() + std::chrono::milliseconds(500)));
  }

  // Every block is right for a loss that is not the author's.
  void other_loss(const Examination& e, const NumericJudgement& heard) {
    describe_network(e, report_);
    report_.verdict = Verdict::differs;
    report_.blocks = heard.rows;
    report_.where = "every block is the right gradient, of another loss than the one that is computed";
    Finding f;
    f.name = "loss-and-gradient-disagree";
    f.sentence = fmt::format("what is differentiated is {} ({:.6g} here), what is computed is another loss{}",
                             e.h->problem.net.reduction, loss_of(e.h->problem),
                             e.h->loss_missed ? fmt::format(" ({:.6g})", e.h->given_loss) : "");
    f.fix = "compute the loss that is differentiated, or differentiate the one that is computed";
    f.where = "the loss";
    f.certainty = "certain";
    for (const BlockRow& b : report_.blocks) f.blocks.push_back(b.parameter);
    report_.findings.push_back(std::move(f));
  }

  // Gradients that the recognised network has no place for are not passed over.
  void judge_the_rest(const Roles& roles) {
    std::vector<Block> rest;
    for (const std::vector<Block>* group : {&roles.blocks, &roles.state_blocks})
      for (const Block& b : *group)
        if (!b.claim.empty() && std::none_of(report_.blocks.begin(), report_.blocks.end(),
                                             [&](const BlockRow& r) { return r.parameter == b.parameter; }))
          rest.push_back(b);
    if (rest.empty() || report_.blocks.empty()) return;
    std::vector<std::string> names;
    for (const Block& b : rest) names.push_back(b.gradient);
    if (!can_ask_loss()) {
      report_.notes.push_back(
          fmt::format("not judged: {}, for which this network has no place (a loss to call would judge it)",
                      fmt::join(names, ", ")));
      return;
    }
    NumericJudgement heard = judge_by_loss(*program_, rest, precision_, true, progress());
    if (heard.verdict == Verdict::differs && report_.verdict != Verdict::differs) {
      report_.verdict = Verdict::differs;
      report_.where =
          fmt::format("wrong: {}; the network's own parameters are right", fmt::join(names, ", "));
      report_.power.clear();
    }
    report_.blocks.insert(report_.blocks.begin(), heard.rows.begin(), heard.rows.end());
    report_.findings.insert(report_.findings.end(), heard.findings.begin(), heard.findings.end());
    report_.notes.push_back(fmt::format("{} judged by {}", fmt::join(names, ", "), heard.extent));
  }

  // The claim is right: is the author's numeric gradient?
  void examine_own_check(const Roles& roles) {
    if (report_.verdict != Verdict::agrees || (!reading_ && !can_ask_loss())) return;
    OwnCheck check;
    check.step = own_step();
    if (reading_) {
      check.blocks = reading_->blocks;
      check.problem = &reading_->problem;
      check.loss = [p = reading_->problem](const std::vector<Block>& blocks) mutable {
        put_parameters(blocks, p);
        derive_inputs(p);
        return loss_of(p);
      };
    } else {
      check.blocks = roles.blocks;
      check.loss = [this](const std::vector<Block>& blocks) {
        Arrays point = program_->parameters();
        for (NamedArray& a : point)
          for (const Block& b : blocks)
            if (b.parameter == a.name) a.array.values = b.value;
        return program_->loss(point, program_->batch());
      };
    }
    CheckFaults found = faults_of(check);
    if (!found.findings.empty())
      report_.notes.push_back("the claimed gradient is right; what fails is the check that it was put to");
    report_.findings.insert(report_.findings.end(), found.findings.begin(), found.findings.end());
    report_.notes.insert(report_.notes.end(), found.notes.begin(), found.notes.end());
  }

  // The step of the author's differences, if an array is called so.
  std::optional<double> own_step() const {
    for (const NamedArray& a : given_.arrays)
      for (const char* name :
           {"eps", "epsilon", "step", "step_size", "delta", "fd_eps", "fd_step", "check_eps"})
        if (a.name == name && a.array.size() == 1 && a.array.values[0] > 0) return a.array.values[0];
    return std::nullopt;
  }

  // No network of ours fits: the author's loss judges, if it can be asked.
  void unrecognised(const Roles& roles) {
    if (!can_ask_loss()) {
      report_.notes.push_back(
          "no Elman, LSTM or GRU network of one or two layers fits the arrays. What would settle it: hints "
          "(cell, "
          "the arrays' roles), the loss value or the outputs; or the loss and the gradient as functions to "
          "call "
          "(--run, or Python), which are judged without knowing the network");
      return;
    }
    tell("judging by the loss");
    NumericJudgement heard = judge_by_loss(*program_, roles.blocks, precision_, true, progress());
    report_.verdict = heard.verdict;
    report_.blocks = std::move(heard.rows);
    report_.findings = std::move(heard.findings);
    report_.found_by = fmt::format("judged by {}", heard.extent);
    report_.notes = std::move(heard.notes);
    if (heard.verdict == Verdict::agrees) {
      report_.power.push_back("what other points would show is known only for a network that is recognised");
      return;
    }
    std::vector<std::string> wrong, right;
    for (const BlockRow& r : report_.blocks)
      if (r.verdict != Verdict::cannot_tell)
        (r.verdict == Verdict::differs ? wrong : right).push_back(r.parameter);
    if (!wrong.empty())
      report_.where = fmt::format("wrong: {}{}", fmt::join(wrong, ", "),
                                  right.empty() ? "" : fmt::format("; right: {}", fmt::join(right, ", ")));
    if (report_.findings.empty() && heard.verdict == Verdict::differs)
      report_.ruled_out = {"rounding", "kinks and noise of the loss", "a factor or sign on a whole block",
                           "zero"};
    report_.notes.push_back(
        "the network is not recognised, so the mistake has no name here: hints (cell, the arrays' roles) or "
        "a "
        "smaller example of one or two layers would let the catalogue be searched");
  }

  void unnamed(const Examination& e, int candidates) {
    describe_network(e, report_);
    const bool known = e.h->confirmed();
    report_.verdict = known ? Verdict::differs : Verdict::cannot_tell;
    report_.where = where_of(*e.h, report_.blocks);
    report_.notes.push_back(
        fmt::format("not in the catalogue: none of {} candidates reproduces the claim", candidates));
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
  Case asked_;  // the case with the program's answer
  std::unique_ptr<Program> program_;
  std::vector<Finding> conduct_;
  Report report_;
  std::optional<Hypothesis> penalised_;
  const Hypothesis* reading_ = nullptr;  // whose right gradient the claim is
};

}  // namespace

Report diagnose(const Case& given, const Options& options) { return Diagnosis(given, options).run(); }

}  // namespace retrograde::doctor
