// What one step of training reads, as views of memory that stays the caller's.
#pragma once

#include "retrograde/loss/loss.h"
#include "retrograde/sequence/input.h"

namespace retrograde {

template <class T>
struct Batch {
  Input<T> input;    // x [B, T, I] or tokens [B, T], lengths [B]
  Target<T> target;  // values [B, T, O] or classes [B, T]; [B, O] or [B] for a head at the last step
  // Whether its sequences go on where those of the batch before ended: the states are carried over.
  bool continues = false;
};

}  // namespace retrograde
