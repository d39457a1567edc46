// A batch of unequal sequences as rows without padding: sequences sorted by length, longest first (equal ones
// keep their order); the rows of step t are those sequences that are longer than t. See kernels/calls.h.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "retrograde/kernels/calls.h"

namespace retrograde {

// A row of a batch-first array stands far from the next one that is wanted: it is sent for while this one is
// worked at.
template <class T>
void expect_row(const T* row, std::size_t width) {
  for (std::size_t i = 0; i < width; i += 64 / sizeof(T)) __builtin_prefetch(row + i);
}

// Steps few enough to stay in cache between a sweep and the products around it: of `most` rows or, if a
// single step has more, of that one. From step `first` on and before `limit`, or before step `last` and from
// `limit` on.
inline Segment segment_from(StepRows rows, std::size_t first, std::size_t limit, std::size_t most) {
  std::size_t last = first + 1;
  while (last < limit && rows.offset[last + 1] - rows.offset[first] <= most) ++last;
  return Segment::of(rows, first, last);
}
inline Segment segment_until(StepRows rows, std::size_t last, std::size_t limit, std::size_t most) {
  std::size_t first = last - 1;
  while (first > limit && rows.offset[last] - rows.offset[first - 1] <= most) --first;
  return Segment::of(rows, first, last);
}

class Rows {
 public:
  // `lengths`: one each of the `batch` sequences, in any order, 1 .. steps; empty: all have `steps`. Throws
  // UsageError. Memory is kept from one batch to the next.
  void assign(std::size_t batch, std::size_t steps, std::span<const std::size_t> lengths);
  // Only steps [first, last) of that batch, and the sequences that are longer than `first`; they keep their
  // order. `last` is no more than the longest one's length.
  void assign(std::size_t batch, std::size_t steps, std::span<const std::size_t> lengths, std::size_t first,
              std::size_t last);

  std::size_t batch() const { return order_.size(); }
  std::size_t steps() const { return steps_; }      // as given, padding included
  std::size_t entries() const { return entries_; }  // B T as given
  std::size_t size() const { return sequence_.size(); }
  StepRows view() const { return {offset_.data(), offset_.size() - 1}; }
  // Sequences with more than t of these steps, t counted from the first of them.
  std::size_t longer_than(std::size_t t) const {
    return t + 1 < offset_.size() ? offset_[t + 1] - offset_[t] : going_on_;
  }

  // Sorted position -> the caller's index, and the length there.
  std::size_t order(std::size_t b) const { return order_[b]; }
  std::size_t length(std::size_t b) const { return lengths_[b]; }
  // Of a row: its sorted position, its step, where its previous state stands in a buffer of states, the row
  // at the same moment for the reverse direction, and (b, t) in a [B, T] array of the caller's.
  std::size_t sequence(std::size_t row) const { return sequence_[row]; }
  std::size_t step(std::size_t row) const { return step_[row]; }
  std::size_t row(std::size_t b, std::size_t t) const { return offset_[t - first_] + b; }
  std::size_t reversed(std::size_t row) const { return reversed_[row]; }
  std::size_t last(std::size_t b) const { return this->row(b, lengths_[b] - 1); }
  std::span<const std::size_t> sequences() const { return sequence_; }
  std::span<const std::size_t> previous() const { return previous_; }
  std::span<const std::size_t> index() const { return index_; }

 private:
  std::size_t steps_ = 0, entries_ = 0, first_ = 0, going_on_ = 0;
  std::vector<std::size_t> order_, lengths_, offset_;
  std::vector<std::size_t> sequence_, step_, previous_, reversed_, index_;
};

}  // namespace retrograde
