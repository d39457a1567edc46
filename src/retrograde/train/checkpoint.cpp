#include "retrograde/train/checkpoint.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <type_traits>

namespace retrograde {
namespace {

template <class T>
Array array_of(const std::vector<T>& values) {
  return {.shape = {values.size()},
          .values = {values.begin(), values.end()},
          .dtype = sizeof(T) == 4 ? Dtype::float32 : Dtype::float64};
}

template <class T>
std::vector<T> values_of(const Extras& extras, const std::string& name) {
  const auto at = extras.tensors.find(name);
  if (at == extras.tensors.end()) throw FileError("the checkpoint has no tensor \"train.{}\"", name);
  std::vector<T> values;
  for (const double v : at->second.values) values.push_back(static_cast<T>(v));
  return values;
}

// Infinity, a loss that does not exist yet, has no place in JSON.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

template <class V>
void read(const Json& from, const char* key, V& into) {
  const auto at = from.find(key);
  if (at == from.end()) throw FileError("the checkpoint does not say \"{}\"", key);
  if constexpr (std::is_floating_point_v<V>)
    if (at->is_null()) {
      into = std::numeric_limits<V>::infinity();
      return;
    }
  if (!at->is_number()) throw FileError("the checkpoint's \"{}\" is no number: {}", key, at->dump());
  into = at->get<V>();
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
      extras.state[key] = number(value);
    else
      extras.state[key] = value;
  });
  extras.state["updates"] = state.optimizer.updates;
  extras.state["rate_scale"] = state.rate_scale;
  extras.state["method"] = name(trainer.method());
  for (const auto& moment : state.optimizer.moments)
    extras.tensors["optimizer." + moment.name] = array_of(moment.values);
  for (std::size_t k = 0; k < state.carried.h.size(); ++k) {
    extras.tensors[fmt::format("carried.h.{}", k)] = array_of(state.carried.h[k]);
    if (!state.carried.c.empty())
      extras.tensors[fmt::format("carried.c.{}", k)] = array_of(state.carried.c[k]);
  }
  return extras;
}

template <class T>
FitState restore_checkpoint(const Extras& extras, Trainer<T>& trainer) {
  if (!extras.state.is_object())
    throw FileError("this model file is no checkpoint: it does not say where training stood");
  FitState fit;
  each(fit, [&](const char* key, auto& value) { read(extras.state, key, value); });
  if (extras.state.value("method", "") != name(trainer.method()))
    throw FileError("the checkpoint is of {}, the run is to go on with {}",
                    extras.state.value("method", "another optimiser"), name(trainer.method()));
  TrainerState<T> state = trainer.state();  // the moments' names are the method's
  read(extras.state, "updates", state.optimizer.updates);
  read(extras.state, "rate_scale", state.rate_scale);
  for (auto& moment : state.optimizer.moments)
    moment.values = values_of<T>(extras, "optimizer." + moment.name);
  const Config& config = trainer.network().config();
  state.carried = {};
  if (extras.tensors.contains("carried.h.0"))
    for (std::size_t k = 0; k < config.layers() * config.directions(); ++k) {
      state.carried.h.push_back(values_of<T>(extras, fmt::format("carried.h.{}", k)));
      if (config.states() > 1)
        state.carried.c.push_back(values_of<T>(extras, fmt::format("carried.c.{}", k)));
    }
  trainer.restore(std::move(state));
  return fit;
}

template Extras checkpoint_of(const Trainer<float>&, const FitState&);
template Extras checkpoint_of(const Trainer<double>&, const FitState&);
template FitState restore_checkpoint(const Extras&, Trainer<float>&);
template FitState restore_checkpoint(const Extras&, Trainer<double>&);

}  // namespace retrograde
