// retrograde bench: how long networks of a size take on this machine, by the library's public calls.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "retrograde/base/error.h"
#include "retrograde/base/random.h"
#include "retrograde/base/threads.h"
#include "retrograde/kernels/isa.h"
#include "retrograde/sequence/backward.h"
#include "retrograde/stream/stream.h"
#include "retrograde/train/trainer.h"

namespace retrograde::cli {
namespace {

struct BenchArguments {
  std::string cell, bptt = "full", precision = "float";
  std::vector<std::size_t> hidden{128};
  std::size_t inputs = 0, outputs = 1, batch = 16, steps = 64;
  double seconds = 0.3;
  bool json = false;
};

// Microseconds for a time step of the whole batch: the least of as many calls as the time allows.
struct Times {
  double predict = 0, gradient = 0, update = 0, stream = 0;
};

double least_seconds(double seconds, const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  call();  // makes room
  double least = INFINITY;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  do {
    const auto start = Clock::now();
    call();
    least = std::min(least, std::chrono::duration<double>(Clock::now() - start).count());
  } while (Clock::now() < end && !interrupted());
  return least;
}

template <class T>
Batch<T> drawn_batch(const BenchArguments& a, const Config& config) {
  Random random(1);
  Batch<T> batch{.batch = a.batch, .steps = a.steps};
  batch.x.resize(a.batch * a.steps * config.inputs);
  batch.values.resize(a.batch * a.steps * config.outputs);
  for (auto* numbers : {&batch.x, &batch.values})
    for (T& v : *numbers) v = static_cast<T>(random.normal());
  return batch;
}

template <class T>
Times measure(const BenchArguments& a, const Config& config) {
  Network<T> network(config);
  const Batch<T> batch = drawn_batch<T>(a, config);
  const Input<T> input{.batch = a.batch, .steps = a.steps, .x = batch.x};
  const Bptt bptt = parse_bptt(a.bptt);
  const double a_step = 1e6 / static_cast<double>(a.steps);
  Tape<T> tape;
  Times times;
  times.predict =
      a_step * least_seconds(a.seconds, [&] { forward(network, input, tape, {.keep_tape = false}); });
  Gradients<T> gradients(network);
  times.gradient = a_step * least_seconds(a.seconds, [&] {
                     gradients.clear();
                     forward(network, input, tape);
                     loss_and_gradients(network, tape, Loss{}, batch.target(), bptt, gradients);
                   });
  Stream<T> stream(network, a.batch);
  const std::span<const T> x = std::span(batch.x).first(a.batch * config.inputs);
  times.stream = a_step * least_seconds(a.seconds, [&] {
                   for (std::size_t t = 0; t < a.steps; ++t) stream.step(x);
                 });
  Trainer<T> trainer(network, Adam{}, {.bptt = bptt, .update_each_chunk = false, .clip_norm = 1});
  times.update = a_step * least_seconds(a.seconds, [&] { trainer.step(batch); });
  return times;
}

std::vector<Cell> cells_of(const BenchArguments& a) {
  if (a.cell == "lstm") return {Lstm{}};
  if (a.cell == "gru") return {Gru{}};
  if (a.cell == "elman") return {Elman{}};
  return {Lstm{}, Gru{}, Elman{}};
}

Exit bench(const BenchArguments& a) {
  catch_interrupts();
  auto rows = nlohmann::ordered_json::array();
  if (!a.json)
    fmt::print("batch {} · {} steps · {} · {} · {} · {}\n{:<28}{:>10}{:>11}{:>11}{:>11}{:>16}\n", a.batch,
               a.steps, a.bptt, a.precision == "double" ? "float64" : "float32", name(isa_level()),
               counted(threads(), "thread"), "us a step", "predict", "stream", "gradient", "update",
               "steps learned/s");
  for (const Cell& cell : cells_of(a)) {
    Config config{.cell = cell, .inputs = a.inputs ? a.inputs : a.hidden.front(), .hidden = a.hidden};
    config.outputs = a.outputs;
    config.validate();
    const Times t = a.precision == "double" ? measure<double>(a, config) : measure<float>(a, config);
    if (interrupted()) return Exit::interrupted;
    const double learned = static_cast<double>(a.batch) / t.update * 1e6;
    if (a.json)
      rows.push_back({{"cell", config.cell.name()},
                      {"inputs", config.inputs},
                      {"hidden", a.hidden},
                      {"outputs", a.outputs},
                      {"batch", a.batch},
                      {"steps", a.steps},
                      {"bptt", a.bptt},
                      {"precision", a.precision},
                      {"isa", name(isa_level())},
                      {"threads", threads()},
                      {"predict_us", t.predict},
                      {"stream_us", t.stream},
                      {"gradient_us", t.gradient},
                      {"update_us", t.update},
                      {"learned_steps_per_second", learned}});
    else
      fmt::print(
          "{:<28}{:>10.2f}{:>11.2f}{:>11.2f}{:>11.2f}{:>16}\n",
          fmt::format("{} {}→{}→{}", config.cell.name(), config.inputs, fmt::join(a.hidden, "→"), a.outputs),
          t.predict, t.stream, t.gradient, t.update, grouped(static_cast<std::size_t>(learned)));
  }
  if (a.json) fmt::print("{}\n", rows.dump(1));
  return Exit::fine;
}

}  // namespace

Command add_bench(CLI::App& app) {
  CLI::App* sub = app.add_subcommand(
      "bench",
      "Time networks of a size on this machine\n\n"
      "predict    the outputs of whole sequences          gradient   forward, loss and backward\n"
      "stream     one step after the other                update     gradient, clipping and Adam\n"
      "Microseconds for one time step of the whole batch, the least of many calls.\n\n"
      "Examples:\n"
      "  retrograde bench                                 every cell, 128 units\n"
      "  retrograde bench --cell lstm --hidden 200,200 --batch 32 --steps 35\n"
      "  retrograde bench --batch 1 --hidden 20 --inputs 1 --bptt window:32\n"
      "  RETROGRADE_THREADS=1 retrograde bench --json\n");
  auto a = std::make_shared<BenchArguments>();
  sub->add_option("--cell", a->cell, "lstm, gru or elman; all of them by default")
      ->check(CLI::IsMember({"lstm", "gru", "elman"}));
  sub->add_option("--inputs", a->inputs, "features; 0: as many as the first layer has units");
  sub->add_option("--hidden", a->hidden, "units of each layer: 64 or 128,64")->delimiter(',');
  sub->add_option("--outputs", a->outputs, "of the head")->check(CLI::PositiveNumber);
  sub->add_option("--batch", a->batch, "sequences side by side")->check(CLI::PositiveNumber);
  sub->add_option("--steps", a->steps, "of each sequence")->check(CLI::PositiveNumber);
  sub->add_option("--bptt", a->bptt, "full, chunk:STEPS or window:REACH");
  sub->add_option("--precision", a->precision, "float or double")->check(CLI::IsMember({"float", "double"}));
  sub->add_option("--seconds", a->seconds, "for each of the four figures");
  sub->add_flag("--json", a->json, "the figures as JSON");
  return {sub, [a] { return bench(*a); }};
}

}  // namespace retrograde::cli
