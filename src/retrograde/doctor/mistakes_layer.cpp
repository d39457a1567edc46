// Mistakes between two layers: what the upper layer sends down to the lower one.
#include <fmt/format.h>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

void add_layer_mistakes(const Problem& problem, const Words& words, int layer, Mistakes& to) {
  const auto above = static_cast<std::size_t>(layer + 1);
  const std::string fix = fmt::format("dh_lower[t] += {}", words.back_W(layer + 1, 0, "dz_upper[t]"));
  auto add = [&](const char* name, std::string sentence, std::string yours, double weight,
                 std::function<void(LayerPlan&)> patch) {
    Mistake m{name,
              "the way from the upper layer to the lower",
              std::move(sentence),
              fix,
              std::move(yours),
              layer,
              weight,
              {2000 + 1000 * layer},
              {},
              {}};
    m.patch = [above, patch = std::move(patch)](Plan& plan) { patch(plan.layers[above]); };
    to.push_back(std::move(m));
  };
  if (problem.layers[above].inputs == problem.layers[above].hidden)
    add("input-not-transposed",
        "the upper layer's error goes down through its input matrix as the forward uses it, not its "
        "transpose",
        words.back_W(layer + 1, 0, "dz_upper[t]", false), 0.01,
        [](LayerPlan& p) { p.below.matrix_transposed = true; });
  if (problem.layers[above].inputs == problem.layers[above].hidden)
    add("carry-wrong-matrix",
        "the upper layer's error goes down through its recurrent matrix, not its input matrix",
        words.back_U(layer + 1, 0, "dz_upper[t]"), 0.06,
        [](LayerPlan& p) { p.below.recurrent_matrix = true; });
  if (problem.gates == 1) {
    add("derivative-missing", "what the upper layer sends down is made from its dh, before the derivative",
        words.back_W(layer + 1, 0, "dh_upper[t]"), 0.04, [](LayerPlan& p) { p.below.left = Back::dh; });
    add("carry-wrong-order", "what the upper layer sends down is made from what it hands back in time",
        words.back_W(layer + 1, 0, "dh_prev_upper"), 0.07, [](LayerPlan& p) { p.below.left = Back::hc; });
    add("carry-dropped",
        "what the upper layer sends down has its outputs' own error alone, not what it carried back", "",
        0.07, [](LayerPlan& p) { p.below.left = Back::q; });
  }
  for (int off : {1, -1}) {
    add("carry-wrong-matrix",
        fmt::format("the upper layer's error goes down through a slice of its input matrix that is one "
                    "column {}, with "
                    "the bias in it",
                    off > 0 ? "late" : "early"),
        "", 0.08, [off](LayerPlan& p) { p.below.columns_off = off; });
    to.back().aliases = {"carry-wrong-gate", "input-not-transposed"};
  }
  for (const int shift : {-1, 1})
    add("output-gradient-at-wrong-step",
        fmt::format("the lower layer's step t gets what the upper layer sends down at step t{:+d}", shift),
        "", 0.07, [shift](LayerPlan& p) { p.below.left_shift = shift; });
  if (problem.T > 1)
    add("upstream-missing", "only what the upper layer's last step sends down reaches the lower layer", "",
        0.03, [](LayerPlan& p) { p.below_only_last = true; });
  add("layer-input-wrong", "the lower layer gets the outputs' own error, not what the upper layer sends down",
      "dh_out[t]", 0.06, [](LayerPlan& p) { p.below_upstream = true; });
  add("upstream-missing", "the upper layer's error never reaches the lower layer", "", 0.04,
      [](LayerPlan& p) { p.below_coefficient = 0; });
  for (double c : {-1.0, 2.0, 0.5})
    add(c == -1 ? "sign" : "factor-two",
        fmt::format("what the upper layer sends down is multiplied by {}", c), "", 0.09,
        [c](LayerPlan& p) { p.below_coefficient = c; });
  for (int g = 0; g < problem.gates && problem.gates > 1; ++g) {
    add("carry-wrong-gate",
        fmt::format("gate {}'s part is missing from what the upper layer sends down",
                    gate_name(problem.net.cell, g)),
        "", 0.06, [g](LayerPlan& p) { p.below.without_gate = g; });
    add("carry-wrong-gate", fmt::format("only gate {}'s part is sent down", gate_name(problem.net.cell, g)),
        "", 0.08, [g](LayerPlan& p) { p.below.only_gate = g; });
  }
}

}  // namespace retrograde::doctor
