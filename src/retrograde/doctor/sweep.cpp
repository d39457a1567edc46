// The sweep back through time of one layer, as its table has it, and what it sends down.
#include <algorithm>

#include "retrograde/doctor/plan.h"

namespace retrograde::doctor {

namespace {

class Sweeper {
 public:
  Sweeper(const Problem& problem, int layer, const LayerPlan& plan, const Tape& tape, Rounding* rounding)
      : layer_(problem.layers[static_cast<std::size_t>(layer)]),
        other_(problem.layers[static_cast<std::size_t>(problem.net.directions == 2 ? layer ^ 1 : layer)]),
        plan_(plan),
        tape_(tape),
        rounding_(rounding),
        T_(problem.T),
        B_(problem.B),
        H_(layer_.hidden),
        row_(B_ * H_),
        scratch_(static_cast<std::size_t>(row_)),
        before_(static_cast<std::size_t>(row_)) {}

  Deltas fresh(const Real& up) const {
    Deltas d;
    d.row = row_;
    auto make = [&](Back b) {
      d.back[static_cast<std::size_t>(b)].assign(static_cast<std::size_t>((T_ + 1) * row_), 0);
    };
    for (const Step& step : plan_.steps) make(step.target);
    make(Back::up);
    make(Back::hc);
    d.back[static_cast<std::size_t>(Back::one)].assign(static_cast<std::size_t>((T_ + 1) * row_), 1);
    const auto early = std::min(up.size(), static_cast<std::size_t>(plan_.up_early * row_));
    std::copy(up.begin() + static_cast<long>(early), up.end(), d.at(Back::up, 0));
    return d;
  }

  // One step; carried terms are read from `later`, which may be the same deltas.
  void step(Deltas& d, const Deltas& later, int t, bool with_up, bool with_carry) {
    for (const Step& s : plan_.steps) fill(s, d, d, later, t, with_up, with_carry);
  }

  void take_slopes_of(int step) { outer_ = step; }

  // One line of the table: to's target of step t from the deltas of this step and of the later ones.
  void fill(const Step& s, Deltas& to, const Deltas& now, const Deltas& later, int t, bool with_up,
            bool with_carry) {
    double* out = to.at(s.target, t);
    std::fill(out, out + row_, 0.0);
    for (const Term& term : s.terms) {
      if (term.coefficient == 0 || (term.only_last_step && t != T_ - 1)) continue;
      if (term.source == Back::up && !with_up) continue;
      const bool carried = term.shift == 1 && (term.source == Back::hc || term.source == Back::cc);
      if (carried && (!with_carry || cut(t + 1, term.source))) continue;
      const Deltas& from = term.shift > 0 ? later : now;
      if (t + term.shift > T_ || t + term.shift < 0 || from.slots(term.source).empty()) continue;
      add(term, from.at(term.source, t + term.shift), out, t);
    }
    if (rounding_)
      for (int i = 0; i < row_; ++i) out[i] += out[i] * (*rounding_)();
  }

 private:
  bool cut(int from, Back source) const {
    if (from >= T_ || plan_.chunk <= 0 || (from - plan_.chunk_offset) % plan_.chunk != 0) return false;
    return source == Back::hc ? plan_.cut_h : plan_.cut_c;
  }

  void add(const Term& term, const double* from, double* to, int t) {
    double* v = scratch_.data();
    if (!term.before.empty()) {
      std::copy(from, from + row_, before_.begin());
      multiply_by(term.before, before_.data(), t);
      from = before_.data();
    }
    if (term.matrix == Matrix::none || term.matrix == Matrix::identity) {
      std::copy(from, from + row_, v);
    } else {
      std::fill(v, v + row_, 0.0);
      through(term, from, v);
    }
    multiply_by(term.factors, v, t);
    using Form = Term::Form;
    if (term.form == Form::rectified)
      for (int i = 0; i < row_; ++i) v[i] = std::max(v[i], 0.0);
    else if (term.form != Form::plain)
      for (int i = 0; i < row_; ++i) v[i] *= term.form == Form::tanh_formula ? 1 - v[i] * v[i] : 1 - v[i];
    for (int i = 0; i < row_; ++i) to[i] += term.coefficient * v[i];
  }

  void multiply_by(const std::vector<Factor>& factors, double* v, int t) const {
    for (const Factor& factor : factors) {
      if (factor.fn == Fn::one) continue;
      const double* by = tape_.factor(factor.var, factor.fn, factor.f, looked_up(factor, t), factor.inner);
      for (int i = 0; i < row_; ++i) v[i] *= by[i];
    }
  }

