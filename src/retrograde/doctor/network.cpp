#include "retrograde/doctor/network.h"

#include <fmt/format.h>

#include <cmath>

namespace retrograde::doctor {

namespace {
double leak(Activation f) {
  return f == Activation::leaky_relu_1 ? 0.1 : f == Activation::leaky_relu_2 ? 0.2 : 0.01;
}
double sigmoid(double z) { return z >= 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z)); }
}  // namespace

void derive_inputs(Problem& p) {
  if (p.vocabulary > 0) {
    const auto I = static_cast<std::size_t>(p.I), V = static_cast<std::size_t>(p.vocabulary);
    p.x.resize(p.tokens.size() * I);
    for (std::size_t k = 0; k < p.tokens.size(); ++k)
      for (std::size_t i = 0; i < I; ++i) p.x[k * I + i] = p.E[i * V + static_cast<std::size_t>(p.tokens[k])];
  }
  if (p.features.empty()) return;
  Layer& layer = p.layers.front();
  const auto B = static_cast<std::size_t>(p.B), H = static_cast<std::size_t>(layer.hidden),
             F = p.features.size() / B;
  for (std::size_t b = 0; b < B; ++b)
    for (std::size_t u = 0; u < H; ++u) {
      double sum = p.p.empty() ? 0 : p.p[u];
      for (std::size_t f = 0; f < F; ++f) sum += p.features[b * F + f] * p.P[u * F + f];
      layer.h0[b * H + u] = sum;
    }
}

int gate_count(Cell cell) { return cell == Cell::elman ? 1 : cell == Cell::lstm ? 4 : 3; }

std::string layer_name(const Problem& problem, int layer) {
  const std::string level = fmt::format("layer {}", problem.level(layer) + 1);
  if (problem.net.directions == 1) return level;
  const char* direction = problem.reversed(layer) ? "backward direction" : "forward direction";
  return problem.levels() == 1 ? fmt::format("the {}", direction) : fmt::format("{}'s {}", level, direction);
}

std::string_view name(Cell cell) {
  return cell == Cell::elman ? "Elman network" : cell == Cell::lstm ? "LSTM" : "GRU";
}

std::string_view name(Activation f) {
  constexpr std::string_view names[] = {"tanh",     "relu",     "leaky relu",       "elu",
                                        "sigmoid",  "softsign", "softplus",         "sin",
                                        "identity", "softmax",  "leaky relu (0.1)", "leaky relu (0.2)"};
  return names[static_cast<int>(f)];
}

std::string_view name(Loss loss) {
  constexpr std::string_view names[] = {"squared error",        "absolute error",
                                        "Huber loss",           "softmax cross entropy",
                                        "binary cross entropy", "given upstream gradient"};
  return names[static_cast<int>(loss)];
}

std::string_view gate_name(Cell cell, int gate) {
  constexpr std::string_view lstm[] = {"i", "f", "g", "o"}, gru[] = {"r", "z", "n"};
  return cell == Cell::elman ? std::string_view() : cell == Cell::lstm ? lstm[gate] : gru[gate];
}

double value(Activation f, double z) {
  switch (f) {
    case Activation::tanh:
      return std::tanh(z);
    case Activation::relu:
      return z > 0 ? z : 0;
    case Activation::leaky_relu:
    case Activation::leaky_relu_1:
    case Activation::leaky_relu_2:
      return z > 0 ? z : leak(f) * z;
    case Activation::elu:
      return z > 0 ? z : std::expm1(z);
    case Activation::sigmoid:
      return sigmoid(z);
    case Activation::softsign:
      return z / (1 + std::abs(z));
    case Activation::softplus:
      return z > 0 ? z + std::log1p(std::exp(-z)) : std::log1p(std::exp(z));
    case Activation::sin:
      return std::sin(z);
    case Activation::identity:
    case Activation::softmax:
      return z;
  }
  return z;
}

double slope(Activation f, double z) {
  switch (f) {
    case Activation::tanh: {
      const double a = std::tanh(z);
      return (1 - a) * (1 + a);
    }
    case Activation::relu:
      return z > 0 ? 1 : 0;
    case Activation::leaky_relu:
    case Activation::leaky_relu_1:
    case Activation::leaky_relu_2:
      return z > 0 ? 1 : leak(f);
    case Activation::elu:
      return z > 0 ? 1 : std::exp(z);
    case Activation::sigmoid:
      return sigmoid(z) * sigmoid(-z);
    case Activation::softsign:
      return 1 / ((1 + std::abs(z)) * (1 + std::abs(z)));
    case Activation::softplus:
      return sigmoid(z);
    case Activation::sin:
      return std::cos(z);
    case Activation::identity:
    case Activation::softmax:
      return 1;
  }
  return 1;
}

double slope_from_value(Activation f, double a) {
  switch (f) {
    case Activation::tanh:
      return 1 - a * a;
    case Activation::elu:
      return a > 0 ? 1 : 1 + a;
    case Activation::sigmoid:
      return a * (1 - a);
    case Activation::softsign:
      return (1 - std::abs(a)) * (1 - std::abs(a));
    case Activation::softplus:
      return 1 - std::exp(-a);
    default:
      return slope(f, a);
  }
}

}  // namespace retrograde::doctor
