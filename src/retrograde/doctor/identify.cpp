#include "retrograde/doctor/identify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "retrograde/doctor/structure.h"
#include "retrograde/doctor/views.h"

namespace retrograde::doctor {

namespace {

bool whole_numbers(const Real& v) {
  return std::all_of(v.begin(), v.end(), [](double x) { return x >= 0 && x == std::floor(x) && x < 1e6; });
}

double square(const Real& v) {
  double sum = 0;
  for (double x : v) sum += x * x;
  return sum;
}

// Two significant digits say it all.
bool is_round(double v) {
  const double unit = std::pow(10, std::floor(std::log10(v)) - 1), digits = v / unit;
  return std::abs(digits / std::round(digits) - 1) < 1e-9;
}

struct Reduction {
  double factor;  // of the basic loss (half the summed square, or the sum)
  std::string text;
};

std::vector<Reduction> reductions(const Problem& p) {
  double steps = 0;
  for (int e : p.end) steps += e;
  if (p.net.last_output) steps = p.B;
  const double T = p.net.last_output ? 1 : p.T, B = p.B, O = p.net.head ? p.O : p.H();
  const bool squared = p.net.loss == Loss::squared;
  struct Over {
    double n;
    const char* text;
  };
  std::vector<Over> overs = {{1, ""}};
  auto add = [&](double n, const char* text) {
    if (n > 1 && std::none_of(overs.begin(), overs.end(), [&](const Over& o) { return o.n == n; }))
      overs.push_back({n, text});
  };
  add(steps * O, "averaged over steps, batch and outputs");
  add(steps, "averaged over steps and batch");
  add(B, "averaged over the batch");
  add(T, "averaged over the steps");
  add(p.T, "divided by the number of steps");
  add(O, "averaged over the outputs");
  add(B * O, "averaged over batch and outputs");
  add(T * O, "averaged over steps and outputs");
  add(T * B * O, "divided by steps, batch and outputs");
  add(T * B, "divided by steps and batch");
  std::vector<Reduction> out;
  for (const Over& o : overs) {
    const std::string tail = o.n == 1 ? "summed" : o.text;
    if (squared) {
      out.push_back({1 / o.n, fmt::format("half the squared error, {}", tail)});
      out.push_back({2 / o.n, fmt::format("squared error, {}", tail)});
    } else {
      out.push_back({1 / o.n, fmt::format("{}, {}", name(p.net.loss), tail)});
    }
  }
  if (p.net.loss == Loss::softmax_cross_entropy || p.net.loss == Loss::binary_cross_entropy)
    out.push_back({1 / std::log(2.0), fmt::format("{} in bits, summed", name(p.net.loss))});
  return out;
}

struct Objective {
  Loss loss;
  Activation head;
};

std::vector<Objective> objectives(bool head) {
  std::vector<Objective> out = {{Loss::squared, Activation::identity}};
  if (!head) return out;
  out.push_back({Loss::softmax_cross_entropy, Activation::softmax});
  out.push_back({Loss::binary_cross_entropy, Activation::sigmoid});
  for (Activation f :
       {Activation::sigmoid, Activation::tanh, Activation::softmax, Activation::relu, Activation::leaky_relu,
        Activation::elu, Activation::softsign, Activation::softplus, Activation::sin})
    if (head) out.push_back({Loss::squared, f});
  out.push_back({Loss::absolute, Activation::identity});
  out.push_back({Loss::huber, Activation::identity});
  for (Activation f : {Activation::sigmoid, Activation::tanh})
    if (head) out.push_back({Loss::absolute, f}), out.push_back({Loss::huber, f});
  return out;
}

std::string lower(std::string s) {
  for (char& c : s)
    c = c == ' ' || c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return s;
}

class Identifier {
 public:
  Identifier(const Roles& roles, const Hints& hints, WorkClock::time_point deadline)
      : roles_(roles), hints_(hints), deadline_(deadline) {
    for (const Datum& d : roles_.data) {
      if (d.role == Role::loss && d.given.array.size() == 1)
        loss_ = d.given.array.values[0], has_loss_ = true,
        loss_single_ = d.given.array.dtype == Dtype::float32;
      if (d.role == Role::outputs) outputs_ = &d.given.array;
      if (d.role == Role::upstream) upstream_ = &d.given.array, upstream_name_ = d.given.name;
      if (d.role == Role::lengths) lengths_ = &d.given.array;
      if (d.role == Role::final_gradient) final_ = &d.given.array;
    }
  }

