// The one place where two numbers are called equal.
//
// An entry `agrees`, `differs` or `cannot tell`. It differs only if the gap exceeds what the claim's rounding
// and the oracle's error explain together, whatever excuse is admitted; it agrees only without excuses. All
// tests are written !(gap <= allowed), so that NaN fails, and what is not finite has a verdict of its own.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "retrograde/check/block.h"
#include "retrograde/check/derivative.h"

namespace retrograde {

enum class Verdict { agrees, differs, cannot_tell };
enum class Precision { float32, float64 };

std::string_view name(Verdict verdict);
std::string_view name(Precision precision);
// The distance from 1 to the next number: 2^-23 or 2^-52.
double epsilon(Precision precision);

// Every tolerance of the project, and why it is what it is.
namespace tolerance {

// A claimed entry, in units of its own last place: a few hundred dependent operations (T steps of a cell)
// that round at random lose about sqrt(300) units, and a factor of 4 for luck.
inline constexpr double kRounding = 64;

// Times the rounding that the oracle measured on itself at this very point. Another order of summation and
// another formula for the same derivative lose a few times more or less, and the measured root mean square
// comes from few draws; a mistake is many orders larger.
inline constexpr double kMeasuredRounding = 16;

// Where the oracle cannot measure rounding: units in the last place of a block's largest entry. A sum whose
// terms are as large as its neighbours cannot be better than this.
inline constexpr double kCancellation = 4;

// The finest mistake worth naming, relative. An entry or block counts as resolved if what is allowed is below
// this share of it: published mistakes change a block by 0.5 % and more.
inline constexpr double kResolution = 1e-3;

// Our own gradients against complex step, float64, gap over the block's largest entry (design promise).
inline constexpr double kOwnGradient = 1e-12;

}  // namespace tolerance

struct Entry {
  std::size_t index = 0;  // in its block; the number of the direction in `directional` mode
  double claimed = 0;
  Derivative truth;
  double step = 1;  // the size of its parameter: gaps of unlike parameters are compared by what they move f
  // Rounding error of the claim, absolute, where the caller knows it (from its own float32 against float64,
  // or the terms of a sum); NaN: from the tolerances above.
  double claim_noise = std::numeric_limits<double>::quiet_NaN();

  // Filled by compare:
  double gap = 0;      // |claimed - true|
  double certain = 0;  // the gap that is certified: the entry's own rounding and the oracle's error
  double allowed = 0;  // the gap that is excused
  Verdict verdict = Verdict::cannot_tell;
};

struct BlockResult {
  std::string name;
  Verdict verdict = Verdict::cannot_tell;
  std::size_t entries = 0;     // of the block
  std::size_t checked = 0;     // entries or directions that were compared
  std::size_t bad = 0;         // differ
  std::size_t not_finite = 0;  // of the bad: the claim is NaN or infinite
  std::size_t unresolved = 0;  // cannot tell
  std::size_t kinks = 0;       // entries whose finite difference has a kink within the step
  Entry worst;                 // the largest gap over allowed; where it cannot tell, the entry that is why
  std::string worst_at;        // its index in words
  double scale = 0;            // largest |true| x step
  double cosine = 0;           // between claimed and true, over what was compared; NaN if either is zero
  double norm_ratio = 0;       // |claimed| / |true|
  std::string note;            // why it cannot tell, or what the verdict leaves open

  // The worst gap relative to the block's largest entry.
  double relative_gap() const;
};

// `gradient_scale`: the largest |true| x step of the whole gradient. A gap of the claim's rounding at that
// size is not called a difference and not called agreement. `directions`: the entries are directional
// derivatives of the block, not its entries.
BlockResult compare_block(const Block& block, std::vector<Entry>& entries, Precision claim,
                          double gradient_scale = 0, bool directions = false);

// A whole flat gradient against a known one: `truth` exact to rounding, or with error bars [n]; `claim_noise`
// [n] or empty.
std::vector<BlockResult> compare(const std::vector<Block>& blocks, std::span<const double> claimed,
                                 std::span<const double> truth, Precision claim,
                                 std::span<const double> truth_error = {},
                                 std::span<const double> claim_noise = {});

// differs if any does, else cannot tell if any cannot, else agrees. No blocks: cannot tell.
Verdict overall(std::span<const BlockResult> blocks);

}  // namespace retrograde
