// Python's callbacks during training, and Ctrl-C.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/string.h>

#include <nlohmann/json.hpp>
#include <string>

#include "retrograde/base/json.h"
#include "retrograde/train/fit.h"

namespace retrograde::python {

namespace nb = nanobind;

inline nb::dict dict_of(const StepReport& step) {
  nb::dict result;
  result["loss"] = step.loss;
  result["gradient_norm"] = step.gradient_norm;
  result["updates"] = step.updates;
  result["clipped"] = step.clipped;
  result["steps"] = step.steps;
  result["failure"] = step.failure ? nb::cast(*step.failure) : nb::none();
  return result;
}

// As a line of metrics.jsonl.
inline Json json_of(const EpochReport& epoch) {
  Json result{{"epoch", epoch.epoch},     {"train", epoch.train_loss}, {"gradient_norm", epoch.gradient_norm},
              {"clipped", epoch.clipped}, {"lr", epoch.rate},          {"steps", epoch.steps},
              {"seconds", epoch.seconds}, {"best", epoch.best}};
  if (epoch.valid) {
    result["valid"] = epoch.valid->loss;
    for (const auto& [metric, value] : epoch.valid->metrics) result["valid_" + metric] = value;
  }
  return result;
}

// Called with what happened; false, or Ctrl-C meanwhile, stops.
using Listener = std::function<bool(const nb::object&)>;

// Ends the loop after an epoch is saved.
struct StopAfterEpoch {};

class Listening {
 public:
  Listening(const Listener& on_step, const Listener& on_epoch) : on_step_(on_step), on_epoch_(on_epoch) {}

  bool step(const StepEvent& event) {
    nb::gil_scoped_acquire acquire;
    nb::dict at = dict_of(event.step);
    at["epoch"] = event.epoch;
    at["batch"] = event.batch;
    at["batches"] = event.batches;
    return goes_on(on_step_, at);
  }
  void epoch(const EpochReport& report) {
    nb::gil_scoped_acquire acquire;
    stop_ = !goes_on(on_epoch_, nb::cast(json_of(report).dump()));
  }
  bool stop() const { return stop_; }
  bool interrupted() const { return interrupted_; }

 private:
  bool goes_on(const Listener& listener, const nb::object& what) {
    try {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      return listener(what);
    } catch (nb::python_error& error) {
      if (!error.matches(PyExc_KeyboardInterrupt)) throw;
      interrupted_ = true;
      return false;
    }
  }

  const Listener& on_step_;
  const Listener& on_epoch_;
  bool stop_ = false, interrupted_ = false;
};

}  // namespace retrograde::python
