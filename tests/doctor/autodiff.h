// A second opinion for the tests: scalar reverse-mode differentiation, and the networks' forwards written
// with it in other people's styles. It shares nothing with the doctor's reference.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "retrograde/base/random.h"
#include "retrograde/doctor/case.h"

namespace retrograde::doctor::autodiff {

// Values of type R (float: everything is rounded as single-precision code rounds it).
template <class R>
class Tape {
 public:
  struct Node {
    R value, partial[2];
    int parent[2];
  };
  int leaf(R v) { return push(v, -1, 0, -1, 0); }
  int push(R v, int a, R da, int b, R db) {
    nodes_.push_back({v, {da, db}, {a, b}});
    return static_cast<int>(nodes_.size()) - 1;
  }
  R value(int i) const { return nodes_[static_cast<std::size_t>(i)].value; }
  int add(int a, int b) { return push(value(a) + value(b), a, 1, b, 1); }
  int sub(int a, int b) { return push(value(a) - value(b), a, 1, b, -1); }
  int mul(int a, int b) { return push(value(a) * value(b), a, value(b), b, value(a)); }
  int map(int a, R v, R slope) { return push(v, a, slope, -1, 0); }
  std::vector<R> gradient(int output) const {
    std::vector<R> g(nodes_.size(), 0);
    g[static_cast<std::size_t>(output)] = 1;
    for (std::size_t i = nodes_.size(); i-- > 0;)
      for (int k = 0; k < 2; ++k)
        if (nodes_[i].parent[k] >= 0)
          g[static_cast<std::size_t>(nodes_[i].parent[k])] += g[i] * nodes_[i].partial[k];
    return g;
  }

 private:
  std::vector<Node> nodes_;
};

// What is drawn at random for one correct case.
struct Draw {
  int cell = 0, T = 4, B = 2, I = 3, H = 3, O = 2;  // 0 Elman, 1 LSTM, 2 GRU reset after, 3 GRU reset before
  int layers = 1;
  double weights = 0.5;
  std::string activation = "tanh";
  int loss = 0;       // 0 squared, 1 cross entropy with tokens, 2 binary cross entropy, 3 absolute
  int reduction = 0;  // 0 sum, 1 half the sum, 2 mean
  bool last = false, start = true, in_out = false, batch_first = true, column = false, separate = false,
       joined = false;
  bool symmetric = false, zero = false, perfect = false, tells_loss = true, tokens = false;
};

template <class R>
struct Net {
  explicit Net(const Draw& draw, Random& random) : d(draw), r(random) {}
  const Draw& d;
  Random& r;
  Tape<R> t;
  struct Stored {
    std::string name;
    std::vector<std::size_t> shape;
    std::vector<int> nodes;
  };
  std::vector<Stored> parameters;

  using Matrix = std::vector<std::vector<int>>;  // [rows][cols] of nodes

