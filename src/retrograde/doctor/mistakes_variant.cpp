// Families "variant" and "truncation", where they patch the sweep: the gates of another cell, and another cut
// than the author means.
#include <fmt/format.h>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

constexpr int kCut = 992;  // as in mistakes_time.cpp: two cuts do not compose

void add_coupled_gates(std::size_t l, Mistakes& to) {
  constexpr Site kInput{3, 0, kSource}, kForget{4, 0, kSource};
  to.push_back(layer_mistake(
      l, "coupled-gates", "gates i and f",
      "the backward takes i for 1 - f: the forget gate has i's part with the sign turned, and i has none",
      0.1, {kInput.entry(l), kForget.entry(l)}, [=](LayerPlan& p) {
        const Term* forget = find_term(p, kForget);
        if (!forget || forget->factors.empty() || !find_term(p, kInput)) return;
        Term turned = *forget;
        turned.coefficient = -turned.coefficient;
        turned.factors[0] = {Var::a2, Fn::value, Activation::tanh, 0, false};
        p.steps[kForget.step].terms.push_back(std::move(turned));
        p.steps[kInput.step].terms.clear();
      }));
}

void add_other_cuts(const Problem& problem, std::size_t l, Mistakes& to) {
  const int reach = problem.net.reach, chunk = problem.net.chunk, T = problem.T;
  const auto add = [&](const char* name, std::string sentence, std::string fix, auto patch) {
    to.push_back(layer_mistake(l, name, "the truncation", std::move(sentence), 0.02,
                               {static_cast<int>(1000 * l) + kCut, static_cast<int>(1000 * l) + kCut + 1},
                               patch));
    to.back().fix = std::move(fix);
  };
  if (reach >= 0)
    for (const int other : {reach - 1, reach + 1})
      if (other >= 0)
        add("window-off-by-one",
            fmt::format("an output's error goes back through {} earlier steps, where {} are meant", other,
                        reach),
            fmt::format("for k in range({} + 1)", reach), [other](LayerPlan& p) { p.reach = other; });
  if (reach >= 0)
    add("chunk-not-cut", "the error is carried back without a limit",
        fmt::format("stop after {} earlier steps", reach), [](LayerPlan& p) { p.reach = -1; });
  if (chunk == 0) return;
  add("chunk-not-cut",
      fmt::format("the error is carried across the cuts, which are meant every {} steps", chunk),
      "start each piece's backward from dh = 0", [](LayerPlan& p) { p.chunk = 0; });
  const int count = (T + chunk - 1) / chunk;
  if (count != chunk)
    add("count-for-length",
        fmt::format("the pieces are {} steps long: {} is taken for their number", (T + chunk - 1) / chunk,
                    chunk),
        fmt::format("pieces of {} steps", chunk), [count](LayerPlan& p) { p.chunk = count; });
  for (int k = 1; k < chunk; ++k)
    add("truncated", fmt::format("the cuts are {} steps late", k),
        fmt::format("cut before steps {0}, 2*{0}, ...", chunk), [k](LayerPlan& p) { p.chunk_offset = k; });
}

}  // namespace

void add_variant_mistakes(const Problem& problem, const Words&, Mistakes& to) {
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    if (problem.net.cell == Cell::lstm) add_coupled_gates(l, to);
    add_other_cuts(problem, l, to);
  }
}

}  // namespace retrograde::doctor
