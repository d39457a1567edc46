// The catalogue of mistakes. A mistake is a patch of one entry of the plan (plan.h), or of one block's
// product; its public name appears in reports, JSON and docs/mistakes.md. One file a family makes the
// family's entries for the network at hand, worded in the user's own names and orientation.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "retrograde/doctor/blocks.h"

namespace retrograde::doctor {

// How the user's code writes things, for fixes that can be pasted.
struct Words {
  bool column = false;                   // vectors stand as columns: W @ x, else rows: x @ W
  std::vector<std::string> U, W;         // per layer and gate (layer * gates + gate): the array's name
  std::vector<bool> U_in_out, W_in_out;  // stored [in, out]
  std::string V = "V";
  bool V_in_out = false;
  int gates = 1;

  // delta taken back through the recurrent (input, head) matrix, rightly and without the transpose.
  std::string back_U(int layer, int gate, const std::string& delta, bool right = true) const;
  std::string back_W(int layer, int gate, const std::string& delta, bool right = true) const;
  std::string back_V(const std::string& delta, bool right = true) const;
};

struct Mistake {
  std::string name;          // public, from the catalogue
  std::string where;         // "the carry", "gate f", "every step", ...
  std::string sentence;      // what the code must be doing
  std::string fix;           // the right line
  std::string yours;         // the line as it must stand now, or empty
  int layer = -1;            // -1: the head
  double weight = 0.1;       // prior: the smaller, the commoner
  std::vector<int> entries;  // what it patches; two mistakes of one entry do not compose
  std::function<void(Plan&)> patch;
  std::string alias;  // another catalogue name for the very same patch
};

using Mistakes = std::vector<Mistake>;
// An entry that stands for every entry of the layer.
inline constexpr int kWholeLayer = -1;

void add_derivative_mistakes(const Problem& problem, const Words& words, Mistakes& to);
void add_gate_mistakes(const Problem& problem, const Words& words, Mistakes& to);
void add_carry_mistakes(const Problem& problem, const Words& words, Mistakes& to);
void add_time_mistakes(const Problem& problem, const Words& words, Mistakes& to);
void add_layer_mistakes(const Problem& problem, const Words& words, int layer, Mistakes& to);
void add_upstream_mistakes(const Problem& problem, const Words& words, Mistakes& to);
// Mistakes of the loss's and the head's own derivative: they show in the head's blocks.
Mistakes head_mistakes(const Problem& problem, const Words& words);
// Mistakes on the way from the outputs' errors to the deltas of `layer`.
Mistakes sweep_mistakes(const Problem& problem, const Words& words, int layer);

// A mistake of one block's sum over time.
struct BlockMistake {
  std::string name, sentence, fix;
  Product product;
  bool transposed = false;
  double weight = 0.1;
};
// All single mistakes of a piece's product; the first is the right product, named "".
std::vector<BlockMistake> block_mistakes(const Problem& problem, const Words& words, const Piece& piece,
                                         const Product& right);

}  // namespace retrograde::doctor