  std::vector<Hypothesis> run() {
    passes();
    guess_starts();
    if (found_.empty() && has_loss_) {
      loss_failed_ = true;  // not the loss that the gradient belongs to, or one that we do not know
      passes();
    }
    rank();
    return std::move(found_);
  }

 private:
  // Where nothing fits, arrays without a telling name are tried as start states, and states that are one
  // longer than the sequence are read as beginning with it instead of ending (row -1).
  void guess_starts() {
    if (good() || perfect()) return;
    start_in_front_ = true;
    if (std::any_of(roles_.data.begin(), roles_.data.end(),
                    [](const Datum& d) { return d.role == Role::states; }))
      passes();
    start_in_front_ = false;
    std::vector<Datum*> unknown;
    for (Datum& d : roles_.data)
      if (d.role == Role::unknown && d.given.array.size() > 1) unknown.push_back(&d);
    if (unknown.size() > 4) return;
    for (Datum* h : unknown) {
      h->role = Role::h0;
      if (!good()) passes();
      for (Datum* c : unknown) {
        if (c == h || good()) continue;
        c->role = Role::c0;
        passes();
        c->role = Role::unknown;
      }
      h->role = Role::unknown;
    }
  }
  bool perfect() const {
    return std::any_of(found_.begin(), found_.end(), [](const Hypothesis& h) { return h.agreement == 1; });
  }

  void passes() {
    for (const Datum* x : candidates(Role::input))
      for (bool wide : {false, true})
        for (int layers : {1, 2})
          for (Cell cell : {Cell::elman, Cell::lstm, Cell::gru}) {
            if (found()) return;
            cell_pass(*x, cell, layers, wide);
          }
  }
  bool late() const { return WorkClock::now() > deadline_; }
  // Nothing better can come.
  bool found() const {
    return std::any_of(found_.begin(), found_.end(),
                       [](const Hypothesis& h) { return h.confirmed() && h.agreement > 0; });
  }
  bool good() const {
    return std::any_of(found_.begin(), found_.end(), [](const Hypothesis& h) { return h.confirmed(); });
  }

  std::vector<const Datum*> candidates(Role role) const {
    std::vector<const Datum*> named, rest;
    for (const Datum& d : roles_.data) {
      if (d.role == role) named.push_back(&d);
      if (d.role == Role::unknown && d.given.array.size() > 0) rest.push_back(&d);
    }
    return named.empty() ? rest : named;
  }

  void cell_pass(const Datum& x, Cell cell, int layers, bool wide) {
    const std::string want = lower(hints_.cell);
    if (!want.empty() &&
        want.rfind(cell == Cell::elman  ? "elman"
                   : cell == Cell::lstm ? "lstm"
                                        : "gru",
                   0) != 0 &&
        !(cell == Cell::elman && want == "rnn"))
      return;
    const bool tokens = whole_numbers(x.given.array.values);
    std::vector<int> sizes;
    auto offer = [&](int n) {
      if (std::find(sizes.begin(), sizes.end(), n) == sizes.end()) sizes.push_back(n);
    };
    for (std::size_t n : x.given.array.shape) offer(static_cast<int>(n));
    offer(1);
    if (tokens) {
      const double top = x.given.array.values.empty()
                             ? 0
                             : *std::max_element(x.given.array.values.begin(), x.given.array.values.end());
      for (const Block& b : roles_.blocks)
        for (std::size_t n : b.shape)
          for (std::size_t minus = 0; minus <= n; ++minus)
            if (static_cast<double>(n - minus) > top &&
                (minus == 0 || is_size(n - minus) || is_size(minus) || (minus > 0 && is_size(minus - 1))))
              offer(static_cast<int>(n - minus));
    }
    const auto all = structures(roles_.blocks, cell, layers, sizes, deadline_);
    std::size_t tried = 0;
    for (const Structure& s : all) {
      if (late() || ++tried > 600) break;
      if (wide && s.order > 5 && s.cell == Cell::lstm) continue;
      for (const View& v : views(x.given.array.shape)) {
        if (late()) break;
        const bool dense = v.F ? v.F == s.inputs : s.inputs == 1;
        const bool token_view = !v.F && tokens && s.inputs > 1;
        if (dense || token_view) input_pass(x, v, token_view, s, wide);
      }
    }
  }

