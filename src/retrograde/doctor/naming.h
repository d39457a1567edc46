// What the names of parameter arrays tell.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "retrograde/doctor/network.h"

namespace retrograde::doctor {

// Letters and digits alone, in lower case.
std::string plain_lower(const std::string& name);
// Begins as matrices and biases do: w, u, v, b.
bool weightlike(const std::string& name);
bool contains(const std::string& name, std::initializer_list<const char*> words);

// What a name suggests. Layer, direction (0 forward, 1 backward) -1: nothing.
struct Suggestion {
  bool W = false, U = false, V = false, bias = false, embedding = false, start = false;
  int layer = -1, direction = -1;
  char letter = 0;  // the whole name, if it is u or w
};

Suggestion suggest(const std::string& name);

// 0 forward, 1 backward, -1 neither: weight_ih_l0_reverse, Wx_bwd, W_f, right_kernel.
int direction_by_name(const std::string& name);

// Which gate each separate array is, from what is left of the names without their common beginning and end;
// empty if they do not tell.
std::vector<int> gates_by_name(Cell cell, const std::vector<std::string>& names);

}  // namespace retrograde::doctor
