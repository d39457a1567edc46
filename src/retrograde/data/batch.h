// What training takes in at a time: some sequences, or a piece of each of some long ones, batch first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "retrograde/loss/loss.h"
#include "retrograde/model/config.h"
#include "retrograde/sequence/input.h"

namespace retrograde {

// What a step reads and what it is compared with, in the words of Config.
struct Layout {
  std::size_t inputs = 0;  // features, or the number of symbols where the input is tokens
  bool tokens = false;
  std::size_t outputs = 0;  // numbers of a target, or the number of classes
  bool classes = false;     // a target is one of the classes
  At at = At::every;        // a target for every step, or one for the sequence

  bool operator==(const Layout&) const = default;
};

template <class T>
struct Batch {
  Layout layout{};
  std::size_t batch = 0, steps = 0;
  std::vector<std::size_t> lengths{};   // [B], 1 .. T; zeros stand past a sequence's end
  std::vector<T> x{};                   // [B, T, I], or
  std::vector<std::int32_t> tokens{};   // [B, T]
  std::vector<T> values{};              // [B, T, O], [B, O] at the last step, or
  std::vector<std::int32_t> classes{};  // [B, T], [B]
  // [B, T], [B]: 1 where the target counts. 0 past the end; where a sequence only warms its state up; and in
  // a row whose stream has ended, which has length 1.
  std::vector<T> weights{};
  // [B]: the row begins a sequence, with the start state; else it goes on where that row of the batch before
  // ended.
  std::vector<std::uint8_t> starts{};

  Input<T> input() const { return {batch, steps, x, tokens, lengths}; }
  Target<T> target() const { return {values, classes, weights}; }
  // The targets that count. 0: the batch only carries states on, and a mean over it does not exist.
  double counted() const {
    return std::accumulate(weights.begin(), weights.end(), 0.0,
                           [](double sum, T w) { return sum + double(w); });
  }

  template <class U>
  Batch<U> cast() const {
    return {layout,
            batch,
            steps,
            lengths,
            {x.begin(), x.end()},
            tokens,
            {values.begin(), values.end()},
            classes,
            {weights.begin(), weights.end()},
            starts};
  }
};

}  // namespace retrograde
