// The trainer, and the loop over epochs with Python's callbacks.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <string>

#include "bind.h"
#include "dataset.h"
#include "listening.h"
#include "run.h"

namespace retrograde::python {
namespace {

std::string_view name(Ending ending) {
  constexpr std::string_view kNames[] = {"finished", "no improvement", "stopped", "diverged"};
  return kNames[static_cast<std::size_t>(ending)];
}

Schedule schedule_of(const std::string& decay, std::uint64_t updates, std::uint64_t warmup) {
  if (decay == "constant") return {Constant{}, warmup};
  if (decay == "cosine")
    return {Cosine{.over = std::max<std::uint64_t>(updates, warmup + 1) - warmup}, warmup};
  throw UsageError("there is no schedule \"{}\"; there are constant and cosine", decay);
}

std::unique_ptr<Metrics> metrics_for(const Dataset& data, const Loss& loss) {
  if (data.layout().classes) return class_metrics();
  if (loss.kind() == Loss::Kind::binary_cross_entropy) return binary_metrics();
  return regression_metrics({});
}

template <class T>
nb::dict run(Network<T>& network, std::shared_ptr<const Dataset> train, std::shared_ptr<const Dataset> valid,
             FitRequest request, const Listener& on_step, const Listener& on_epoch) {
  const auto batches = whole_batches(train, {.batch = request.batch_size, .shuffled = request.shuffle});
  const auto validation =
      valid ? whole_batches(valid, {.batch = request.batch_size, .shuffled = false}) : nullptr;
  request.trainer.schedule =
      schedule_of(request.schedule, batches->count() * request.loop.epochs, request.warmup);
  Trainer<T> trainer(network, request.method, request.trainer);
  std::optional<Run<T>> folder;
  if (!request.out.empty()) folder.emplace(request, network, trainer);
  nb::dict answer;
  answer["earlier"] = folder ? folder->earlier() : std::vector<std::string>{};

  std::optional<Params<T>> best;
  Listening listening(on_step, on_epoch);
  FitState state = folder ? folder->state() : FitState{};
  FitEvents<T> events;
  if (validation)
    events.validate = [&] {
      const auto metrics = metrics_for(*valid, request.trainer.loss);
      return evaluate(network, *validation, request.trainer.loss, *metrics);
    };
  events.on_step = [&](const StepEvent& event) { return listening.step(event); };
  events.on_epoch = [&](const EpochReport& report) {
    if (folder) folder->append(json_of(report));
    listening.epoch(report);
  };
  events.save_best = [&](const FitState&) {
    if (folder)
      folder->save_best();
    else if (request.restore_best)
      best = network.parameters();
  };
  events.save_last = [&](const FitState& last) {
    state = last;
    if (folder) folder->save_last(last);
    if (listening.stop()) throw StopAfterEpoch{};
  };
  FitResult result;
  {
    nb::gil_scoped_release release;
    try {
      result = fit(trainer, *batches, request.loop, events, state);
    } catch (const StopAfterEpoch&) {
      result = {Ending::stopped, state.best_epoch, state.best_loss, ""};
    }
    // In place: views of the parameters stay valid.
    if (best) std::ranges::copy(std::as_const(*best).flat(), network.parameters().flat().begin());
    if (folder && request.restore_best) folder->take_best();
    if (folder) folder->write_report();
  }
  answer["ending"] = listening.interrupted() ? "interrupted" : name(result.ending);
  answer["best_epoch"] = result.best_epoch;
  answer["best_loss"] = result.best_loss;
  answer["failure"] = result.failure;
  return answer;
}

template <class T>
void bind_trainer(nb::module_& m, const char* trainer_name) {
  nb::class_<Trainer<T>>(m, trainer_name)
      .def(
          "__init__",
          [](Trainer<T>* self, Network<T>& network, const Method& method, const Loss& loss, const Bptt& bptt,
             bool update_each_chunk, bool checkpoint, double clip_norm, double clip_value,
             std::uint64_t seed) {
            new (self) Trainer<T>(network, method,
                                  {.loss = loss,
                                   .bptt = bptt,
                                   .update_each_chunk = update_each_chunk,
                                   .checkpoint = checkpoint,
                                   .clip_norm = clip_norm,
                                   .clip_value = clip_value,
                                   .seed = seed});
          },
          nb::arg("network"), nb::arg("method"), nb::arg("loss"), nb::arg("bptt"),
          nb::arg("update_each_chunk"), nb::arg("checkpoint"), nb::arg("clip_norm"), nb::arg("clip_value"),
          nb::arg("seed"), nb::keep_alive<1, 2>())
      .def(
          "step",
          [](Trainer<T>& trainer, const Reading<T>& reading, const Goal<T>& goal, bool begins) {
            StepReport report;
            {
              nb::gil_scoped_release release;
              const std::vector<std::uint8_t> starts(reading.input().batch, begins);
              report = trainer.step(BatchView<T>{reading.input(), goal.target(), starts});
            }
            return dict_of(report);
          },
          nb::arg("reading"), nb::arg("goal"), nb::arg("begins"))
      .def_prop_ro("updates", &Trainer<T>::updates)
      .def_prop_ro("rate", &Trainer<T>::rate)
      .def(
          "tape", [](const Trainer<T>& trainer) -> const Tape<T>& { return trainer.tape(); },
          nb::rv_policy::reference_internal)
      .def(
          "carry",
          [](Trainer<T>& trainer, const StateArrays<T>& h, const StateArrays<T>& c) {
            TrainerState<T> state = trainer.state();
            state.carried = {values_of(h), values_of(c)};
            trainer.restore(std::move(state));
          },
          nb::arg("h"), nb::arg("c"), "The states with which the next step goes on.");
  m.def(
      "fit",
      [](Network<T>& network, Reading<T> x, Goal<T> y, std::optional<std::pair<Reading<T>, Goal<T>>> valid,
         double valid_fraction, FitRequest& request, const Listener& on_step, const Listener& on_epoch) {
        std::shared_ptr<const Dataset> train =
            std::make_shared<ArrayDataset<T>>(std::move(x), std::move(y), network.config());
        std::shared_ptr<const Dataset> kept;
        if (valid)
          kept = std::make_shared<ArrayDataset<T>>(std::move(valid->first), std::move(valid->second),
                                                   network.config());
        if (valid_fraction > 0) {
          Random random = Random::named(request.trainer.seed, "split");
          const Split split = train->sequences() > 1 ? split_sequences(train, valid_fraction, random)
                                                     : split_tail(train, valid_fraction, train->steps());
          train = split.train;
          kept = split.valid;
        }
        return run(network, train, kept, request, on_step, on_epoch);
      },
      nb::arg("network"), nb::arg("x"), nb::arg("y"), nb::arg("valid").none(), nb::arg("valid_fraction"),
      nb::arg("request"), nb::arg("on_step"), nb::arg("on_epoch"));
}

}  // namespace

void bind_train(nb::module_& m) {
  nb::class_<FitRequest>(m, "FitRequest")
      .def(
          "__init__",
          [](FitRequest* self, const Method& method, const Loss& loss, const Bptt& bptt,
             bool update_each_chunk, bool checkpoint, double clip_norm, double clip_value, std::uint64_t seed,
             std::size_t epochs, std::size_t patience, const std::string& schedule, std::uint64_t warmup,
             std::size_t batch_size, bool shuffle, bool restore_best, const std::string& out,
             const std::string& settings, bool resume) {
            new (self) FitRequest{.method = method,
                                  .trainer = {.loss = loss,
                                              .bptt = bptt,
                                              .update_each_chunk = update_each_chunk,
                                              .checkpoint = checkpoint,
                                              .clip_norm = clip_norm,
                                              .clip_value = clip_value,
                                              .seed = seed},
                                  .loop = {.epochs = epochs, .patience = patience},
                                  .schedule = schedule,
                                  .warmup = warmup,
                                  .batch_size = batch_size,
                                  .shuffle = shuffle,
                                  .restore_best = restore_best,
                                  .out = out,
                                  .settings = settings,
                                  .resume = resume};
          },
          nb::arg("method"), nb::arg("loss"), nb::arg("bptt"), nb::arg("update_each_chunk"),
          nb::arg("checkpoint"), nb::arg("clip_norm"), nb::arg("clip_value"), nb::arg("seed"),
          nb::arg("epochs"), nb::arg("patience"), nb::arg("schedule"), nb::arg("warmup"),
          nb::arg("batch_size"), nb::arg("shuffle"), nb::arg("restore_best"), nb::arg("out"),
          nb::arg("settings"), nb::arg("resume"));
  bind_trainer<float>(m, "Trainer32");
  bind_trainer<double>(m, "Trainer64");
}

}  // namespace retrograde::python
