// What `fit` is asked for, and the folder of a run.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "retrograde/base/error.h"
#include "retrograde/io/run.h"
#include "retrograde/train/checkpoint.h"
#include "retrograde/train/fit.h"

namespace retrograde::python {

// What `fit` is asked for beside the data.
struct FitRequest {
  Method method;
  TrainerOptions trainer;
  FitOptions loop;
  std::string schedule;
  std::uint64_t warmup;
  std::size_t batch_size;
  bool shuffle;
  bool restore_best;
  std::string out;       // the run's folder; empty: none
  std::string settings;  // JSON, what the folder's config.json says
  bool resume;           // go on with the run that is there
};

// The folder of a run: what is saved there while it goes on, and where a resumed one is taken up.
template <class T>
class Run {
 public:
  Run(const FitRequest& request, Network<T>& network, Trainer<T>& trainer)
      : network_(network),
        trainer_(trainer),
        folder_(request.resume
                    ? RunFolder::open(request.out)
                    : RunFolder::create(request.out, parse_json(request.settings, "settings"), false)) {
    if (!request.resume) return;
    take_parameters(folder_.last(), [&](const Model<T>& model) {
      state_ = restore_checkpoint(model.extras, trainer_);
      folder_.keep(state_.epoch);
    });
  }

  const FitState& state() const { return state_; }
  std::vector<std::string> earlier() const {
    std::vector<std::string> lines;
    for (const Json& epoch : folder_.epochs()) lines.push_back(epoch.dump());
    return lines;
  }
  // What the command line must know to run the network.
  Json preprocess() const { return folder_.config().value("preprocess", Json::object()); }
  void append(const Json& epoch) { folder_.append(epoch); }
  void save_best() const { save_model(folder_.best(), network_, preprocess()); }
  void save_last(const FitState& state) const {
    save_model(folder_.last(), network_, preprocess(), checkpoint_of(trainer_, state));
  }
  void take_best() {
    if (std::filesystem::exists(folder_.best())) take_parameters(folder_.best(), [](const Model<T>&) {});
  }
  void write_report() const { folder_.write_report(); }

 private:
  template <class F>
  void take_parameters(const std::filesystem::path& path, F then) {
    const Model<T> model = load_model<T>(path);
    if (to_json(model.network.config()) != to_json(network_.config()))
      throw UsageError("the network in {} is another one than this", path.string());
    std::ranges::copy(model.network.parameters().flat(), network_.parameters().flat().begin());
    then(model);
  }

  Network<T>& network_;
  Trainer<T>& trainer_;
  RunFolder folder_;
  FitState state_;
};

}  // namespace retrograde::python
