// retrograde eval: how good a model is on a file.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/model_file.h"
#include "cli/naive.h"
#include "retrograde/base/error.h"

namespace retrograde::cli {
namespace {

struct EvalArguments {
  DataArguments data;
  std::string model;
  std::vector<std::string> metrics, fail_under;
  bool json = false;
};

struct Bound {
  std::string metric;
  double value = 0;
};

// "accuracy=0.8", or "0.8" for the first metric that is shown.
Bound parse_bound(const std::string& text) {
  const std::size_t at = text.find('=');
  Bound bound{.metric = at == std::string::npos ? "" : text.substr(0, at)};
  const std::string number = at == std::string::npos ? text : text.substr(at + 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), bound.value);
  if (error != std::errc() || end != number.data() + number.size())
    throw UsageError("--fail-under is \"{}\"; it must be METRIC=NUMBER, for example accuracy=0.8", text);
  return bound;
}

bool higher_is_better(const std::string& metric) { return metric == "accuracy" || metric == "r2"; }

bool is_worse(const std::string& metric, double value, double bound) {
  return !(higher_is_better(metric) ? value >= bound : value <= bound);
}

Metrics::Values measured(const Evaluation& evaluation, const Task& task) {
  Metrics::Values values = evaluation.metrics;
  values.emplace_back("loss", evaluation.loss);
  if (task.kind == "characters") {
    const double nll = evaluation.metrics.at(1).second;
    values.emplace_back("bits", nll / std::log(2.0));
    values.emplace_back("perplexity", std::exp(nll));
  }
  if (task.kind == "forecast")
    if (const auto naive = naive_errors(*task.valid, task)) {
      values.emplace_back("naive_rmse", naive->rmse_last);
      if (naive->rmse_seasonal) values.emplace_back("seasonal_naive_rmse", *naive->rmse_seasonal);
    }
  return values;
}

double value_of(const Metrics::Values& values, const std::string& metric) {
  const auto at = std::ranges::find(values, metric, &Metrics::Values::value_type::first);
  if (at != values.end()) return at->second;
  std::vector<std::string> names;
  for (const auto& [name, value] : values) names.push_back(name);
  throw UsageError("there is no metric \"{}\" for this model; there are {}", metric, fmt::join(names, ", "));
}

template <class T>
Exit evaluate_model(const EvalArguments& a, const Model<T>& model) {
  std::vector<Bound> bounds;
  for (const std::string& text : a.fail_under) bounds.push_back(parse_bound(text));
  const Task task = open_task(a.data, model.preprocess, Targets::needed);
  const auto batches = reading_batches(task, task.valid);
  const auto metrics = metrics_for(task);
  const Loss loss = loss_for(task, model.preprocess.value("loss", ""));
  const Metrics::Values all = measured(evaluate(model.network, *batches, loss, *metrics), task);

  Metrics::Values shown = all;
  if (!a.metrics.empty()) {
    shown.clear();
    for (const std::string& metric : a.metrics) shown.emplace_back(metric, value_of(all, metric));
  }
  nlohmann::ordered_json json;
  for (const auto& [name, value] : shown) {
    json[name] = value;
    if (!a.json) fmt::print("{:<20}{:.6g}\n", name, value);
  }
  if (a.json) fmt::print("{}\n", json.dump());

  Exit code = Exit::fine;
  for (Bound& bound : bounds) {
    if (bound.metric.empty()) bound.metric = shown.front().first;
    const double value = value_of(all, bound.metric);
    if (!is_worse(bound.metric, value, bound.value)) continue;
    fmt::print(stderr, "failed: {} is {:.6g}; at {} {:g} was asked for\n", bound.metric, value,
               higher_is_better(bound.metric) ? "least" : "most", bound.value);
    code = Exit::check_failed;
  }
  return code;
}

}  // namespace

Command add_eval(CLI::App& app) {
  CLI::App* sub =
      app.add_subcommand("eval",
                         "Measure a model on a file\n\n"
                         "Examples:\n"
                         "  retrograde eval run/best.safetensors test.csv\n"
                         "  retrograde eval run/best.safetensors test.csv --metrics rmse,mae --json\n"
                         "  retrograde eval run/best.safetensors names.tsv --fail-under accuracy=0.8    exit "
                         "3 if it is worse\n");
  auto a = std::make_shared<EvalArguments>();
  sub->add_option("model", a->model, "the model file")->required();
  sub->add_option("data", a->data.path, "a file like the one it was trained on; - is standard input")
      ->required();
  sub->add_option("--metrics", a->metrics, "which to show, by default all")->delimiter(',');
  sub->add_option(
         "--fail-under", a->fail_under,
         "METRIC=BOUND: exit 3 if the metric is worse, that is below for accuracy and r2, above for errors")
      ->delimiter(',');
  sub->add_flag("--json", a->json, "one object");
  declare(*sub, a->data, false);
  return {sub,
          [a] { return with_model(a->model, [&](const auto& model) { return evaluate_model(*a, model); }); }};
}

}  // namespace retrograde::cli
