// What a network reads, as views of the caller's memory, batch first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace retrograde {

// Of `x` and `tokens` exactly one is given. Nothing past a sequence's own length is read.
template <class T>
struct Input {
  std::size_t batch = 0, steps = 0;
  std::span<const T> x = {};                  // [B, T, I]
  std::span<const std::int32_t> tokens = {};  // [B, T]
  std::span<const std::size_t> lengths = {};  // [B], 1 .. T, in any order; empty: every sequence has T steps
};

// States before a first or after a last step: for each layer and direction (index layer · D + direction), [B,
// H_layer] in the caller's order. c is empty but for the LSTM (and cells of one's own with two states).
template <class T>
struct State {
  std::vector<std::vector<T>> h = {}, c = {};
};

}  // namespace retrograde