  bool is_size(std::size_t n) const {
    return std::any_of(roles_.blocks.begin(), roles_.blocks.end(), [&](const Block& b) {
      return std::find(b.shape.begin(), b.shape.end(), n) != b.shape.end();
    });
  }

  void input_pass(const Datum& x, const View& v, bool tokens, const Structure& s, bool wide) {
    x_name_ = x.given.name;
    Problem p;
    p.T = v.T ? v.T : 1;
    p.B = v.B ? v.B : 1;
    p.I = s.inputs;
    p.O = s.outputs ? s.outputs : s.hidden.back();
    p.gates = gate_count(s.cell);
    p.net.cell = s.cell;
    p.net.head = s.outputs > 0;
    if (tokens) {
      const Real ids = read(v, x.given.array.values, p.T, p.B, 1);
      if (std::any_of(ids.begin(), ids.end(), [&](double id) { return !(id >= 0 && id < p.I); })) return;
      p.x.assign(static_cast<std::size_t>(p.T * p.B * p.I), 0);
      for (std::size_t k = 0; k < ids.size(); ++k)
        p.x[k * static_cast<std::size_t>(p.I) + static_cast<std::size_t>(ids[k])] = 1;
    } else {
      p.x = read(v, x.given.array.values, p.T, p.B, p.I);
    }
    p.end.assign(static_cast<std::size_t>(p.B), p.T);
    if (lengths_) {
      if (static_cast<int>(lengths_->size()) != p.B) return;
      for (int b = 0; b < p.B; ++b) {
        const double n = lengths_->values[static_cast<std::size_t>(b)];
        if (!(n >= 1 && n <= p.T)) return;
        p.end[static_cast<std::size_t>(b)] = static_cast<int>(n);
      }
    }
    fill_parameters(s, p);
    if (!fill_states(p)) return;
    // GRU comes in four forms.
    std::vector<std::pair<bool, bool>> forms = {{true, true}};
    if (s.cell == Cell::gru) forms = {{true, true}, {false, true}, {true, false}, {false, false}};
    if (lower(hints_.cell) == "gru_reset_before") forms = {{false, true}, {false, false}};
    for (const auto& [after, keeps] : forms) {
      p.net.reset_after = after;
      p.net.update_keeps = keeps;
      if (wide && s.cell == Cell::lstm) forget_plus_one(p, s, v);
      const auto acts = wide ? std::vector<Activation>{Activation::relu,         Activation::sigmoid,
                                                       Activation::leaky_relu,   Activation::elu,
                                                       Activation::softsign,     Activation::softplus,
                                                       Activation::sin,          Activation::identity,
                                                       Activation::leaky_relu_1, Activation::leaky_relu_2}
                             : std::vector<Activation>{Activation::tanh};
      for (Activation f : acts) {
        if (!hints_.activation.empty() && lower(hints_.activation) != lower(std::string(name(f)))) continue;
        p.net.activation = f;
        activation_pass(p, s, v);
      }
    }
  }

  // A forget bias of one that is added in the forward and is no parameter.
  void forget_plus_one(Problem p, const Structure& s, const View& v) {
    p.net.forget_plus_one = true;
    for (Layer& layer : p.layers) {
      const auto H = static_cast<std::size_t>(layer.hidden);
      layer.b.resize(4 * H, 0);
      for (std::size_t u = H; u < 2 * H; ++u) layer.b[u] += 1;
    }
    activation_pass(p, s, v);
  }

  void fill_parameters(const Structure& s, Problem& p) const {
    p.layers.assign(s.hidden.size(), {});
    for (std::size_t l = 0; l < s.hidden.size(); ++l) {
      Layer& layer = p.layers[l];
      layer.hidden = s.hidden[l];
      layer.inputs = l == 0 ? s.inputs : s.hidden[l - 1];
      const auto G = static_cast<std::size_t>(p.gates), H = static_cast<std::size_t>(layer.hidden);
      layer.W.assign(G * H * static_cast<std::size_t>(layer.inputs), 0);
      layer.U.assign(G * H * H, 0);
    }
    for (std::size_t i = 0; i < s.pieces.size(); ++i)
      for (const Piece& piece : s.pieces[i]) {
        Layer& layer = p.layers[static_cast<std::size_t>(piece.layer)];
        const Real v = gather(piece, roles_.blocks[i].value);
        const auto at = static_cast<std::size_t>(piece.gate) * v.size();
        auto put = [&](Real& to) {
          if (to.empty()) to.assign(static_cast<std::size_t>(p.gates) * v.size(), 0);
          std::copy(v.begin(), v.end(), to.begin() + static_cast<long>(at));
        };
        switch (piece.kind) {
          case Kind::W:
            put(layer.W);
            break;
          case Kind::U:
            put(layer.U);
            break;
          case Kind::b:
            put(layer.b);
            break;
          case Kind::b2:
            put(layer.b2);
            break;
          case Kind::V:
            p.V = v;
            break;
          case Kind::c:
            p.c = v;
            break;
          default:
            break;
        }
      }
  }

