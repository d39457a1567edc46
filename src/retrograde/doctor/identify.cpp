#include "retrograde/doctor/identify.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "retrograde/doctor/alternatives.h"
#include "retrograde/doctor/cotangents.h"
#include "retrograde/doctor/losses.h"
#include "retrograde/doctor/placing.h"

namespace retrograde::doctor {

namespace {

std::string lower(std::string s) {
  for (char& c : s)
    c = c == ' ' || c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return s;
}

bool hint_allows(const std::string& hint, std::string_view what) {
  return hint.empty() || lower(hint) == lower(std::string(what));
}

bool hint_allows(const std::string& hint, Cell cell) {
  const std::string want = lower(hint);
  const char* own = cell == Cell::elman ? "elman" : cell == Cell::lstm ? "lstm" : "gru";
  return want.empty() || want.rfind(own, 0) == 0 || (cell == Cell::elman && want == "rnn");
}

// The candidate's activations: the usual one, and the others.
std::vector<Activation> activations(bool wide) {
  if (!wide) return {Activation::tanh};
  return {Activation::relu,         Activation::sigmoid,     Activation::leaky_relu, Activation::elu,
          Activation::softsign,     Activation::softplus,    Activation::sin,        Activation::identity,
          Activation::leaky_relu_1, Activation::leaky_relu_2};
}

class Identifier {
 public:
  Identifier(const Roles& roles, const Hints& hints, WorkClock::time_point deadline)
      : hints_(hints), deadline_(deadline), as_given_(roles) {
    for (const Datum& d : roles.data) {
      if (d.role == Role::loss && d.given.array.size() == 1)
        loss_ = d.given.array.values[0], has_loss_ = true,
        loss_single_ = d.given.array.dtype == Dtype::float32;
      if (d.role == Role::outputs) outputs_ = &d.given.array;
    }
  }

  std::vector<Hypothesis> run() {
    const std::vector<Roles> columns = column_alternatives(as_given_), all = role_alternatives(as_given_);
    all_passes(columns), all_passes(all);
    range_ = kRest;
    if (!exact_ && settled()) {
      // The same loss with other gradients: a symmetric matrix may be stored either way.
      const auto whole = std::exchange(deadline_, std::min(deadline_, WorkClock::now() + kMore));
      others_ = false;
      for (const Roles& roles : all) passes(roles, false);
      others_ = true;
      deadline_ = whole;
    } else {
      all_passes(all);
    }
    range_ = {0, kRest.to};
    guess_starts();
    if (found_.empty() && has_loss_) {
      loss_failed_ = true;  // not the loss that the gradient belongs to, or one that we do not know
      all_passes(all);
    }
    rank();
    return std::move(found_);
  }

 private:
  // Which of the structures that the shapes allow are tried, the likeliest first.
  struct Range {
    std::size_t from, to;
  };
  static constexpr Topology kTopologies[] = {{1, 1}, {2, 1}, {1, 2}, {1, 2, true}, {2, 2}};
  static constexpr Range kLikely{0, 30}, kRest{30, 600};
  static constexpr std::chrono::milliseconds kMore{100};

  // The usual activations; a target token of 0 that stands for padding, which the loss does not count; the
  // other activations.
  void all_passes(const std::vector<Roles>& all) {
    for (const Roles& roles : all) passes(roles, false);
    null_token_ = true;
    for (const Roles& roles : all) passes(roles, false);
    null_token_ = false;
    for (const Roles& roles : all) passes(roles, true);
  }

  // Where nothing fits, arrays without a telling name are tried as start states, and states that are one
  // longer than the sequence are read as beginning with it instead of ending (row -1).
  void guess_starts() {
    if (settled()) return;
    Roles roles = as_given_;
    const auto both_passes = [&] { passes(roles, false), passes(roles, true); };
    start_in_front_ = true;
    if (std::any_of(roles.data.begin(), roles.data.end(),
                    [](const Datum& d) { return d.role == Role::states; }))
      both_passes();
    start_in_front_ = false;
    std::vector<Datum*> unknown;
    for (Datum& d : roles.data)
      if (d.role == Role::unknown && d.given.array.size() > 1) unknown.push_back(&d);
    if (unknown.size() > 4) return;
    for (Datum* h : unknown) {
      h->role = Role::h0;
      both_passes();
      for (Datum* c : unknown) {
        if (c == h || settled()) continue;
        c->role = Role::c0;
        both_passes();
        c->role = Role::unknown;
      }
      h->role = Role::unknown;
    }
  }

