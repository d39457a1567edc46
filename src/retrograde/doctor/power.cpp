// The power report: which mistakes of the catalogue would have left the numbers of this very point unchanged.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "retrograde/doctor/findings.h"

namespace retrograde::doctor {

namespace {

class Power {
 public:
  Power(const Hypothesis& h, const Judge& judge, Precision precision)
      : h_(h), judge_(judge), precision_(precision), engine_(h.problem) {}

  // Names of which every instance is invisible.
  std::vector<std::string> invisible(WorkClock::time_point deadline) {
    Mistakes all = head_mistakes(h_.problem, h_.words);
    for (int l = static_cast<int>(h_.problem.layers.size()) - 1; l >= 0; --l)
      for (Mistake& m : sweep_mistakes(h_.problem, h_.words, l)) all.push_back(std::move(m));
    for (const Mistake& m : all) {
      if (WorkClock::now() > deadline) break;
      if (seen_.count(m.name)) continue;  // one visible instance is enough
      Plan plan = right_plan(h_.problem);
      m.patch(plan);
      note(m.name, shows(engine_.evaluate(plan)));
    }
    const Plan table = right_plan(h_.problem);
    const Evaluation right = engine_.evaluate(table);
    for (std::size_t i = 0; i < judge_.targets().size(); ++i) {
      const Piece& piece = judge_.targets()[i].piece;
      for (const BlockMistake& m :
           block_mistakes(h_.problem, h_.words, piece, engine_.right_product(piece))) {
        if (m.name.empty() || seen_.count(m.name) || m.transposed) continue;
        const Back left = m.product.left;
        if (m.product.left_layer >= 0 || m.product.right_layer >= 0 ||
            right.deltas[static_cast<std::size_t>(piece.layer)].slots(left).empty())
          continue;
        if (m.product.right != Var::none) {
          const Tape& tape = engine_.tapes()[static_cast<std::size_t>(piece.layer)];
          if (!tape.has(m.product.right) || tape.step(m.product.right) != h_.problem.B * piece.cols) continue;
        }
        note(m.name, differs(i, engine_.gradient(piece, m.product, right)));
      }
    }
    std::vector<std::string> out;
    for (const std::string& n : tried_)
      if (!seen_.count(n)) out.push_back(n);
    return out;
  }

 private:
  void note(const std::string& name, bool visible) {
    if (std::find(tried_.begin(), tried_.end(), name) == tried_.end()) tried_.push_back(name);
    if (visible) seen_.insert(name);
  }
  bool differs(std::size_t i, const Real& made) const {
    for (std::size_t k = 0; k < made.size(); ++k)
      if (!(std::abs(made[k] - judge_.right(i)[k]) <= judge_.allowed(i, precision_))) return true;
    return false;
  }
  bool shows(const Evaluation& e) const {
    for (std::size_t i = 0; i < judge_.targets().size(); ++i)
      if (differs(i, engine_.gradient(judge_.targets()[i].piece, e))) return true;
    return false;
  }

  const Hypothesis& h_;
  const Judge& judge_;
  Precision precision_;
  Engine engine_;
  std::vector<std::string> tried_;
  std::set<std::string> seen_;
};

std::string reason(const Problem& p, const std::string& mistake) {
  auto is = [&](std::initializer_list<const char*> parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](const char* part) { return mistake.find(part) != std::string::npos; });
  };
  const Layer& layer = p.layers.back();
  const auto H = static_cast<std::size_t>(layer.hidden);
  bool symmetric = true, start_zero = true;
  for (std::size_t i = 0; i < H; ++i)
    for (std::size_t k = 0; k < H; ++k) symmetric &= layer.U[i * H + k] == layer.U[k * H + i];
  for (double v : layer.h0) start_zero &= v == 0;
  if (p.T == 1 && is({"carry", "recurrent", "step", "shifted", "truncated", "window", "wraps", "upstream"}))
    return "one step alone (T = 1) tests nothing recurrent";
  if (start_zero && is({"initial-state", "first-step"})) return "the start state is zero: give a random one";
  if (H == 1 && is({"transposed"})) return "a single hidden unit (H = 1) has no transpose";
  if (symmetric && is({"recurrent-not-transposed"})) return "the recurrent matrix is symmetric";
  const bool piecewise = p.net.activation == Activation::relu || p.net.activation == Activation::leaky_relu ||
                         p.net.activation == Activation::identity;
  if (piecewise && is({"derivative"}))
    return fmt::format("{} has the same derivative at the state and before it", name(p.net.activation));
  if (p.B == 1 && is({"batch", "bias-reduced"})) return "a batch of one row hides batch reductions";
  return "they change nothing beyond rounding at this point (small or saturated units?)";
}

}  // namespace

std::vector<std::string> power_of(const Hypothesis& h, const Judge& judge, Precision precision,
                                  WorkClock::time_point deadline) {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const std::string& n : Power(h, judge, precision).invisible(deadline))
    by_reason[reason(h.problem, n)].push_back(n);
  std::vector<std::string> out;
  for (const auto& [why, names] : by_reason)
    out.push_back(fmt::format("{}; not seen here: {}", why, fmt::join(names, ", ")));
  if (out.empty())
    out.push_back(
        "every mistake of the catalogue that applies to this network would have shown at this point");
  return out;
}

}  // namespace retrograde::doctor
