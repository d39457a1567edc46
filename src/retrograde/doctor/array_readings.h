// The ways to read one parameter array, by its shape, with how much its name speaks against each.
#pragma once

#include "retrograde/doctor/structure.h"

namespace retrograde::doctor {

// What one array may be: weights of input and state, apart or joined in one, biases, the head; the embedding
// and what makes a start state.
enum class ArrayKind { W, U, joined, b, V, c, E, P, p };

// One way to read one array.
struct ArrayReading {
  ArrayKind type = ArrayKind::W;
  int layer = 0;             // of a head's matrix for one direction: the direction
  bool share = false;        // a head's matrix for one direction
  int gates = 1;             // it holds so many: one, all, or all but the candidate's
  bool in_out = false;       // stored [in, out]
  bool x_first = false;      // joined [x, h], else [h, x]
  int bias = 0;              // with a bias as one more column: 1 in front, 2 behind
  bool pair = false;         // a bias array with both biases
  bool interleaved = false;  // a unit's gates side by side, else a gate's units
  bool gate_axis = false;    // a separate leading axis for gates with [in, out] behind it
  double doubt = 0;
};

// The sizes of a network that is tried; O 0: no head. G gates. H by layer.
struct Dims {
  Front front;
  int O, G;
  std::vector<int> H;
  Topology topology;
  int level(int layer) const { return layer / topology.directions; }
  // Of a level's joined states.
  int width(int level) const {
    return H[static_cast<std::size_t>(level * topology.directions)] *
           (topology.summed ? 1 : topology.directions);
  }
  int inputs(int layer) const { return level(layer) == 0 ? front.inputs : width(level(layer) - 1); }
  int head_inputs() const { return width(topology.levels - 1); }
};

// The least doubtful first. `first` is the smallest number in the names: that of the first layer.
std::vector<ArrayReading> array_readings(const Block& block, const Dims& dims, int first);

}  // namespace retrograde::doctor
