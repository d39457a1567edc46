// The ways in which the user's parameter arrays can be a network's parameters, judged by shapes; names and
// values choose among them later.
#pragma once

#include <chrono>
#include <vector>

#include "retrograde/doctor/blocks.h"
#include "retrograde/doctor/work_clock.h"

namespace retrograde::doctor {

// What stands before the first layer.
struct Front {
  int inputs = 0;
  int vocabulary = 0;  // tokens go through an embedding [vocabulary, inputs]
  int features = 0;    // the start state is made of as many features
  bool operator==(const Front&) const = default;
};

// How the layers stand to each other: one above the other, or in pairs that read the input in both orders and
// whose states are joined side by side or summed.
struct Topology {
  int levels = 1, directions = 1;
  bool summed = false;
};

struct Structure {
  Cell cell = Cell::elman;
  Front front;
  Topology topology;
  int outputs = 0;                         // 0: no head
  std::vector<int> hidden;                 // per layer
  std::vector<std::vector<Piece>> pieces;  // per block
  int order = 0;                           // of the gates: 0 is the order that names or habit suggest
  double doubt = 0;                        // the smaller, the better names agree
};

// Every structure that the blocks' shapes allow, the likeliest first.
std::vector<Structure> structures(const std::vector<Block>& blocks, Cell cell, const Topology& topology,
                                  const std::vector<Front>& fronts, WorkClock::time_point deadline);

}  // namespace retrograde::doctor
