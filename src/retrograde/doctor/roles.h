// Which of the case's arrays is what, as far as names tell: parameters with their gradients, and the batch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "retrograde/doctor/blocks.h"
#include "retrograde/doctor/case.h"

namespace retrograde::doctor {

enum class Role {
  unknown,
  input,
  target,
  h0,
  c0,
  lengths,
  mask,
  loss,
  outputs,
  states,
  upstream,
  final_gradient,
  final_cell_gradient,
  ignore
};

struct Datum {
  NamedArray given;
  Role role = Role::unknown;
  bool by_hint = false;
};

struct Roles {
  std::vector<Block>
      blocks;  // parameters, with a claim (or an empty one: a parameter whose gradient is not claimed)
  std::vector<Datum> data;            // everything else
  std::vector<std::string> doubtful;  // blocks that are parameters by the first letter of their names alone
  std::vector<Block> state_blocks;    // claims for x, h0, c0
  bool single = false;                // the claim has single precision only
  double quantum = 0;                 // the claim was rounded to multiples of this (decimals), 0 if not
};

Roles find_roles(const Case& given);
// Role::unknown for a name that says nothing.
Role role_by_name(const NamedArray& a);

}  // namespace retrograde::doctor
