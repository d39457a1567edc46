#include "retrograde/io/model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "retrograde/io/safetensors.h"
#include "retrograde/io/selftest.h"

namespace retrograde {
namespace {

constexpr std::string_view kFormat = "retrograde";
constexpr std::string_view kVersion = "1";
constexpr std::string_view kTrain = "train.";

bool is_parameter(std::string_view tensor) {
  return !tensor.starts_with(kSelfTest) && !tensor.starts_with(kTrain);
}

const std::string& metadata(const TensorFile& file, std::string_view key, std::string_view name) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end())
    throw FileError("{}: the model's {} is missing. Nothing was loaded.", name, key);
  return found->second;
}

void check_format(const TensorFile& file, std::string_view name) {
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kFormat) {
    throw FileError("{}: holds tensors, but is no model of Retrograde (its metadata have no format \"{}\")",
                    name, kFormat);
  }
  if (const auto& version = metadata(file, "format_version", name); version != kVersion) {
    throw FileError("{}: is of format version {}; this program reads version {}. A newer one may read it.",
                    name, version, kVersion);
  }
}

Config config_of(const TensorFile& file, const std::vector<Cell>& own, std::string_view name) {
  try {
    return config_from_json(parse_json(metadata(file, "config", name), "config"), own);
  } catch (const Error& error) {
    throw FileError("{}: {}. Nothing was loaded.", name, error.what());
  }
}

// The file's parameters must be those of the configuration: all of them, no others, of the same shapes and
// one type.
void check_parameters(const TensorFile& file, const Blocks& blocks, const Config& config,
                      std::string_view name) {
  std::vector<std::string> missing, unused, shapes;
  std::size_t floats = 0, doubles = 0;
  for (const auto& block : blocks) {
    const auto found = file.tensors.find(block.name);
    if (found == file.tensors.end()) {
      missing.push_back(block.name);
      continue;
    }
    if (found->second.shape != block.shape) {
      shapes.push_back(fmt::format("{} is {}, expected {}", block.name, describe_shape(found->second.shape),
                                   describe_shape(block.shape)));
    }
    floats += found->second.dtype == Dtype::float32;
    doubles += found->second.dtype == Dtype::float64;
  }
  for (const auto& [tensor, array] : file.tensors) {
    if (is_parameter(tensor) && !blocks.find(tensor)) unused.push_back(tensor);
  }
  std::vector<std::string> faults;
  if (!missing.empty()) faults.push_back(fmt::format("missing: {}", fmt::join(missing, ", ")));
  if (!unused.empty()) faults.push_back(fmt::format("unused: {}", fmt::join(unused, ", ")));
  if (!shapes.empty()) faults.push_back(fmt::format("{}", fmt::join(shapes, "; ")));
  if (faults.empty() && floats != 0 && doubles != 0) faults.emplace_back("some are F32 and some F64");
  if (faults.empty() && floats + doubles == 0) faults.emplace_back("they are integers");
  if (faults.empty()) return;
  throw FileError(
      "{}: its tensors are not those of its configuration ({}, {} layers): {}. Nothing was loaded.", name,
      config.cell.name(), config.layers(), fmt::join(faults, "; "));
}

Model<double> build(TensorFile file, const std::vector<Cell>& own, const std::string& name) {
  check_format(file, name);
  metadata(file, "crc32", name);
  Config config = config_of(file, own, name);
  const Blocks blocks = blocks_of(config);
  check_parameters(file, blocks, config, name);
  Params<double> parameters(blocks);
  for (const auto& block : blocks) {
    std::ranges::copy(file.tensors.at(block.name).values, parameters.slice(block).begin());
  }
  Model<double> model{Network<double>(std::move(config), std::move(parameters)), {}, {}};
  replay_self_test(model.network, file, name);
  const std::string where = name + ": ";
  model.preprocess = parse_json(metadata(file, "preprocess", name), where + "preprocess");
  if (file.metadata.contains("train"))
    model.extras.state = parse_json(file.metadata["train"], where + "train");
  for (auto& [tensor, array] : file.tensors) {
    if (tensor.starts_with(kTrain))
      model.extras.tensors.emplace(tensor.substr(kTrain.size()), std::move(array));
  }
  return model;
}

}  // namespace

template <class T>
void save_model(const std::filesystem::path& path, const Network<T>& network, const Json& preprocess,
                const Extras& extras) {
  TensorFile file;
  file.metadata = {{"format", std::string(kFormat)},
                   {"format_version", std::string(kVersion)},
                   {"config", to_json(network.config()).dump()},
                   {"preprocess", preprocess.dump()}};
  for (const auto& block : network.parameters().blocks()) {
    const auto values = network.parameters().slice(block);
    if (!std::ranges::all_of(values, [](T v) { return std::isfinite(v); })) {
      throw UsageError("{}: parameter {} is not finite; such a model is not saved", path.string(),
                       block.name);
    }
    file.tensors[block.name] = {block.shape,
                                {values.begin(), values.end()},
                                std::is_same_v<T, float> ? Dtype::float32 : Dtype::float64};
  }
  add_self_test(network.template cast<double>(), file);
  if (!extras.state.is_null()) file.metadata["train"] = extras.state.dump();
  for (const auto& [tensor, array] : extras.tensors) file.tensors[std::string(kTrain) + tensor] = array;
  write_safetensors(path, file);
}

template <class T>
Model<T> load_model(const std::filesystem::path& path, const std::vector<Cell>& own) {
  Model<double> model = build(read_safetensors(path), own, path.string());
  if constexpr (std::is_same_v<T, double>) {
    return model;
  } else {
    return {model.network.cast<T>(), std::move(model.preprocess), std::move(model.extras)};
  }
}

Dtype model_dtype(const std::filesystem::path& path) {
  const TensorFile header = read_safetensors_header(path);
  check_format(header, path.string());
  for (const auto& [tensor, array] : header.tensors) {
    if (is_parameter(tensor)) return array.dtype;
  }
  throw FileError("{}: holds no parameters", path.string());
}

template void save_model(const std::filesystem::path&, const Network<float>&, const Json&, const Extras&);
template void save_model(const std::filesystem::path&, const Network<double>&, const Json&, const Extras&);
template Model<float> load_model(const std::filesystem::path&, const std::vector<Cell>&);
template Model<double> load_model(const std::filesystem::path&, const std::vector<Cell>&);

}  // namespace retrograde
