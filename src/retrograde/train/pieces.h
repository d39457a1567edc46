// A batch cut along time into pieces of a given length, for truncation by chunks. Sequences that have ended
// are left out of later pieces, and the states of the others are carried over the cuts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "retrograde/sequence/forward.h"
#include "retrograde/train/batch_view.h"

namespace retrograde {

template <class T>
class Pieces {
 public:
  // Begins a batch, which must outlive its pieces, with `beginning`'s start and given. Features and outputs
  // are the widths of x and of the target's values.
  void begin(const BatchView<T>& batch, std::size_t steps, std::size_t features, std::size_t outputs,
             const ForwardOptions<T>& beginning);

  // The next piece, or null after the last; it is overwritten by the one after it.
  const BatchView<T>* next();
  // How that piece begins.
  ForwardOptions<T> beginning() const;
  // Takes the states after that piece.
  void carry(const State<T>& after);

  // The states after each sequence's own last step, once there is no next piece.
  const State<T>& states() const { return states_; }

 private:
  std::size_t length(std::size_t b) const;

  const BatchView<T>* batch_ = nullptr;
  std::size_t steps_ = 0, features_ = 0, outputs_ = 0;
  std::size_t first_ = 0;                     // step at which the next piece begins
  std::vector<std::size_t> alive_, lengths_;  // of the piece: the batch's sequences in it, their steps
  std::vector<T> x_, values_, weights_;
  std::vector<std::int32_t> tokens_, classes_;
  BatchView<T> piece_;
  std::vector<std::uint8_t> given_;  // of the first piece
  State<T> start_;                   // of the piece's sequences
  State<T> states_;                  // of all the batch's sequences, if has_states_
  bool has_states_ = false;
};

extern template class Pieces<float>;
extern template class Pieces<double>;

}  // namespace retrograde
