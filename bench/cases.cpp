// Retrograde on what is no grid: one JSON object a line, {"case": .., "us": ..}. peers.py has the peers'
// side.
//   cases NAME SECONDS      NAME: window lengths stream step checkpoint epoch scale
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>

#include "drawn.h"
#include "retrograde/stream/stream.h"
#include "retrograde/train/trainer.h"

namespace {

using namespace retrograde;

double seconds = 0.2;

// The least time of a call, in microseconds: after one that makes room, at least three.
double best(const std::function<void()>& run) {
  double shortest = 1e9;
  const double end = bench::now(true) + seconds;
  run();
  for (int n = 0; n < 3 || bench::now(true) < end; ++n) {
    const bool wall = shortest < bench::kShort;
    const double start = bench::now(wall);
    run();
    shortest = std::min(shortest, bench::now(wall) - start);
  }
  return shortest * 1e6;
}

Cell cell_named(const std::string& name) {
  return name == "lstm" ? Cell(Lstm{}) : name == "gru" ? Cell(Gru{}) : Cell(Elman{});
}

// Every block drawn as the grid's peers draw theirs: the n-th has series n + 1.
Network<float> network_of(Config config) {
  Network<float> network(std::move(config));
  std::uint64_t series = 1;
  for (const ParamBlock& block : network.parameters().blocks()) {
    const double scale = 1 / std::sqrt(static_cast<double>(network.config().hidden[0]));
    std::ranges::copy(bench::drawn_vector(block.size, series++, scale),
                      network.parameters().slice(block).begin());
  }
  return network;
}

void row(const std::string& name, const std::string& cell, double us, const std::string& more = "") {
  fmt::print("{{\"case\":\"{}\",\"cell\":\"{}\",\"us\":{:.4f}{}}}\n", name, cell, us, more);
  std::fflush(stdout);
}

// One network, a drawn batch, its gradient; x and dy are drawn batch first.
struct Case {
  std::size_t batch, steps;
  Network<float> network;
  std::vector<float> x, dy;
  std::vector<std::size_t> lengths;
  Tape<float> tape;
  Gradients<float> gradients;

