// Puts the case's arrays where a reading of them says they belong in the canonical problem. Each function
// says whether the array can stand there.
#pragma once

#include "retrograde/doctor/roles.h"
#include "retrograde/doctor/structure.h"
#include "retrograde/doctor/views.h"

namespace retrograde::doctor {

bool whole_numbers(const Real& values);

// The parameters of a structure, and the sizes that follow from it.
Problem place_parameters(const std::vector<Block>& blocks, const Structure& structure);
// x, dense or tokens (one-hot, or through the embedding), and the number of steps and rows with it.
bool place_input(const Array& x, const View& view, bool tokens, const Structure& structure, Problem& problem);
// Lengths, start states and the gradient of the final state. `start_in_front`: states one longer than the
// sequence begin with the start state, else end with it (row -1). `columns`: a square start state is
// [features, batch].
bool place_states(const Roles& roles, bool start_in_front, bool columns, Problem& problem);
// Whether `columns` makes a difference.
bool square_states(const Roles& roles, const Problem& problem);
// What the start state is made of.
bool place_features(const Roles& roles, const Structure& structure, Problem& problem);
// The target: dense, or tokens, of which negative ones are not counted.
bool place_target(const Array& target, const View& view, Problem& problem);

// Which outputs a placed target belongs to.
struct OutputForm {
  bool last_output;
  Pool pool;
};
// The usual one first: every step's, where the target has steps, else the last step's.
std::vector<OutputForm> output_forms(const View& target, const Problem& problem);
// The problem with outputs of this form; with one output a sequence every row holds its target.
void take_form(const OutputForm& form, Problem& problem);

}  // namespace retrograde::doctor