  Matrix draw_matrix(int rows, int cols) {
    Matrix m(static_cast<std::size_t>(rows), std::vector<int>(static_cast<std::size_t>(cols)));
    for (auto& row : m)
      for (int& v : row) v = t.leaf(static_cast<R>(d.zero ? 0 : d.weights * r.normal()));
    if (d.symmetric && rows == cols)
      for (std::size_t i = 0; i < m.size(); ++i)
        for (std::size_t k = 0; k < i; ++k) m[i][k] = t.leaf(t.value(m[k][i])), m[i][k] = m[i][k];
    return m;
  }
  void store(const std::string& name, const Matrix& m, bool vector = false) {
    Stored s;
    s.name = name;
    const std::size_t rows = m.size(), cols = m[0].size();
    if (vector)
      s.shape = d.column ? std::vector<std::size_t>{rows, 1} : std::vector<std::size_t>{rows};
    else
      s.shape = d.in_out ? std::vector<std::size_t>{cols, rows} : std::vector<std::size_t>{rows, cols};
    if (vector || !d.in_out)
      for (const auto& row : m) s.nodes.insert(s.nodes.end(), row.begin(), row.end());
    else
      for (std::size_t c = 0; c < cols; ++c)
        for (std::size_t k = 0; k < rows; ++k) s.nodes.push_back(m[k][c]);
    parameters.push_back(std::move(s));
  }
  static Matrix stack(const std::vector<Matrix>& list) {
    Matrix out;
    for (const Matrix& m : list) out.insert(out.end(), m.begin(), m.end());
    return out;
  }
  static Matrix beside(const Matrix& a, const Matrix& b) {
    Matrix out = a;
    for (std::size_t i = 0; i < a.size(); ++i) out[i].insert(out[i].end(), b[i].begin(), b[i].end());
    return out;
  }
  std::vector<int> times(const Matrix& m, const std::vector<int>& v) {
    std::vector<int> out;
    for (const auto& row : m) {
      int sum = t.mul(row[0], v[0]);
      for (std::size_t c = 1; c < v.size(); ++c) sum = t.add(sum, t.mul(row[c], v[c]));
      out.push_back(sum);
    }
    return out;
  }
  std::vector<int> plus(std::vector<int> a, const std::vector<int>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = t.add(a[i], b[i]);
    return a;
  }
  std::vector<int> by(std::vector<int> a, const std::vector<int>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = t.mul(a[i], b[i]);
    return a;
  }
  int activate(const std::string& f, int z) {
    const R v = t.value(z);
    if (f == "tanh") {
      const R a = std::tanh(v);
      return t.map(z, a, 1 - a * a);
    }
    if (f == "sigmoid") {
      const R a = 1 / (1 + std::exp(-v));
      return t.map(z, a, a * (1 - a));
    }
    if (f == "relu") return t.map(z, v > 0 ? v : 0, v > 0 ? 1 : 0);
    if (f == "leaky relu")
      return t.map(z, v > 0 ? v : static_cast<R>(0.01) * v, v > 0 ? 1 : static_cast<R>(0.01));
    if (f == "elu") return t.map(z, v > 0 ? v : std::exp(v) - 1, v > 0 ? 1 : std::exp(v));
    if (f == "softsign") {
      const R q = 1 + std::abs(v);
      return t.map(z, v / q, 1 / (q * q));
    }
    if (f == "softplus") {
      const R e = std::log1p(std::exp(-std::abs(v)));
      return t.map(z, e + (v > 0 ? v : 0), 1 / (1 + std::exp(-v)));
    }
    if (f == "sin") return t.map(z, std::sin(v), std::cos(v));
    return z;
  }
  std::vector<int> activate_all(const std::string& f, std::vector<int> z) {
    for (int& v : z) v = activate(f, v);
    return z;
  }

