#include "retrograde/doctor/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace retrograde::doctor {

namespace {

std::vector<std::string> blocks_of(const Hypothesis& h, const std::vector<Target>& targets,
                                   const std::vector<std::size_t>& pieces) {
  std::vector<std::string> out;
  for (std::size_t i : pieces) {
    const std::string& n = h.blocks[targets[i].block].parameter;
    if (std::find(out.begin(), out.end(), n) == out.end()) out.push_back(n);
  }
  return out;
}

double norm_of(const std::vector<Target>& targets, const std::vector<std::size_t>& pieces) {
  double sum = 0;
  for (std::size_t i : pieces)
    for (double v : targets[i].claim) sum += v * v;
  return std::sqrt(sum);
}

// A factor below one whose result has a chosen norm: clipped by norm.
std::vector<Atom> scale_atoms(const Hypothesis& h, const std::vector<Target>& targets, const Atom& a) {
  std::vector<Atom> named = name_scale(h.problem, a.scale);
  if (a.scale == 0) {
    Atom self = named.front();
    self.name = "self-accumulated";
    self.sentence = "it is added to itself, never the step's part to it, and stays zero";
    named.push_back(self);
    return named;
  }
  const double norm = norm_of(targets, a.pieces);
  if (!(a.scale > 0 && a.scale < 1 && round_number(norm))) return named;
  if (named.front().name != "block-scaled" &&
      !(a.pieces.size() == targets.size() && std::abs(norm / std::round(norm) - 1) < 1e-9))
    return named;
  Atom clip;
  clip.name = "clipped";
  clip.sentence =
      fmt::format("the gradient is clipped to the norm {:.4g}: everything is {:.6g} times what it should be",
                  norm, a.scale);
  clip.fix = "check the gradient before it is clipped";
  if (named.front().name == "block-scaled") return {clip};
  named.insert(named.begin(), clip);
  return named;
}

// `extra` times the parameter is in the claim beyond what the loss's penalty, decay / 2 squares, asks for.
void name_regulariser(double decay, double extra, Atom& to) {
  const double has = decay + extra;
  const bool none = std::abs(has) < 1e-6 * decay, negative = std::abs(has + decay) < 1e-6 * decay;
  to.name = decay == 0 || none ? "regulariser-missing" : negative ? "regulariser-sign" : "regulariser-scale";
  if (decay == 0) {
    to.sentence =
        fmt::format("{:.6g} times the parameter is in the gradient, of which the loss knows nothing", extra);
    to.fix = fmt::format("leave it out, or put {:.6g} * sum of squares into the loss", extra / 2);
    return;
  }
  to.sentence = none       ? "the loss has a penalty on squared parameters that the gradient lacks"
                : negative ? "the gradient of the penalty on squared parameters has the wrong sign"
                           : fmt::format("the penalty's gradient is {:.6g} times the parameter", has);
  to.fix = fmt::format("add {:.6g} * parameter", decay);
}

std::vector<Atom> readings_of(const Hypothesis& h, const std::vector<Target>& targets, const Atom& a) {
  if (a.name == "scale") return scale_atoms(h, targets, a);
  Atom named = a;
  if (a.name == "decay") {
    name_regulariser(h.problem.net.decay, a.scale, named);
  } else if (a.name == "clip") {
    named.name = "clipped";
    named.sentence = fmt::format("entries are clipped to [-{0:.6g}, {0:.6g}]", a.scale);
    named.fix = "check the gradient before it is clipped";
  }
  return {named};
}

bool everything(const Atom& a, const std::vector<Target>& targets) {
  return a.pieces.size() == targets.size();
}

// Of the one output's error, as it reaches the last state.
double norm_of_error(const Hypothesis& h) {
  const Engine engine(h.problem);
  const Plan plan = right_plan(h.problem);
  double sum = 0;
  for (double v : engine.evaluate(plan).up) sum += v * v;
  return std::sqrt(sum);
}

// Mistakes of the sweep that a block mistake seen in all of its blocks cannot be told from.
std::vector<Alternative> same_numbers(const Hypothesis& h, const std::vector<Target>& targets,
                                      const Atom& a) {
  const auto below_head = [](const Target& t) { return t.piece.kind != Kind::V && t.piece.kind != Kind::c; };
  const auto sweep = static_cast<std::size_t>(std::count_if(targets.begin(), targets.end(), below_head));
  const bool all =
      !a.pieces.empty() && a.pieces.size() == sweep &&
      std::all_of(a.pieces.begin(), a.pieces.end(), [&](std::size_t i) { return below_head(targets[i]); });
  if (!all) return {};
  if (a.name == "scale" && a.scale < 1 && h.problem.B == 1 && h.problem.net.last_output &&
      round_number(a.scale * norm_of_error(h)))
    return {{"clipped", fmt::format("the error that enters the sweep is clipped to the norm {:.4g}",
                                    a.scale * norm_of_error(h))}};
  if (a.name == "scale")
    return {{"counted-twice", fmt::format("the outputs' errors enter the states {:.6g} times", a.scale)}};
  if (a.name == "first-step-skipped" && h.problem.net.last_output)
    return {{"truncated", "the error is not carried back that far"}};
  return {};
}

bool mergeable(const std::string& n) {
  return n == "carry-wrong-gate" || n == "carry-wrong-matrix" || n == "clipped" || n == "batch-for-time" ||
         n == "truncated" || n == "state-index-shifted" || n.find("skipped") != std::string::npos;
}

// Two gates that hold each other's gradient are swapped, not copied; one fault of dh and dx is one fault.
void merge(std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < findings.size(); ++i)
    for (std::size_t k = i + 1; k < findings.size();) {
      Finding &a = findings[i], &b = findings[k];
      const bool same = a.name == b.name && (a.sentence == b.sentence || mergeable(a.name));
      const bool swap = a.name == "gate-copied" && b.name == "gate-copied" && a.sentence != b.sentence &&
                        a.blocks.size() == b.blocks.size() && !a.blocks.empty();
      if (!same && !swap) {
        ++k;
        continue;
      }
      if (swap) {
        a.name = "gates-swapped";
        a.sentence = fmt::format("two gates hold each other's gradients: in {}, {}; in {}, {}", a.where,
                                 a.sentence, b.where, b.sentence);
        a.fix = "exchange them";
      }
      if (!b.where.empty() && a.where != b.where) a.where = fmt::format("{}, {}", a.where, b.where);
      for (const std::string& n : b.blocks)
        if (std::find(a.blocks.begin(), a.blocks.end(), n) == a.blocks.end()) a.blocks.push_back(n);
      findings.erase(findings.begin() + static_cast<long>(k));
    }
}

}  // namespace