  // The start state kept in the states' array, which then is one step longer than the sequence.
  void start_among_states(const Datum& d, Problem& p) const {
    for (const View& v : views(d.given.array.shape)) {
      if (v.F != p.H() || (v.B ? v.B : 1) != p.B || v.T != p.T + 1) continue;
      const Real all = read(v, d.given.array.values, v.T, p.B, p.H());
      const auto row = p.layers[0].h0.size();
      const auto from =
          all.begin() + static_cast<long>(start_in_front_ ? 0 : row * static_cast<std::size_t>(p.T));
      p.layers[0].h0.assign(from, from + static_cast<long>(row));
      return;
    }
  }

  // h0 and c0 in whatever shape; a start state that fits no shape refuses the reading.
  bool fill_states(Problem& p) const {
    const int L = static_cast<int>(p.layers.size());
    for (Layer& layer : p.layers) {
      layer.h0.assign(static_cast<std::size_t>(p.B * layer.hidden), 0);
      layer.c0 = layer.h0;
    }
    int next[2] = {0, 0};
    for (const Datum& d : roles_.data) {
      if (d.role == Role::states && L == 1) start_among_states(d, p);
      if (d.role != Role::h0 && d.role != Role::c0) continue;
      const bool cell = d.role == Role::c0;
      bool placed = false;
      auto order = views(d.given.array.shape);
      std::stable_partition(order.begin(), order.end(),
                            [](const View& v) { return v.axes[0] == 't'; });  // layers first
      for (const View& v : order) {
        const int l = next[cell];
        if (l >= L) return false;
        Layer& layer = p.layers[static_cast<std::size_t>(l)];
        if (v.F != layer.hidden && !(v.F == 0 && layer.hidden == 1)) continue;
        if (v.B && v.B != p.B) continue;
        if (v.T && v.T != L) continue;
        if (v.T > 1 || (v.T && L > 1)) {
          // A leading axis of layers.
          for (int k = 0; k < L; ++k) {
            Layer& to = p.layers[static_cast<std::size_t>(k)];
            if (to.hidden != layer.hidden) return false;
            const Real all = read(v, d.given.array.values, L, p.B, to.hidden);
            const auto n = static_cast<long>(p.B * to.hidden);
            (cell ? to.c0 : to.h0).assign(all.begin() + k * n, all.begin() + (k + 1) * n);
          }
          next[cell] = L;
        } else {
          (cell ? layer.c0 : layer.h0) = read(v, d.given.array.values, 1, p.B, layer.hidden);
          ++next[cell];
        }
        placed = true;
        break;
      }
      if (!placed) return false;
    }
    if (final_) {
      for (const View& v : views(final_->shape))
        if (v.F == p.H() && (!v.B || v.B == p.B) && v.T <= 1) {
          p.final_gradient = read(v, final_->values, 1, p.B, p.H());
          break;
        }
    }
    return true;
  }

  void activation_pass(const Problem& base, const Structure& s, const View& x_view) {
    if (late()) return;
    Problem p = base;
    const std::vector<Tape> tapes = forward(p);
    const Real states = tapes.back().outputs();
    const Real z = head_outputs(p, states);
    if (upstream_ && !p.net.head) {
      given_upstream(p, s, x_view, states);
      return;
    }
    for (const Datum* target : candidates(Role::target)) {
      for (const View& v : views(target->given.array.shape)) target_pass(p, s, x_view, *target, v, z);
    }
  }

