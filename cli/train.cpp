// retrograde train: from a file to a model that is checked, validated and kept.
#include <fmt/format.h>

#include <filesystem>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/naive.h"
#include "cli/task_network.h"
#include "cli/terminal.h"
#include "cli/train_view.h"
#include "retrograde/base/error.h"
#include "retrograde/io/run.h"
#include "retrograde/train/checkpoint.h"
#include "retrograde/train/verify.h"

namespace retrograde::cli {
namespace {

struct TrainArguments {
  DataArguments data;
  ModelArguments model;
  LoopArguments loop;
  std::string out, resume;
  bool overwrite = false, json = false, dry_run = false;
};

// What is decided before the first step.
struct Plan {
  Task task;
  Config config;
  Loss loss;
  Bptt bptt;
  std::unique_ptr<Batches> batches, valid;
  TrainerOptions trainer;
  FitOptions fit;
  Method method;
  VerifyWhen verify;
};

Plan plan_of(const TrainArguments& a) {
  Plan plan;
  plan.method = method_of(a.loop, a.model.hidden);
  plan.verify = verify_of(a.loop.verify);
  plan.fit = fit_options_of(a.loop);
  schedule_of(a.loop, 1);  // what is wrong with the words is said before the data is read
  if (!a.loop.bptt.empty()) parse_bptt(a.loop.bptt);
  plan.task = open_task(a.data, a.loop.seed);
  plan.config = config_for(plan.task, a.model, a.loop.seed);
  plan.loss = loss_for(plan.task, a.loop.loss);
  plan.task.preprocess["loss"] = plan.loss.name();
  plan.bptt = bptt_for(plan.task, a.loop.bptt);
  plan.batches = training_batches(plan.task, plan.bptt, a.loop.batch);
  if (plan.task.valid) plan.valid = reading_batches(plan.task, plan.task.valid);
  plan.trainer = {.loss = plan.loss,
                  .bptt = plan.bptt,
                  .checkpoint = a.loop.checkpoint,
                  .clip_norm = a.loop.clip,
                  .clip_value = a.loop.clip_value,
                  .schedule = schedule_of(a.loop, plan.batches->count()),
                  .seed = a.loop.seed};
  return plan;
}

std::string describe_model(const Config& config, std::size_t parameters) {
  std::string widths = fmt::format("{}{}", config.inputs, config.tokens ? " symbols" : "");
  for (const std::size_t units : config.hidden) widths += fmt::format("→{}", units);
  return fmt::format("model  {}{} {}→{} · {} parameters", config.bidirectional ? "bidirectional " : "",
                     config.cell.name(), widths, config.outputs, grouped(parameters));
}

template <class T>
void describe(const Plan& plan, const TrainArguments& a, const Network<T>& network, TrainView& view) {
  for (const std::string& line : plan.task.about) view.say(line);
  const auto part = [&](const Dataset& dataset) {
    const std::size_t leads = dataset.leads();
    return fmt::format("{} in {}{}", counted(dataset.steps() - leads, "step"),
                       counted(dataset.sequences(), "sequence"),
                       leads ? fmt::format(" (after {} that warm the state up)", grouped(leads)) : "");
  };
  view.say(fmt::format("split  train {}{}", part(*plan.task.train),
                       plan.task.valid ? " · valid " + part(*plan.task.valid) : " · no validation"));
  view.say(fmt::format("{} · seed {} · {}", describe_model(plan.config, network.size()), a.loop.seed,
                       sizeof(T) == 4 ? "float32" : "float64"));
  view.say(fmt::format("train  {} loss, bptt {}, {} at rate {:g}, {} batches an epoch", plan.loss.name(),
                       to_string(plan.bptt), name(plan.method), rate(plan.method), plan.batches->count()));
}

// The folder of a new run: the one that was asked for, or the first of run, run-2, run-3, ... that is free.
std::filesystem::path new_folder(const TrainArguments& a) {
  if (!a.out.empty() && !a.overwrite && RunFolder::holds_run(a.out))
    throw UsageError(
        "{0} holds a run already. Go on with it (--resume {0}), replace it (--overwrite), or choose "
        "another --out",
        a.out);
  if (!a.out.empty()) return a.out;
  std::filesystem::path folder = "run";
  for (int i = 2; std::filesystem::exists(folder); ++i) folder = fmt::format("run-{}", i);
  return folder;
}

template <class T>
Evaluation evaluate_on(const Network<T>& network, Plan& plan) {
  const auto metrics = metrics_for(plan.task);
  return evaluate(network, *plan.valid, plan.loss, *metrics);
}

// The last lines: the best epoch, what it has to beat, and what to do next.
void conclude(const Plan& plan, const TrainArguments& a, const FitResult& result, const RunFolder& run,
              TrainView& view) {
  if (result.best_epoch == 0) return;
  const Json& best = run.epochs().at(result.best_epoch - 1);
  const std::string metric = main_metric(plan.task);
  std::string line = fmt::format("best   epoch {}, {} {:.5g}", result.best_epoch,
                                 plan.valid ? "valid" : "train", result.best_loss);
  if (best.contains(metric)) line += fmt::format(" ({} {:.5g}", metric, best.at(metric).get<double>());
  nlohmann::ordered_json json{{"best_epoch", result.best_epoch}, {"best_loss", result.best_loss}};
  if (plan.valid && plan.task.kind == "forecast")
    if (const auto naive = naive_errors(*plan.task.valid, plan.task)) {
      line += fmt::format("; naive last value {:.5g}", naive->rmse_last);
      json["naive_rmse"] = naive->rmse_last;
      if (naive->rmse_seasonal) {
        line += fmt::format(", one season before {:.5g}", *naive->rmse_seasonal);
        json["seasonal_naive_rmse"] = *naive->rmse_seasonal;
      }
    }
  if (best.contains(metric)) line += ")";
  view.say("\n" + line);
  view.say(fmt::format("saved  {} ({} kB, self-test stored)", run.best().string(),
                       std::filesystem::file_size(run.best()) / 1000));
  view.say(plan.task.kind == "characters"
               ? fmt::format("next   retrograde sample {}", run.best().string())
               : fmt::format("next   retrograde predict {} {}", run.best().string(), a.data.path));
  json["saved"] = run.best().string();
  if (a.json) fmt::print("{}\n", json.dump());
}

template <class T>
Exit run_training(const TrainArguments& a, Plan& plan, const Json& settings) {
  Network<T> network(plan.config);
  Trainer<T> trainer(network, plan.method, plan.trainer);
  TrainView view(a.json, main_metric(plan.task));
  describe(plan, a, network, view);
  if (a.dry_run) {
    view.say("dry    nothing was trained or written");
    return Exit::fine;
  }

  FitState state;
  const bool resumes =
      !a.resume.empty() && std::filesystem::exists(std::filesystem::path(a.resume) / "last.safetensors");
  RunFolder run =
      !a.resume.empty() ? RunFolder::open(a.resume) : RunFolder::create(new_folder(a), settings, a.overwrite);
  if (resumes) {
    Model<T> model = load_model<T>(run.last());
    if (to_json(model.network.config()) != to_json(plan.config))
      throw UsageError("{} holds another network than the options ask for; leave them out to go on",
                       run.last().string());
    std::ranges::copy(model.network.parameters().flat(), network.parameters().flat().begin());
    state = restore_checkpoint(model.extras, trainer);
    run.keep(state.epoch);
    view.say(
        fmt::format("resume {} after epoch {}, batch {}", run.path().string(), state.epoch, state.batch));
  } else if (!a.resume.empty()) {
    run.keep(0);
  }

  catch_interrupts();
  bool gradient_is_wrong = false;
  FitEvents<T> events;
  if (plan.valid) events.validate = [&] { return evaluate_on(network, plan); };
  events.before_step = [&](const BatchView<T>& batch) {
    if (!plan.verify.due(trainer.updates()) || gradient_is_wrong) return;
    const CheckReport report = verify(trainer, batch);
    view.say("check  " + report.line());
    gradient_is_wrong = report.verdict == Verdict::differs;
  };
  events.on_step = [&](const StepEvent& event) {
    view.step(event);
    return !interrupted() && !gradient_is_wrong;
  };
  events.on_epoch = [&](const EpochReport& report) {
    view.epoch(report);
    run.append(Json(json_of(report)));
  };
  events.save_best = [&](const FitState&) { save_model(run.best(), network, plan.task.preprocess); };
  events.save_last = [&](const FitState& now) {
    save_model(run.last(), network, plan.task.preprocess, checkpoint_of(trainer, now));
  };
  const FitResult result = fit(trainer, *plan.batches, plan.fit, events, state);
  run.write_report();

  if (gradient_is_wrong) {
    fmt::print(stderr,
               "error: the gradient is wrong; please report this with the data, and see retrograde check\n");
    return Exit::check_failed;
  }
  if (result.ending == Ending::stopped) {
    fmt::print(stderr, "\ninterrupted; saved in {}. Go on with: retrograde train --resume {}\n",
               run.last().string(), run.path().string());
    return Exit::interrupted;
  }
  if (result.ending == Ending::diverged) {
    const bool saved = std::filesystem::exists(run.last());
    throw Error(
        fmt::format("the loss is no longer a number: {}.\n       Last good checkpoint: {}. Try --clip 1 or a "
                    "smaller --lr than {:g}.",
                    result.failure, saved ? run.last().string() : "none", rate(plan.method)));
  }
  conclude(plan, a, result, run, view);
  return Exit::fine;
}

Exit train(const TrainArguments& a, const Json& settings) {
  if (a.data.path.empty()) throw UsageError("train wants a file of data; see retrograde train --help");
  Plan plan = plan_of(a);
  return a.loop.precision == "double" ? run_training<double>(a, plan, settings)
                                      : run_training<float>(a, plan, settings);
}

}  // namespace

Command add_train(CLI::App& app) {
  CLI::App* sub = app.add_subcommand(
      "train",
      "Train a network on a file\n\n"
      "Examples:\n"
      "  retrograde train series.csv --target load                     forecast a column one step ahead\n"
      "  retrograde train series.csv --target load --horizon 24 --period 24 --cell gru --hidden 32\n"
      "  retrograde train names.tsv                                    label<TAB>text lines\n"
      "  retrograde train book.txt --hidden 128 --epochs 3             the next character\n"
      "  retrograde train arrays.npz --bidirectional                   x [N,T,I] and y\n"
      "  retrograde train --resume run                                 go on where a run was stopped\n");
  auto a = std::make_shared<TrainArguments>();
  sub->add_option("data,--data", a->data.path, "CSV, NPY, NPZ or text; - is standard input (CSV)")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  declare(*sub, a->data, true);
  declare(*sub, a->model);
  declare(*sub, a->loop);
  const std::string group = "Output";
  sub->add_option("--out", a->out, "folder of the run; by default run, run-2, ...")->group(group);
  sub->add_flag("--overwrite", a->overwrite, "replace the run that --out holds")->group(group);
  sub->add_option("--resume", a->resume, "go on with the run in this folder, options as they were")
      ->group(group);
  sub->add_flag("--dry-run", a->dry_run, "say what would be done")->group(group);
  sub->add_flag("--json", a->json, "an object a line on standard output")->group(group);
  return {sub, [sub, a] { return train(*a, settings_of(*sub)); }};
}

}  // namespace retrograde::cli