std::vector<Finding> findings_of(const Hypothesis& h, const std::vector<Target>& targets,
                                 const SearchResult& found) {
  const Explanation& best = found.best.front();
  std::vector<Finding> out;
  for (std::size_t k = 0; k < best.atoms.size(); ++k) {
    const Atom& a = best.atoms[k];
    const std::vector<Atom> readings = readings_of(h, targets, a);
    const Atom& main = readings.front();
    // Without a loss the reduction is read off the gradient, and cannot be wrong.
    if (a.name == "scale" && everything(a, targets) && !h.scale_known && main.name != "zero" &&
        main.name != "sign")
      continue;
    Finding f;
    f.name = main.name, f.sentence = main.sentence, f.fix = main.fix, f.yours = main.yours;
    f.blocks = blocks_of(h, targets, a.pieces);
    f.where = a.pieces.empty()         ? a.where
              : everything(a, targets) ? "every block"
                                       : fmt::format("{}", fmt::join(f.blocks, ", "));
    std::set<std::string> names = {main.name};
    auto also = [&](const std::string& name, const std::string& sentence) {
      if (name == "scale" || name == "decay" || name == "clip") return;
      if (names.insert(name).second) f.equivalents.push_back({name, sentence});
    };
    for (std::size_t i = 1; i < readings.size(); ++i) also(readings[i].name, readings[i].sentence);
    for (const Atom& e : best.equivalents[k]) also(e.name, e.sentence);
    for (const Alternative& other : same_numbers(h, targets, a)) also(other.name, other.sentence);
    // Other explanations that differ from this one in this mistake alone.
    for (std::size_t other = 1; other < found.best.size(); ++other) {
      const auto& atoms = found.best[other].atoms;
      auto has = [](const std::vector<Atom>& list, const Atom& x) {
        return std::any_of(list.begin(), list.end(), [&](const Atom& y) { return y.key == x.key; });
      };
      std::size_t shared = 0;
      for (const Atom& x : best.atoms) shared += has(atoms, x);
      if (shared + 1 != best.atoms.size() || has(atoms, a)) continue;
      for (const Atom& x : atoms)
        if (!has(best.atoms, x)) {
          for (const Atom& reading : readings_of(h, targets, x)) {
            also(reading.name, reading.sentence);
            break;
          }
        }
    }
    f.certainty = f.equivalents.empty() ? "certain" : "one of several";
    for (const std::string& other : a.aliases) also(other, "the same line, by another name");
    out.push_back(f);
    if (!main.also.empty()) {
      f.name = main.also, f.sentence = main.also_sentence;
      f.equivalents.clear();
      out.push_back(std::move(f));
    }
  }
  merge(out);
  return out;
}

