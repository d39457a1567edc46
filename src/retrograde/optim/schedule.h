// What the learning rate is multiplied by. A Schedule is a pure function of the number of updates made so
// far; ReduceOnPlateau watches the validation loss once an epoch. Their product is given to Optimizer::step.
#pragma once

#include <cstdint>
#include <limits>
#include <variant>

namespace retrograde {

struct Constant {};

// factor^⌊updates / every⌋ (torch's StepLR).
struct StepDecay {
  std::uint64_t every = 1;
  double factor = 0.1;
};

// From 1 to `floor` along half a cosine over `over` updates, and `floor` ever after (torch's
// CosineAnnealingLR up to its end; Loshchilov & Hutter 2017, arXiv:1608.03983).
struct Cosine {
  std::uint64_t over = 1;
  double floor = 0;
};

struct Schedule {
  std::variant<Constant, StepDecay, Cosine> decay = {};
  // The first `warmup` updates rise linearly: 1/warmup, 2/warmup, ..., 1; the decay begins after them.
  std::uint64_t warmup = 0;

  // For the update that follows `updates` earlier ones. UsageError if an option is out of range.
  double factor(std::uint64_t updates) const;
};

// Torch's ReduceLROnPlateau for a loss (mode "min", relative threshold).
struct ReduceOnPlateau {
  double factor = 0.1;
  std::uint64_t patience = 10;  // epochs without improvement that are borne
  double threshold = 1e-4;      // an improvement is a loss below best · (1 − threshold)
  std::uint64_t cooldown = 0;   // epochs after a reduction that are not counted
  double floor = 0;             // the scale is not reduced below this
};

// Its memory, plain so that a checkpoint can hold it.
struct Plateau {
  double scale = 1;
  double best = std::numeric_limits<double>::infinity();
  std::uint64_t bad_epochs = 0;
  std::uint64_t cooling = 0;

  // Takes one epoch's loss and updates `scale`.
  void observe(const ReduceOnPlateau& options, double loss);
};

}  // namespace retrograde
