#include "cli/train_view.h"

#include <fmt/format.h>

#include <cstdio>

namespace retrograde::cli {
namespace {

double seconds_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
}

}  // namespace

nlohmann::ordered_json json_of(const EpochReport& report) {
  nlohmann::ordered_json line{{"epoch", report.epoch}, {"train", report.train_loss}};
  if (report.valid) {
    line["valid"] = report.valid->loss;
    for (const auto& [name, value] : report.valid->metrics) line[name] = value;
  }
  line["gradient_norm"] = report.gradient_norm;
  line["clipped"] = report.clipped;
  line["rate"] = report.rate;
  line["steps"] = report.steps;
  line["seconds"] = report.seconds;
  line["best"] = report.best;
  return line;
}

void TrainView::say(const std::string& line) {
  if (!json_) fmt::print(stderr, "{}\n", line);
}

void TrainView::head() {
  head_ = true;
  fmt::print(stderr, "\n{}\n",
             bold(fmt::format("{:>5}  {:>9}  {:>9}  {:>10}  {:>8}  {:>5}  {:>6}", "epoch", "train", "valid",
                              metric_, "|grad|", "clip%", "s")));
}

void TrainView::step(const StepEvent& event) {
  if (event.batch == 1) {
    began_ = std::chrono::steady_clock::now();
    steps_ = 0;
  }
  steps_ += event.step.steps;
  if (json_ || !live_.due()) return;
  if (!head_) head();
  const double done = static_cast<double>(event.batch) / static_cast<double>(event.batches);
  const double seconds = seconds_since(began_);
  live_.draw(fmt::format(" ▸ {:>2}  {} {:>3.0f}%  {}/{} batches  loss {:.4f}  {} steps/s  {} left",
                         event.epoch, bar(done, 24), 100 * done, event.batch, event.batches, event.step.loss,
                         short_number(static_cast<double>(steps_) / seconds),
                         minutes(seconds / done - seconds)));
}

void TrainView::epoch(const EpochReport& report) {
  if (json_) {
    fmt::print("{}\n", json_of(report).dump());
    std::fflush(stdout);
    return;
  }
  live_.clear();
  if (!head_) head();
  std::string valid = "–", metric;
  if (report.valid) {
    valid = fmt::format("{:.5f}", report.valid->loss);
    for (const auto& [name, value] : report.valid->metrics)
      if (name == metric_) metric = fmt::format("{:#.5g}", value);
  }
  fmt::print(stderr, "{:>5}  {:>9.5f}  {:>9}  {:>10}  {:>8.3g}  {:>5.1f}  {:>6.1f}{}\n", report.epoch,
             report.train_loss, valid, metric, report.gradient_norm, 100 * report.clipped, report.seconds,
             report.best ? "  *" : "");
}

}  // namespace retrograde::cli
