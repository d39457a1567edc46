// What a run needs to go on as if it had never stopped, beside the model: optimiser, carried states, the
// place in the data, the sums of the running epoch, what early stopping remembers. Stored in the model's file
// (io/model.h).
#pragma once

#include "retrograde/io/model.h"
#include "retrograde/train/fit.h"

namespace retrograde {

template <class T>
Extras checkpoint_of(const Trainer<T>& trainer, const FitState& state);

// Restores the trainer, whose network has the file's parameters already, and returns where to go on.
// FileError if something is missing or is another method's or network's.
template <class T>
FitState restore_checkpoint(const Extras& extras, Trainer<T>& trainer);

}  // namespace retrograde