  // No head: dL/dh comes from outside, and a loss that is given with it can only be the sum of h dL/dh.
  void given_upstream(Problem& p, const Structure& s, const View& x_view, const Real& states) {
    y_name_ = upstream_name_;
    p.net.loss = Loss::upstream;
    p.net.reduction = "the gradient of the states is given";
    for (const View& v : views(upstream_->shape)) {
      if (v.F != p.H() || (v.B && v.B != p.B) || (!v.B && p.B > 1)) continue;
      if (v.T && v.T != p.T) continue;
      p.net.last_output = !v.T && p.T > 1;
      p.target = read(v, upstream_->values, p.T, p.B, p.H());
      double gap = -1;
      if (has_loss_ && !loss_failed_) {
        double sum = 0, size = 0;
        for (std::size_t k = 0; k < states.size(); ++k) {
          if (p.net.last_output && k < states.size() - p.target.size() / static_cast<std::size_t>(p.T))
            continue;
          sum += states[k] * p.target[k], size += std::abs(states[k] * p.target[k]);
        }
        gap = std::abs(sum - loss_) / std::max(size, 1e-300);
        if (!(gap <= (loss_single_ ? 3e-6 : 1e-6))) continue;
      }
      record(p, s, x_view, v, states, gap, true);
    }
  }

  void target_pass(Problem& p, const Structure& s, const View& x_view, const Datum& target, const View& v,
                   const Real& z) {
    const Real& values = target.given.array.values;
    y_name_ = target.given.name;
    if ((v.B ? v.B : 1) != p.B && v.B) return;
    if (!v.B && p.B > 1) return;
    if (v.T && v.T != p.T) return;
    const bool last = !v.T && p.T > 1;
    const bool dense = v.F ? v.F == p.O : p.O == 1;
    const bool tokens =
        !v.F && p.O > 1 && whole_numbers(values) && *std::max_element(values.begin(), values.end()) < p.O;
    if (!dense && !tokens) return;
    p.net.last_output = last;
    if (tokens) {
      const Real ids = read(v, values, p.T, p.B, 1);
      p.target.assign(static_cast<std::size_t>(p.T * p.B * p.O), 0);
      for (std::size_t k = 0; k < ids.size(); ++k)
        p.target[k * static_cast<std::size_t>(p.O) + static_cast<std::size_t>(ids[k])] = 1;
    } else {
      p.target = read(v, values, p.T, p.B, p.O);
    }
    const bool unit =
        std::all_of(p.target.begin(), p.target.end(), [](double t) { return t >= 0 && t <= 1; });
    for (const Objective& o : objectives(p.net.head)) {
      if (o.loss == Loss::softmax_cross_entropy && (p.O < 2 || !unit)) continue;
      if (o.loss == Loss::binary_cross_entropy && !unit) continue;
      if (!hints_.loss.empty() &&
          lower(std::string(name(o.loss))).rfind(lower(hints_.loss).substr(0, 5), 0) != 0)
        continue;
      if (!hints_.head_activation.empty() &&
          lower(std::string(name(o.head))) != lower(hints_.head_activation))
        continue;
      p.net.reduction = std::string(name(o.loss));
      p.net.loss = o.loss;
      p.net.head_activation = o.head;
      judge(p, s, x_view, v, z);
    }
  }

  void judge(Problem& p, const Structure& s, const View& x_view, const View& y_view, const Real& z) {
    if (has_loss_) {
      const double basic = basic_loss(p, p.net.loss, p.net.head_activation, z);
      if (const double size = square(p.target); loss_ <= 1e-24 * size && basic <= 1e-24 * size) {
        record(p, s, x_view, y_view, z, 0, false);
        return;
      }
      for (const Reduction& r : reductions(p)) {
        const double gap = std::abs(r.factor * basic / loss_ - 1);
        if (!(gap <= (loss_single_ ? 3e-6 : 1e-6))) continue;
        p.net.scale = r.factor;
        p.net.reduction = r.text;
        record(p, s, x_view, y_view, z, gap, true);
        break;
      }
      if (!loss_failed_ || regularised(p, s, x_view, y_view, z, basic)) return;
    }
    if (has_loss_ &&
        std::any_of(found_.begin(), found_.end(), [](const Hypothesis& h) { return h.loss_gap >= 0; }))
      return;
    p.net.scale = 1;
    p.net.reduction = std::string(name(p.net.loss));
    record(p, s, x_view, y_view, z, -1, false);
  }

