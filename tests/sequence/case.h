// A network, a batch and cotangents with nothing special about them: distinct prime sizes, h₀ ≠ 0, unequal
// lengths, weights of order 0.5. And the derivative of ⟨cotangent, results⟩ by complex step, which shares no
// backward.
#pragma once

#include <complex>
#include <functional>
#include <string>
#include <vector>

#include "retrograde/sequence/backward.h"

namespace retrograde::testing {

using Complex = std::complex<double>;

inline std::vector<double> normal(Random& random, std::size_t n, double scale = 1) {
  std::vector<double> values(n);
  for (double& v : values) v = scale * random.normal();
  return values;
}

template <class U, class T>
std::vector<U> cast(const std::vector<T>& values) {
  std::vector<U> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) result[i] = static_cast<U>(values[i]);
  return result;
}

template <class U, class T>
State<U> cast(const State<T>& state) {
  State<U> result;
  for (const auto& block : state.h) result.h.push_back(cast<U>(block));
  for (const auto& block : state.c) result.c.push_back(cast<U>(block));
  return result;
}

struct Case {
  Network<double> network;
  std::size_t batch = 3, steps = 5;
  std::vector<double> x;
  std::vector<std::int32_t> tokens;
  std::vector<std::size_t> lengths;
  State<double> start, d_final;
  std::vector<std::uint8_t> given;
  std::vector<double> d_outputs, d_preactivations;
  std::uint64_t dropout_seed = 0;  // 0: none

  explicit Case(Config config, std::uint64_t seed = 1, bool unequal = true) : network(std::move(config)) {
    Random random(seed);
    const Config& c = network.config();
    for (double& p : network.parameters().flat()) p = 0.5 * random.normal();
    if (unequal) lengths = {3, 5, 2};
    if (c.tokens) {
      for (std::size_t i = 0; i < batch * steps; ++i)
        tokens.push_back(static_cast<std::int32_t>(random.below(c.inputs)));
    } else {
      x = normal(random, batch * steps * c.inputs);
    }
    for (std::size_t k = 0; k < c.layers(); ++k)
      for (std::size_t d = 0; d < c.directions(); ++d) {
        start.h.push_back(normal(random, batch * c.hidden[k], 0.5));
        d_final.h.push_back(normal(random, batch * c.hidden[k]));
        if (c.states() < 2) continue;
        start.c.push_back(normal(random, batch * c.hidden[k], 0.5));
        d_final.c.push_back(normal(random, batch * c.hidden[k]));
      }
    const std::size_t entries = batch * (c.at == At::every ? steps : 1) * c.output_width();
    d_outputs = normal(random, entries);
    d_preactivations = normal(random, entries);
    if (c.learned_start) start = {};
    if (c.dropout > 0 || c.recurrent_dropout > 0) dropout_seed = 17;
  }

  template <class T>
  Input<T> input(const std::vector<T>& values) const {
    return {batch, steps, values, tokens, lengths};
  }

  template <class T>
  void run(const Network<T>& net, const std::vector<T>& values, const State<T>& from, Tape<T>& tape,
           ForwardOptions<T> options = {}) const {
    Random random(dropout_seed);
    options.start = from.h.empty() ? nullptr : &from;
    options.given = given;
    options.dropout = dropout_seed ? &random : nullptr;
    forward(net, input(values), tape, options);
  }

  // ⟨cotangents, results⟩
  template <class T>
  T value(const Network<T>& net, const std::vector<T>& values, const State<T>& from) const {
    Tape<T> tape;
    run(net, values, from, tape);
    T sum{};
    const auto add = [&](const auto& results, const std::vector<double>& weights) {
      for (std::size_t i = 0; i < weights.size(); ++i) sum += results[i] * static_cast<T>(weights[i]);
    };
    add(tape.outputs(), d_outputs);
    add(tape.head_preactivations(), d_preactivations);
    const State<T> final = tape.final_state();
    for (std::size_t i = 0; i < d_final.h.size(); ++i) add(final.h[i], d_final.h[i]);
    for (std::size_t i = 0; i < d_final.c.size(); ++i) add(final.c[i], d_final.c[i]);
    return sum;
  }

  Gradients<double> gradients(const Bptt& bptt = full()) const {
    Tape<double> tape;
    run(network, x, start, tape);
    Gradients<double> result(network);
    result.want_dx = !network.config().tokens;
    result.want_start = true;
    backward(network, tape, {d_outputs, d_preactivations, &d_final}, bptt, result);
    return result;
  }
};

// max |a − n| / max |n|, NaN if anything is.
inline double relative_gap(const std::vector<double>& claimed, const std::vector<double>& truth) {
  double gap = claimed.size() == truth.size() ? 0 : std::numeric_limits<double>::quiet_NaN(), size = 1e-300;
  for (std::size_t i = 0; i < std::min(claimed.size(), truth.size()); ++i) {
    const double difference = std::abs(claimed[i] - truth[i]);
    gap = difference <= gap ? gap : difference;
    size = std::max(size, std::abs(truth[i]));
  }
  return gap / size;
}

inline std::vector<double> complex_step(std::vector<Complex>& at, const std::function<Complex()>& f) {
  const double h = 1e-50;
  std::vector<double> result;
  for (Complex& v : at) {
    v += Complex(0, h);
    result.push_back(f().imag() / h);
    v = v.real();
  }
  return result;
}

// The largest relative gap, over every block, input and start state, between the backward and complex steps.
inline double worst_gap(const Case& c, const Bptt& bptt = full()) {
  const Gradients<double> claimed = c.gradients(bptt);
  auto net = c.network.cast<Complex>();
  auto x = cast<Complex>(c.x);
  auto start = cast<Complex>(c.start);
  const auto f = [&] { return c.value(net, x, start); };
  double worst = 0;
  const auto take = [&](const std::vector<double>& a, const std::vector<double>& n) {
    const double gap = relative_gap(a, n);
    worst = gap <= worst ? worst : gap;
  };
  for (const ParamBlock& block : c.network.parameters().blocks()) {
    const auto slice = claimed.parameters.slice(block);
    std::vector<double> truth;
    for (Complex& p : net.parameters().slice(block)) {
      p += Complex(0, 1e-50);
      truth.push_back(f().imag() / 1e-50);
      p = p.real();
    }
    take({slice.begin(), slice.end()}, truth);
  }
  if (!x.empty()) take(claimed.dx, complex_step(x, f));
  for (std::size_t i = 0; i < start.h.size(); ++i) take(claimed.start.h[i], complex_step(start.h[i], f));
  for (std::size_t i = 0; i < start.c.size(); ++i) take(claimed.start.c[i], complex_step(start.c[i], f));
  return worst;
}

}  // namespace retrograde::testing
