#include "retrograde/io/checkpoint.h"

#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

namespace retrograde {
namespace {

template <class T>
Array to_array(const std::vector<T>& values) {
  return {{values.size()},
          {values.begin(), values.end()},
          std::is_same_v<T, float> ? Dtype::float32 : Dtype::float64};
}

template <class T>
std::vector<T> values_of(const Extras& extras, const std::string& tensor) {
  const auto found = extras.tensors.find(tensor);
  if (found == extras.tensors.end()) throw FileError("the checkpoint's {} is missing", tensor);
  std::vector<T> values;
  values.reserve(found->second.size());
  for (const double v : found->second.values) values.push_back(static_cast<T>(v));
  return values;
}

// Calls read() on what must be of a certain form.
template <class Read>
auto reading(std::string_view what, Read read) {
  try {
    return read();
  } catch (const Json::exception&) {
    throw FileError("the checkpoint's {} is missing or damaged", what);
  }
}

}  // namespace

template <class T>
void put(Extras& extras, const OptimizerState<T>& optimizer) {
  Json names = Json::array();
  for (const auto& moment : optimizer.moments) {
    names.push_back(moment.name);
    extras.tensors["optimizer." + moment.name] = to_array(moment.values);
  }
  extras.state["optimizer"] = {{"updates", optimizer.updates}, {"moments", std::move(names)}};
}

template <class T>
OptimizerState<T> optimizer_of(const Extras& extras) {
  return reading("optimiser", [&] {
    const Json& json = extras.state.at("optimizer");
    OptimizerState<T> optimizer;
    optimizer.updates = json.at("updates").get<std::uint64_t>();
    for (const Json& name : json.at("moments")) {
      const auto moment = name.get<std::string>();
      optimizer.moments.push_back({moment, values_of<T>(extras, "optimizer." + moment)});
    }
    return optimizer;
  });
}

template <class T>
void put(Extras& extras, const State<T>& carried) {
  for (std::size_t i = 0; i < carried.h.size(); ++i) {
    extras.tensors[fmt::format("carried.h{}", i)] = to_array(carried.h[i]);
  }
  for (std::size_t i = 0; i < carried.c.size(); ++i) {
    extras.tensors[fmt::format("carried.c{}", i)] = to_array(carried.c[i]);
  }
  extras.state["carried"] = {{"h", carried.h.size()}, {"c", carried.c.size()}};
}

template <class T>
State<T> carried_of(const Extras& extras) {
  return reading("carried state", [&] {
    State<T> carried;
    const auto read = [&](const char* which, std::vector<std::vector<T>>& states) {
      const auto count = extras.state.at("carried").at(which).get<std::size_t>();
      for (std::size_t i = 0; i < count; ++i) {
        states.push_back(values_of<T>(extras, fmt::format("carried.{}{}", which, i)));
      }
    };
    read("h", carried.h);
    read("c", carried.c);
    return carried;
  });
}

Json exact(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "infinity" : "-infinity";
}

double exact_from_json(const Json& json) {
  if (json.is_number()) return json.get<double>();
  if (json == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (json == "infinity") return std::numeric_limits<double>::infinity();
  if (json == "-infinity") return -std::numeric_limits<double>::infinity();
  throw FileError("{} is no number", json.dump());
}

template void put(Extras&, const OptimizerState<float>&);
template void put(Extras&, const OptimizerState<double>&);
template OptimizerState<float> optimizer_of(const Extras&);
template OptimizerState<double> optimizer_of(const Extras&);
template void put(Extras&, const State<float>&);
template void put(Extras&, const State<double>&);
template State<float> carried_of(const Extras&);
template State<double> carried_of(const Extras&);

}  // namespace retrograde
