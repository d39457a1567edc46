// The search for the mistakes that turn the right gradient into the claim.
//
// Order: the head's blocks settle the loss's derivative; then, layer by layer from the top, the sweep's table
// is patched by no, one or two mistakes, and for each patched sweep every block of the layer is explained by
// its right product or a mistaken one, up to a factor, a regulariser or a clip. Whatever explains every block
// is an explanation; the one with the fewest mistakes is preferred, and those that do equally well are its
// equivalents.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "retrograde/doctor/mistake.h"
#include "retrograde/doctor/work_clock.h"

namespace retrograde::doctor {

// One mistake as found, with every block where it is seen.
struct Atom {
  std::string key, name, where, sentence, fix, yours, alias;
  std::string also;  // a second mistake that the same factor holds
  double weight = 0;
  std::function<void(Plan&)> patch;  // of a mistake of the sweep or the head
  std::vector<std::size_t> pieces;   // where a block mistake is seen
  double scale = 0;                  // of a scale, decay or clip atom
};

struct Choice {
  Product product;
  bool transposed = false;
  double scale = 1, decay = 0, clip = 0;
};

struct Explanation {
  std::vector<Atom> atoms;
  std::vector<std::vector<Atom>> equivalents;  // per atom
  Plan plan;
  std::vector<Choice> choices;  // per piece
  double cost() const {
    double sum = 0;
    for (const Atom& a : atoms) sum += 1 + a.weight;
    return sum;
  }
};

// A piece of a block with its claim in canonical order, and how far equal numbers may differ, relative to the
// block's largest.
struct Target {
  Piece piece;
  Real claim, parameter;
  double tolerance = 0;
  std::size_t block = 0;
};

struct SearchResult {
  std::vector<Explanation> best;  // all of the least number of mistakes, the likeliest first
  double next_miss = -1;          // how far the best explanation that fails is off, relative; -1 unknown
  std::vector<std::string> ruled_out;
  std::vector<std::size_t> unexplained;  // pieces that no candidate reached, if there is no explanation
  std::vector<Atom> partial;             // what explains most of the rest
  int candidates = 0;
};

// Where a search begins: with the sweep's and the head's mistakes that are known already.
using Start = std::vector<Atom>;

class Search {
 public:
  using Clock = WorkClock;
  Search(const Engine& engine, const Words& words, std::vector<Target> targets, Clock::time_point deadline,
         Start start = {});
  // Singles of the sweep alone, or pairs too.
  SearchResult run(bool pairs);
  const Engine& engine() const { return engine_; }
  // The claim that an explanation makes of a piece, canonical.
  Real reproduce(const Explanation& e, std::size_t target, const Engine& engine, const Real& parameter) const;

 private:
  struct Alternative {
    std::vector<Atom> atoms;
    Choice choice;
  };
  // An explanation of some of the targets.
  struct Partial {
    Plan plan;
    std::vector<Atom> atoms;
    std::vector<std::vector<Alternative>> alternatives;  // per target; empty: not explained
    double cost = 0;
  };

  std::vector<Alternative> explain(std::size_t target, const Evaluation& e, int depth) const;
  bool matches(std::size_t target, const Evaluation& e) const;
  // Explains every listed target, or nothing.
  bool explain_all(const std::vector<std::size_t>& which, const Evaluation& e, int depth, Partial& to);
  double settle(Partial& p) const;
  std::vector<Partial> settle_head();
  std::vector<Partial> settle_layer(int layer, const std::vector<Partial>& above);
  void try_plan(int layer, const Partial& above, const Evaluation& base,
                const std::vector<const Mistake*>& mistakes, bool thorough, std::vector<Partial>& found);
  Explanation finish(const Partial& p) const;
  bool late() const { return Clock::now() > deadline_; }

  const Engine& engine_;
  const Words& words_;
  std::vector<Target> targets_;
  Clock::time_point deadline_;
  Start start_;
  std::vector<std::vector<std::size_t>> by_layer_;
  std::vector<std::size_t> head_;
  std::vector<std::vector<BlockMistake>> block_mistakes_;  // per target, for the right reset form
  SearchResult result_;
  bool pairs_ = true;
  mutable double miss_ = 1;  // of the last piece that its right product did not explain
};

// Names for a factor that the gradient has too much: "factor-two", "time-mean-or-sum", ...
std::vector<Atom> name_scale(const Problem& problem, double factor);

}  // namespace retrograde::doctor
