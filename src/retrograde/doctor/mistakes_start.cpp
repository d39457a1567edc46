// Family "terminal": gradients of the start states, and of the input.
#include <fmt/format.h>

#include "retrograde/doctor/block_adder.h"

namespace retrograde::doctor {

void add_states(const Problem& problem, const Piece& piece, BlockAdder& to) {
  const bool cell = piece.kind == Kind::dc0;
  const char* name = "initial-state-gradient-wrong";
  const char* fix =
      cell ? "dc0 = dc[0] * f[0]" : "dh0 is what step 0 carries back, through the recurrent matrix";
  if (problem.T > 1)
    to.add(name, "it is what step 1 carried back; step 0 itself is missing", fix, 0.04,
           [](Product& p) { p.shift = 1; });
  to.add(name,
         cell ? "it is dc[0], without the forget gate"
              : "it is dh[0], the error of the first state, not of the start state",
         fix, 0.03, [cell](Product& p) { p.left = cell ? Back::dc : Back::dh; });
  for (int g = 0; g < problem.gates; ++g)
    to.add(name, "it is a delta of step 0, not taken back through the recurrent matrix", fix, 0.06,
           [g](Product& p) { p.left = Back::da0 + g; });
  to.add(name, "it is the output's own error at step 0", fix, 0.06, [](Product& p) { p.left = Back::up; });
  if (problem.B > 1 && !(piece.kind != Kind::P && piece.rows == problem.B)) {
    to.add("bias-reduced-wrongly", "only the batch's first row is in it", "add up the whole batch", 0.05,
           [](Product& p) { p.first_row_only = true; });
    to.also(name);
  }
  to.add(name, cell ? "it is the state's gradient" : "it is the cell's gradient", fix, 0.06,
         [cell](Product& p) { p.left = cell ? Back::hc : Back::cc; });
}

void add_input(const Problem& problem, const Words& words, const Piece& piece, BlockAdder& to) {
  if (problem.layers[0].inputs == problem.layers[0].hidden)
    to.add("input-not-transposed",
           "it goes through the input matrix as the forward uses it, not its transpose",
           fmt::format("dx[t] = {}", words.back_W(piece.layer, 0, "dz[t]")), 0.02,
           [](Product& p) { p.matrix_transposed = true; });
  if (problem.gates == 1) {
    const std::string right = fmt::format("dx[t] = {}", words.back_W(piece.layer, 0, "dz[t]"));
    to.add("derivative-missing", "it is made from dh, before the activation's derivative", right, 0.03,
           [](Product& p) { p.left = Back::dh; });
    to.add("carry-dropped", "only the output's own error is in it, not what later steps sent back", right,
           0.05, [](Product& p) { p.left = Back::q; });
    to.add("carry-dropped", "only the output's own error is in it, before derivative and carry", right, 0.09,
           [](Product& p) { p.left = Back::up; });
    to.add("gate-copied", "it is made from what this step hands back to the previous one", right, 0.08,
           [](Product& p) { p.left = Back::hc; });
    to.add("gate-copied", "it is made from dh_next, what the next step handed back", right, 0.08,
           [](Product& p) { p.left = Back::hc, p.left_shift = 1; });
    to.also("derivative-missing");
  }
  for (const int off : {1, -1}) {
    to.add(
        "carry-wrong-matrix",
        fmt::format("it goes through a slice of the input matrix that is one column {}, with the bias in it",
                    off > 0 ? "late" : "early"),
        fmt::format("dx[t] = {}", words.back_W(piece.layer, 0, "dz[t]")), 0.08,
        [off](Product& p) { p.columns_off = off; });
    to.also("carry-wrong-gate"), to.also("layer-input-wrong");
  }
  for (const int d : {0, 1}) {
    if (problem.net.directions == 1) break;
    to.add("direction-missing", fmt::format("only {}'s part is in it", layer_name(problem, d)),
           "add both directions' parts", 0.03, [d](Product& p) { p.only_direction = d; });
    to.also("carry-overwrites-upstream");
  }
  if (problem.net.directions == 2) {
    to.add("input-index-shifted", "the backward direction's part is not turned back into the input's order",
           "reverse it in time before adding", 0.03, [](Product& p) { p.own_order = true; });
    to.also("time-batch-swapped");
  }
  for (int g = 0; g < problem.gates && problem.gates > 1; ++g) {
    to.add("carry-wrong-gate", fmt::format("gate {}'s part is missing", gate_name(problem.net.cell, g)),
           "sum over all gates", 0.04, [g](Product& p) { p.without_gate = g; });
    to.add("carry-wrong-gate", fmt::format("only gate {}'s part is in it", gate_name(problem.net.cell, g)),
           "sum over all gates", 0.06, [g](Product& p) { p.only_gate = g; });
  }
}

}  // namespace retrograde::doctor
