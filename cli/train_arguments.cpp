#include "cli/train_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "retrograde/base/error.h"

namespace retrograde::cli {
namespace {

// "step:20:0.5" -> {"step", "20", "0.5"}.
std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == at)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

double number(const std::string& text, const std::string& whole) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw UsageError("\"{}\" in \"{}\" is not a number", text, whole);
  return value;
}

std::size_t count(const std::string& text, const std::string& whole) {
  const double value = number(text, whole);
  if (!(value >= 1 && value <= 1e15) || value != static_cast<double>(static_cast<std::size_t>(value)))
    throw UsageError("\"{}\" in \"{}\" is not a whole number of at least 1", text, whole);
  return static_cast<std::size_t>(value);
}

Cell cell_of(const ModelArguments& arguments) {
  if (arguments.cell == "lstm") return Lstm{};
  if (arguments.cell == "gru") return Gru{.reset_after = !arguments.reset_before};
  return Elman{Nonlinearity(arguments.activation)};
}

}  // namespace

void declare(CLI::App& app, ModelArguments& a) {
  const std::string group = "Model";
  app.add_option("--cell", a.cell, "lstm, gru or elman")
      ->check(CLI::IsMember({"lstm", "gru", "elman"}))
      ->group(group);
  app.add_option("--hidden", a.hidden, "units of each layer: 64 or 128,64")->delimiter(',')->group(group);
  app.add_flag("--bidirectional", a.bidirectional, "read sequences from both ends")->group(group);
  app.add_option("--embedding", a.embedding, "width of the symbols' embedding; 0: one-hot")->group(group);
  app.add_option("--dropout", a.dropout, "between layers, 0 to 1")->group(group);
  app.add_option("--recurrent-dropout", a.recurrent_dropout, "on the recurrent state, one mask a sequence")
      ->group(group);
  app.add_option("--activation", a.activation, "hidden activation of elman: tanh, relu, ...")->group(group);
  app.add_flag("--reset-before", a.reset_before, "gru: reset before the product (Cho), not after")
      ->group(group);
  app.add_flag("--no-bias", a.no_bias, "cells without biases")->group(group);
  app.add_flag("--learned-start", a.learned_start, "learn the start states")->group(group);
  app.add_option("--init", a.init, "keras or torch")->check(CLI::IsMember({"keras", "torch"}))->group(group);
}

void declare(CLI::App& app, LoopArguments& a) {
  const std::string group = "Training";
  app.add_option("--epochs", a.epochs, "passes over the data")->group(group);
  app.add_option("--batch", a.batch, "sequences side by side; 0: chosen from the data")->group(group);
  app.add_option("--bptt", a.bptt, "full, chunk:STEPS or window:REACH; by default chosen by the task")
      ->group(group);
  app.add_flag("--checkpoint", a.checkpoint, "long sequences in little memory: the tape is made twice")
      ->group(group);
  app.add_option("--optimizer", a.optimizer, "adam, adamw, rmsprop or sgd")->group(group);
  app.add_option("--lr", a.rate, "learning rate; 0: the optimiser's usual")->group(group);
  app.add_option("--momentum", a.momentum, "of sgd and rmsprop")->group(group);
  app.add_flag("--nesterov", a.nesterov, "Nesterov's form of sgd's momentum")->group(group);
  app.add_option("--weight-decay", a.weight_decay)->group(group);
  app.add_option("--clip", a.clip, "limit of the gradient's norm; 0: none")->group(group);
  app.add_option("--clip-value", a.clip_value, "limit of its entries; 0: none")->group(group);
  app.add_option("--schedule", a.schedule,
                 "constant, cosine, step:EPOCHS:FACTOR, or plateau:PATIENCE:FACTOR on the validation loss")
      ->group(group);
  app.add_option("--warmup", a.warmup, "updates in which the rate rises")->group(group);
  app.add_option("--loss", a.loss, "squared_error, absolute_error, huber, ...; by default chosen by the task")
      ->group(group);
  app.add_option("--patience", a.patience, "stop after so many epochs without a better loss; 0: never")
      ->group(group);
  app.add_option("--seed", a.seed, "decides everything random")->group(group);
  app.add_option("--verify", a.verify, "check the gradient: first, every:N updates or off")->group(group);
  app.add_option("--precision", a.precision, "float or double")
      ->check(CLI::IsMember({"float", "double"}))
      ->group(group);
}