  int looked_up(const Factor& factor, int t) const {
    if (factor.before == Before::right && t == 0) return -1;
    if (outer_ >= 0 && factor.local_slope) return outer_;
    const int s = replayed(factor.replay == Replay::own ? plan_.replay : factor.replay, t, T_) + factor.shift;
    if (factor.before == Before::wraps && s < (factor.shift < -1 ? -1 : 0)) return T_ - 1;
    return std::clamp(s, -1, T_);
  }

  void through(const Term& term, const double* from, double* to) const {
    const double* U = layer_.U.data() + term.gate * H_ * H_;
    const double* W = layer_.W.data() + term.gate * H_ * layer_.inputs;
    switch (term.matrix) {
      case Matrix::recurrent:
        return multiply_back(from, U, to, B_, H_, H_);
      case Matrix::recurrent_transposed:
        return multiply(from, U, to, B_, H_, H_);
      case Matrix::recurrent_of_other:
        return multiply_back(from, other_.U.data() + term.gate * H_ * H_, to, B_, H_, H_);
      case Matrix::input:
        return multiply_back(from, W, to, B_, H_, H_);
      case Matrix::input_transposed:
        return multiply(from, W, to, B_, H_, H_);
      case Matrix::column_sums:
      case Matrix::row_sums:
        for (int r = 0; r < H_; ++r)
          for (int c = 0; c < H_; ++c)
            for (int b = 0; b < B_; ++b)
              to[b * H_ + c] +=
                  from[b * H_ + c] * (term.matrix == Matrix::column_sums ? U[r * H_ + c] : U[c * H_ + r]);
        return;
      default:
        return through_slice(term, U, W, from, to);
    }
  }

  // H columns of [U W] or [W U] from the state's own on, `offset` off.
  void through_slice(const Term& term, const double* U, const double* W, const double* from,
                     double* to) const {
    const int I = layer_.inputs, own = term.input_first ? I : 0;
    for (int c = 0; c < H_; ++c) {
      const int column = own + term.offset + c, at = term.input_first ? column - I : column;
      if (column < 0 || column >= I + H_) {  // the bias's column, on either side
        for (int b = 0; b < B_ && !layer_.b.empty(); ++b)
          for (int r = 0; r < H_; ++r)
            to[b * H_ + c] += from[b * H_ + r] * layer_.b[static_cast<std::size_t>(term.gate * H_ + r)];
        continue;
      }
      const bool state = at >= 0 && at < H_;
      const double* m = state ? U + at : W + (term.input_first ? column : column - H_);
      const int width = state ? H_ : I;
      for (int b = 0; b < B_; ++b)
        for (int r = 0; r < H_; ++r) to[b * H_ + c] += from[b * H_ + r] * m[r * width];
    }
  }

