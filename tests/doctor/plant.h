// Plants mistakes: random networks as cases, with gradients that a patched plan makes.
#pragma once

#include <fmt/format.h>

#include "retrograde/base/random.h"
#include "retrograde/doctor/blocks.h"
#include "retrograde/doctor/doctor.h"
#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

struct Shape {
  Cell cell = Cell::elman;
  Activation activation = Activation::tanh;
  int layers = 1, directions = 1;  // levels of so many directions
  bool summed = false, own_ends = false;
  bool head = true, last = false, reset_after = true, update_keeps = true, second_bias = false,
       ragged = false, tokens = false;
  int T = 5, B = 3, I = 4, H = 7, O = 2;
  Loss loss = Loss::squared;
  Activation head_activation = Activation::identity;
  double weights = 0.5;
};

inline Real random_numbers(Random& random, int n, double scale) {
  Real v(static_cast<std::size_t>(n));
  for (double& x : v) x = scale * random.normal();
  return v;
}

inline Problem random_problem(const Shape& s, Random& random) {
  Problem p;
  p.T = s.T, p.B = s.B, p.I = s.I, p.O = s.head ? s.O : s.H, p.gates = gate_count(s.cell);
  p.net.cell = s.cell, p.net.activation = s.activation, p.net.head = s.head, p.net.last_output = s.last;
  p.net.reset_after = s.reset_after, p.net.update_keeps = s.update_keeps;
  p.net.loss = s.loss, p.net.head_activation = s.head_activation;
  p.net.directions = s.directions, p.net.summed = s.summed, p.net.own_ends = s.own_ends;
  const int width = s.summed ? s.H : s.directions * s.H;
  if (!s.head) p.O = width;
  for (int l = 0; l < s.layers * s.directions; ++l) {
    Layer layer;
    layer.inputs = l < s.directions ? s.I : width, layer.hidden = s.H;
    layer.W = random_numbers(random, p.gates * s.H * layer.inputs, s.weights);
    layer.U = random_numbers(random, p.gates * s.H * s.H, s.weights);
    layer.b = random_numbers(random, p.gates * s.H, s.weights);
    if (s.second_bias) layer.b2 = random_numbers(random, p.gates * s.H, s.weights);
    layer.h0 = random_numbers(random, s.B * s.H, 0.5);
    layer.c0 = random_numbers(random, s.B * s.H, 0.5);
    p.layers.push_back(std::move(layer));
  }
  if (s.head)
    p.V = random_numbers(random, s.O * width, s.weights), p.c = random_numbers(random, s.O, s.weights);
  if (s.tokens) {
    p.x.assign(static_cast<std::size_t>(s.T * s.B * s.I), 0);
    for (int r = 0; r < s.T * s.B; ++r)
      p.x[static_cast<std::size_t>(r * s.I) + random.below(static_cast<std::size_t>(s.I))] = 1;
  } else {
    p.x = random_numbers(random, s.T * s.B * s.I, 1);
  }
  p.target = random_numbers(random, s.T * s.B * p.O, 1);
  if (s.loss == Loss::softmax_cross_entropy || s.loss == Loss::binary_cross_entropy) {
    std::fill(p.target.begin(), p.target.end(), 0.0);
    for (int r = 0; r < s.T * s.B; ++r)
      p.target[static_cast<std::size_t>(r * p.O) + random.below(static_cast<std::size_t>(p.O))] = 1;
  }
  if (s.last)  // one target a sequence
    for (std::size_t i = 0; i < p.target.size(); ++i)
      p.target[i] = p.target[i % static_cast<std::size_t>(s.B * p.O)];
  p.end.assign(static_cast<std::size_t>(s.B), s.T);
  if (s.ragged)
    for (int b = 0; b < s.B; ++b) p.end[static_cast<std::size_t>(b)] = s.T - b % 3;
  return p;
}

