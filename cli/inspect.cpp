// retrograde inspect: what is in a model file.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/terminal.h"
#include "retrograde/base/error.h"
#include "retrograde/io/model.h"

namespace retrograde::cli {
namespace {

struct InspectArguments {
  std::string model;
  bool json = false;
};

struct Spread {
  double mean = 0, deviation = 0, largest = 0;
};

template <class T>
Spread spread_of(std::span<const T> values) {
  Spread spread;
  double squares = 0;
  for (const T value : values) {
    const double v = static_cast<double>(value);
    spread.mean += v;
    squares += v * v;
    spread.largest = std::max(spread.largest, std::abs(v));
  }
  const double n = static_cast<double>(values.size());
  spread.mean /= n;
  spread.deviation = std::sqrt(std::max(0.0, squares / n - spread.mean * spread.mean));
  return spread;
}

// Long lists and texts shortened.
nlohmann::ordered_json shortened(const Json& json) {
  if (json.is_object()) {
    nlohmann::ordered_json result = nlohmann::ordered_json::object();
    for (const auto& [key, value] : json.items()) result[key] = shortened(value);
    return result;
  }
  if (json.is_array() && json.size() > 8) return fmt::format("{} entries", json.size());
  if (json.is_string() && json.get<std::string>().size() > 60)
    return fmt::format("{} bytes of text", json.get<std::string>().size());
  return json;
}

template <class T>
Exit inspect(const InspectArguments& a) {
  const Model<T> model = load_model<T>(a.model);
  const Network<T>& network = model.network;
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const ParamBlock& block : network.parameters().blocks()) {
    const Spread spread = spread_of(network.parameters().slice(block));
    tensors.push_back({{"name", block.name},
                       {"shape", block.shape},
                       {"mean", spread.mean},
                       {"deviation", spread.deviation},
                       {"largest", spread.largest}});
  }
  if (a.json) {
    const nlohmann::ordered_json all{{"config", to_json(network.config())},
                                     {"parameters", network.size()},
                                     {"dtype", sizeof(T) == 4 ? "float32" : "float64"},
                                     {"tensors", tensors},
                                     {"preprocess", model.preprocess},
                                     {"training", model.extras.state}};
    fmt::print("{}\n", all.dump());
    return Exit::fine;
  }
  const Config& config = network.config();
  fmt::print("{}: {}{}, {} parameters, {}; the self-test agrees\n\n", a.model,
             config.bidirectional ? "bidirectional " : "", config.cell.name(), grouped(network.size()),
             sizeof(T) == 4 ? "float32" : "float64");
  fmt::print("config      {}\n", to_json(config).dump());
  fmt::print("preprocess  {}\n", shortened(model.preprocess).dump());
  if (!model.extras.state.is_null()) fmt::print("training    {}\n", model.extras.state.dump());
  fmt::print("\n{:<26}{:<14}{:>10}{:>11}{:>10}\n", "tensor", "shape", "mean", "deviation", "largest");
  for (const auto& tensor : tensors)
    fmt::print("{:<26}{:<14}{:>10.3g}{:>11.3g}{:>10.3g}\n", tensor["name"].template get<std::string>(),
               fmt::format("[{}]", fmt::join(tensor["shape"].template get<std::vector<std::size_t>>(), ", ")),
               tensor["mean"].template get<double>(), tensor["deviation"].template get<double>(),
               tensor["largest"].template get<double>());
  return Exit::fine;
}

}  // namespace

Command add_inspect(CLI::App& app) {
  CLI::App* sub = app.add_subcommand("inspect",
                                     "Show what is in a model file, and replay its self-test\n\n"
                                     "Examples:\n"
                                     "  retrograde inspect run/best.safetensors\n"
                                     "  retrograde inspect run/last.safetensors --json\n");
  auto a = std::make_shared<InspectArguments>();
  sub->add_option("model", a->model, "the model file")->required();
  sub->add_flag("--json", a->json, "one object");
  return {sub,
          [a] { return model_dtype(a->model) == Dtype::float64 ? inspect<double>(*a) : inspect<float>(*a); }};
}

}  // namespace retrograde::cli