  Case build() {
    const int G = d.cell == 0 ? 1 : d.cell == 1 ? 4 : 3;
    struct Layer {
      std::vector<Matrix> W, U;
      std::vector<Matrix> b, b2;
    };
    std::vector<Layer> layers;
    for (int l = 0; l < d.layers; ++l) {
      Layer y;
      for (int g = 0; g < G; ++g) {
        y.W.push_back(draw_matrix(d.H, l ? d.H : d.I)), y.U.push_back(draw_matrix(d.H, d.H));
        y.b.push_back(draw_matrix(d.H, 1));
        if (d.cell == 2) y.b2.push_back(draw_matrix(d.H, 1));
      }
      const std::string n = d.layers > 1 ? std::to_string(l + 1) : "";
      const char* letters = d.cell == 1 ? "ifgo" : "rzn";
      if (d.separate && G > 1 && d.layers == 1 && d.cell != 2) {
        for (int g = 0; g < G; ++g) {
          const auto k = static_cast<std::size_t>(g);
          const std::string a(1, letters[g]);
          if (d.joined)
            store("W" + a, beside(y.U[k], y.W[k]));
          else
            store("W" + a, y.W[k]), store("U" + a, y.U[k]);
          store("b" + a, y.b[k], true);
        }
      } else if (d.joined && d.layers == 1) {
        store("W", beside(stack(y.U), stack(y.W)));
        store("b", stack(y.b), true);
        if (!y.b2.empty()) store("b_hh", stack(y.b2), true);
      } else {
        store("W" + n, stack(y.W)), store("U" + n, stack(y.U)), store("b" + n, stack(y.b), true);
        if (!y.b2.empty()) store("b_hh" + n, stack(y.b2), true);
      }
      layers.push_back(std::move(y));
    }
    const Matrix V = draw_matrix(d.O, d.H), c = draw_matrix(d.O, 1);
    store("Why", V), store("by", c, true);

    const auto n = [](int v) { return static_cast<std::size_t>(v); };
    std::vector<double> x(n(d.B * d.T * d.I)), ids, h0(n(d.B * d.H)), targets;
    for (double& v : x) v = static_cast<R>(r.normal());
    for (double& v : h0) v = static_cast<R>(d.start ? 0.5 * r.normal() : 0);
    const int outputs = d.last ? d.B : d.B * d.T;
    int loss = t.leaf(0);
    std::vector<std::vector<int>> ys;  // in (batch, time) order
    for (int b = 0; b < d.B; ++b) {
      std::vector<std::vector<int>> h(n(d.layers)), cell(n(d.layers));
      for (int l = 0; l < d.layers; ++l)
        for (int k = 0; k < d.H; ++k) {
          h[n(l)].push_back(t.leaf(static_cast<R>(l == 0 ? h0[n(b * d.H + k)] : 0)));
          cell[n(l)].push_back(t.leaf(0));
        }
      for (int s = 0; s < d.T; ++s) {
        std::vector<int> in;
        for (int k = 0; k < d.I; ++k) in.push_back(t.leaf(static_cast<R>(x[n((b * d.T + s) * d.I + k)])));
        for (int l = 0; l < d.layers; ++l) {
          in = step(layers[n(l)].W, layers[n(l)].U, layers[n(l)].b, layers[n(l)].b2, in, h[n(l)], cell[n(l)]);
        }
        if (!d.last || s == d.T - 1) {
          std::vector<int> bias;
          for (const auto& row : c) bias.push_back(row[0]);
          ys.push_back(plus(times(V, in), bias));
        }
      }
    }
    std::vector<double> tokens;
    for (const auto& y : ys) {
      if (d.loss == 1) {
        const std::size_t pick = r.below(n(d.O));
        tokens.push_back(static_cast<double>(pick));
        R top = t.value(y[0]), sum = 0;
        for (int v : y) top = std::max(top, t.value(v));
        for (int v : y) sum += std::exp(t.value(v) - top);
        for (std::size_t k = 0; k < y.size(); ++k) {
          const R p = std::exp(t.value(y[k]) - top) / sum;
          loss = t.add(loss, t.map(y[k], k == pick ? -(t.value(y[k]) - top - std::log(sum)) : 0,
                                   p - (k == pick ? 1 : 0)));
        }
        continue;
      }
      for (int v : y) {
        const double goal = d.loss == 2 ? static_cast<double>(r.below(2))
                            : d.perfect ? static_cast<double>(t.value(v))
                                        : static_cast<double>(static_cast<R>(r.normal()));
        targets.push_back(goal);
        if (d.loss == 2) {
          const R p = 1 / (1 + std::exp(-t.value(v)));
          const R e = std::log1p(std::exp(-std::abs(t.value(v)))) + (t.value(v) > 0 ? t.value(v) : 0) -
                      static_cast<R>(goal) * t.value(v);
          loss = t.add(loss, t.map(v, e, p - static_cast<R>(goal)));
        } else {
          const int e = t.sub(v, t.leaf(static_cast<R>(goal)));
          if (d.loss == 3)
            loss = t.add(loss, t.map(e, std::abs(t.value(e)), t.value(e) > 0 ? 1 : t.value(e) < 0 ? -1 : 0));
          else
            loss = t.add(loss, t.mul(e, e));
        }
      }
    }
    const double each = d.loss == 1 ? 1 : d.O;
    const R factor = static_cast<R>(d.reduction == 2                  ? 1 / (outputs * each)
                                    : d.reduction == 1 && d.loss == 0 ? 0.5
                                                                      : 1);
    loss = t.map(loss, t.value(loss) * factor, factor);
    const std::vector<R> g = t.gradient(loss);

    Case out;
    const Dtype type = sizeof(R) == 4 ? Dtype::float32 : Dtype::float64;
    for (const Stored& s : parameters) {
      Array p{s.shape, {}, type}, dp{s.shape, {}, type};
      for (int k : s.nodes) p.values.push_back(t.value(k)), dp.values.push_back(g[n(k)]);
      out.arrays.push_back({s.name, p});
      out.arrays.push_back({"d" + s.name, dp});
    }
    auto sequence = [&](const std::string& name, const std::vector<double>& v, int T, int F, Dtype dtype) {
      // v is (batch, time, features).
      Array a;
      a.dtype = dtype;
      if (d.column && T > 0) {  // (features, batch, time)
        a.shape = {n(F), n(d.B), n(T)};
        for (int f = 0; f < F; ++f)
          for (int b = 0; b < d.B; ++b)
            for (int s = 0; s < T; ++s) a.values.push_back(v[n((b * T + s) * F + f)]);
      } else if (d.column) {
        a.shape = {n(F), n(d.B)};
        for (int f = 0; f < F; ++f)
          for (int b = 0; b < d.B; ++b) a.values.push_back(v[n(b * F + f)]);
      } else if (T > 0 && !d.batch_first) {
        a.shape = {n(T), n(d.B), n(F)};
        for (int s = 0; s < T; ++s)
          for (int b = 0; b < d.B; ++b)
            for (int f = 0; f < F; ++f) a.values.push_back(v[n((b * T + s) * F + f)]);
      } else {
        a.shape =
            T > 0 ? std::vector<std::size_t>{n(d.B), n(T), n(F)} : std::vector<std::size_t>{n(d.B), n(F)};
        a.values = v;
      }
      out.arrays.push_back({name, a});
    };
    sequence("x", x, d.T, d.I, type);
    if (d.loss == 1) {
      Array ids_array{d.last ? std::vector<std::size_t>{n(d.B)} : std::vector<std::size_t>{n(d.B), n(d.T)},
                      tokens, Dtype::int64};
      out.arrays.push_back({"targets", ids_array});
    } else {
      sequence("targets", targets, d.last ? 0 : d.T, d.O, type);
    }
    if (d.start) sequence("h0", h0, 0, d.H, type);
    if (d.tells_loss) out.arrays.push_back({"loss", Array{{}, {static_cast<double>(t.value(loss))}, type}});
    return out;
  }

