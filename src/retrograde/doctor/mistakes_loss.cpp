// Family "head": the loss's derivative by the outputs, softmax and target included. It shows in the head's
// blocks.
#include <fmt/format.h>

#include <algorithm>

#include "retrograde/doctor/head_adder.h"

namespace retrograde::doctor {

namespace {

// What a slip makes of p - target, or of the softmax's derivative under another loss.
void add_softmax(const Network& net, const std::string& right, HeadAdder& to) {
  using Softmax = HeadPlan::Softmax;
  const auto add = [&](const char* name, const char* sentence, const std::string& fix, const char* yours,
                       double weight, Softmax how, std::vector<std::string> aliases = {}) {
    to.add(name, "softmax", sentence, fix, yours, weight, kLoss, [how](HeadPlan& h) { h.softmax = how; });
    to.all().back().aliases = std::move(aliases);
  };
  if (net.loss == Loss::softmax_cross_entropy) {
    const char* disagree = "loss-and-gradient-disagree";
    add("softmax-diagonal", "only the diagonal of softmax's Jacobian is used: p (1 - p) at the target", right,
        "-target * (1 - p)", 0.03, Softmax::diagonal);
    add("softmax-diagonal", "the error p - target is multiplied by p (1 - p) once more", right,
        "(p - target) * p * (1 - p)", 0.03, Softmax::diagonal_again);
    add("softmax-applied-twice", "softmax is applied to what is already a softmax", right,
        "softmax(p) - target", 0.03, Softmax::twice);
    add(disagree, "the target is not subtracted from the probabilities", right, "dy = p", 0.06,
        Softmax::untargeted);
    add(disagree, "the sign is turned at the target alone: 1 - p, where p - 1 is due", right,
        "dy = p;  dy[target] = 1 - dy[target]", 0.07, Softmax::turned_at_target, {"sign"});
    add(disagree, "-1 stands at the target, where it is subtracted from p (= for -=)", right,
        "dy = p;  dy[target] = -1", 0.07, Softmax::overwritten_at_target, {"carry-overwrites-upstream"});
    add("derivative-missing", "the loss's derivative by the probability, -1/p, lacks the softmax's own",
        right, "-target / p", 0.05, Softmax::of_logarithm, {disagree});
    add(disagree, "the target is subtracted from the outputs as they enter the softmax", right, "y - target",
        0.07, Softmax::left_out, {"derivative-at-preactivation"});
  } else if (net.head_activation == Activation::softmax) {
    const std::string fix = "dz = p * (dp - sum(dp * p))";
    add("softmax-diagonal", "only the diagonal of softmax's Jacobian is used", fix, "dp * p * (1 - p)", 0.03,
        Softmax::diagonal);
    add("derivative-missing", "softmax's derivative is left out", fix, "dp", 0.04, Softmax::untargeted);
  }
}

void add_loss(const Problem& problem, HeadAdder& to) {
  const Network& net = problem.net;
  const std::string right =
      net.loss == Loss::softmax_cross_entropy ? "dy = softmax(y) - target" : "dy = y - target";
  for (Loss other : {Loss::squared, Loss::absolute, Loss::huber, Loss::binary_cross_entropy,
                     Loss::softmax_cross_entropy}) {
    if (other == net.loss || net.loss == Loss::upstream) continue;
    if (other == Loss::binary_cross_entropy && net.head_activation != Activation::sigmoid) continue;
    if (other == Loss::softmax_cross_entropy && problem.O < 2) continue;
    to.add("loss-and-gradient-disagree", "the loss's derivative",
           fmt::format("the gradient is the {}'s, but the loss is the {}", name(other), name(net.loss)),
           right, "", 0.08, kLoss, [other](HeadPlan& h) { h.loss = other; });
  }
  add_softmax(net, right, to);
}

// The one-hot row, or the target, that is subtracted: added instead, of another step, the input's.
void add_target(const Problem& problem, HeadAdder& to) {
  const Network& net = problem.net;
  const bool classes = net.loss == Loss::softmax_cross_entropy;
  const std::string fix = classes ? "dy[t] = p[t];  dy[t][target[t]] -= 1" : "dy[t] = y[t] - target[t]";
  const char* where = "the loss's derivative";
  to.add("loss-and-gradient-disagree", where,
         classes ? "1 is added at the target, where it is subtracted: p + onehot"
                 : "the target is added: y + target",
         fix, classes ? "dy[target] += 1" : "y + target", 0.07, kLoss,
         [](HeadPlan& h) { h.target_factor = -1; });
  to.all().back().aliases = {"sign"};
  const auto amount = [&](double factor, const char* name, std::string sentence, std::string yours) {
    to.add(name, where, std::move(sentence), fix, std::move(yours), 0.08, kLoss,
           [factor](HeadPlan& h) { h.target_factor = factor; });
    to.all().back().aliases = {"loss-and-gradient-disagree", "factor-two"};
  };
  if (classes) {
    amount(2, "factor-two", "2 is subtracted at the target, where 1 is due", "dy[target] -= 2");
  } else {
    amount(0, "loss-and-gradient-disagree", "the target is not subtracted", "y");
    amount(0.5, "parenthesis", "the factor 2 multiplies the output alone, not the difference",
           "2 * y - target");
    amount(2, "parenthesis", "the factor 2 multiplies the target alone, not the difference",
           "y - 2 * target");
  }
  to.add("loss-and-gradient-disagree", where, "the output is left out: the error is the target alone", fix,
         "-target", 0.09, kLoss, [](HeadPlan& h) { h.output_factor = 0; });
  if (problem.T > 1 && !net.last_output)
    for (const auto& [replay, index] :
         {std::pair(Replay::last, "[-1]"), {Replay::first, "[0]"}, {Replay::previous, "[t-1]"}}) {
      if (replay != Replay::previous)
        to.add("output-gradient-at-wrong-step", where,
               fmt::format("every output is compared with target{}", index), fix,
               fmt::format("target{}", index), 0.09, kLoss,
               [r = replay](HeadPlan& h) { h.target_replay = r; });
      to.add("output-gradient-at-wrong-step", where,
             fmt::format("every target is compared with y{}{}", index,
                         replay == Replay::previous ? ", at t = 0 with the last one" : ""),
             fix, fmt::format("y{}", index), 0.09, kLoss, [r = replay](HeadPlan& h) { h.output_replay = r; });
    }
  const int inputs = problem.tokens.empty() ? problem.I : problem.vocabulary;
  if (inputs == problem.O && !net.last_output && classes)
    to.add("loss-and-gradient-disagree", where, "1 is subtracted at the input's token, not at the target's",
           fix, "dy[input] -= 1", 0.08, kLoss, [](HeadPlan& h) { h.target_is_input = true; });
  const char* shifted = "output-gradient-at-wrong-step";
  using Edge = HeadPlan::Edge;
  const auto target = [&](int s, Edge edge) {
    to.add(shifted, where,
           fmt::format("the output is compared with target[t{:+d}]{}", s,
                       edge == Edge::wraps     ? ", at the edge with the other end's"
                       : edge == Edge::clamped ? ", at the edge with its own"
                                               : ""),
           fix, fmt::format("target[t{:+d}]", s), 0.08, kLoss,
           [s, edge](HeadPlan& h) { h.target_shift = s, h.target_edge = edge; });
    to.all().back().aliases = {"loss-and-gradient-disagree"};
  };
  for (int s : {-1, 1})
    for (Edge edge : {Edge::none, Edge::wraps, Edge::clamped})
      if (!net.last_output && problem.T > 1) target(s, edge);
  for (int k = 0; classes && k < std::min(problem.O, 40); ++k)
    to.add("loss-and-gradient-disagree", where,
           fmt::format("1 is subtracted at class {}, not at the target", k), fix,
           fmt::format("dy[{}] -= 1", k), 0.09, kLoss, [k](HeadPlan& h) { h.target_class = k; });
}

}  // namespace

void add_loss_mistakes(const Problem& problem, HeadAdder& to) {
  add_loss(problem, to);
  add_target(problem, to);
}

}  // namespace retrograde::doctor