std::string proof_of(const std::vector<Target>& targets, const Search& search, const SearchResult& found,
                     std::size_t findings) {
  const Explanation& best = found.best.front();
  double miss = 0;
  std::size_t entries = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Real made = search.reproduce(best, i, search.engine(), targets[i].parameter);
    const double top = largest(targets[i].claim);
    entries += made.size();
    for (std::size_t n = 0; n < made.size(); ++n)
      if (top > 0) miss = std::max(miss, std::abs(made[n] - targets[i].claim[n]) / top);
  }
  const std::string next = found.next_miss > 0
                               ? fmt::format("; the next best of {} candidates misses by {:.0e}",
                                             found.candidates, found.next_miss)
                               : "";
  return fmt::format("{} all {} claimed entries to {:.0e}{}",
                     findings == 1 ? "this mistake reproduces" : "together they reproduce", entries,
                     std::max(miss, 1e-16), next);
}

std::vector<std::string> ruled_out(const std::vector<Finding>& findings, const std::vector<BlockRow>& rows) {
  struct Family {
    const char* word;
    std::initializer_list<const char*> parts;
  };
  const Family families[] = {{"transposes", {"transposed"}},
                             {"index shifts", {"shifted", "wraps", "skipped", "wrong-step"}},
                             {"truncation", {"truncated", "window", "chunk"}},
                             {"scale", {"mean-or-sum", "factor-two", "sign", "scaled"}},
                             {"derivatives", {"derivative", "activation"}},
                             {"a dropped or misdirected carry", {"carry", "upstream"}}};
  std::vector<std::string> out, clear;
  double gap = 0, allowed = 1e-300;
  for (const BlockRow& r : rows)
    if (r.verdict == Verdict::differs && r.gap / std::max(r.allowed, 1e-300) > gap / allowed)
      gap = r.gap, allowed = std::max(r.allowed, 1e-300);
  if (gap > 0) out.push_back(fmt::format("rounding ({:.0e} times what it can do)", gap / allowed));
  for (const Family& family : families) {
    auto mentions = [&](const std::string& n) {
      return std::any_of(family.parts.begin(), family.parts.end(),
                         [&](const char* part) { return n.find(part) != std::string::npos; });
    };
    const bool found = std::any_of(findings.begin(), findings.end(), [&](const Finding& f) {
      return mentions(f.name) || std::any_of(f.equivalents.begin(), f.equivalents.end(),
                                             [&](const Alternative& a) { return mentions(a.name); });
    });
    if (!found) clear.push_back(family.word);
  }
  // Without a finding the mistake may yet be of a family, in a form that the catalogue does not hold.
  if (findings.empty())
    out.push_back(fmt::format("as far as the catalogue holds them: {}", fmt::join(clear, ", ")));
  else
    out.insert(out.end(), clear.begin(), clear.end());
  return out;
}

std::string where_of(const Hypothesis& h, const std::vector<BlockRow>& rows) {
  bool head_wrong = false, head = false, any_right = false;
  std::vector<std::string> wrong;
  for (const BlockRow& r : rows) {
    for (const Block& b : h.blocks) {
      if (b.parameter != r.parameter) continue;
      const bool is_head = !b.pieces.empty() && (b.pieces[0].kind == Kind::V || b.pieces[0].kind == Kind::c);
      head |= is_head;
      if (is_head && r.verdict == Verdict::differs) head_wrong = true;
    }
    if (r.verdict == Verdict::differs)
      wrong.push_back(r.parameter);
    else
      any_right = true;
  }
  if (!any_right) return "every block is wrong";
  if (head && !head_wrong)
    return fmt::format("the head's own blocks are right, so loss and output derivative are; wrong below: {}",
                       fmt::join(wrong, ", "));
  return fmt::format("wrong: {}", fmt::join(wrong, ", "));
}

}  // namespace retrograde::doctor
