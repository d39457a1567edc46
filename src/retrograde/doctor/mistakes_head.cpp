// Family "head", and "upstream" mistakes: the head's own derivative, and how the outputs' errors enter the
// sweep. The former show in the head's blocks, the latter only below them.
#include <fmt/format.h>

#include "retrograde/doctor/head_adder.h"

namespace retrograde::doctor {

namespace {

// Which outputs count: padding that is not left out, a mask of another step.
void add_mask(const Problem& problem, HeadAdder& to) {
  if (!problem.ragged() && problem.mask.empty()) return;
  to.add("padding-leaks", "the outputs' errors", "the errors of padded steps are not left out",
         "dy[t] = 0 where the sequence has ended", "", 0.03, kMask,
         [](HeadPlan& h) { h.ignore_lengths = true; });
  if (!problem.mask.empty() && problem.net.loss == Loss::softmax_cross_entropy)
    to.add("padding-leaks", "the outputs' errors",
           "the errors of padded steps are not left out, and their target -1 is taken for the last class",
           "dy[t] = 0 where the target is -1", "dy[t, target[t]] -= 1", 0.03, kMask,
           [](HeadPlan& h) { h.ignore_lengths = h.index_minus_one = true; });
  for (int s : {1, -1})
    to.add("mask-wrong-step", "the outputs' errors", fmt::format("the mask is that of step t{:+d}", -s),
           "use the mask of step t", "", 0.06, kMask, [s](HeadPlan& h) { h.length_shift = s; });
}

void add_slope(const Problem& problem, HeadAdder& to) {
  const Activation f = problem.net.head_activation;
  if (f == Activation::identity || f == Activation::softmax || !problem.net.head) return;
  struct Form {
    Fn fn;
    const char *name, *text;
    double weight;
  };
  const bool fused = problem.net.loss == Loss::binary_cross_entropy;
  const std::string fix = fused ? "dy = p - target" : fmt::format("dy = (y - target) * {}'(z_out)", name(f));
  constexpr Form forms[] = {
      {Fn::one, "derivative-missing", "leaves out the derivative of the output's activation", 0.02},
      {Fn::slope_at_state, "derivative-at-state", "takes the output's derivative at the activated value",
       0.03},
      {Fn::slope_of_value, "derivative-at-preactivation",
       "puts the output's pre-activation into the formula for the activated value", 0.03},
      {Fn::activation, "activation-for-derivative",
       "multiplies by the activation, where its derivative is due", 0.06},
      {Fn::slope_squared, "double-activation", "multiplies by the output activation's derivative twice",
       0.06},
      {Fn::one_minus_square, "derivative-of-other-activation",
       "takes tanh's formula 1 - y**2 for the output's derivative", 0.07},
      {Fn::logistic, "derivative-of-other-activation",
       "takes the sigmoid's formula y (1 - y) for the output's derivative", 0.07},
      {Fn::one_plus, "activation-for-derivative", "takes y (1 + y) for the output's derivative", 0.08},
      {Fn::complement, "activation-for-derivative", "takes 1 - y for the output's derivative", 0.09},
      {Fn::square, "activation-for-derivative", "takes y**2 for the output's derivative", 0.1}};
  for (const Form& form : forms) {
    if (form.fn == (f == Activation::tanh ? Fn::one_minus_square : Fn::logistic) &&
        (f == Activation::tanh || f == Activation::sigmoid))
      continue;
    if (fused && form.fn == Fn::slope_squared) continue;
    if (fused) {
      // (p - t) / (p (1-p)) without p (1-p), and p - t multiplied by it.
      if (form.fn == Fn::one)
        to.add("derivative-missing", "the output",
               "the loss's derivative by the probability is not multiplied by the sigmoid's", fix, "", 0.04,
               kSlope, [](HeadPlan& h) { h.slope = Fn::one; });
      continue;
    }
    to.add(form.name, "the output", fmt::format("the output's error {}", form.text), fix, "", form.weight,
           kSlope, [fn = form.fn](HeadPlan& h) { h.slope = fn; });
    to.add(form.name, "the way from the output to the state",
           fmt::format("on the way up to the state (not in the head's own gradient) the error {}", form.text),
           fix, "", form.weight + 0.03, kUp, [fn = form.fn](HeadPlan& h) { h.slope_up = fn; });
  }
  to.add("derivative-at-state", "the output",
         fmt::format("the output's error takes {}' at the target, where the output is due", name(f)), fix,
         f == Activation::tanh ? "1 - target**2" : "target * (1 - target)", 0.05, kSlope,
         [](HeadPlan& h) { h.slope_of_target = true; });
  to.all().back().aliases = {"loss-and-gradient-disagree", "activation-for-derivative"};
  if (fused)
    to.add("double-activation", "the output",
           "p - target is the whole derivative; it is multiplied by p (1 - p) once more", fix,
           "(p - target) * p * (1 - p)", 0.03, kLoss, [](HeadPlan& h) { h.loss = Loss::squared; });
}

// One output a sequence, and code that looks for it in row 0.
void add_wrong_step(const Problem& problem, HeadAdder& to) {
  if (!problem.net.last_output || !problem.net.head || problem.T < 2 || problem.net.pool != Pool::last)
    return;
  const auto sentence = [](const char* what) {
    return fmt::format(
        "the output belongs to the last step, but its error stands at step 0, with that step's {}; from step "
        "0 "
        "nothing is carried back, so a mistake in the carry leaves no trace in these numbers",
        what);
  };
  const char* fix = "use t = T-1 for the one output: its state, its pre-activation, its error";
  to.add("output-gradient-at-wrong-step", "the head, and dh", sentence("state in dV"), fix, "t = 0", 0.02,
         kInject, [](HeadPlan& h) { h.at_first = true; });
  const Activation f = problem.net.head_activation;
  if (f == Activation::identity || f == Activation::softmax) return;
  to.add("output-gradient-at-wrong-step", "the head, and dh",
         sentence("pre-activation in g' and state in dV"), fix, "t = 0", 0.02, kInject,
         [](HeadPlan& h) { h.at_first = h.slope_at_first = true; });
}

// The given gradients of the final states.
void add_final_mistakes(const Problem& problem, Mistakes& to) {
  const auto top = problem.layers.size() - 1;
  const auto add = [&](const char* which, const char* fix, std::function<void(Plan&)> patch) {
    Mistake m{"final-state-gradient-dropped",
              which,
              fmt::format("the gradient of the {} that is given is left out", which),
              fix,
              "",
              -1,
              0.03,
              {kFinal},
              {},
              {}};
    m.patch = std::move(patch);
    to.push_back(std::move(m));
  };
  const bool h = !problem.final_gradient.empty(), c = !problem.final_cell_gradient.empty();
  if (h) add("final state", "start with dh_next = dh_T", [](Plan& p) { p.drop_final_gradient = true; });
  if (c)
    add("final cell state", "start with dc_next = dc_T",
        [top](Plan& p) { p.layers[top].drop_final_cell = true; });
  if (h && c)
    add("final states", "start with dh_next = dh_T and dc_next = dc_T",
        [top](Plan& p) { p.drop_final_gradient = p.layers[top].drop_final_cell = true; });
}

// The head reads the mean, the sum or the maximum of all states.
void add_pool_mistakes(const Problem& problem, HeadAdder& to) {
  using Inject = HeadPlan::Inject;
  const Pool pool = problem.net.pool;
  const char *dh = "dh", *fix = pool == Pool::mean  ? "dh[t] += dpool / T at every step"
                                : pool == Pool::sum ? "dh[t] += dpool at every step"
                                                    : "dh[t] += dpool where h[t] is the maximum";
  const auto inject = [&](const char* name, std::string sentence, double weight, Inject how) {
    to.add(name, dh, std::move(sentence), fix, "", weight, kInject, [how](HeadPlan& h) { h.inject = how; });
  };
  inject("upstream-missing", "the pooled error reaches the last step alone", 0.03, Inject::last_only);
  to.all().back().aliases = {"output-gradient-at-wrong-step"};
  inject("upstream-missing", "the pooled error reaches step 0 alone", 0.06, Inject::first_only);
  to.all().back().aliases = {"output-gradient-at-wrong-step"};
  inject("output-gradient-at-wrong-step", "the error of all steps is sent in at the last", 0.05,
         Inject::last);
  inject("output-gradient-at-wrong-step", "the error of all steps is sent in at step 0", 0.06, Inject::first);
  if (pool == Pool::max)
    inject("output-gradient-at-wrong-step", "the error of all steps is added at every step", 0.05,
           Inject::everywhere);
  const double T = problem.T;
  if (pool == Pool::max) return;
  const double factor = pool == Pool::mean ? T : 1 / T;
  to.add("time-mean-or-sum", dh,
         pool == Pool::mean ? "the pooled error is not divided by the number of steps"
                            : "the pooled error is divided by the number of steps",
         fix, "", 0.03, kMatrix, [factor](HeadPlan& h) { h.up_coefficient = factor; });
  to.all().back().aliases = {"block-scaled"};
}

}  // namespace

Mistakes head_mistakes(const Problem& problem, const Words&) {
  Mistakes all, out;
  HeadAdder adder(all);
  if (problem.net.loss != Loss::upstream) {
    add_loss_mistakes(problem, adder);
    add_mask(problem, adder);
    add_slope(problem, adder);
    add_wrong_step(problem, adder);
  }
  for (Mistake& m : all)
    if (m.entries.front() != kUp) out.push_back(std::move(m));
  return out;
}

void add_upstream_mistakes(const Problem& problem, const Words& words, Mistakes& to) {
  using Inject = HeadPlan::Inject;
  Mistakes slopes;
  HeadAdder slope_adder(slopes), adder(to);
  add_slope(problem, slope_adder);
  for (Mistake& m : slopes)
    if (m.entries.front() == kUp) to.push_back(std::move(m));
  const std::string fix = fmt::format("dh[t] += {}", words.back_V("dy[t]"));
  if (problem.net.head) {
    if (problem.O == problem.H())
      adder.add("head-not-transposed", "the way from the output to the state",
                "the output's error goes back through the head as the forward uses it, not its transpose",
                fix, words.back_V("dy[t]", false), 0.01, kMatrix, [](HeadPlan& h) { h.transposed = true; });
    if (problem.O == problem.H())
      adder.add("upstream-missing", "the way from the output to the state",
                "the output's error reaches the state without the head's matrix", fix, "dy[t]", 0.05, kMatrix,
                [](HeadPlan& h) { h.identity = true; });
  }
  for (int off : {1, -1}) {
    if (!problem.net.head) break;
    adder.add("carry-wrong-matrix", "the way from the output to the state",
              fmt::format(
                  "the output's error goes back through a slice of the head's matrix that is one column {}, "
                  "with the bias in it",
                  off > 0 ? "late" : "early"),
              fix, "", 0.09, kMatrix, [off](HeadPlan& h) { h.columns_off = off; });
    to.back().aliases = {"carry-wrong-gate", "head-not-transposed"};
  }
  adder.add("sign", "the way from the output to the state",
            "the output's error reaches the state with the wrong sign", fix, "", 0.09, kMatrix,
            [](HeadPlan& h) { h.up_coefficient = -1; });
  adder.add("upstream-missing", "dh", "the outputs' errors never reach the state", fix, "", 0.05, kInject,
            [](HeadPlan& h) { h.inject = Inject::none; });
  add_final_mistakes(problem, to);
  if (problem.T < 2) return;
  const char* wrong = "output-gradient-at-wrong-step";
  if (problem.net.pool != Pool::last) return add_pool_mistakes(problem, adder);
  if (problem.net.last_output) {
    adder.add(wrong, "dh", "the output belongs to the last step, but its error is sent in at step 0",
              "send dy in at t = T-1", "", 0.02, kInject, [](HeadPlan& h) { h.inject = Inject::first; });
    adder.add(wrong, "dh", "the output belongs to the last step, but its error is added at every step",
              "add dy at t = T-1 alone", "", 0.03, kInject,
              [](HeadPlan& h) { h.inject = Inject::everywhere; });
    adder.add(wrong, "dh", "the output's error is sent in one step early", "send dy in at t = T-1", "", 0.05,
              kInject, [](HeadPlan& h) { h.shift = 1; });
    return;
  }
  adder.add(wrong, "dh", "every step gets the previous step's output error", fix, "dy[t-1]", 0.05, kInject,
            [](HeadPlan& h) { h.shift = -1; });
  adder.add(wrong, "dh", "every step gets the next step's output error", fix, "dy[t+1]", 0.05, kInject,
            [](HeadPlan& h) { h.shift = 1; });
  for (int s : {-1, 1})
    adder.add(wrong, "dh",
              fmt::format("every step gets the output error of step t{:+d}, at the edge the other end's", s),
              fix, fmt::format("dy[t{:+d}]", s), 0.06, kInject,
              [s](HeadPlan& h) { h.shift = s, h.shift_wraps = true; });
  adder.add(wrong, "dh", "all outputs' errors are sent in at the last step", fix, "", 0.07, kInject,
            [](HeadPlan& h) { h.inject = Inject::last; });
  adder.add(wrong, "dh", "all outputs' errors are sent in at step 0", fix, "", 0.08, kInject,
            [](HeadPlan& h) { h.inject = Inject::first; });
  adder.add("upstream-missing", "dh", "only the last step's output error reaches the state", fix, "", 0.04,
            kInject, [](HeadPlan& h) { h.inject = Inject::last_only; });
  adder.add(wrong, "dh", "the sum of all outputs' errors is added at every step", fix, "", 0.08, kInject,
            [](HeadPlan& h) { h.inject = Inject::everywhere; });
  adder.add("counted-twice", "dh",
            "every output's error is added at its own step and again at every step before it (in a loop for "
            "every output, it is not zero in the inner loop)",
            fix, "", 0.05, kInject, [](HeadPlan& h) { h.inject = Inject::earlier; });
  adder.all().back().aliases = {wrong};
  adder.add(wrong, "dh", "the last step's output error is added at every step", fix, "dy[-1]", 0.06, kInject,
            [](HeadPlan& h) { h.inject = Inject::last_everywhere; });
  adder.add(wrong, "dh", "step 0's output error is added at every step", fix, "dy[0]", 0.08, kInject,
            [](HeadPlan& h) { h.inject = Inject::first_everywhere; });
  adder.add(wrong, "dh", "the outputs' errors are added in reversed order", fix, "dy[T-1-t]", 0.06, kInject,
            [](HeadPlan& h) { h.inject = Inject::reversed; });
}

}  // namespace retrograde::doctor
