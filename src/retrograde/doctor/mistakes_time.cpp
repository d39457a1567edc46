// Families "time" and "truncation" of the sweep: which steps it visits and how far an error is taken back.
#include <fmt/format.h>

#include <set>

#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

namespace {

// Programs with a loop for every output t and in it one back from t: what the inner loop does not take along.
void add_inner_loop(const Problem& problem, std::size_t l, Mistakes& to) {
  constexpr std::size_t kDelta = 1, kCarry = 2;
  const std::vector<int> entries = {static_cast<int>(1000 * l) + 995, Site{kCarry, 0, kSource}.entry(l),
                                    Site{kDelta, 0, kSource}.entry(l), Site{kDelta, 1, kSource}.entry(l)};
  Term handed_on;
  handed_on.source = Back::hc, handed_on.shift = 1;
  to.push_back(layer_mistake(
      l, "carry-identity", "the carry of the inner loop",
      "an output's error goes back one step and then stays as it is: every earlier step gets it unchanged",
      0.06, entries,
      [handed_on, slope = Factor{Var::z0, Fn::slope, problem.net.activation, 0, true}](LayerPlan& p) {
        Term once = p.steps[kCarry].terms[0];
        once.source = Back::up, once.before = {slope};
        p.steps[kCarry].terms = {once, handed_on};
      }));
  to.back().aliases = {"carry-wrong-order", "truncated"};
  to.push_back(layer_mistake(
      l, "upstream-missing", "every step of the inner loop",
      "the delta is the activation's derivative alone, with no error in it, once for every output that comes "
      "after",
      0.07, entries, [handed_on](LayerPlan& p) {
        Term one;
        one.source = Back::one;
        p.steps[kDelta].terms[0].source = Back::one;
        p.steps[kCarry].terms = {one, handed_on};
      }));
  to.back().aliases = {"activation-for-derivative"};
}

}  // namespace

void add_time_mistakes(const Problem& problem, const Words&, Mistakes& to) {
  const int T = problem.T;
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    auto add = [&](const char* name, std::string where, std::string sentence, std::string fix, double weight,
                   int entry, std::function<void(LayerPlan&)> patch) {
      Mistake m{name,
                std::move(where),
                std::move(sentence),
                std::move(fix),
                "",
                static_cast<int>(l),
                weight,
                {static_cast<int>(1000 * l) + entry},
                {},
                {}};
      m.patch = [l, patch = std::move(patch)](Plan& plan) { patch(plan.layers[l]); };
      to.push_back(std::move(m));
    };
    const std::string loop = "for t in reversed(range(T))";
    for (int k = 1; k <= std::min(3, T - 1); ++k) {
      add("first-step-skipped", "the loop back through time",
          k == 1 ? "the loop stops before step 0" : fmt::format("the loop stops before step {}", k - 1), loop,
          0.03 * k, 990, [k](LayerPlan& p) { p.first = k; });
      add("last-step-skipped", "the loop back through time",
          k == 1 ? "the loop starts one step too early: step T-1 is left out"
                 : fmt::format("the loop leaves out the last {} steps", k),
          loop, 0.03 * k, 991, [k](LayerPlan& p) { p.last = k; });
    }
    if (problem.B < T)
      add("batch-for-time", "the loop back through time",
          "the loop runs over the batch size instead of the number of steps", loop, 0.05, 991,
          [k = T - problem.B](LayerPlan& p) { p.last = k; });
    if (problem.B < T)
      add("batch-for-time", "the loop back through time",
          "the loop counts as many steps as the batch has rows", loop, 0.06, 990,
          [k = T - problem.B](LayerPlan& p) { p.first = k; });
    if (problem.net.last_output && l + 1 == problem.layers.size() && T > 2)
      for (int k : std::set{1, T - problem.B}) {
        if (k < 1) continue;
        const bool batch = k == T - problem.B;
        add(batch ? "batch-for-time" : "last-step-skipped", "the loop back through time",
            fmt::format("the loop {}, and the output's error enters where it begins",
                        batch ? "runs over the batch size instead of the number of steps"
                              : "leaves out the last step"),
            loop, 0.05, 991, [k](LayerPlan& p) { p.last = p.up_early = k; });
      }
    const auto replay = [&](Replay r, const char* what, const char* index, double weight) {
      if (T < 2) return;
      add("derivative-wrong-step", "everything that the loop looks up",
          fmt::format("the loop takes the records of {}: states, gates and inputs of cache[{}]", what, index),
          "use cache[t]", weight, 994, [r](LayerPlan& p) { p.replay = r; });
      to.back().yours = fmt::format("cache[{}]", index);
      to.back().aliases = {"state-index-shifted", "layer-input-wrong", "index-wraps", "window-off-by-one"};
    };
    replay(Replay::reversed, "the steps in reversed order", "T-1-t", 0.05);
    replay(Replay::last, "the last step at every step", "-1", 0.05);
    replay(Replay::first, "step 0 at every step", "0", 0.08);
    replay(Replay::previous, "the previous step", "t-1", 0.05);
    if (problem.net.cell == Cell::elman && T > 2)
      for (int which : {1, 2})
        add("derivative-wrong-step", "the carry",
            fmt::format(
                "every carry of the inner loop takes the derivative of the outer loop's step t{}, where the "
                "inner loop's is due",
                which == 1 ? "" : "-1"),
            "delta = (delta @ U) * f'(z[k-1])", 0.06, 995, [which](LayerPlan& p) { p.outer_slope = which; });
    if (problem.net.cell == Cell::elman && T > 2) add_inner_loop(problem, l, to);
    for (int reach = 1; reach < T - 1; ++reach)
      add("truncated", "the sweep",
          fmt::format("each output's error goes back through its own step and {} earlier one{} only", reach,
                      reach == 1 ? "" : "s"),
          "carry the error to step 0, or judge it as a truncated gradient", 0.03 + 0.001 * reach, 992,
          [reach](LayerPlan& p) { p.reach = reach; });
    for (int reach = 1; reach < T; ++reach)
      add("window-on-last-output-only", "the sweep",
          fmt::format(
              "only the last output's error is taken back ({} step{}); the others stay at their own step",
              reach, reach == 1 ? "" : "s"),
          "take every output's error back", 0.08 + 0.002 * reach, 992, [reach](LayerPlan& p) {
            p.reach = reach;
            p.window_last_only = true;
          });
    for (int k = 2; k < T; ++k)
      for (int from_end = 0; from_end < (T % k ? 2 : 1); ++from_end)
        add("truncated", "the sweep",
            fmt::format("the error is cut every {} steps{} (chunks)", k,
                        from_end ? ", counted from the end" : ""),
            "carry the error across the cut, or judge it as a truncated gradient", 0.05 + 0.002 * k, 993,
            [k, o = from_end ? T % k : 0](LayerPlan& p) {
              p.chunk = k;
              p.chunk_offset = o;
            });
    if (problem.net.cell == Cell::lstm)
      for (int k = 2; k < T; ++k)
        add("truncated", "the sweep", fmt::format("dh is cut every {} steps while dc is carried on", k),
            "cut both or none", 0.12, 993, [k](LayerPlan& p) {
              p.chunk = k;
              p.cut_c = false;
            });
  }
}

}  // namespace retrograde::doctor