// The pieces of a problem, all gates.
inline std::vector<Piece> pieces_of(const Problem& p) {
  std::vector<Piece> out;
  for (int l = 0; l < static_cast<int>(p.layers.size()); ++l) {
    const Layer& layer = p.layers[static_cast<std::size_t>(l)];
    const auto cols = static_cast<std::size_t>(layer.inputs), H = static_cast<std::size_t>(layer.hidden);
    for (int g = 0; g < p.gates; ++g) {
      const auto k = static_cast<std::size_t>(g);
      out.push_back({Kind::W, l, g, layer.hidden, layer.inputs, k * H * cols, cols, 1});
      out.push_back({Kind::U, l, g, layer.hidden, layer.hidden, k * H * H, H, 1});
      out.push_back({Kind::b, l, g, layer.hidden, 1, k * H, 1, 1});
      if (!layer.b2.empty()) out.push_back({Kind::b2, l, g, layer.hidden, 1, k * H, 1, 1});
    }
  }
  const int top = static_cast<int>(p.layers.size()) - 1;
  if (p.net.head) out.push_back({Kind::V, top, 0, p.O, p.H(), 0, static_cast<std::size_t>(p.H()), 1});
  if (p.net.head) out.push_back({Kind::c, top, 0, p.O, 1, 0, 1, 1});
  return out;
}

inline std::string layer_suffix(const Problem& p, int layer) {
  return fmt::format("l{}{}", p.level(layer), p.reversed(layer) ? "_reverse" : "");
}

inline std::string parameter_name(const Problem& p, const Piece& piece) {
  const std::string layer = layer_suffix(p, piece.layer);
  switch (piece.kind) {
    case Kind::W:
      return "weight_ih_" + layer;
    case Kind::U:
      return "weight_hh_" + layer;
    case Kind::b:
      return "bias_ih_" + layer;
    case Kind::b2:
      return "bias_hh_" + layer;
    case Kind::V:
      return "head.weight";
    default:
      return "head.bias";
  }
}

// gradients: one per piece, in pieces_of's order.
inline Case make_case(const Problem& p, const std::vector<Real>& gradients, bool with_loss = true) {
  const auto n = [](int v) { return static_cast<std::size_t>(v); };
  Case c;
  auto add = [&](std::string name, std::vector<std::size_t> shape, Real v) {
    c.arrays.push_back({std::move(name), Array{std::move(shape), std::move(v), Dtype::float64}});
  };
  for (std::size_t l = 0; l < p.layers.size(); ++l) {
    const Layer& y = p.layers[l];
    const auto G = n(p.gates), H = n(y.hidden);
    const std::string layer = layer_suffix(p, static_cast<int>(l));
    add("weight_ih_" + layer, {G * H, n(y.inputs)}, y.W);
    add("weight_hh_" + layer, {G * H, H}, y.U);
    add("bias_ih_" + layer, {G * H}, y.b);
    if (!y.b2.empty()) add("bias_hh_" + layer, {G * H}, y.b2);
  }
  if (p.net.head) add("head.weight", {n(p.O), n(p.H())}, p.V), add("head.bias", {n(p.O)}, p.c);
  const std::size_t parameters = c.arrays.size();
  const auto pieces = pieces_of(p);
  for (std::size_t i = 0; i < parameters; ++i) {
    Array g = c.arrays[i].array;
    for (std::size_t k = 0; k < pieces.size(); ++k)
      if (parameter_name(p, pieces[k]) == c.arrays[i].name) scatter(pieces[k], gradients[k], g.values);
    c.arrays.push_back({fmt::format("d_{}", c.arrays[i].name), g});
  }
  add("x", {n(p.T), n(p.B), n(p.I)}, p.x);
  if (p.net.loss == Loss::upstream)
    add("dh", {n(p.T), n(p.B), n(p.O)}, p.target);
  else if (p.net.last_output)
    add("target", {n(p.B), n(p.O)}, Real(p.target.begin(), p.target.begin() + p.B * p.O));
  else
    add("target", {n(p.T), n(p.B), n(p.O)}, p.target);
  Real h0, c0;
  for (const Layer& y : p.layers)
    h0.insert(h0.end(), y.h0.begin(), y.h0.end()), c0.insert(c0.end(), y.c0.begin(), y.c0.end());
  const std::size_t hidden = n(p.layers[0].hidden);
  add("h0", {p.layers.size(), n(p.B), hidden}, h0);
  if (p.net.cell == Cell::lstm) add("c0", {p.layers.size(), n(p.B), hidden}, c0);
  if (p.ragged()) add("lengths", {n(p.B)}, Real(p.end.begin(), p.end.end()));
  if (with_loss && p.net.loss != Loss::upstream) {
    const Engine engine(p);
    add("loss", {}, {p.net.scale * basic_loss(p, p.net.loss, p.net.head_activation, engine.outputs())});
  }
  return c;
}

