// What training needs to go on to the very same bits, put beside a model into its file (io/model.h, Extras):
//
//   Extras extras;
//   extras.state["epoch"] = 3;
//   put(extras, trainer_state.optimizer);
//   put(extras, trainer_state.carried);
//   save_model(run.last(), network, preprocess, extras);
//
// Moments and states are tensors of the network's own type, so that no bit is lost. The readers throw
// FileError, which says what is missing; that sizes fit the network is seen by whoever takes them over
// (Optimizer::restore).
#pragma once

#include "retrograde/io/model.h"
#include "retrograde/optim/optimizer.h"
#include "retrograde/sequence/input.h"

namespace retrograde {

template <class T>
void put(Extras& extras, const OptimizerState<T>& optimizer);
template <class T>
OptimizerState<T> optimizer_of(const Extras& extras);

// States carried from batch to batch; none before the first.
template <class T>
void put(Extras& extras, const State<T>& carried);
template <class T>
State<T> carried_of(const Extras& extras);

// Any double, to the bit: JSON itself has no infinity and no NaN, which become texts.
Json exact(double value);
double exact_from_json(const Json& json);

}  // namespace retrograde
