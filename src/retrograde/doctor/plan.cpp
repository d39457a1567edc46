#include "retrograde/doctor/plan.h"

#include <utility>

namespace retrograde::doctor {

namespace {

Factor gate(Var v, Fn fn = Fn::value, int shift = 0) { return {v, fn, Activation::tanh, shift, false}; }
Factor slope_of(Var v, Activation f) { return {v, Fn::slope, f, 0, true}; }

Term take(Back source, std::vector<Factor> factors, int shift = 0) {
  Term term;
  term.source = source;
  term.shift = shift;
  term.factors = std::move(factors);
  return term;
}

Term through(Back source, int gate) {
  Term term = take(source, {});
  term.matrix = Matrix::recurrent;
  term.gate = gate;
  return term;
}

std::vector<Step> elman(const Network& net) {
  const Factor s = slope_of(Var::z0, net.activation);
  return {{Back::dh, {take(Back::up, {}), take(Back::hc, {}, 1)}},
          {Back::da0, {take(Back::up, {s}), take(Back::hc, {s}, 1)}},
          {Back::hc, {through(Back::da0, 0)}},
          {Back::q, {take(Back::up, {s})}}};  // the own output's part alone, for mistakes that use it
}

std::vector<Step> lstm(const Network& net) {
  const auto sigmoid = Activation::sigmoid;
  return {
      {Back::dh, {take(Back::up, {}), take(Back::hc, {}, 1)}},
      {Back::dc, {take(Back::dh, {gate(Var::a3), slope_of(Var::c, net.of_cell())}), take(Back::cc, {}, 1)}},
      {Back::da3, {take(Back::dh, {gate(Var::m), slope_of(Var::z3, sigmoid)})}},
      {Back::da0, {take(Back::dc, {gate(Var::a2), slope_of(Var::z0, sigmoid)})}},
      {Back::da1, {take(Back::dc, {gate(Var::c, Fn::value, -1), slope_of(Var::z1, sigmoid)})}},
      {Back::da2, {take(Back::dc, {gate(Var::a0), slope_of(Var::z2, net.activation)})}},
      {Back::hc,
       {through(Back::da0, 0), through(Back::da1, 1), through(Back::da2, 2), through(Back::da3, 3)}},
      {Back::cc, {take(Back::dc, {gate(Var::a1)})}}};
}

std::vector<Step> gru(const Network& net) {
  const auto sigmoid = Activation::sigmoid;
  const Fn fresh = net.update_keeps ? Fn::complement : Fn::value,
           kept = net.update_keeps ? Fn::value : Fn::complement;
  std::vector<Step> steps = {
      {Back::dh, {take(Back::up, {}), take(Back::hc, {}, 1)}},
      {Back::da2, {take(Back::dh, {gate(Var::a1, fresh), slope_of(Var::z2, net.activation)})}},
      {Back::da1, {take(Back::dh, {gate(Var::hn), slope_of(Var::z1, sigmoid)})}}};
  Step carry{Back::hc, {take(Back::dh, {gate(Var::a1, kept)}), through(Back::da0, 0), through(Back::da1, 1)}};
  if (net.reset_after && !net.no_reset) {
    steps.push_back({Back::dp, {take(Back::da2, {gate(Var::a0)})}});
    steps.push_back({Back::da0, {take(Back::da2, {gate(Var::p), slope_of(Var::z0, sigmoid)})}});
    carry.terms.push_back(through(Back::dp, 2));
  } else {
    // Without a reset nothing comes to r, and q goes on as it is.
    Term reset = take(Back::q, {gate(Var::h, Fn::value, -1), slope_of(Var::z0, sigmoid)});
    if (net.no_reset) reset.coefficient = 0;
    steps.push_back({Back::q, {through(Back::da2, 2)}});
    steps.push_back({Back::da0, {reset}});
    carry.terms.push_back(take(Back::q, {gate(Var::a0, net.no_reset ? Fn::one : Fn::value)}));
  }
  steps.push_back(carry);
  return steps;
}

}  // namespace

Plan right_plan(const Problem& problem) {
  Plan plan;
  plan.head.loss = problem.net.loss;
  plan.head.coefficient = problem.net.scale;
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    LayerPlan layer;
    const Network& net = problem.net;
    layer.steps = net.cell == Cell::elman ? elman(net) : net.cell == Cell::lstm ? lstm(net) : gru(net);
    layer.reach = net.reach, layer.chunk = net.chunk;
    plan.layers.push_back(std::move(layer));
  }
  return plan;
}

}  // namespace retrograde::doctor
