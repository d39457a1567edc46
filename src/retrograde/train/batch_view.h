// What one step of training reads, as views of memory that stays the caller's.
#pragma once

#include <cstdint>
#include <span>

#include "retrograde/data/batch.h"
#include "retrograde/loss/loss.h"
#include "retrograde/sequence/input.h"

namespace retrograde {

template <class T>
struct BatchView {
  Input<T> input = {};    // x [B, T, I] or tokens [B, T], lengths [B]
  Target<T> target = {};  // values [B, T, O] or classes [B, T]; [B, O] or [B] for a head at the last step
  // [B]: 1 for a sequence that begins here, 0 for one that goes on where it ended in the batch before, whose
  // states are carried over. Empty: all begin here.
  std::span<const std::uint8_t> starts = {};
};

template <class T>
BatchView<T> view(const Batch<T>& batch) {
  return {batch.input(), batch.target(), batch.starts};
}

}  // namespace retrograde
