#include "retrograde/model/config.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "retrograde/base/error.h"

namespace retrograde {

OutputActivation::OutputActivation(std::string_view name) {
  if (name == "softmax")
    softmax_ = true;
  else
    elementwise_ = Nonlinearity(name);
}

OutputActivation OutputActivation::softmax() { return OutputActivation("softmax"); }

std::size_t Config::inputs_of(std::size_t layer) const {
  if (layer > 0) return hidden[layer - 1] * directions();
  return tokens && embedding ? embedding : inputs;
}

void Config::validate() const {
  if (inputs == 0) throw UsageError("inputs is 0; a network needs at least one input");
  if (hidden.empty()) throw UsageError("hidden is empty; give the units of at least one layer");
  for (const auto units : hidden)
    if (units == 0) throw UsageError("a layer of 0 units; every layer needs at least one");
  if (embedding && !tokens) throw UsageError("embedding is {} but the input is not tokens", embedding);
  const auto fraction = [](std::string_view what, double p) {
    if (!(p >= 0 && p < 1)) throw UsageError("{} is {}; it must be in [0, 1)", what, p);
  };
  fraction("dropout", dropout);
  fraction("recurrent_dropout", recurrent_dropout);
  if (!outputs &&
      (activation.is_softmax() || activation.elementwise().kind() != Nonlinearity::Kind::identity))
    throw UsageError("output activation {} without a head; set outputs", activation.name());
}

BlockName::BlockName(std::string_view what, std::size_t layer, bool reverse)
    : size_(fmt::format_to_n(text_.data(), text_.size(), "{}_l{}{}", what, layer, reverse ? "_reverse" : "")
                .size) {}

nlohmann::json to_json(const Config& config) {
  nlohmann::json json{{"cell", config.cell.name()},
                      {"inputs", config.inputs},
                      {"tokens", config.tokens},
                      {"embedding", config.embedding},
                      {"hidden", config.hidden},
                      {"outputs", config.outputs},
                      {"activation", config.activation.name()},
                      {"at", config.at == At::every ? "every" : "last"},
                      {"bidirectional", config.bidirectional},
                      {"bias", config.bias},
                      {"dropout", config.dropout},
                      {"recurrent_dropout", config.recurrent_dropout},
                      {"learned_start", config.learned_start},
                      {"initialisation", config.initialisation == Initialisation::keras ? "keras" : "torch"},
                      {"seed", config.seed}};
  if (const Nonlinearity* f = config.cell.nonlinearity()) json["nonlinearity"] = f->name();
  if (config.cell.name() == GruResetAfter::kName) json["reset_after"] = config.cell.reset_after();
  return json;
}

namespace {

Cell cell_from_json(const nlohmann::json& json, const std::vector<Cell>& own) {
  const auto name = json.at("cell").get<std::string>();
  for (const Cell& cell : own)
    if (cell.name() == name) return cell;
  if (name == Elman::kName) return Elman{Nonlinearity(json.at("nonlinearity").get<std::string>())};
  if (name == Lstm::kName) return Lstm{};
  if (name == GruResetAfter::kName) return Gru{json.at("reset_after").get<bool>()};
  throw UsageError(
      "there is no cell \"{}\"; there are elman, gru and lstm, and those that the caller hands over", name);
}

template <class Choice>
Choice choice(const nlohmann::json& json, const char* key, std::string_view first, std::string_view second) {
  const auto text = json.at(key).get<std::string>();
  if (text != first && text != second)
    throw UsageError("{} is \"{}\"; it may be {} or {}", key, text, first, second);
  return static_cast<Choice>(text == second);
}

}  // namespace

Config config_from_json(const nlohmann::json& json, const std::vector<Cell>& own) {
  static const std::set<std::string> known{
      "cell",          "inputs",         "tokens",     "embedding",
      "hidden",        "outputs",        "activation", "at",
      "bidirectional", "bias",           "dropout",    "recurrent_dropout",
      "learned_start", "initialisation", "seed",       "nonlinearity",
      "reset_after"};
  try {
    for (const auto& [key, value] : json.items())
      if (!known.contains(key)) throw UsageError("the configuration has an unknown key \"{}\"", key);
    Config config;
    config.cell = cell_from_json(json, own);
    json.at("inputs").get_to(config.inputs);
    json.at("tokens").get_to(config.tokens);
    json.at("embedding").get_to(config.embedding);
    json.at("hidden").get_to(config.hidden);
    json.at("outputs").get_to(config.outputs);
    config.activation = OutputActivation(json.at("activation").get<std::string>());
    config.at = choice<At>(json, "at", "every", "last");
    json.at("bidirectional").get_to(config.bidirectional);
    json.at("bias").get_to(config.bias);
    json.at("dropout").get_to(config.dropout);
    json.at("recurrent_dropout").get_to(config.recurrent_dropout);
    json.at("learned_start").get_to(config.learned_start);
    config.initialisation = choice<Initialisation>(json, "initialisation", "keras", "torch");
    json.at("seed").get_to(config.seed);
    config.validate();
    return config;
  } catch (const nlohmann::json::exception& e) {
    throw UsageError("the configuration cannot be read: {}", e.what());
  }
}

}  // namespace retrograde
