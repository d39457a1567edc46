// A trained model for the commands that use one: float or double as its file is, with what was learned about
// its data.
#pragma once

#include <string>
#include <utility>

#include "cli/task.h"
#include "cli/task_network.h"
#include "retrograde/io/model.h"

namespace retrograde::cli {

// Calls f(Model<float>) or f(Model<double>). UsageError if the model does not know what its data looked like:
// it was not trained by this program.
template <class F>
auto with_model(const std::string& path, F f) {
  const auto checked = [&](auto model) {
    if (!model.preprocess.contains("task"))
      throw UsageError("{} does not say how its data is to be read: it was not written by retrograde train",
                       path);
    return f(std::move(model));
  };
  if (model_dtype(path) == Dtype::float64) return checked(load_model<double>(path));
  return checked(load_model<float>(path));
}

}  // namespace retrograde::cli