  Case(const std::string& cell, std::size_t b, std::size_t t, std::vector<std::size_t> hidden)
      : batch(b),
        steps(t),
        network(network_of(Config{.cell = cell_named(cell), .inputs = hidden[0], .hidden = hidden})),
        x(bench::drawn_vector(b * t * hidden[0], 5, 1)),
        dy(bench::drawn_vector(b * t * hidden[0], 6, 1)),
        gradients(network) {}
  void run_forward() { forward(network, {batch, steps, x, {}, lengths}, tape); }
  void run_backward(const Bptt& bptt) {
    gradients.clear();
    backward(network, tape, {dy, {}, nullptr}, bptt, gradients);
  }
  std::string checks() {
    const auto w_ih = gradients.parameters["weight_ih_l0"], w_hh = gradients.parameters["weight_hh_l0"];
    return fmt::format(",\"checks\":[{:.8g},{:.8g},{:.8g},{:.8g}]", bench::norm(w_ih.data(), w_ih.size()),
                       bench::projection(w_ih.data(), w_ih.size(), 8), bench::norm(w_hh.data(), w_hh.size()),
                       bench::projection(w_hh.data(), w_hh.size(), 9));
  }
};

// The backward of one sequence of 1,024 steps of 64 units.
void windows() {
  for (const std::size_t reach : {8, 32, 128}) {
    Case c("lstm", 1, 1024, {64});
    c.run_forward();
    const double us = best([&] { c.run_backward(window(reach)); });
    row("window", "lstm", us, fmt::format(",\"reach\":{}{}", reach, c.checks()));
  }
}

void unequal_lengths() {
  for (const char* cell : {"lstm", "gru"}) {
    Case c(cell, 64, 64, {128});
    for (std::size_t b = 0; b < c.batch; ++b) c.lengths.push_back(1 + b * 37 % 64);
    const double us = best([&] { c.run_forward(), c.run_backward(full()); });
    row("lengths", cell, us, c.checks());
  }
}

void streams() {
  for (const char* cell : {"lstm", "gru"})
    for (const std::size_t units : {16, 64, 256}) {
      Stream<float> stream(network_of(Config{.cell = cell_named(cell), .inputs = units, .hidden = {units}}));
      const auto x = bench::drawn_vector(units, 5, 1);
      const double us = best([&] {
        for (int i = 0; i < 100; ++i) stream.step(std::span<const float>(x));
      });
      row("stream", cell, us / 100, fmt::format(",\"units\":{}", units));
    }
}

// A step of training beside forward and backward alone, LSTM B16 H128 T64 with ten classes.
void whole_step() {
  for (const char* cell : {"lstm", "gru"}) {
    const std::size_t batch = 16, steps = 64, units = 128, outputs = 10;
    Network<float> network =
        network_of(Config{.cell = cell_named(cell), .inputs = units, .hidden = {units}, .outputs = outputs});
    const auto x = bench::drawn_vector(batch * steps * units, 5, 1);
    const auto dy = bench::drawn_vector(batch * steps * outputs, 6, 1e-3);
    std::vector<std::int32_t> classes(batch * steps);
    for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<std::int32_t>(i * 7 % outputs);
    const Input<float> input{batch, steps, x, {}, {}};
    Tape<float> tape;
    Gradients<float> gradients(network);
    const double both = best([&] {
      forward(network, input, tape);
      backward(network, tape, {dy, {}, nullptr}, full(), gradients);
    });
    Trainer trainer(network, Adam{}, {.loss = Loss("softmax_cross_entropy"), .clip_norm = 1});
    const double step = best([&] { trainer.step(BatchView<float>{input, {.classes = classes}}); });
    row("step", cell, step, fmt::format(",\"forward_backward\":{:.2f}", both));
  }
}

void checkpointed() {
  for (const char* cell : {"lstm", "gru"}) {
    const std::size_t batch = 16, steps = 4096, units = 128;
    const auto x = bench::drawn_vector(batch * steps * units, 5, 1),
               y = bench::drawn_vector(batch * steps, 6, 1);
    const auto step = [&](bool checkpoint) {
      Network<float> network =
          network_of(Config{.cell = cell_named(cell), .inputs = units, .hidden = {units}, .outputs = 1});
      Trainer trainer(network, Adam{}, {.checkpoint = checkpoint});
      return best([&] { trainer.step(BatchView<float>{{batch, steps, x, {}, {}}, {.values = y}}); });
    };
    const double whole = step(false), parts = step(true);
    row("checkpoint", cell, parts, fmt::format(",\"whole_tape\":{:.2f}", whole));
  }
}

// An epoch over a text of tiny Shakespeare's size, an LSTM on its 65 symbols in 32 streams by chunks of 64:
// all of it when every point has a second, else a tenth.
void text_epoch() {
  const std::size_t batch = 32, steps = 64, symbols = 65, updates = seconds < 1 ? 49 : 490;
  Network<float> network = network_of(
      Config{.cell = Lstm{}, .inputs = symbols, .tokens = true, .hidden = {128}, .outputs = symbols});
  std::vector<std::int32_t> text(batch * (updates * steps + 1)), tokens(batch * steps), next(tokens.size());
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<std::int32_t>(i * i * 31 % symbols);
  Trainer trainer(network, Adam{}, {.loss = Loss("softmax_cross_entropy"), .clip_norm = 1});
  row("text epoch", "lstm", best([&] {
        for (std::size_t n = 0; n < updates; ++n) {
          for (std::size_t b = 0; b < batch; ++b) {
            const auto* const from = text.data() + b * (updates * steps + 1) + n * steps;
            std::copy_n(from, steps, tokens.data() + b * steps);
            std::copy_n(from + 1, steps, next.data() + b * steps);
          }
          trainer.step(
              BatchView<float>{{.batch = batch, .steps = steps, .tokens = tokens}, {.classes = next}});
        }
      }),
      fmt::format(",\"updates\":{}", updates));
}

// An epoch over notes of the size of the Bach chorales: 229 pieces of 32 .. 92 steps of 88 notes, in batches
// of 8, a GRU of 46 units that tells the next notes.
void notes_epoch() {
  const std::size_t pieces = 229, most = 8, longest = 92, notes = 88;
  Network<float> network =
      network_of(Config{.cell = Gru{}, .inputs = notes, .hidden = {46}, .outputs = notes});
  const auto played = [](std::size_t piece, std::size_t t, std::size_t note) {
    return (piece * 7 + t * t + note * 3) % 23 == 0 ? 1.0f : 0.0f;
  };
  std::vector<std::vector<float>> all(pieces);
  for (std::size_t p = 0; p < pieces; ++p)
    for (std::size_t i = 0; i < (33 + p * 37 % 61) * notes; ++i)
      all[p].push_back(played(p, i / notes, i % notes));
  Trainer trainer(network, Adam{}, {.loss = Loss("binary_cross_entropy"), .clip_norm = 1});
  std::vector<float> x(most * longest * notes), y(x.size());
  std::vector<std::size_t> lengths;
  const double us = best([&] {
    for (std::size_t first = 0; first < pieces; first += most) {
      const std::size_t batch = std::min(most, pieces - first);
      lengths.clear();
      for (std::size_t b = 0; b < batch; ++b) lengths.push_back(all[first + b].size() / notes - 1);
      const std::size_t steps = *std::max_element(lengths.begin(), lengths.end());
      for (std::size_t b = 0; b < batch; ++b) {
        std::copy_n(all[first + b].data(), lengths[b] * notes, x.data() + b * steps * notes);
        std::copy_n(all[first + b].data() + notes, lengths[b] * notes, y.data() + b * steps * notes);
      }
      const std::size_t size = batch * steps * notes;
      trainer.step(
          BatchView<float>{{batch, steps, {x.data(), size}, {}, lengths}, {.values = {y.data(), size}}});
    }
  });
  row("notes epoch", "gru", us, fmt::format(",\"updates\":{}", (pieces + most - 1) / most));
}

void epochs() { text_epoch(), notes_epoch(); }

// How the time of forward and backward grows along each size, the others held.
void scale() {
  const auto point = [](const char* along, std::size_t at, Case c, const Bptt& bptt = full()) {
    const double us = best([&] { c.run_forward(), c.run_backward(bptt); });
    row("scale", "lstm", us, fmt::format(",\"along\":\"{}\",\"at\":{}", along, at));
  };
  for (const std::size_t t : {1, 10, 100, 1000, 10000}) point("T", t, Case("lstm", 1, t, {64}));
  for (const std::size_t b : {1, 2, 3, 5, 7, 8, 13, 16, 31, 50, 64, 128})
    point("B", b, Case("lstm", b, 64, {100}));
  for (const std::size_t h : {8, 16, 20, 32, 40, 64, 100, 128, 200, 256, 300, 512})
    point("H", h, Case("lstm", 7, 32, {h}));
  for (const std::size_t l : {1, 2, 3, 4, 6, 8})
    point("L", l, Case("lstm", 16, 64, std::vector<std::size_t>(l, 64)));
  for (const std::size_t reach : {1, 2, 4, 8, 16, 32, 64, 128})
    point("reach", reach, Case("lstm", 1, 1024, {64}), window(reach));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  if (argc > 2) seconds = std::atof(argv[2]);
  const std::pair<const char*, void (*)()> cases[] = {
      {"window", windows}, {"lengths", unequal_lengths}, {"stream", streams}, {"step", whole_step},
      {"epoch", epochs},   {"checkpoint", checkpointed}, {"scale", scale}};
  for (const auto& [known, run] : cases)
    if (name == known) return run(), 0;
  fmt::print(stderr, "cases NAME SECONDS: there is no case \"{}\"\n", name);
  return 2;
}