Config config_of(const ModelArguments& a, std::uint64_t seed) {
  if (a.cell != "elman" && a.activation != "tanh")
    throw UsageError("--activation is elman's; a {} has its own activations", a.cell);
  if (a.cell != "gru" && a.reset_before) throw UsageError("--reset-before is gru's; the cell is {}", a.cell);
  Config config{.cell = cell_of(a)};
  config.embedding = a.embedding;
  config.hidden = a.hidden;
  config.bidirectional = a.bidirectional;
  config.bias = !a.no_bias;
  config.dropout = a.dropout;
  config.recurrent_dropout = a.recurrent_dropout;
  config.learned_start = a.learned_start;
  config.initialisation = a.init == "torch" ? Initialisation::torch : Initialisation::keras;
  config.seed = seed;
  return config;
}

Method method_of(const LoopArguments& a, const std::vector<std::size_t>& hidden) {
  Method method = method_named(a.optimizer);
  if (std::holds_alternative<Adam>(method) || std::holds_alternative<AdamW>(method))
    set_rate(method, hidden.empty() || std::ranges::max(hidden) <= 200 ? 0.01 : 0.002);
  if (a.rate != 0) set_rate(method, a.rate);
  if (a.weight_decay != 0) set_weight_decay(method, a.weight_decay);
  const bool has_momentum = a.momentum != 0 || a.nesterov;
  if (auto* sgd = std::get_if<Sgd>(&method)) {
    sgd->momentum = a.momentum;
    sgd->nesterov = a.nesterov;
  } else if (auto* rms = std::get_if<RmsProp>(&method); rms && !a.nesterov) {
    rms->momentum = a.momentum;
  } else if (has_momentum) {
    throw UsageError("{} has no {}", a.optimizer, a.nesterov ? "Nesterov momentum" : "momentum of its own");
  }
  return method;
}

Schedule schedule_of(const LoopArguments& a, std::size_t updates_per_epoch) {
  Schedule schedule{.warmup = a.warmup};
  const auto parts = split(a.schedule, ':');
  if (parts[0] == "cosine" && parts.size() == 1) {
    const std::size_t all = a.epochs * updates_per_epoch;
    schedule.decay = Cosine{.over = all > a.warmup ? all - a.warmup : 1};
  } else if (parts[0] == "step" && parts.size() == 3) {
    schedule.decay = StepDecay{.every = count(parts[1], a.schedule) * updates_per_epoch,
                               .factor = number(parts[2], a.schedule)};
  } else if (parts[0] != "constant" && parts[0] != "plateau") {
    throw UsageError(
        "--schedule is \"{}\"; it must be constant, cosine, step:EPOCHS:FACTOR or plateau:PATIENCE:FACTOR",
        a.schedule);
  }
  return schedule;
}

FitOptions fit_options_of(const LoopArguments& a) {
  if (a.epochs == 0) throw UsageError("--epochs is 0; training takes at least one");
  FitOptions options{.epochs = a.epochs, .patience = a.patience};
  const auto parts = split(a.schedule, ':');
  if (parts[0] == "plateau") {
    options.plateau = ReduceOnPlateau{};
    if (parts.size() > 1) options.plateau->patience = count(parts[1], a.schedule);
    if (parts.size() > 2) options.plateau->factor = number(parts[2], a.schedule);
  }
  return options;
}

bool VerifyWhen::due(std::uint64_t updates) const {
  return every > 0 ? updates % every == 0 : first && updates == 0;
}

VerifyWhen verify_of(const std::string& text) {
  const auto parts = split(text, ':');
  if (text == "first") return {.every = 0, .first = true};
  if (text == "off") return {.every = 0, .first = false};
  if (parts[0] == "every" && parts.size() == 2) return {.every = count(parts[1], text)};
  throw UsageError("--verify is \"{}\"; it must be first, every:N or off", text);
}

Json settings_of(const CLI::App& app) {
  // What belongs to one call of the program and not to the run.
  constexpr std::string_view kOfTheCall[] = {"config", "resume", "out", "overwrite", "dry-run", "json"};
  Json settings = Json::object();
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_lnames().empty() || option == app.get_help_ptr()) continue;
    const std::string name = option->get_lnames().front();
    if (std::ranges::find(kOfTheCall, name) != std::end(kOfTheCall)) continue;
    if (option->get_expected_max() == 0) {
      if (option->count() > 0) settings[name] = true;
    } else if (option->count() > 0) {
      settings[name] = fmt::format("{}", fmt::join(option->reduced_results(), ","));
    }
  }
  // A run is also resumed from another directory.
  for (const char* file : {"data", "valid"})
    if (settings.contains(file) && std::filesystem::exists(settings[file].get<std::string>()))
      settings[file] = std::filesystem::absolute(settings[file].get<std::string>()).string();
  return settings;
}

}  // namespace retrograde::cli
