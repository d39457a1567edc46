// Is this gradient right, and how sure are we? For any function of a flat vector: yours, not ours.
//
//   const auto verdict = check_gradient(f, theta, claimed);
//   std::puts(verdict.text().c_str());
//
// f is called as double(std::span<const double>), as std::complex<double>(std::span<const
// std::complex<double>>), or as both (a generic lambda over std::span<const T>). A complex f is judged by the
// complex step, a real one by Ridders' differences; both, and the complex step is itself checked against
// differences. An accusation is always looked at twice, by more draws and by the other oracle, before it is
// made.
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "retrograde/base/progress.h"
#include "retrograde/check/compare.h"
#include "retrograde/check/derivative.h"

namespace retrograde {

enum class CheckMode {
  // Full up to kFullLimit entries; above, directional for a complex f and sampled for a real one, whose
  // differences
  // would meet every kink of every parameter at once. By size, not by the clock, so that it repeats.
  automatic,
  full,         // every entry
  sampled,      // `entries` of every block and gate, drawn at random
  directional,  // random signed directions within each block; where one differs, halved until an entry is
                // found
};

std::string_view name(CheckMode mode);

inline constexpr std::size_t kFullLimit = 2000;

struct CheckOptions {
  std::vector<Block> blocks{};  // in the order of theta; empty: one block "x"
  CheckMode mode = CheckMode::automatic;
  // How the claim was computed; by default the element type of `claimed`.
  std::optional<Precision> claim{};
  // Rounding error of each claimed entry, absolute, where it is known (own float32 against float64); [n] or
  // empty.
  std::vector<double> claim_noise{};
  std::size_t entries = 32;  // `sampled`: of every block and gate
  double miss = 1e-3;        // `directional`: probability that a block's error goes unseen
  double seconds = 0;        // time budget; 0: none. What was not reached is said
  std::uint64_t seed = 1;
  ProgressCallback progress{};
};

// What a check costs, predicted from one timed evaluation.
struct CheckCost {
  CheckMode mode = CheckMode::full;  // never automatic
  std::size_t probes = 0;            // entries or directions
  std::size_t evaluations = 0;  // of the function; typical for Ridders, which takes more where f is difficult
  double seconds = 0;
};

struct CheckReport {
  Verdict verdict = Verdict::cannot_tell;
  std::vector<BlockResult> blocks;  // worst first
  CheckMode mode = CheckMode::full;
  Precision claim = Precision::float64;
  std::string oracle;  // "complex step", "finite differences (Ridders)"
  std::size_t entries = 0, checked = 0, planned = 0;
  std::size_t evaluations = 0;
  double seconds = 0;
  CheckCost predicted;
  TaylorSlope taylor;  // along the worst entry; only if it was asked for a second opinion
  std::string power;   // what this mode could have missed
  std::vector<std::string> notes;

  bool agrees() const { return verdict == Verdict::agrees; }
  // One line to quote: "gradient agrees with complex step: worst 3.1e-16 of 2,000 sampled entries (0.1 s)".
  std::string line() const;
  // The line, the table of blocks (worst first), power and notes.
  std::string text() const;
  nlohmann::ordered_json json() const;
};

// A function in one or both of its forms.
struct Objective {
  RealFunction real{};
  ComplexFunction complex{};
};

CheckCost predict_cost(const Objective& f, std::span<const double> theta, const CheckOptions& options = {});

// theta [n], claimed [n]. Throws UsageError if sizes do not fit.
CheckReport check_gradient(const Objective& f, std::span<const double> theta, std::span<const double> claimed,
                           const CheckOptions& options = {});

template <class F>
Objective objective(F f) {
  constexpr bool real = std::is_invocable_r_v<double, F&, std::span<const double>>;
  constexpr bool complex =
      std::is_invocable_r_v<std::complex<double>, F&, std::span<const std::complex<double>>>;
  static_assert(real || complex,
                "f must take std::span<const double> or std::span<const std::complex<double>>");
  Objective result;
  if constexpr (real) result.real = f;
  if constexpr (complex) result.complex = f;
  return result;
}

template <class F, std::ranges::sized_range Theta, std::ranges::sized_range Claimed>
requires(!std::is_same_v<std::remove_cvref_t<F>, Objective>) CheckReport
    check_gradient(F f, const Theta& theta, const Claimed& claimed, CheckOptions options = {}) {
  if (!options.claim && std::is_same_v<std::ranges::range_value_t<Claimed>, float>)
    options.claim = Precision::float32;
  const std::vector<double> at(std::ranges::begin(theta), std::ranges::end(theta));
  const std::vector<double> claims(std::ranges::begin(claimed), std::ranges::end(claimed));
  return check_gradient(objective(std::move(f)), std::span<const double>(at), std::span<const double>(claims),
                        options);
}

}  // namespace retrograde
