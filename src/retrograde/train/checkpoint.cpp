#include "retrograde/train/checkpoint.h"

#include <type_traits>

#include "retrograde/base/error.h"
#include "retrograde/io/checkpoint.h"

namespace retrograde {
namespace {

const Json& item(const Json& from, const char* key) {
  const auto at = from.find(key);
  if (at == from.end()) throw FileError("the checkpoint does not say \"{}\"", key);
  return *at;
}

template <class V>
void read(const Json& from, const char* key, V& into) {
  const Json& value = item(from, key);
  if constexpr (std::is_floating_point_v<V>) {
    into = exact_from_json(value);
  } else {
    if (!value.is_number_unsigned())
      throw FileError("the checkpoint's \"{}\" is no whole number: {}", key, value.dump());
    into = value.get<V>();
  }
}

// Calls f(key, value) for everything in a FitState.
template <class State, class F>
void each(State& s, F f) {
  f("epoch", s.epoch), f("batch", s.batch);
  f("loss", s.loss), f("counted", s.counted), f("norm", s.norm);
  f("epoch_updates", s.updates), f("clipped", s.clipped), f("steps", s.steps);
  f("best_loss", s.best_loss), f("best_epoch", s.best_epoch), f("since_best", s.since_best);
  f("plateau_scale", s.plateau.scale), f("plateau_best", s.plateau.best);
  f("plateau_bad_epochs", s.plateau.bad_epochs), f("plateau_cooling", s.plateau.cooling);
}

}  // namespace

template <class T>
Extras checkpoint_of(const Trainer<T>& trainer, const FitState& fit) {
  const TrainerState<T> state = trainer.state();
  Extras extras{.state = Json::object(), .tensors = {}};
  each(fit, [&](const char* key, const auto& value) {
    if constexpr (std::is_floating_point_v<std::remove_cvref_t<decltype(value)>>)
      extras.state[key] = exact(value);
    else
      extras.state[key] = value;
  });
  extras.state["rate_scale"] = exact(state.rate_scale);
  extras.state["method"] = name(trainer.method());
  put(extras, state.optimizer);
  put(extras, state.carried);
  return extras;
}

template <class T>
FitState restore_checkpoint(const Extras& extras, Trainer<T>& trainer) {
  if (!extras.state.is_object())
    throw FileError("this model file is no checkpoint: it does not say where training stood");
  FitState fit;
  each(fit, [&](const char* key, auto& value) { read(extras.state, key, value); });
  if (const Json& method = item(extras.state, "method"); method != name(trainer.method()))
    throw FileError("the checkpoint is of {}; the run is to go on with {}", method.dump(),
                    name(trainer.method()));
  TrainerState<T> state{.optimizer = optimizer_of<T>(extras), .carried = carried_of<T>(extras)};
  read(extras.state, "rate_scale", state.rate_scale);
  try {
    trainer.restore(std::move(state));
  } catch (const UsageError& e) {
    throw FileError("the checkpoint is damaged: {}", e.what());
  }
  return fit;
}

template Extras checkpoint_of(const Trainer<float>&, const FitState&);
template Extras checkpoint_of(const Trainer<double>&, const FitState&);
template FitState restore_checkpoint(const Extras&, Trainer<float>&);
template FitState restore_checkpoint(const Extras&, Trainer<double>&);

}  // namespace retrograde