  bool late() const { return WorkClock::now() > deadline_; }
  // Nothing better is to be expected of another cell.
  bool settled() const {
    const double tight = loss_single_ ? 3e-7 : 1e-11;
    return exact_ || std::any_of(found_.begin(), found_.end(), [&](const Hypothesis& h) {
             return h.confirmed() && h.agreement > 0 && (h.outputs_gap >= 0 || h.loss_gap < tight);
           });
  }

  void passes(const Roles& roles, bool wide) {
    roles_ = &roles;
    wide_ = wide;
    for (const Datum* x : candidates(Role::input))
      for (const Topology& topology : kTopologies)
        for (Cell cell : {Cell::elman, Cell::lstm, Cell::gru}) {
          if (exact_ || late() || (others_ && settled())) return;
          if (hint_allows(hints_.cell, cell)) cell_pass(*x, cell, topology);
        }
  }

  std::vector<const Datum*> candidates(Role role) const {
    std::vector<const Datum*> named, rest;
    for (const Datum& d : roles_->data) {
      if (d.role == role) named.push_back(&d);
      if (d.role == Role::unknown && d.given.array.size() > 0) rest.push_back(&d);
    }
    return named.empty() ? rest : named;
  }

  void cell_pass(const Datum& x, Cell cell, const Topology& topology) {
    const Array& given = x.given.array;
    const bool tokens = whole_numbers(given.values);
    const std::vector<Structure>& all = structures_of(x, cell, topology);
    for (std::size_t k = range_.from; k < std::min(all.size(), range_.to); ++k) {
      const Structure& s = all[k];
      if (wide_ && s.order > 5 && s.cell == Cell::lstm) continue;
      const Problem sized = place_parameters(roles_->blocks, s);
      for (View v : views(given.shape)) {
        if (late() || exact_) return;
        const bool embedded = s.front.vocabulary > 0;
        const bool dense = !embedded && (v.F ? v.F == s.front.inputs : s.front.inputs == 1);
        const bool token_view = !v.F && tokens && (embedded || s.front.inputs > 1);
        v.spread = !embedded && !dense && !token_view && v.T == s.front.inputs && v.F <= 1;
        if (!dense && !token_view && !v.spread) continue;
        Problem p = sized;
        p.net.reach = truncation_.reach, p.net.chunk = truncation_.chunk;
        if (!place_input(given, v, token_view, s, p) || !place_features(*roles_, s, p)) continue;
        input_ = {x.given.name, v};
        const bool columns = v.axes.find('f') < v.axes.find('b');
        for (const bool as_input : {true, false}) {
          if (!as_input && !square_states(*roles_, p)) continue;
          if (!place_states(*roles_, start_in_front_, columns == as_input, p)) continue;
          derive_inputs(p);
          forms_pass(p, s);
        }
      }
    }
  }

  const std::vector<Structure>& structures_of(const Datum& x, Cell cell, const Topology& topology) {
    const auto [at, fresh] = structures_.try_emplace({roles_, x.given.name, cell, &topology});
    if (fresh) at->second = structures(roles_->blocks, cell, topology, fronts(*roles_, x), deadline_);
    return at->second;
  }

