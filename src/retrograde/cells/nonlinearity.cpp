#include "retrograde/cells/nonlinearity.h"

#include <fmt/ranges.h>

#include <array>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

constexpr std::array<std::string_view, 9> kNames{"identity", "tanh",     "relu",     "leaky_relu", "elu",
                                                 "sigmoid",  "softsign", "softplus", "sin"};

}  // namespace

Nonlinearity::Nonlinearity(std::string_view name) : kind_(Kind::identity) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) {
      kind_ = static_cast<Kind>(i);
      return;
    }
  }
  throw UsageError("there is no activation \"{}\"; there are {}", name, fmt::join(kNames, ", "));
}

Nonlinearity::Nonlinearity(std::string name, Function value, Function derivative)
    : kind_(Kind::custom),
      custom_(std::make_shared<Custom>(Custom{std::move(name), std::move(value), std::move(derivative)})) {}

std::string_view Nonlinearity::name() const {
  return kind_ == Kind::custom ? std::string_view(custom_->name) : kNames[static_cast<std::size_t>(kind_)];
}

// Central differences at h, h/2, h/4, extrapolated (Richardson 1911): error O(h^6), about 1e-12 relative for
// a function that is smooth on the scale of 1.
double Nonlinearity::numeric_derivative(double z) const {
  const double h = 0.02;
  const auto slope = [&](double step) {
    return (custom_->value(z + step) - custom_->value(z - step)) / (2 * step);
  };
  const double d1 = slope(h), d2 = slope(h / 2), d4 = slope(h / 4);
  const double r1 = (4 * d2 - d1) / 3, r2 = (4 * d4 - d2) / 3;
  return (16 * r2 - r1) / 15;
}

}  // namespace retrograde
