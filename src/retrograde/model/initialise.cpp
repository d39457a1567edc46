#include "retrograde/model/initialise.h"

#include <cmath>
#include <vector>

#include "retrograde/base/random.h"

namespace retrograde {
namespace {

void uniform(std::span<double> out, double limit, Random& random) {
  for (double& x : out) x = random.uniform(-limit, limit);
}

void glorot(std::span<double> out, std::size_t fan_in, std::size_t fan_out, Random& random) {
  uniform(out, std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)), random);
}

// Columns orthonormal: normal draws through Gram & Schmidt, twice for orthogonality to rounding (Björck
// 1994).
void orthogonal(std::span<double> out, std::size_t rows, std::size_t columns, Random& random) {
  std::vector<std::vector<double>> basis;
  while (basis.size() < columns) {
    std::vector<double> column(rows);
    for (double& x : column) x = random.normal();
    for (int pass = 0; pass < 2; ++pass)
      for (const auto& other : basis) {
        double dot = 0;
        for (std::size_t i = 0; i < rows; ++i) dot += other[i] * column[i];
        for (std::size_t i = 0; i < rows; ++i) column[i] -= dot * other[i];
      }
    double norm = 0;
    for (const double x : column) norm += x * x;
    norm = std::sqrt(norm);
    if (!(norm > 1e-6)) continue;
    for (double& x : column) x /= norm;
    basis.push_back(std::move(column));
  }
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) out[i * columns + j] = basis[j][i];
}

template <class F>
void each_layer(const Config& config, F f) {
  for (std::size_t layer = 0; layer < config.layers(); ++layer)
    for (std::size_t d = 0; d < config.directions(); ++d) f(layer, d == 1);
}

}  // namespace

Blocks blocks_of(const Config& config) {
  config.validate();
  Blocks blocks;
  if (config.tokens && config.embedding) blocks.add("embedding.weight", {config.inputs, config.embedding});
  each_layer(config, [&](std::size_t layer, bool reverse) {
    const std::size_t units = config.hidden[layer], rows = config.cell.slots().gates * units;
    blocks.add(block_name("weight_ih", layer, reverse), {rows, config.inputs_of(layer)});
    blocks.add(block_name("weight_hh", layer, reverse), {rows, units});
    if (config.bias) {
      blocks.add(block_name("bias_ih", layer, reverse), {rows});
      blocks.add(block_name("bias_hh", layer, reverse), {rows});
    }
  });
  if (config.learned_start)
    each_layer(config, [&](std::size_t layer, bool reverse) {
      blocks.add(block_name("h0", layer, reverse), {config.hidden[layer]});
      if (config.states() > 1) blocks.add(block_name("c0", layer, reverse), {config.hidden[layer]});
    });
  if (config.outputs) {
    blocks.add("head.weight", {config.outputs, config.features()});
    if (config.bias) blocks.add("head.bias", {config.outputs});
  }
  return blocks;
}

Params<double> initialise(const Config& config) {
  Params<double> params(blocks_of(config));
  Random random = Random::named(config.seed, "initialise");
  const bool keras = config.initialisation == Initialisation::keras;
  if (config.tokens && config.embedding) {
    auto table = params["embedding.weight"];
    if (keras)
      uniform(table, 0.05, random);
    else
      for (double& x : table) x = random.normal();
  }
  each_layer(config, [&](std::size_t layer, bool reverse) {
    const std::size_t units = config.hidden[layer], rows = config.cell.slots().gates * units;
    auto w = params[block_name("weight_ih", layer, reverse)],
         u = params[block_name("weight_hh", layer, reverse)];
    if (keras) {
      glorot(w, config.inputs_of(layer), rows, random);
      orthogonal(u, rows, units, random);
      if (config.bias && config.cell.name() == Lstm::kName)
        for (std::size_t i = units; i < 2 * units; ++i) params[block_name("bias_ih", layer, reverse)][i] = 1;
      return;
    }
    const double limit = 1 / std::sqrt(static_cast<double>(units));
    uniform(w, limit, random);
    uniform(u, limit, random);
    if (config.bias) {
      uniform(params[block_name("bias_ih", layer, reverse)], limit, random);
      uniform(params[block_name("bias_hh", layer, reverse)], limit, random);
    }
  });
  if (config.outputs) {
    const double limit = 1 / std::sqrt(static_cast<double>(config.features()));
    if (keras)
      glorot(params["head.weight"], config.features(), config.outputs, random);
    else
      uniform(params["head.weight"], limit, random);
    if (!keras && config.bias) uniform(params["head.bias"], limit, random);
  }
  return params;
}

}  // namespace retrograde