  void forms_pass(Problem& p, const Structure& s) {
    // GRU comes in four forms, and with the reset gate left out of its forward.
    enum class Reset { after, before, none };
    std::vector<std::pair<Reset, bool>> forms = {{Reset::after, true}};
    if (s.cell == Cell::gru) {
      forms.clear();
      for (const bool keeps : {true, false})
        for (const Reset reset : {Reset::after, Reset::before, Reset::none}) {
          if (reset == Reset::after && lower(hints_.cell) == "gru_reset_before") continue;
          forms.emplace_back(reset, keeps);
        }
    }
    for (const auto& [reset, keeps] : forms) {
      p.net.reset_after = reset == Reset::after;
      p.net.no_reset = reset == Reset::none;
      p.net.update_keeps = keeps;
      if (wide_ && s.cell == Cell::lstm) forget_plus_one(p, s);
      for (Activation f : activations(wide_)) {
        if (!hint_allows(hints_.activation, name(f))) continue;
        p.net.activation = f;
        for (const bool plain : {false, true}) {
          if (plain && s.cell != Cell::lstm) break;
          p.net.plain_cell = plain;
          forward_pass(p, s);
        }
        p.net.plain_cell = false;
      }
    }
  }

  // A forget bias of one that is added in the forward and is no parameter.
  void forget_plus_one(Problem p, const Structure& s) {
    p.net.forget_plus_one = true;
    for (Layer& layer : p.layers) {
      const auto H = static_cast<std::size_t>(layer.hidden);
      layer.b.resize(4 * H, 0);
      for (std::size_t u = H; u < 2 * H; ++u) layer.b[u] += 1;
    }
    forward_pass(p, s);
  }

  void forward_pass(const Problem& base, const Structure& s) {
    if (late() || exact_) return;
    Problem p = base;
    const std::vector<Tape> tapes = forward(p);
    for (const bool own_ends : {false, true}) {
      if (own_ends && p.net.directions == 1) return;
      p.net.own_ends = own_ends;
      states_ = top_states(p, tapes);
      pools_.clear();
      if (!p.net.head && cotangents_pass(p, s, tapes)) continue;
      targets_pass(p, s);
      no_target_pass(p, s);
      if (!p.net.head && p.H() > 1) first_unit_pass(p, s);
    }
  }

  void targets_pass(Problem& p, const Structure& s) {
    for (const Datum* target : candidates(Role::target))
      for (const View& v : views(target->given.array.shape)) {
        if (!place_target(target->given.array, v, p)) continue;
        target_ = {target->given.name, v};
        output_forms_pass(p, s);
      }
  }

  // No head, and one number a step for a target: the state's first unit is the output.
  void first_unit_pass(Problem p, const Structure& s) {
    p.V.assign(static_cast<std::size_t>(p.H()), 0);
    p.V[0] = 1;
    p.O = 1, p.net.head = true, p.net.first_unit = true;
    pools_.clear();
    targets_pass(p, s);
  }

  void output_forms_pass(const Problem& placed, const Structure& s) {
    for (const OutputForm& form : output_forms(target_.view, placed)) {
      // Each direction's own last state makes a difference to nothing else.
      if (placed.net.own_ends && (!form.last_output || form.pool != Pool::last)) continue;
      Problem p = placed;
      usual_ = form.last_output == placed.net.last_output && form.pool == Pool::last;
      take_form(form, p);
      read_states(p);
      target_pass(p, s);
    }
  }

  // The loss is of the outputs alone: half their squares, their sum.
  void no_target_pass(Problem& p, const Structure& s) {
    const bool named = std::any_of(roles_->data.begin(), roles_->data.end(),
                                   [](const Datum& d) { return d.role == Role::target; });
    if (!has_loss_ || loss_failed_ || null_token_ || named || settled()) return;
    target_ = {};
    target_.view.T = p.T;
    p.mask.clear();
    p.net.last_output = false;
    for (const double constant : {0.0, 1.0}) {
      p.target.assign(static_cast<std::size_t>(p.T * p.B * p.O), constant);
      output_forms_pass(p, s);
    }
  }

  // What the head reads, and makes of it.
  void read_states(const Problem& p) {
    const auto [at, fresh] = pools_.try_emplace(p.net.pool);
    if (fresh) {
      at->second.first = pooled(p, states_);
      at->second.second = head_outputs(p, at->second.first);
    }
    tops_ = at->second.first, z_ = at->second.second;
  }

