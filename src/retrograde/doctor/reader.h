// How one block's claim follows from a sweep's deltas: by the right product, or by one or two mistakes of the
// product, up to a factor, a regulariser or a clip.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "retrograde/doctor/fit.h"
#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

// One mistake as found, with every block where it is seen.
struct Atom {
  std::string key, name, where, sentence, fix, yours;
  std::vector<std::string> aliases;
  std::string also, also_sentence;  // a second mistake that the same factor holds
  double weight = 0;
  std::function<void(Plan&)> patch;  // of a mistake of the sweep or the head
  std::vector<std::size_t> pieces;   // where a block mistake is seen
  double scale = 0;                  // of a scale, decay or clip atom
};

// Names for a factor that the gradient has too much: "factor-two", "time-mean-or-sum", ...
std::vector<Atom> name_scale(const Problem& problem, double factor);

struct Choice {
  Product product;
  bool transposed = false;
  double scale = 1, decay = 0, clip = 0;
};

// One way to explain a block.
struct Reading {
  std::vector<Atom> atoms;
  Choice choice;
};

// A piece of a block with its claim in canonical order, and how far equal numbers may differ, relative to the
// block's largest.
struct Target {
  Piece piece;
  Real claim, parameter;
  double tolerance = 0;
  std::size_t block = 0;
};

// How near the right product comes.
struct Nearness {
  bool matches = false;  // up to a factor, in the rows that were looked at
  double distance = 1;   // relative, at most 1
};

class Reader {
 public:
  Reader(const Engine& engine, const Words& words, std::vector<Target> targets);
  const Engine& engine() const { return engine_; }
  const std::vector<Target>& targets() const { return targets_; }

  Nearness nearness(std::size_t target, const Evaluation& e, double scale) const;
  // Every reading with at most `depth` mistakes; `own`: with mistakes of the gate's line in this block alone.
  std::vector<Reading> explain(std::size_t target, const Evaluation& e, int depth, bool own) const;
  // How far the right product was from the claim, when `explain` found nothing.
  double miss() const { return miss_; }

 private:
  struct Attempt;
  bool weak(const Target& t, double scale) const;
  bool usable(const Target& t, const Product& p, const Evaluation& e) const;
  bool plausible(const Target& t, const Product& p, bool flip, const Evaluation& e) const;
  void accept(Attempt& to, const std::vector<const BlockMistake*>& mistakes, const Product& p,
              bool flip) const;
  void pairs(Attempt& to, const std::vector<BlockMistake>& list, const Product& right) const;
  const std::vector<BlockMistake>& list_of(std::size_t target, int form) const;
  const std::vector<BlockMistake>& own_of(std::size_t target, const Product& right) const;

  const Engine& engine_;
  const Words& words_;
  std::vector<Target> targets_;
  // Per target and reset form, made when first asked for.
  mutable std::map<std::pair<std::size_t, int>, std::vector<BlockMistake>> lists_, own_;
  mutable double miss_ = 1;
};

// What a choice makes of a target's product.
Real reproduce(const Target& target, const Choice& choice, const Engine& engine, const Evaluation& made,
               const Real& parameter);

}  // namespace retrograde::doctor
