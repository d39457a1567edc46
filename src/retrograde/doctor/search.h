// The search for the mistakes that turn the right gradient into the claim.
//
// Order: the head's blocks settle the loss's derivative; then, layer by layer from the top, the sweep's table
// is patched, and for each patched sweep every block of the layer is explained by its right product or a
// mistaken one, up to a factor, a regulariser or a clip (reader.h). Whatever explains every block is an
// explanation; the one with the fewest mistakes is preferred, and those that do equally well are its
// equivalents.
//
// Single mistakes are all tried. Combinations are not tried blindly: the plans that bring the layer's blocks
// nearest to the claim, each block measured for itself, are extended by every further mistake, and again (a
// beam search); what is left of the time goes to the pairs in the order of their likelihood.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "retrograde/doctor/reader.h"
#include "retrograde/doctor/work_clock.h"

namespace retrograde::doctor {

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

// An explanation of some of the targets.
struct Partial {
  Plan plan;
  std::vector<const Mistake*> mistakes;        // of the layer at hand
  std::vector<Atom> atoms;                     // of the sweep
  std::vector<std::vector<Reading>> readings;  // per target; empty: not explained
  double cost = 0;
};
// Sorts every target's readings so that shared mistakes come first, and sums up what the first ones need.
void settle(Partial& p);
// The likeliest few, of nearly equal cost.
void keep_best(std::vector<Partial>& list);
Explanation finish(const Partial& p);

struct SearchResult {
  std::vector<Explanation> best;  // all of the least number of mistakes, the likeliest first
  double next_miss = -1;          // how far the best explanation that fails is off, relative; -1 unknown
  int candidates = 0;
};

// Where a search begins: with the sweep's and the head's mistakes that are known already.
using Start = std::vector<Atom>;

class Search {
 public:
  using Clock = WorkClock;
  Search(const Engine& engine, const Words& words, std::vector<Target> targets, Clock::time_point deadline,
         Start start = {});
  // Single mistakes of the sweep, or combinations too.
  SearchResult run(bool combinations);
  const Engine& engine() const { return reader_.engine(); }
  // The claim that an explanation makes of a piece, canonical.
  Real reproduce(const Explanation& e, std::size_t target, const Engine& engine, const Real& parameter) const;

 private:
  // A plan that was tried: how near it came. The lower, the nearer.
  struct Node {
    std::vector<const Mistake*> mistakes;
    double score = 0;
  };
  // One layer's search, on top of an explanation of what is above it.
  struct Ground {
    int layer;
    const Partial& above;
    Evaluation base;
    double scale;  // that the head's blocks have
  };

  bool explain_all(const std::vector<std::size_t>& which, const Evaluation& e, int depth, bool own,
                   Partial& to);
  std::vector<Partial> settle_head();
  std::vector<Partial> settle_layer(int layer, const std::vector<Partial>& above);
  Ground ground(int layer, const Partial& above) const;
  Node attempt(const Ground& g, std::vector<const Mistake*> mistakes, bool thorough,
               std::vector<Partial>& found);
  void beam(const Ground& g, const Mistakes& mistakes, std::vector<Node> nodes, std::vector<Partial>& found);
  void every_pair(const Ground& g, const Mistakes& mistakes, std::vector<Partial>& found);
  void exchange(const Ground& g, const Mistakes& mistakes, std::vector<Partial>& found);
  double head_scale(const Partial& p) const;
  bool late() {
    if (++asked_ % 8 == 0) late_ = Clock::now() > deadline_;
    return late_;
  }

  Reader reader_;
  const Words& words_;
  Clock::time_point deadline_;
  Start start_;
  std::vector<std::vector<std::size_t>> by_layer_;
  std::vector<std::size_t> head_;
  SearchResult result_;
  bool combinations_ = true, late_ = false;
  unsigned asked_ = 0;
};

}  // namespace retrograde::doctor
