#include "retrograde/data/scaler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

constexpr std::array<std::string_view, 3> kNames = {"none", "standard", "minmax"};

}  // namespace

std::string_view name(Scaling scaling) { return kNames[static_cast<std::size_t>(scaling)]; }

Scaling scaling_named(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end())
    throw UsageError("there is no scaling \"{}\"; there are none, standard, minmax", name);
  return static_cast<Scaling>(found - kNames.begin());
}

void Scaler::apply(std::span<double> rows) const {
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = (rows[i] - offset[i % width()]) / scale[i % width()];
}

void Scaler::undo(std::span<double> rows) const {
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = rows[i] * scale[i % width()] + offset[i % width()];
}

Scaler Scaler::select(std::span<const std::size_t> columns) const {
  Scaler result{kind, {}, {}};
  for (const auto c : columns) {
    result.offset.push_back(offset.at(c));
    result.scale.push_back(scale.at(c));
  }
  return result;
}

Scaler identity_scaler(std::size_t width) {
  return {Scaling::none, std::vector<double>(width, 0), std::vector<double>(width, 1)};
}

ScalerFit::ScalerFit(Scaling kind, std::size_t width)
    : kind_(kind),
      mean_(width),
      squares_(width),
      low_(width, std::numeric_limits<double>::infinity()),
      high_(width, -std::numeric_limits<double>::infinity()) {}

void ScalerFit::add(std::span<const double> rows) {
  for (; !rows.empty(); rows = rows.subspan(mean_.size())) {
    ++count_;
    for (std::size_t c = 0; c < mean_.size(); ++c) {
      const double difference = rows[c] - mean_[c];
      mean_[c] += difference / count_;
      squares_[c] += difference * (rows[c] - mean_[c]);
      low_[c] = std::min(low_[c], rows[c]);
      high_[c] = std::max(high_[c], rows[c]);
    }
  }
}

Scaler ScalerFit::finish() const {
  if (count_ == 0) throw UsageError("a scaler needs at least one row of training data");
  Scaler scaler = identity_scaler(mean_.size());
  scaler.kind = kind_;
  for (std::size_t c = 0; c < mean_.size() && kind_ != Scaling::none; ++c) {
    const bool standard = kind_ == Scaling::standard;
    const double spread = standard ? std::sqrt(squares_[c] / count_) : high_[c] - low_[c];
    scaler.offset[c] = standard ? mean_[c] : low_[c];
    // Of a column without change, what is left of rounding is no scale.
    if (low_[c] < high_[c] && spread > 0 && std::isfinite(spread)) scaler.scale[c] = spread;
  }
  return scaler;
}

Json to_json(const Scaler& scaler) {
  return {{"kind", name(scaler.kind)}, {"offset", scaler.offset}, {"scale", scaler.scale}};
}

Scaler scaler_from_json(const Json& json) {
  try {
    Scaler scaler{scaling_named(json.at("kind").get<std::string>()),
                  json.at("offset").get<std::vector<double>>(), json.at("scale").get<std::vector<double>>()};
    const bool sane = scaler.offset.size() == scaler.scale.size() &&
                      std::ranges::all_of(scaler.scale, [](double s) { return s > 0 && std::isfinite(s); });
    if (sane && json.size() == 3) return scaler;
  } catch (const Json::exception&) {
  } catch (const UsageError&) {
  }
  throw FileError(
      "the scaler is damaged: expected {{kind, offset, scale}} with one positive scale for each offset");
}

}  // namespace retrograde