  // A loss that is larger than the data's by a penalty: the decay that fits is believed if it is a round
  // number.
  bool regularised(Problem& p, const Structure& s, const View& x_view, const View& y_view, const Real& z,
                   double basic) {
    double matrices = square(p.V), head = matrices, biases = square(p.c);
    for (const Layer& l : p.layers) {
      matrices += square(l.W) + square(l.U);
      biases += square(l.b) + square(l.b2);
    }
    const std::pair<Decays, double> sums[] = {{Decays::matrices, matrices},
                                              {Decays::everything, matrices + biases},
                                              {Decays::layers, matrices - head},
                                              {Decays::head, head}};
    for (const Reduction& r : reductions(p))
      for (const auto& [what, sum] : sums) {
        const double decay = 2 * (loss_ - r.factor * basic) / sum;
        if (!(decay > 1e-9 * std::abs(loss_) / sum) || !(decay < 10)) continue;
        if (!is_round(decay) && !is_round(decay / 2) && !is_round(decay * p.B) && !is_round(decay * p.B / 2))
          continue;
        Problem with = p;
        with.net.scale = r.factor;
        with.net.decay = decay, with.net.decays = what;
        with.net.reduction = fmt::format("{}, and a penalty of {:.4g}/2 times the squared {},", r.text, decay,
                                         what == Decays::matrices     ? "matrices"
                                         : what == Decays::everything ? "parameters"
                                         : what == Decays::head       ? "head's matrix"
                                                                      : "layers' matrices");
        record(with, s, x_view, y_view, z, 0, true);
        return true;
      }
    return false;
  }

  double outputs_gap(const Problem& p, const Real& z) const {
    if (!outputs_) return -1;
    Real y = z;
    for (std::size_t k = 0; k < y.size(); ++k) y[k] = value(p.net.head_activation, y[k]);
    if (p.net.head_activation == Activation::softmax)
      for (std::size_t r = 0; r < y.size(); r += static_cast<std::size_t>(p.O)) {
        double sum = 0, top = -1e300;
        for (int k = 0; k < p.O; ++k) top = std::max(top, z[r + static_cast<std::size_t>(k)]);
        for (int k = 0; k < p.O; ++k)
          sum += y[r + static_cast<std::size_t>(k)] = std::exp(z[r + static_cast<std::size_t>(k)] - top);
        for (int k = 0; k < p.O; ++k) y[r + static_cast<std::size_t>(k)] /= sum;
      }
    double best = -1;
    for (const Real* made : std::initializer_list<const Real*>{&y, &z})
      for (const View& v : views(outputs_->shape)) {
        if ((v.F ? v.F : 1) != p.O || (v.B ? v.B : 1) != p.B || (v.T && v.T != p.T)) continue;
        double gap = 0, top = 1e-300;
        for (int t = v.T || p.T == 1 ? 0 : p.T - 1; t < p.T; ++t)
          for (int b = 0; b < p.B; ++b)
            for (int k = 0; k < p.O; ++k) {
              const double given =
                  outputs_->values[static_cast<std::size_t>(v.T ? t : 0) * v.t +
                                   static_cast<std::size_t>(b) * v.b + static_cast<std::size_t>(k) * v.f];
              const double ours = (*made)[static_cast<std::size_t>((t * p.B + b) * p.O + k)];
              gap = std::max(gap, std::abs(given - ours)), top = std::max(top, std::abs(given));
            }
        if (best < 0 || gap / top < best) best = gap / top;
      }
    return best >= 0 && best < 1e-5 ? best : -1;
  }

  void record(const Problem& p, const Structure& s, const View& x_view, const View& y_view, const Real& z,
              double loss_gap, bool scale_known) {
    Hypothesis h;
    h.problem = p;
    h.loss_gap = loss_gap;
    h.given_loss = loss_;
    h.scale_known = scale_known;
    h.outputs_gap = outputs_gap(p, z);
    h.doubt = s.doubt + x_view.doubt + y_view.doubt +
              (x_view.axes != y_view.axes && x_view.axes.size() == y_view.axes.size() ? 0.3 : 0);
    // Habit, where nothing else speaks: tanh, no constant in the forget gate.
    const Activation f = p.net.activation;
    h.doubt += f == Activation::tanh ? 0 : f == Activation::relu || f == Activation::sigmoid ? 0.5 : 0.8;
    h.doubt += p.net.forget_plus_one ? 0.6 : 0;
    h.blocks = roles_.blocks;
    for (std::size_t i = 0; i < h.blocks.size(); ++i) h.blocks[i].pieces = s.pieces[i];
    h.input = {x_name_, x_view}, h.target = {y_name_, y_view};
    state_blocks(h, x_view);
    words(h, x_view);
    measure(h);
    h.sensitive = loss_gap < 0 || sensitive(h.problem);
    found_.push_back(std::move(h));
    if (found_.size() > 400) {
      rank();
      found_.resize(100);
    }
  }