  const Layer &layer_, &other_;  // the other direction
  const LayerPlan& plan_;
  const Tape& tape_;
  Rounding* rounding_;
  int T_, B_, H_, row_;
  int outer_ = -1;  // the step whose slopes are taken, if not the own
  Real scratch_, before_;
};

void accumulate(Deltas& sum, const Deltas& level) {
  for (std::size_t b = 0; b < sum.back.size(); ++b)
    for (std::size_t i = 0; i < sum.back[b].size(); ++i) sum.back[b][i] += level.back[b][i];
}

}  // namespace

Deltas run(const Problem& problem, int layer, const LayerPlan& plan, const Tape& tape, const Real& up,
           Rounding* rounding) {
  Sweeper sweeper(problem, layer, plan, tape, rounding);
  const int from = problem.T - 1 - plan.last, to = plan.first;
  Deltas all = sweeper.fresh(up);
  const Real& final = problem.final_cell_gradient;
  if (layer + 1 == static_cast<int>(problem.layers.size()) && !plan.drop_final_cell)
    std::copy(final.begin(), final.end(), all.at(Back::cc, problem.T));
  const int reach = plan.reach < 0 && plan.outer_slope > 0 ? problem.T - 1 : plan.reach;
  if (reach < 0) {
    for (int t = from; t >= to; --t) sweeper.step(all, all, t, true, true);
    return all;
  }
  // Windows: level j holds what the errors of output t+j contribute at step t, so that the levels' sum up to
  // `reach` is every output's error taken back through its own step and `reach` earlier ones.
  for (int t = from; t >= to; --t) sweeper.step(all, all, t, true, false);
  if (plan.window_last_only) {
    // Only the last output's window is followed.
    Deltas tail = all;
    for (int t = from; t >= std::max(to, from - reach); --t)
      sweeper.step(tail, tail, t, t == from, t != from);
    for (std::size_t b = 0; b < all.back.size(); ++b)
      for (int t = std::max(to, from - reach); t < from; ++t)
        if (!all.back[b].empty())
          for (int i = 0; i < all.row; ++i)
            all.back[b][static_cast<std::size_t>(t * all.row + i)] +=
                tail.back[b][static_cast<std::size_t>(t * all.row + i)];
    return all;
  }
  Deltas level = all;
  for (int j = 1; j <= reach && j < problem.T; ++j) {
    Deltas next = sweeper.fresh(Real());
    for (int t = from - j; t >= to; --t) {
      if (plan.outer_slope > 0) sweeper.take_slopes_of(t + j + 1 - plan.outer_slope);
      sweeper.step(next, level, t, false, true);
    }
    accumulate(all, next);
    level = std::move(next);
  }
  return all;
}

Real per_output(const Problem& problem, int layer, const LayerPlan& plan, const Tape& tape, const Real& up) {
  const std::size_t row = up.size() / static_cast<std::size_t>(problem.T);
  Real out(up.size(), 0), one(up.size(), 0);
  for (std::size_t t = 0; t < static_cast<std::size_t>(problem.T); ++t) {
    std::fill(one.begin(), one.end(), 0.0);
    std::copy_n(up.begin() + static_cast<long>(t * row), row, one.begin() + static_cast<long>(t * row));
    const Deltas d = run(problem, layer, plan, tape, one);
    for (int k = 0; k < problem.T; ++k)
      for (std::size_t i = 0; i < row; ++i) out[t * row + i] += d.at(Back::da0, k)[i];
  }
  return out;
}

Real remade(const Problem& problem, int layer, const Tape& tape, const Deltas& deltas, const Step& step) {
  const auto l = static_cast<std::size_t>(layer);
  LayerPlan plan;
  plan.steps = {step};
  Deltas own;
  own.row = deltas.row;
  Real& made = own.back[static_cast<std::size_t>(step.target)];
  made.assign(static_cast<std::size_t>((problem.T + 1) * own.row), 0);
  Sweeper sweeper(problem, static_cast<int>(l), plan, tape, nullptr);
  for (int t = problem.T - 1; t >= 0; --t) sweeper.fill(step, own, deltas, deltas, t, true, true);
  return std::move(made);
}

Real columns_off(const double* w, const double* bias, int rows, int cols, int off) {
  Real out(static_cast<std::size_t>(rows * cols), 0);
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c) {
      const int from = c + off;
      const bool inside = from >= 0 && from < cols;
      if (inside || bias) out[static_cast<std::size_t>(r * cols + c)] = inside ? w[r * cols + from] : bias[r];
    }
  return out;
}

Real input_gradient(const Problem& problem, int index, const Deltas& deltas, const Product& product) {
  const Layer& layer = problem.layers[static_cast<std::size_t>(index)];
  Real dx(static_cast<std::size_t>(problem.T * problem.B * layer.inputs), 0);
  for (int g = 0; g < problem.gates; ++g) {
    if (g == product.without_gate || (product.only_gate >= 0 && g != product.only_gate)) continue;
    const std::size_t size = static_cast<std::size_t>(layer.hidden * layer.inputs),
                      at = static_cast<std::size_t>(g) * size;
    Real shifted;
    if (product.columns_off != 0)
      shifted =
          columns_off(layer.W.data() + at, layer.b.empty() ? nullptr : layer.b.data() + g * layer.hidden,
                      layer.hidden, layer.inputs, product.columns_off);
    const double* w = product.columns_off != 0 ? shifted.data()
                                               : (product.recurrent_matrix ? layer.U : layer.W).data() + at;
    const int from = std::max(0, -product.left_shift);  // before step 0 there is nothing, after T-1 zeros
    const double* da =
        deltas.at(problem.gates == 1 ? product.left : Back::da0 + g, from + product.left_shift);
    double* to = dx.data() + from * problem.B * layer.inputs;
    const int rows = (problem.T - from) * problem.B;
    if (product.matrix_transposed)
      multiply(da, w, to, rows, layer.hidden, layer.inputs);
    else
      multiply_back(da, w, to, rows, layer.hidden, layer.inputs);
  }
  return dx;
}

}  // namespace retrograde::doctor