inline std::vector<Real> gradients_of(const Problem& p, const Plan& plan) {
  const Engine engine(p);
  const Evaluation e = engine.evaluate(plan);
  std::vector<Real> out;
  for (const Piece& piece : pieces_of(p)) out.push_back(engine.gradient(piece, e));
  return out;
}

// Every mistake of the sweep and the head that applies.
inline Mistakes all_mistakes(const Problem& p) {
  const Words words;
  Mistakes all = head_mistakes(p, words);
  for (int l = 0; l < static_cast<int>(p.layers.size()); ++l)
    for (Mistake& m : sweep_mistakes(p, words, l)) all.push_back(std::move(m));
  return all;
}

// The problem at other parameters and another batch, which may have fewer steps.
inline Problem at_point(Problem p, const Arrays& parameters, const Arrays& batch) {
  std::vector<Block> blocks;
  for (const NamedArray& a : parameters) {
    Block b;
    b.parameter = a.name, b.value = a.array.values;
    for (const Piece& piece : pieces_of(p))
      if (parameter_name(p, piece) == a.name) b.pieces.push_back(piece);
    blocks.push_back(std::move(b));
  }
  put_parameters(blocks, p);
  for (const NamedArray& a : batch) {
    const Real& v = a.array.values;
    const std::size_t row = v.size() / p.layers.size();
    const auto layer = [&](std::size_t l) {
      return Real(v.begin() + static_cast<long>(l * row), v.begin() + static_cast<long>((l + 1) * row));
    };
    if (a.name == "x") p.x = v, p.T = static_cast<int>(a.array.shape[0]);
    if (a.name == "target" || a.name == "dh") p.target = v;
    for (std::size_t l = 0; l < p.layers.size(); ++l) {
      if (a.name == "h0") p.layers[l].h0 = layer(l);
      if (a.name == "c0") p.layers[l].c0 = layer(l);
    }
  }
  p.end.assign(p.end.size(), p.T);
  for (const NamedArray& a : batch)
    if (a.name == "lengths")
      std::transform(a.array.values.begin(), a.array.values.end(), p.end.begin(),
                     [](double n) { return static_cast<int>(n); });
  if (p.net.last_output) {
    const auto row = static_cast<std::size_t>(p.B * p.O);
    p.target.resize(static_cast<std::size_t>(p.T) * row);
    for (std::size_t i = row; i < p.target.size(); ++i) p.target[i] = p.target[i % row];
  }
  return p;
}

// A program with these mistakes: a case whose gradient and loss are calls.
inline Case make_program(const Problem& p, const std::vector<Mistake>& mistakes) {
  const Case whole = make_case(p, gradients_of(p, right_plan(p)));
  Case c;
  for (const NamedArray& a : whole.arrays)
    if (a.name.rfind("d_", 0) != 0) c.arrays.push_back(a);
  c.gradient = [p, mistakes](Arrays& parameters, Arrays& batch) {
    const Problem q = at_point(p, parameters, batch);
    Plan plan = right_plan(q);
    // A loop over the batch leaves out other steps of another sequence.
    for (const Mistake& m : mistakes)
      if (m.name != "batch-for-time" || q.T == p.T) m.patch(plan);
    Arrays answer;
    for (const NamedArray& a : make_case(q, gradients_of(q, plan)).arrays)
      if (a.name.rfind("d_", 0) == 0) answer.push_back(a);
    return answer;
  };
  if (p.net.loss != Loss::upstream)
    c.loss = [p](Arrays& parameters, Arrays& batch) {
      const Problem q = at_point(p, parameters, batch);
      return q.net.scale * basic_loss(q, q.net.loss, q.net.head_activation, Engine(q).outputs());
    };
  return c;
}

inline bool mentions(const Report& r, const std::string& name) {
  for (const Finding& f : r.findings) {
    if (f.name == name) return true;
    for (const Alternative& a : f.equivalents)
      if (a.name == name) return true;
  }
  return false;
}

}  // namespace retrograde::doctor