  // No head, and the states times given numbers. True if the arrays' names leave nothing else.
  bool cotangents_pass(const Problem& p, const Structure& s, const std::vector<Tape>& tapes) {
    std::optional<double> loss;
    if (has_loss_ && !loss_failed_) loss = loss_;
    for (const Cotangents& c : cotangents(*roles_, p, tapes, loss, loss_single_ ? 3e-6 : 1e-6)) {
      if (p.net.own_ends && !c.problem.net.last_output) continue;
      target_ = c.states, z_ = states_;
      record(c.problem, s, c.loss_gap, true, c.doubt);
    }
    return std::any_of(roles_->data.begin(), roles_->data.end(),
                       [](const Datum& d) { return d.role == Role::upstream; });
  }

  void target_pass(Problem& p, const Structure& s) {
    for (const std::vector<char>& mask : masks(p)) {
      p.mask = mask;
      for (const Objective& o : objectives(p.net.head)) {
        if (!fits(p, o)) continue;
        p.net.reduction = std::string(name(o.loss));
        p.net.loss = o.loss;
        p.net.head_activation = o.head;
        judge(p, s);
      }
    }
  }

  // Which outputs count: as the target's own negative tokens say, as a given mask says in whatever order of
  // its axes, or not where the target is the null token.
  std::vector<std::vector<char>> masks(const Problem& p) const {
    std::vector<std::vector<char>> out;
    for (const Datum& d : roles_->data) {
      if (d.role != Role::mask) continue;
      for (const View& v : views(d.given.array.shape)) {
        if (v.T != p.T || (v.B ? v.B : 1) != p.B || v.F > 1) continue;
        const Real values = read(v, d.given.array.values, p.T, p.B, 1);
        out.emplace_back(values.begin(), values.end());
      }
    }
    if (null_token_) {
      const bool one_hot =
          std::all_of(p.target.begin(), p.target.end(), [](double t) { return t == 0 || t == 1; });
      if (!one_hot || p.O < 2 || p.net.last_output) return {};
      std::vector<char> mask;
      for (std::size_t k = 0; k < p.target.size(); k += static_cast<std::size_t>(p.O))
        mask.push_back(p.target[k] == 0);
      out.push_back(std::move(mask));
    }
    if (out.empty()) out.push_back(p.mask);
    return out;
  }

  bool fits(const Problem& p, const Objective& o) const {
    const bool unit =
        std::all_of(p.target.begin(), p.target.end(), [](double t) { return t >= 0 && t <= 1; });
    if (o.loss == Loss::softmax_cross_entropy && (p.O < 2 || !unit)) return false;
    if (o.loss == Loss::binary_cross_entropy && !unit) return false;
    if (!hints_.loss.empty() &&
        lower(std::string(name(o.loss))).rfind(lower(hints_.loss).substr(0, 5), 0) != 0)
      return false;
    return hint_allows(hints_.head_activation, name(o.head));
  }

  void judge(Problem& p, const Structure& s) {
    if (has_loss_ && !loss_failed_) {
      const double basic = basic_loss(p, p.net.loss, p.net.head_activation, z_);
      if (const double size = largest_square(p.target);
          std::abs(loss_) <= 1e-24 * size && basic <= 1e-24 * size)
        return record(p, s, 0, false);
      const double rounding = loss_single_ ? 8 * 0x1p-24 * loss_rounding(p, z_) : 0;
      for (const Reduction& r : reductions(p)) {
        const double gap = std::abs(r.factor * basic / loss_ - 1);
        if (!(gap <= (loss_single_ ? 3e-6 : 1e-6) + r.factor * rounding / std::abs(loss_))) continue;
        p.net.scale = r.factor;
        p.net.reduction = r.text;
        record(p, s, gap, true);
        break;
      }
      return;
    }
    if (has_loss_) {
      const double basic = basic_loss(p, p.net.loss, p.net.head_activation, z_);
      if (const auto with = with_penalty(p, basic, loss_)) return record(*with, s, 0, true);
      if (std::any_of(found_.begin(), found_.end(), [](const Hypothesis& h) { return h.loss_gap >= 0; }))
        return;
    }
    p.net.scale = 1;
    p.net.reduction = std::string(name(p.net.loss));
    // With the gradient alone to go by, a few readings that it contradicts are kept, for what they are worth.
    const bool agrees = head_agrees(p, tops_, z_, blocks_of(s), roles_->single);
    if (!usual_ && !(p.net.head && !p.net.first_unit && agrees)) return;
    if (!agrees && ++contradicted_ > 40) return;
    record(p, s, -1, false);
  }

