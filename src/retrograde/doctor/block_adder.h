// Collects the mistakes of one block's product, each a change of the right one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

class BlockAdder {
 public:
  BlockAdder(const Product& right, std::vector<BlockMistake>& to) : right_(right), to_(to) {}
  template <class F>
  void add(const char* name, std::string sentence, std::string fix, double weight, F&& change) {
    BlockMistake m{name, std::move(sentence), std::move(fix), right_, false, weight, {}, ""};
    change(m.product);
    to_.push_back(std::move(m));
  }
  void also(const char* alias) { to_.back().aliases.push_back(alias); }
  void transposed(std::string sentence) {
    BlockMistake m{"array-transposed", std::move(sentence), "transpose it", right_, true, 0.05, {}, ""};
    to_.push_back(std::move(m));
  }

 private:
  const Product& right_;
  std::vector<BlockMistake>& to_;
};

// What the product multiplies the delta with: of another step, another quantity, another layer's.
void add_lookups(const Problem& problem, const Piece& piece, const Product& right, BlockAdder& to);
// Rows of an embedding that a repeated token overwrites.
void add_tokens(const Problem& problem, const Piece& piece, BlockAdder& to);
// The target's token where the input's is due.
void add_targets(const Problem& problem, const Piece& piece, BlockAdder& to);
// Gradients of start states, and of the input.
void add_states(const Problem& problem, const Piece& piece, BlockAdder& to);
void add_input(const Problem& problem, const Words& words, const Piece& piece, BlockAdder& to);

}  // namespace retrograde::doctor
