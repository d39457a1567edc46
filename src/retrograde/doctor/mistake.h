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
  // A line of the table in the user's orientation: "dz_f[t] = dc[t] * c[t-1] * f[t] * (1 - f[t])".
  std::string line(const Problem& problem, int layer, const Step& step) const;
};

std::string text_of(const Network& net, const Factor& factor);
// The activated value of a pre-activation (of the cell state: tanh_c).
Var activated(Cell cell, Var preactivation);
std::string text_of(Cell cell, Back delta);

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
  std::vector<std::string> aliases;  // other catalogue names for the very same patch
};

using Mistakes = std::vector<Mistake>;
// An entry that stands for every entry of the layer.
inline constexpr int kWholeLayer = -1;

// A patch of one layer's table as a mistake of the sweep.
Mistake layer_mistake(std::size_t layer, std::string name, std::string where, std::string sentence,
                      double weight, std::vector<int> entries, std::function<void(LayerPlan&)> patch);
// Where a mistake of the sweep says no more, its fix and its line are those of the table that it changes.
void fill_lines(const Problem& problem, const Words& words, Mistake& m);
// Where a factor stands in the layer's table.
struct Site {
  std::size_t step, term, factor;
  int entry(std::size_t layer) const {
    return static_cast<int>(1000 * layer + 100 * step + 10 * term + factor);
  }
};
// The entry of a table that other patches may have changed already; null where it is no longer there.
Term* find_term(LayerPlan& plan, const Site& site);
Factor* find_factor(LayerPlan& plan, const Site& site);
// Entries of a term as a whole: its source and matrix, its coefficient, another factor.
enum Part : std::size_t { kSource = 9, kCoefficient = 8, kExtra = 7 };

void add_derivative_mistakes(const Problem& problem, const Words& words, Mistakes& to);
void add_factor_mistakes(const Problem& problem, const Words& words, Mistakes& to);
void add_term_mistakes(const Problem& problem, const Words& words, Mistakes& to);
void add_record_mistakes(const Problem& problem, Mistakes& to);
void add_gate_mistakes(const Problem& problem, const Words& words, Mistakes& to);
void add_carry_mistakes(const Problem& problem, const Words& words, Mistakes& to);
void add_time_mistakes(const Problem& problem, const Words& words, Mistakes& to);
void add_variant_mistakes(const Problem& problem, const Words& words, Mistakes& to);
void add_layer_mistakes(const Problem& problem, const Words& words, int layer, Mistakes& to);
void add_cell_mistakes(const Problem& problem, int layer, Mistakes& to);
void add_direction_mistakes(const Problem& problem, int layer, Mistakes& to);
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
  std::vector<std::string> aliases;
  std::string yours;
};
// All single mistakes of a piece's product; the first is the right product, named "".
std::vector<BlockMistake> block_mistakes(const Problem& problem, const Words& words, const Piece& piece,
                                         const Product& right);
// The sweep's mistakes of one gate's own line, made in this block alone: the carry has the right delta.
std::vector<BlockMistake> own_mistakes(const Problem& problem, const Words& words, const Piece& piece,
                                       const Product& right, const Mistakes& sweep);

}  // namespace retrograde::doctor
