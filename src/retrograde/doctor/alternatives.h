// What the arrays may be besides what their names say, and what may stand before the first layer.
#pragma once

#include "retrograde/doctor/roles.h"
#include "retrograde/doctor/structure.h"

namespace retrograde::doctor {

// The roles as found; with data where only a first letter made parameters of them ("u", "batch"); with what
// names leave open, or what they do not tell from parameters, as a start state; then with one-hot rows as
// tokens; then with one array of tokens as input and target at once, the target one step ahead.
std::vector<Roles> role_alternatives(const Roles& roles);
// Where no name tells the input: with arrays of one shape as its features.
std::vector<Roles> column_alternatives(const Roles& roles);

// The widths that an input x may have for the network: as it is, as one-hot tokens, or through an embedding;
// with the zero start state or one made of features.
std::vector<Front> fronts(const Roles& roles, const Datum& x);

}  // namespace retrograde::doctor
