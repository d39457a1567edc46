// Is the gradient of this very network on this very batch right? Asked before an update, answered by the
// judge (check/network.h): the production backward in double against complex steps of the forward.
#pragma once

#include "retrograde/check/network.h"
#include "retrograde/train/trainer.h"

namespace retrograde {

// Of a batch too large for a second's work the first sequences, and of those the first steps, are taken; of a
// large network a sample of every block and gate. The dropout masks are those of the coming update, frozen.
template <class T>
CheckReport verify(const Trainer<T>& trainer, const BatchView<T>& batch);

}  // namespace retrograde