  static double largest_square(const Real& v) {
    double sum = 0;
    for (double x : v) sum += x * x;
    return sum;
  }

  std::vector<Block> blocks_of(const Structure& s) const {
    std::vector<Block> out = roles_->blocks;
    for (std::size_t i = 0; i < out.size(); ++i) out[i].pieces = s.pieces[i];
    return out;
  }

  void record(const Problem& p, const Structure& s, double loss_gap, bool scale_known, double doubt = 0) {
    Hypothesis h;
    h.problem = p;
    h.loss_gap = loss_gap;
    h.given_loss = loss_, h.loss_missed = has_loss_ && loss_gap < 0;
    h.scale_known = scale_known;
    h.outputs_gap = outputs_ ? gap_of_outputs(p, z_, *outputs_) : -1;
    const View &x = input_.view, &y = target_.view;
    h.doubt =
        doubt + s.doubt + x.doubt + y.doubt + (x.axes != y.axes && x.axes.size() == y.axes.size() ? 0.3 : 0);
    // Habit, where nothing else speaks: tanh, no constant in the forget gate.
    const Activation f = p.net.activation;
    h.doubt += f == Activation::tanh ? 0 : f == Activation::relu || f == Activation::sigmoid ? 0.5 : 0.8;
    h.doubt +=
        (p.net.forget_plus_one ? 0.6 : 0) + (p.net.plain_cell ? 0.4 : 0) + (p.net.first_unit ? 0.3 : 0);
    h.blocks = blocks_of(s);
    h.input = input_, h.target = target_;
    complete(h, *roles_);
    exact_ |= h.exact;
    found_.push_back(std::move(h));
    if (found_.size() > 400) {
      rank();
      found_.resize(100);
    }
  }

  void rank() {
    std::stable_sort(found_.begin(), found_.end(), [](const Hypothesis& a, const Hypothesis& b) {
      auto key = [](const Hypothesis& h) {
        const double evidence =
            (h.loss_gap >= 0 ? (h.loss_gap < 1e-11 ? 2 : 1) : 0) + (h.outputs_gap >= 0 ? 1 : 0);
        return std::make_tuple(-evidence, !h.exact, -h.agreement, h.doubt);
      };
      return key(a) < key(b);
    });
  }

  const Hints& hints_;
  Truncation truncation_ = read_truncation(hints_.truncation);
  WorkClock::time_point deadline_;
  const Roles& as_given_;
  const Array* outputs_ = nullptr;
  double loss_ = 0;
  bool has_loss_ = false, loss_single_ = false;
  std::vector<Hypothesis> found_;
  int contradicted_ = 0;
  bool exact_ = false;  // one reproduces the whole claim: nothing better can come
  std::map<std::tuple<const Roles*, std::string, Cell, const Topology*>, std::vector<Structure>> structures_;
  // The reading that is being tried.
  Range range_ = kLikely;
  const Roles* roles_ = nullptr;
  bool others_ = true;  // other cells are of interest while nothing is settled
  bool wide_ = false, start_in_front_ = false, null_token_ = false, loss_failed_ = false;
  Sequence input_, target_;
  bool usual_ = true;       // one output where the target has no steps, one a step where it has
  Real states_, tops_, z_;  // the last layer's states, what the head reads of them, and makes of that
  std::map<Pool, std::pair<Real, Real>> pools_;
};

}  // namespace

std::vector<Hypothesis> identify(const Roles& roles, const Hints& hints, WorkClock::time_point deadline) {
  return Identifier(roles, hints, deadline).run();
}

}  // namespace retrograde::doctor
