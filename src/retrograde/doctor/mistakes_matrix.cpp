// Families "transpose" and "carry": which matrix an error goes back through from step t to step t-1.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>

#include "retrograde/doctor/carry_adder.h"

namespace retrograde::doctor {

namespace {

// A carry made from a gate's delta, with that delta as it was before its activation's derivative.
Term before_derivative(const std::vector<Step>& steps, Term term) {
  for (std::size_t s = step_of(steps, term.source); s < steps.size(); s = step_of(steps, term.source)) {
    const Term& made = steps[s].terms[0];
    const auto is_slope = [](const Factor& f) { return f.local_slope; };
    term.source = made.source;
    std::copy_if(made.factors.begin(), made.factors.end(), std::back_inserter(term.before),
                 std::not_fn(is_slope));
    if (std::any_of(made.factors.begin(), made.factors.end(), is_slope)) break;
  }
  return term;
}

}  // namespace

void add_matrix_mistakes(const Problem& problem, const Words& words, std::size_t l,
                         const std::vector<Step>& steps, CarryAdder& to) {
  const int L = static_cast<int>(l);
  const bool elman = problem.net.cell == Cell::elman;
  struct Place {
    std::size_t step, term;
    int gate;
  };
  std::vector<Place> all;
  for (std::size_t s = 0; s < steps.size(); ++s)
    for (std::size_t t = 0; t < steps[s].terms.size(); ++t)
      if (steps[s].terms[t].matrix == Matrix::recurrent) all.push_back({s, t, steps[s].terms[t].gate});
  const int hc = static_cast<int>(100 * step_of(steps, Back::hc)) + 50;
  auto with = [&](const char* name, std::string where, std::string sentence, std::string fix,
                  std::string yours, double weight, std::vector<Place> sites,
                  std::function<void(Term&)> change) {
    std::vector<int> entries;
    for (const Place& s : sites) entries.push_back(static_cast<int>(100 * s.step + 10 * s.term) + 9);
    to.add(name, std::move(where), std::move(sentence), std::move(fix), std::move(yours), weight, entries,
           [sites, change = std::move(change)](LayerPlan& plan) {
             for (const Place& s : sites)
               if (Term* term = find_term(plan, {s.step, s.term, 0})) change(*term);
           });
  };
  auto matrix = [](Matrix m) { return [m](Term& t) { t.matrix = m; }; };
  const std::string delta = elman ? "dz[t]" : "dz_k[t]";
  const std::string fix = fmt::format("dh[t-1] += {}", words.back_U(L, 0, delta));
  with("recurrent-not-transposed", "the carry",
       "the error goes back through the recurrent matrix as the forward uses it, not through its transpose",
       fix, words.back_U(L, 0, delta, false), 0.01, all, matrix(Matrix::recurrent_transposed));
  with("carry-identity", "the carry", "the error goes back unchanged, without the recurrent matrix", fix,
       delta, 0.04, all, matrix(Matrix::identity));
  if (problem.layers[l].inputs == problem.layers[l].hidden) {
    for (const bool turned : {false, true}) {
      with("carry-wrong-matrix", "the carry",
           "the error goes back through the input's matrix instead of the recurrent one", fix,
           words.back_W(L, 0, delta, !turned), turned ? 0.1 : 0.08, all,
           matrix(turned ? Matrix::input_transposed : Matrix::input));
      to.also({"carry-wrong-gate"});
    }
  }
  for (const Matrix sums : {Matrix::column_sums, Matrix::row_sums}) {
    with("carry-identity", "the carry",
         "the error is not taken back through the recurrent matrix: both have the same index (d[i] for d[j] "
         "in the sum)",
         fix, "", 0.1, all, matrix(sums));
    to.also({"recurrent-not-transposed"});
  }
  const int I = problem.layers[l].inputs;
  for (const bool input_first : {false, true})
    for (const int offset : {input_first ? -I : I, 1, -1}) {
      if (offset == (input_first ? 1 : -1)) continue;
      const std::string sentence = fmt::format(
          "the error goes back through the wrong columns of the joined matrix for {}: {} off the state's",
          input_first ? "[x, h]" : "[h, x]", offset);
      const auto slice = [offset, input_first](Term& t) {
        t.matrix = Matrix::slice, t.offset = offset, t.input_first = input_first;
      };
      with("carry-wrong-matrix", "the carry", sentence, fix, "", 0.09, all, slice);
      to.also({"carry-wrong-gate", "carry-wrong-order"});
      for (const Place& one : all) {
        if (all.size() == 1) continue;
        with("carry-wrong-matrix",
             fmt::format("the carry through gate {}", gate_name(problem.net.cell, one.gate)), sentence, "",
             "", 0.12, {one}, slice);
        to.also({"carry-wrong-gate"});
      }
    }
  if (elman) {
    to.add("derivative-missing", "the carry",
           "the error is carried back as it entered the state, before its activation's derivative", fix,
           words.back_U(L, 0, "dh[t]"), 0.03, {hc, 209},
           [](LayerPlan& p) { p.steps[2].terms[0].source = Back::dh; });
    to.add("carry-identity", "the carry",
           "the state's error itself is handed to the previous step, without derivative and recurrent matrix",
           fix, "dh[t]", 0.05, {hc, 209}, [](LayerPlan& p) {
             p.steps[2].terms[0].source = Back::dh;
             p.steps[2].terms[0].matrix = Matrix::identity;
           });
    to.add("carry-wrong-order", "the carry",
           "the derivative is applied after the recurrent matrix instead of before it", fix, "", 0.05,
           {hc, 209}, [f = problem.net.activation](LayerPlan& p) {
             Term& t = p.steps[2].terms[0];
             t.source = Back::dh;
             t.factors.push_back({Var::z0, Fn::slope, f, 0, true});
           });
    to.add("carry-wrong-order", "the carry",
           "the derivative is applied both before and after the recurrent matrix", fix, "", 0.07, {hc, 209},
           [f = problem.net.activation](LayerPlan& p) {
             p.steps[2].terms[0].factors.push_back({Var::z0, Fn::slope, f, 0, true});
           });
    return;
  }
  with("derivative-missing", "the carry",
       "every gate's error is carried back as it was before its activation's derivative", "", "", 0.04, all,
       [steps](Term& t) { t = before_derivative(steps, t); });
  for (const Place& one : all) {
    const auto letter = gate_name(problem.net.cell, one.gate);
    const std::string own = fmt::format("dz_{}[t]", letter);
    with("recurrent-not-transposed", fmt::format("the carry through gate {}", letter),
         fmt::format("gate {}'s error goes back through its recurrent matrix without the transpose", letter),
         fmt::format("dh[t-1] += {}", words.back_U(L, one.gate, own)), words.back_U(L, one.gate, own, false),
         0.06, {one}, matrix(Matrix::recurrent_transposed));
    with("carry-wrong-gate", "the carry", fmt::format("gate {}'s part is missing from dh_prev", letter),
         fmt::format("dh[t-1] += {}", words.back_U(L, one.gate, own)), "", 0.04, {one},
         [](Term& t) { t.coefficient = 0; });
    std::vector<Place> rest;
    for (const Place& s : all)
      if (s.gate != one.gate) rest.push_back(s);
    with("carry-wrong-gate", "the carry", fmt::format("only gate {}'s part goes into dh_prev", letter),
         "dh[t-1] is the sum over all gates", "", 0.07, rest, [](Term& t) { t.coefficient = 0; });
    for (const Place& two : all)
      if (two.gate != one.gate)
        with("carry-wrong-gate", "the carry",
             fmt::format("gate {}'s delta goes back through gate {}'s matrix", letter,
                         gate_name(problem.net.cell, two.gate)),
             fmt::format("dh[t-1] += {}", words.back_U(L, one.gate, own)), words.back_U(L, two.gate, own),
             0.08, {one}, [g = two.gate](Term& t) { t.gate = g; });
  }
  for (const Place& one : all)
    for (const Place& two : all) {
      if (one.gate >= two.gate) continue;
      with("carry-wrong-matrix", "the carry",
           fmt::format("the errors of gates {} and {} go back through each other's matrix",
                       gate_name(problem.net.cell, one.gate), gate_name(problem.net.cell, two.gate)),
           "every gate's through its own", "", 0.06, {one, two},
           [a = one.gate, b = two.gate](Term& t) { t.gate = t.gate == a ? b : a; });
      to.also({"carry-wrong-gate", "gates-swapped"});
    }
  for (const Place& one : all) {
    const auto letter = gate_name(problem.net.cell, one.gate);
    std::vector<Place> rest;
    for (const Place& s : all)
      if (s.gate != one.gate) rest.push_back(s);
    with("carry-wrong-gate", "the carry",
         fmt::format("every gate's delta goes back through gate {}'s matrix", letter),
         "every gate's through its own", "", 0.09, rest, [g = one.gate](Term& t) { t.gate = g; });
  }
  if (problem.net.cell == Cell::gru)
    for (std::size_t t = 0; t < steps[step_of(steps, Back::hc)].terms.size(); ++t) {
      const Term& term = steps[step_of(steps, Back::hc)].terms[t];
      if (term.matrix != Matrix::none) continue;
      const bool direct = term.source == Back::dh;
      to.add("carry-dropped", direct ? "the direct path" : "the path through the reset state",
             direct ? "dh_prev lacks the direct path through the update gate"
                    : "dh_prev lacks the path through r * h_prev",
             direct ? (problem.net.update_keeps ? "dh_prev += dh * z" : "dh_prev += dh * (1-z)")
                    : "dh_prev += d(r h) * r",
             "", 0.02, {static_cast<int>(100 * step_of(steps, Back::hc) + 10 * t) + 9},
             [s = step_of(steps, Back::hc), t](LayerPlan& p) { p.steps[s].terms[t].coefficient = 0; });
    }
}

}  // namespace retrograde::doctor
