// retrograde check: the program's own gradients, proved on this machine, for any configuration or a trained
// model.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "retrograde/base/error.h"
#include "retrograde/check/drawn_problem.h"
#include "retrograde/check/surrogate.h"
#include "retrograde/check/time.h"
#include "retrograde/check/truncation.h"
#include "retrograde/io/model.h"

namespace retrograde::cli {
namespace {

struct CheckArguments {
  std::string model, cell, activation = "tanh", output_activation = "identity";
  bool reset_before = false, bidirectional = false, no_bias = false, learned_start = false, last = false;
  std::size_t inputs = 7, outputs = 2, symbols = 0, embedding = 0;
  std::vector<std::size_t> hidden{11};
  double dropout = 0, recurrent_dropout = 0;
  std::string loss, reduction = "mean", precision = "both", mode = "automatic";
  std::vector<std::string> bptt{"full", "chunk:2", "window:2"};
  std::size_t batch = 3, steps = 5, entries = 32;
  double seconds = 0, bound = 0;
  std::uint64_t seed = 1;
  bool bias = false, strip = false, json = false;
};

struct Case {
  std::string name;
  Network<double> network;
  Bptt bptt;
  Precision precision;
};

Config configuration(const CheckArguments& a, Cell cell) {
  Config config{.cell = std::move(cell), .inputs = a.symbols ? a.symbols : a.inputs, .hidden = a.hidden};
  config.tokens = a.symbols > 0;
  config.embedding = a.embedding;
  config.outputs = a.outputs;
  config.activation = OutputActivation(a.output_activation);
  config.at = a.last ? At::last : At::every;
  config.bidirectional = a.bidirectional;
  config.bias = !a.no_bias;
  config.dropout = a.dropout;
  config.recurrent_dropout = a.recurrent_dropout;
  config.learned_start = a.learned_start;
  config.validate();
  return config;
}

std::vector<std::pair<std::string, Cell>> cells(const CheckArguments& a) {
  const Elman elman{Nonlinearity(a.activation)};
  if (a.cell == "elman") return {{"elman " + a.activation, elman}};
  if (a.cell == "gru")
    return {{a.reset_before ? "gru, reset before" : "gru", Gru{.reset_after = !a.reset_before}}};
  if (a.cell == "lstm") return {{"lstm", Lstm{}}};
  return {{"elman " + a.activation, elman},
          {"elman relu", Elman{Nonlinearity::Kind::relu}},
          {"gru", Gru{}},
          {"gru, reset before", Gru{.reset_after = false}},
          {"lstm", Lstm{}}};
}

// Random weights of a size that hides nothing.
Network<double> drawn_network(const CheckArguments& a, const Config& config) {
  Random random = Random::named(a.seed, "weights");
  Network<double> network(config);
  draw_parameters(network, random);
  return network;
}

std::vector<Case> cases(const CheckArguments& a) {
  std::vector<std::pair<std::string, Network<double>>> networks;
  std::vector<Precision> precisions{Precision::float64, Precision::float32};
  if (a.model.empty()) {
    for (const auto& [name, cell] : cells(a))
      networks.emplace_back(name, drawn_network(a, configuration(a, cell)));
  } else {
    networks.emplace_back(a.model, load_model<double>(a.model).network);
    precisions = {model_dtype(a.model) == Dtype::float32 ? Precision::float32 : Precision::float64};
  }
  if (a.precision == "float") precisions = {Precision::float32};
  if (a.precision == "double") precisions = {Precision::float64};
  std::vector<Case> result;
  for (const auto& [name, network] : networks)
    for (const auto& bptt : a.bptt)
      for (const auto precision : precisions) result.push_back({name, network, parse_bptt(bptt), precision});
  return result;
}

Loss loss_of(const CheckArguments& a, const Config& config) {
  const Reduction how = reduction(a.reduction);
  if (!a.loss.empty()) return Loss(a.loss, how);
  if (config.activation.is_softmax()) return {Loss::Kind::softmax_cross_entropy, how};
  if (config.activation.elementwise() == Nonlinearity::Kind::sigmoid)
    return {Loss::Kind::binary_cross_entropy, how};
  return {Loss::Kind::squared_error, how};
}

CheckMode mode_of(const std::string& text) {
  for (const auto mode : {CheckMode::automatic, CheckMode::full, CheckMode::sampled, CheckMode::directional})
    if (name(mode) == text) return mode;
  throw UsageError("there is no mode \"{}\"; there are automatic, full, sampled and directional", text);
}

DrawnProblem draw(const CheckArguments& a, const Case& c, Random& random) {
  const Config& config = c.network.config();
  return {
      config, loss_of(a, config),
      DrawOptions{.batch = a.batch, .steps = a.steps, .given_start = !config.learned_start, .bptt = c.bptt},
      random};
}

CheckReport check_case(const CheckArguments& a, const Case& c, LiveLine& live) {
  Random random = Random::named(a.seed, "data");
  const DrawnProblem problem = draw(a, c, random);
  CheckOptions options{.mode = mode_of(a.mode), .entries = a.entries, .seconds = a.seconds, .seed = a.seed};
  options.progress = [&](const Progress& p) {
    if (p.seconds_expected > 1 && live.due())
      live.draw(fmt::format("{} {} {}  {} of {}", c.name, to_string(c.bptt), name(c.precision),
                            grouped(p.done), grouped(p.total)));
    return !interrupted();
  };
  const auto report = c.precision == Precision::float32
                          ? check_network(c.network.cast<float>(), problem.view(), options)
                          : check_network(c.network, problem.view(), options);
  live.clear();
  return report;
}

double worst_gap(const CheckReport& report) {
  double worst = 0;
  for (const auto& block : report.blocks)
    if (block.scale > 0) worst = std::max(worst, block.relative_gap());
  return worst;
}

BiasReport bias_of(const CheckArguments& a, const Case& c) {
  Random random = Random::named(a.seed, "data");
  const DrawnProblem problem = draw(a, c, random);
  auto truncations = windows_up_to(a.steps);
  if (c.bptt.kind == Bptt::Kind::chunk) truncations.push_back(c.bptt);
  return truncation_bias(c.network, problem.view(), truncations);
}

std::size_t reach_of(const CheckArguments& a, const Case& c) {
  Random random = Random::named(a.seed, "data");
  const DrawnProblem problem = draw(a, c, random);
  return smallest_reach(c.network, problem.view(), a.bound);
}

// What each step's copy of the parameters gets from the truncated gradient, against the full one.
TimeStrip strip_of(const CheckArguments& a, const Case& c) {
  Random random = Random::named(a.seed, "data");
  DrawnProblem problem = draw(a, c, random);
  const auto parameters = c.network.parameters().flat();
  auto theta = point_of(c.network, problem.view());
  const std::vector<double> rest(theta.begin() + static_cast<std::ptrdiff_t>(parameters.size()), theta.end());
  theta.clear();
  for (std::size_t t = 0; t < a.steps; ++t) theta.insert(theta.end(), parameters.begin(), parameters.end());
  const std::size_t copies = theta.size();
  theta.insert(theta.end(), rest.begin(), rest.end());
  const auto truncated = untied_function(c.network, problem.view());
  const std::vector<double> one{1};
  std::vector<double> claimed(copies);
  for (std::size_t i = 0; i < copies; ++i)
    claimed[i] = complex_step(truncated, theta, {i, one}, random, 2).value;
  problem.view().bptt = full();
  return time_strip(Objective{{}, untied_function(c.network, problem.view())}, theta, claimed, a.steps,
                    {.blocks = parameter_blocks(c.network.config())});
}

nlohmann::ordered_json row(const CheckArguments& a, const Case& c, const CheckReport& report) {
  auto json = report.json();
  json["network"] = {{"name", c.name},
                     {"config", to_json(c.network.config())},
                     {"bptt", to_string(c.bptt)},
                     {"loss", loss_of(a, c.network.config()).name()}};
  if (a.bias) json["bias"] = bias_of(a, c).json();
  if (a.strip) json["strip"] = strip_of(a, c).json();
  if (a.bound > 0) json["smallest_reach"] = {{"bound", a.bound}, {"reach", reach_of(a, c)}};
  return json;
}

void print_bias(const CheckArguments& a, const Case& c) {
  if (a.bias) fmt::print("\n{}", bias_of(a, c).text());
  if (a.strip) fmt::print("\n{}", strip_of(a, c).text());
  if (a.bound > 0)
    fmt::print("\nwindow:{} is the smallest whose gradient is within {:g} of the full one (of {} steps)\n",
               reach_of(a, c), a.bound, a.steps);
}

Exit check(const CheckArguments& a) {
  catch_interrupts();
  const auto all = cases(a);
  auto rows = nlohmann::ordered_json::array();
  std::size_t differ = 0, unknown = 0;
  double seconds = 0;
  LiveLine live;
  for (const auto& c : all) {
    const auto report = check_case(a, c, live);
    differ += report.verdict == Verdict::differs;
    unknown += report.verdict == Verdict::cannot_tell;
    seconds += report.seconds;
    if (a.json) {
      rows.push_back(row(a, c, report));
    } else if (all.size() == 1) {
      fmt::print("{}", report.text());
    } else {
      fmt::print("{:<18} {:<9} {:<8} {:<12} worst {:.1e} of {} {}\n", c.name, to_string(c.bptt),
                 name(c.precision), name(report.verdict), worst_gap(report), grouped(report.checked),
                 report.mode == CheckMode::directional ? "directions" : "entries");
      if (!report.agrees()) fmt::print("\n{}\n", report.text());
    }
    if (!a.json) print_bias(a, c);
    if (interrupted()) return Exit::interrupted;
  }
  if (a.json)
    fmt::print("{}\n", rows.dump(1));
  else if (all.size() > 1)
    fmt::print("\n{} of {} gradients agree with complex step ({:.1f} s)\n", all.size() - differ - unknown,
               all.size(), seconds);
  return differ ? Exit::check_failed : unknown ? Exit::cannot_tell : Exit::fine;
}

}  // namespace

Command add_check(CLI::App& app) {
  CLI::App* sub = app.add_subcommand(
      "check",
      "Prove the program's own gradients by complex step\n\n"
      "Every parameter, input and start state of a small network with random weights, or of a trained model, "
      "on random\n"
      "data; every cell unless one is named. Exit code 3 if a gradient differs, 5 if it cannot be told.\n\n"
      "Examples:\n"
      "  retrograde check                                          every cell, in seconds\n"
      "  retrograde check run/best.safetensors                     a trained model's\n"
      "  retrograde check --cell lstm --hidden 64,64 --bptt chunk:4 --steps 12\n"
      "  retrograde check --cell gru --bptt full --steps 60 --bias what truncating would cost\n"
      "  retrograde check run/best.safetensors --steps 200 --bound 0.01\n"
      "  retrograde check --cell elman --activation relu --loss binary_cross_entropy --json\n");
  auto a = std::make_shared<CheckArguments>();
  sub->add_option("model", a->model, "a model file; its configuration and weights");
  sub->add_option("--cell", a->cell, "lstm, gru or elman; all of them by default")
      ->check(CLI::IsMember({"lstm", "gru", "elman"}));
  sub->add_option("--activation", a->activation, "hidden activation of elman: tanh, relu, ...");
  sub->add_flag("--reset-before", a->reset_before, "gru: reset before the product (Cho), not after");
  sub->add_option("--inputs", a->inputs, "features");
  sub->add_option("--symbols", a->symbols, "read symbols, so many different ones, instead of features");
  sub->add_option("--embedding", a->embedding, "width of the symbols' embedding; 0: one-hot");
  sub->add_option("--hidden", a->hidden, "units of each layer: 64 or 128,64")->delimiter(',');
  sub->add_option("--outputs", a->outputs, "of the head; 0: no head");
  sub->add_option("--output-activation", a->output_activation,
                  "of the head: identity, sigmoid, softmax, ...");
  sub->add_flag("--last", a->last, "the head reads the last step only");
  sub->add_flag("--bidirectional", a->bidirectional, "read sequences from both ends");
  sub->add_flag("--no-bias", a->no_bias, "cells without biases");
  sub->add_flag("--learned-start", a->learned_start, "start states are parameters");
  sub->add_option("--dropout", a->dropout, "between layers, 0 to 1, masks frozen");
  sub->add_option("--recurrent-dropout", a->recurrent_dropout, "on the recurrent state, masks frozen");
  sub->add_option("--loss", a->loss, "squared_error, ...; by default what suits the output activation");
  sub->add_option("--reduction", a->reduction, "mean, mean_batch or sum");
  sub->add_option("--bptt", a->bptt, "full, chunk:STEPS, window:REACH; several with commas")->delimiter(',');
  sub->add_option("--precision", a->precision, "float, double or both")
      ->check(CLI::IsMember({"float", "double", "both"}));
  sub->add_option("--batch", a->batch, "sequences, of unequal lengths")->check(CLI::PositiveNumber);
  sub->add_option("--steps", a->steps, "of the longest")->check(CLI::PositiveNumber);
  sub->add_option("--mode", a->mode, "automatic, full, sampled or directional");
  sub->add_option("--entries", a->entries, "sampled: of every block and gate")->check(CLI::PositiveNumber);
  sub->add_option("--seconds", a->seconds, "time for each gradient; 0: no limit");
  sub->add_option("--seed", a->seed, "decides weights, data and what is sampled");
  sub->add_flag("--bias", a->bias,
                "also what windows (and the chunks asked for) lose against the full gradient");
  sub->add_flag(
      "--strip", a->strip,
      "also which steps' own gradients the truncation leaves right (. right, X wrong), block by block");
  sub->add_option("--bound", a->bound,
                  "also the smallest window whose bias is within this, 0.01 for instance");
  sub->add_flag("--json", a->json, "the reports as JSON");
  for (const char* name : {"--cell", "--activation", "--reset-before", "--inputs", "--symbols", "--embedding",
                           "--hidden", "--outputs", "--output-activation", "--last", "--bidirectional",
                           "--no-bias", "--learned-start", "--dropout", "--recurrent-dropout"})
    sub->get_option(name)->excludes("model");
  return {sub, [a] { return check(*a); }};
}

}  // namespace retrograde::cli