  // Claims for x, h0 and c0.
  void state_blocks(Hypothesis& h, const View& x_view) const {
    const Problem& p = h.problem;
    for (Block b : roles_.state_blocks) {
      const Datum* datum = nullptr;
      for (const Datum& d : roles_.data)
        if (d.given.name == b.parameter) datum = &d;
      if (!datum) continue;
      if (datum->role == Role::input) {
        if (!x_view.F && p.I != 1) continue;
        for (int t = 0; t < p.T; ++t) {
          Piece piece{Kind::dx, 0, t, p.B, p.I, static_cast<std::size_t>(t) * x_view.t, x_view.b, x_view.f};
          b.pieces.push_back(piece);
        }
      } else {
        for (const View& v : views(b.shape)) {
          const Layer& layer = p.layers[0];
          if (v.F != layer.hidden || (v.B ? v.B : 1) != p.B || v.T > 1 || p.layers.size() > 1) continue;
          b.pieces.push_back(
              {datum->role == Role::h0 ? Kind::dh0 : Kind::dc0, 0, 0, p.B, layer.hidden, 0, v.b, v.f});
          break;
        }
      }
      if (!b.pieces.empty()) h.blocks.push_back(std::move(b));
    }
  }

  // A stacked or joined array is named by the part that is meant: weight_hh[z], W[f,h].
  static std::string part_name(Cell cell, const Block& b, const Piece& piece) {
    const auto gates = std::count_if(b.pieces.begin(), b.pieces.end(), [&](const Piece& q) {
      return q.kind == piece.kind && q.layer == piece.layer;
    });
    const bool joined = std::any_of(b.pieces.begin(), b.pieces.end(),
                                    [&](const Piece& q) { return q.cols > 1 && q.kind != piece.kind; });
    const std::string_view gate = gates > 1 ? gate_name(cell, piece.gate) : std::string_view();
    const char* part = !joined ? "" : piece.kind == Kind::U ? "h" : "x";
    if (gate.empty() && !joined) return b.parameter;
    return fmt::format("{}[{}{}{}]", b.parameter, gate, gate.empty() || !joined ? "" : ",", part);
  }

  static void words(Hypothesis& h, const View& x_view) {
    Words& w = h.words;
    w.gates = h.problem.gates;
    const std::size_t n = h.problem.layers.size() * static_cast<std::size_t>(w.gates);
    w.U.assign(n, "U"), w.W.assign(n, "W");
    w.U_in_out.assign(n, false), w.W_in_out.assign(n, false);
    bool first = true, in_out = false;
    for (const Block& b : h.blocks)
      for (const Piece& piece : b.pieces) {
        const auto at = static_cast<std::size_t>(piece.layer * w.gates + piece.gate);
        const bool transposed = piece.row_stride == 1 && piece.col_stride != 1;
        if (piece.kind == Kind::U)
          w.U[at] = part_name(h.problem.net.cell, b, piece), w.U_in_out[at] = transposed;
        if (piece.kind == Kind::W)
          w.W[at] = part_name(h.problem.net.cell, b, piece), w.W_in_out[at] = transposed;
        if (piece.kind == Kind::V) w.V = b.parameter, w.V_in_out = transposed;
        if ((piece.kind == Kind::W || piece.kind == Kind::U) && piece.cols > 1 && piece.rows > 1 && first)
          in_out = transposed, first = false;
      }
    const auto f = x_view.axes.find('f'), bt = x_view.axes.find('b');
    w.column = bt == std::string::npos ? !in_out : f < bt;
    std::string axes;
    for (char c : x_view.axes)
      if (c != '1')
        axes += fmt::format("{}{}", axes.empty() ? "" : ", ",
                            c == 't'   ? "time"
                            : c == 'b' ? "batch"
                                       : "features");
    h.layout = fmt::format("weights [{}]; input ({})", in_out ? "in, out" : "out, in", axes);
  }

  // Whether other weights would give another loss: with tiny ones every activation gives the same.
  static bool sensitive(Problem p) {
    const auto loss = [&] {
      return basic_loss(p, p.net.loss, p.net.head_activation, head_outputs(p, forward(p).back().outputs()));
    };
    const double before = loss();
    for (Layer& layer : p.layers)
      for (Real* w : {&layer.W, &layer.U})
        for (double& v : *w) v *= 1.01;
    return std::abs(loss() - before) > 1e-7 * std::abs(before);
  }