  std::vector<int> column_of(const Matrix& m) {
    std::vector<int> out;
    for (const auto& row : m) out.push_back(row[0]);
    return out;
  }
  std::vector<int> step(const std::vector<Matrix>& W, const std::vector<Matrix>& U,
                        const std::vector<Matrix>& b, const std::vector<Matrix>& b2,
                        const std::vector<int>& x, std::vector<int>& h, std::vector<int>& c) {
    auto pre = [&](std::size_t g, const std::vector<int>& state) {
      return plus(plus(times(W[g], x), times(U[g], state)), column_of(b[g]));
    };
    if (d.cell == 0) return h = activate_all(d.activation, pre(0, h));
    if (d.cell == 1) {
      const auto i = activate_all("sigmoid", pre(0, h)), f = activate_all("sigmoid", pre(1, h)),
                 g = activate_all("tanh", pre(2, h)), o = activate_all("sigmoid", pre(3, h));
      c = plus(by(f, c), by(i, g));
      return h = by(o, activate_all("tanh", c));
    }
    std::vector<int> reset, update, fresh;
    if (d.cell == 2) {
      reset = activate_all("sigmoid", plus(pre(0, h), column_of(b2[0])));
      update = activate_all("sigmoid", plus(pre(1, h), column_of(b2[1])));
      fresh = activate_all("tanh", plus(plus(times(W[2], x), column_of(b[2])),
                                        by(reset, plus(times(U[2], h), column_of(b2[2])))));
    } else {
      reset = activate_all("sigmoid", pre(0, h)), update = activate_all("sigmoid", pre(1, h));
      fresh = activate_all("tanh", pre(2, by(reset, h)));
    }
    std::vector<int> next;
    for (std::size_t k = 0; k < h.size(); ++k)
      next.push_back(t.add(fresh[k], t.mul(update[k], t.sub(h[k], fresh[k]))));
    return h = next;
  }
};

inline Draw random_draw(Random& r) {
  Draw d;
  const char* activations[] = {"tanh",     "relu",     "leaky relu", "elu",     "sigmoid",
                               "softsign", "softplus", "sin",        "identity"};
  d.cell = static_cast<int>(r.below(4));
  const int sizes[] = {1, 2, 3, 4, 5, 6};
  d.T = static_cast<int>(r.below(8) == 0 ? 1 : 2 + r.below(5));
  d.B = static_cast<int>(r.below(4) == 0 ? 1 : 2 + r.below(3));
  d.I = sizes[r.below(5)], d.H = r.below(10) == 0 ? 1 : sizes[1 + r.below(5)], d.O = sizes[r.below(4)];
  d.layers = r.below(5) == 0 ? 2 : 1;
  d.activation = r.below(2) ? "tanh" : activations[r.below(9)];
  d.loss = static_cast<int>(r.below(4));
  if (d.loss == 1 && d.O < 2) d.O = 3;
  d.reduction = static_cast<int>(r.below(3));
  d.last = r.below(3) == 0, d.start = r.below(3) != 0 && d.layers == 1, d.in_out = r.below(2),
  d.batch_first = r.below(2), d.column = r.below(4) == 0;
  d.separate = r.below(2), d.joined = r.below(4) == 0;
  const double scales[] = {1e-6, 1e-3, 0.1, 0.5, 0.5, 0.5, 1, 3, 30};
  d.weights = scales[r.below(9)];
  d.symmetric = r.below(20) == 0, d.zero = r.below(40) == 0, d.perfect = r.below(30) == 0,
  d.tells_loss = r.below(4) != 0;
  return d;
}

inline std::string describe(const Draw& d) {
  return fmt::format(
      "cell {} layers {} T {} B {} I {} H {} O {} weights {} {} loss {} reduction {} last {} start {} in_out "
      "{} batch_first {} column {} separate {} joined {} symmetric {} zero {} perfect {} tells_loss {}",
      d.cell, d.layers, d.T, d.B, d.I, d.H, d.O, d.weights, d.activation, d.loss, d.reduction, d.last,
      d.start, d.in_out, d.batch_first, d.column, d.separate, d.joined, d.symmetric, d.zero, d.perfect,
      d.tells_loss);
}

}  // namespace retrograde::doctor::autodiff
