#include "retrograde/doctor/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "retrograde/doctor/probes.h"
#include "retrograde/doctor/variants.h"

namespace retrograde::doctor {

Examination examine(const Hypothesis& h, Precision precision) {
  Examination e;
  e.h = &h;
  e.judge = std::make_unique<Judge>(h);
  e.rows = e.judge->rows(precision);
  for (const BlockRow& r : e.rows)
    e.differs |= r.verdict == Verdict::differs, e.unsure |= r.verdict == Verdict::cannot_tell;
  return e;
}

void describe_network(const Examination& e, Report& report) {
  const Hypothesis& h = *e.h;
  const Problem& p = h.problem;
  report.network = describe(h);
  report.found_by = h.loss_gap >= 0      ? fmt::format("found from the loss {:.6g}, reproduced to {:.0e}",
                                                       h.given_loss, std::max(h.loss_gap, 1e-16))
                    : h.outputs_gap >= 0 ? fmt::format("found from the outputs, reproduced to {:.0e}",
                                                       std::max(h.outputs_gap, 1e-16))
                                         : "found from the shapes and the gradient itself";
  report.sizes = fmt::format("B {} · T {} · I {} · H {} · O {}", p.B, p.T, p.I, p.H(), p.O);
  report.blocks = e.rows;
}

namespace {

// A free factor on one or two numbers explains anything, and so do mistakes in a network that is another.
bool believable(const Hypothesis& h, const Explanation& e, const std::vector<Target>& targets) {
  if (h.refuted()) return false;
  for (const Atom& a : e.atoms) {
    if (a.name != "scale" && a.name != "decay" && a.name != "clip") continue;
    if (a.name == "scale" && h.confirmed() && name_scale(h.problem, a.scale).front().name != "block-scaled")
      continue;
    std::size_t entries = 0;
    for (std::size_t i : a.pieces) entries += targets[i].claim.size();
    if (entries < 3 && a.scale != 0 && (e.atoms.size() > 1 || !h.confirmed())) return false;
  }
  return true;
}

// Blocks that are zero throughout are first of all that, whatever would make them so.
void say_zero(const std::vector<Target>& targets, const Hypothesis& h, std::vector<Finding>& findings) {
  for (Finding& f : findings) {
    const bool zero = !f.blocks.empty() && std::all_of(targets.begin(), targets.end(), [&](const Target& t) {
      return std::find(f.blocks.begin(), f.blocks.end(), h.blocks[t.block].parameter) == f.blocks.end() ||
             largest(t.claim) == 0;
    });
    if (!zero || f.name == "zero" || f.name == "self-accumulated") continue;
    f.equivalents.insert(f.equivalents.begin(), {f.name, f.sentence});
    f.name = "zero", f.sentence = "the gradient is zero throughout", f.certainty = "one of several";
    f.fix = "add every step's part to it", f.yours.clear();
  }
}

}  // namespace

Explainer::Explainer(Program* program, Precision precision, double seconds,
                     std::function<void(const std::string&)> tell)
    : program_(program), precision_(precision), seconds_(seconds), tell_(std::move(tell)) {}

Explainer::Clock::time_point Explainer::after(double share) const {
  return start_ + std::chrono::microseconds(static_cast<long>(seconds_ * share * 1e6));
}

std::optional<Report> Explainer::run(const std::vector<Examination>& open) {
  if (search(open, false) || search_from_short_points(open.front()) || search_variants(open.front()) ||
      search(open, true))
    return std::move(report_);
  return std::move(fallback_);
}

// Whether some reading has an explanation; the one with the fewest mistakes is reported.
bool Explainer::search(const std::vector<Examination>& open, bool pairs) {
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
    if (!(cost < best) || !believable(*e.h, found.best.front(), targets)) continue;
    best = cost;
    say(e, targets, s, found);
    if (best < 1.3) break;  // one mistake, and a likely one
  }
  if (best < (pairs ? 1e9 : 3.2)) return true;
  if (best < 1e9) fallback_ = report_;
  return false;
}

// Mistakes that hide each other in the whole sequence are looked for where few steps matter.
bool Explainer::search_from_short_points(const Examination& e) {
  if (!program_ || !e.h->confirmed()) return false;
  tell_("asking at short sequences");
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
      if (found.best.empty() || !believable(*e.h, found.best.front(), targets)) continue;
      if (all.best.empty() || found.best.front().cost() < all.best.front().cost()) std::swap(all, found);
      for (Explanation& other : found.best)
        if (other.atoms.size() == all.best.front().atoms.size()) all.best.push_back(std::move(other));
    }
    if (all.best.empty()) continue;
    say(e, targets, Search(engine, e.h->words, targets, after(1)), all);
    return true;
  }
  return false;
}

void Explainer::say(const Examination& e, const std::vector<Target>& targets, const Search& s,
                    const SearchResult& found) {
  const Hypothesis& h = *e.h;
  report_ = {};
  describe_network(e, report_);
  report_.verdict = Verdict::differs;
  report_.findings = findings_of(h, targets, found);
  say_zero(targets, h, report_.findings);
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
std::string Explainer::confirmation(const Hypothesis& h, const Search& s, const Explanation& e) {
  if (!program_) return "";
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

bool Explainer::search_variants(const Examination& e) {
  if (!e.h->confirmed()) return false;  // the gradient may be right, and the variant the network
  for (const Variant& v : variants(e.h->problem)) {
    const Engine engine(v.problem);
    const std::vector<Target> targets = e.judge->search_targets(precision_);
    Search s(engine, e.h->words, targets, after(0.8));
    const SearchResult found = s.run(false);
    candidates_ += found.candidates;
    if (found.best.empty() || found.best.front().cost() > 2.5 ||
        !believable(*e.h, found.best.front(), targets))
      continue;
    say(e, targets, s, found);
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

}  // namespace retrograde::doctor