  // How many of the claimed blocks the right gradient reproduces, up to one factor if the reduction is open.
  void measure(Hypothesis& h) const {
    const Engine engine(h.problem);
    const Evaluation e = engine.evaluate(right_plan(h.problem));
    double agree = 0, all = 0;
    std::vector<std::pair<double, double>> factors;
    for (const Block& b : h.blocks) {
      if (b.claim.empty()) continue;
      for (const Piece& piece : b.pieces) {
        const Real made = engine.gradient(piece, e);
        Real claim = gather(piece, b.claim);
        if (const double decay = decay_of(h.problem, piece.kind); decay != 0) {
          const Real parameter = gather(piece, b.value);
          for (std::size_t k = 0; k < claim.size(); ++k) claim[k] -= decay * parameter[k];
        }
        double cm = 0, mm = 0, top = 0;
        for (std::size_t k = 0; k < made.size(); ++k)
          cm += claim[k] * made[k], mm += made[k] * made[k], top = std::max(top, std::abs(claim[k]));
        const double r = mm > 0 ? cm / mm : 1;
        double gap = 0;
        for (std::size_t k = 0; k < made.size(); ++k) gap = std::max(gap, std::abs(claim[k] - r * made[k]));
        all += 1;
        const bool same = gap <= (roles_.single ? 1e-4 : 1e-8) * top && made.size() > 1;
        if (same && top > 0) factors.push_back({r, static_cast<double>(made.size())});
        agree += same ? 1 : 0;
      }
    }
    h.agreement = all > 0 ? agree / all : 0;
    if (h.scale_known || factors.empty()) return;
    // The reduction that the agreeing blocks share.
    for (const Reduction& r : reductions(h.problem))
      for (const auto& [factor, weight] : factors)
        if (std::abs(factor / r.factor - 1) < 1e-6) {
          h.problem.net.scale = r.factor;
          h.problem.net.reduction = r.text;
          return;
        }
  }

  void rank() {
    std::stable_sort(found_.begin(), found_.end(), [](const Hypothesis& a, const Hypothesis& b) {
      auto key = [](const Hypothesis& h) {
        const double evidence =
            (h.loss_gap >= 0 ? (h.loss_gap < 1e-11 ? 2 : 1) : 0) + (h.outputs_gap >= 0 ? 1 : 0);
        return std::make_tuple(-evidence, -h.agreement, h.doubt);
      };
      return key(a) < key(b);
    });
  }

  Roles roles_;
  const Hints& hints_;
  WorkClock::time_point deadline_;
  double loss_ = 0;
  std::string x_name_, y_name_, upstream_name_;
  bool start_in_front_ = false;
  bool has_loss_ = false, loss_single_ = false, loss_failed_ = false;
  const Array *outputs_ = nullptr, *upstream_ = nullptr, *lengths_ = nullptr, *final_ = nullptr;
  std::vector<Hypothesis> found_;
};

}  // namespace

std::vector<Hypothesis> identify(const Roles& roles, const Hints& hints, WorkClock::time_point deadline) {
  return Identifier(roles, hints, deadline).run();
}

std::string describe(const Hypothesis& h) {
  const Problem& p = h.problem;
  const Network& net = p.net;
  std::string cell(name(net.cell));
  if (net.forget_plus_one) cell += " (forget gate sigmoid(z + 1))";
  if (net.cell == Cell::gru)
    cell += fmt::format(" (reset {} the product, h' = {})", net.reset_after ? "after" : "before",
                        net.update_keeps ? "(1-z) n + z h" : "(1-z) h + z n");
  const std::string layers = p.layers.size() > 1 ? fmt::format("{} layers, ", p.layers.size()) : "";
  const std::string head = !net.head ? "no head"
                           : net.head_activation == Activation::identity
                               ? "linear head"
                               : fmt::format("{} head", name(net.head_activation));
  return fmt::format("{}, {}{}, {}, {} {}; {}", cell, layers, name(net.activation), head, net.reduction,
                     net.loss == Loss::upstream ? ""
                     : net.last_output          ? "over the last step's output"
                                                : "over every step",
                     h.layout);
}

}  // namespace retrograde::doctor
