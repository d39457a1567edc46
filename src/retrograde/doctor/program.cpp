#include "retrograde/doctor/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "retrograde/base/error.h"
#include "retrograde/base/random.h"
#include "retrograde/doctor/pairing.h"

namespace retrograde::doctor {

namespace {

bool same(const Array& a, const Array& b) {
  if (a.shape != b.shape) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a.values[i] != b.values[i] && !(std::isnan(a.values[i]) && std::isnan(b.values[i]))) return false;
  return true;
}

// Largest |a - b|, relative to the largest of a.
double gap(const Arrays& a, const Arrays& b) {
  double g = 0, top = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (i >= b.size() || a[i].array.size() != b[i].array.size()) return 1;
    for (std::size_t k = 0; k < a[i].array.size(); ++k) {
      const double x = a[i].array.values[k], d = std::abs(x - b[i].array.values[k]);
      if (!(d <= g)) g = std::isfinite(d) ? d : 1e300;
      top = std::max(top, std::abs(x));
    }
  }
  return top > 0 ? g / top : g;
}

double largest_of(const Arrays& a) {
  double top = 0;
  for (const NamedArray& x : a)
    for (double v : x.array.values) top = std::max(top, std::abs(v));
  return top;
}

// Sums in another order may differ by rounding; anything beyond is another answer.
constexpr double kRepeat = 1e-6;

// Whether the second is twice the first, but for entries that a clip holds at its bound.
bool adds_up(const Arrays& first, const Arrays& second, double bound) {
  std::size_t doubled = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i].array.size() != second[i].array.size()) return false;
    for (std::size_t k = 0; k < first[i].array.size(); ++k) {
      const double once = first[i].array.values[k], twice = second[i].array.values[k];
      const double gap = std::abs(twice - std::clamp(2 * once, -bound, bound));
      if (!(gap <= kRepeat * bound)) return false;
      doubled += once != 0 && std::abs(2 * once) <= bound * (1 + kRepeat);
    }
  }
  return doubled > 0;
}

Finding conduct(const char* name, std::string where, std::string sentence, std::string fix) {
  Finding f;
  f.name = name, f.where = std::move(where), f.sentence = std::move(sentence), f.fix = std::move(fix);
  f.certainty = "certain";
  return f;
}

bool changes_with_the_point(const Datum& d) {
  return d.role != Role::loss && d.role != Role::outputs && d.role != Role::states && d.role != Role::ignore;
}

}  // namespace

void take_claims(const Arrays& answer, std::vector<Block>& blocks) {
  std::vector<const NamedArray*> free;
  for (const NamedArray& a : answer) free.push_back(&a);
  std::size_t taken = 0;
  for (Block& b : blocks) {
    auto fits = [&](const NamedArray* a) {
      return a->name == b.parameter || a->name == b.gradient || names_gradient_of(a->name, b.parameter);
    };
    const auto at = std::find_if(free.begin(), free.end(), [&](const NamedArray* a) {
      return fits(a) && a->array.size() == b.value.size();
    });
    if (at == free.end()) continue;
    b.gradient = (*at)->name;
    b.claim = (*at)->array.values;
    b.claim_transposed = (*at)->array.shape != b.shape;
    free.erase(at);
    ++taken;
  }
  if (taken == 0 && answer.size() == blocks.size())  // unnamed, in the parameters' order
    for (std::size_t i = 0; i < blocks.size(); ++i)
      if (answer[i].array.size() == blocks[i].value.size())
        blocks[i].claim = answer[i].array.values, blocks[i].gradient = answer[i].name, ++taken;
  if (taken == 0) {
    std::vector<std::string> names;
    for (const NamedArray& a : answer) names.push_back(a.name);
    throw DataError(
        "the gradient answered with [{}], none of which is a parameter's gradient by name and size",
        fmt::join(names, ", "));
  }
}

Program::Program(const Case& given, const Roles& roles) : given_(given) {
  for (const Datum& d : roles.data) roles_[d.given.name] = d.role;
  for (const NamedArray& a : given.arrays) {
    const bool parameter = std::any_of(roles.blocks.begin(), roles.blocks.end(),
                                       [&](const Block& b) { return b.parameter == a.name; });
    const bool batch = std::any_of(roles.data.begin(), roles.data.end(), [&](const Datum& d) {
      return d.given.name == a.name && changes_with_the_point(d);
    });
    if (parameter) parameters_.push_back(a);
    if (batch) batch_.push_back(a);
  }
}

Role Program::role(const std::string& name) const {
  const auto at = roles_.find(name);
  return at == roles_.end() ? Role::unknown : at->second;
}

void Program::watch(const Arrays& before, const Arrays& after, std::vector<std::string>& changed) {
  for (std::size_t i = 0; i < before.size() && i < after.size(); ++i)
    if (!same(before[i].array, after[i].array) &&
        std::find(changed.begin(), changed.end(), before[i].name) == changed.end())
      changed.push_back(before[i].name);
}

Arrays Program::gradient(const Arrays& parameters, const Arrays& batch) {
  Arrays p = parameters, b = batch;
  Arrays answer = given_.gradient(p, b);
  watch(parameters, p, changed_parameters_);
  watch(batch, b, changed_batch_);
  return answer;
}

double Program::loss(const Arrays& parameters, const Arrays& batch) {
  Arrays p = parameters, b = batch;
  const double value = given_.loss(p, b);
  watch(parameters, p, changed_parameters_);
  watch(batch, b, changed_batch_);
  return value;
}

Arrays Program::other_parameters() const {
  Random random(20240607);
  Arrays out = parameters_;
  for (NamedArray& a : out)
    for (double& v : a.array.values) v = v * random.uniform(0.7, 1.3) + 0.05 * random.normal();
  return out;
}

// Whether the answer depends on the calls before, and not on chance: after the same calls it is the same, or
// it comes nearer with every call at one point (a state that fades).
bool Program::follows_from_before() {
  constexpr int kCalls = 8;
  const Arrays other = other_parameters();
  gradient(other, batch_);
  const Arrays third = gradient(parameters_, batch_);
  gradient(other, batch_);
  Arrays last = gradient(parameters_, batch_);
  if (gap(third, last) <= kRepeat) return true;
  double before = INFINITY;
  for (int k = 0; k < kCalls; ++k) {
    Arrays next = gradient(parameters_, batch_);
    const double moved = gap(last, next);
    if (moved <= kRepeat) return true;
    if (!(moved < before)) return false;
    before = moved;
    last = std::move(next);
  }
  return true;
}

// What two calls at one point differ in, and why.
std::optional<Finding> Program::unlike(const Arrays& first, const Arrays& second) {
  Arrays before, after;
  for (std::size_t i = 0; i < first.size() && i < second.size(); ++i)
    if (!(gap({second[i]}, {first[i]}) <= kRepeat)) before.push_back(first[i]), after.push_back(second[i]);
  if (before.empty() && first.size() == second.size()) return std::nullopt;
  const double bound = largest_of(after);
  const bool clipped = bound < 2 * largest_of(before) * (1 - kRepeat);
  if (first.size() == second.size() && adds_up(before, after, bound)) {
    std::vector<std::string> names;
    for (const NamedArray& a : before) names.push_back(a.name);
    const bool all = names.size() == first.size();
    return conduct("accumulates-between-calls",
                   all ? "every call" : fmt::format("{}", fmt::join(names, ", ")),
                   fmt::format("the second call at one point gives twice the first{}: gradients are added to "
                               "what an earlier call left",
                               clipped ? fmt::format(", clipped to [-{0:.6g}, {0:.6g}]", bound) : ""),
                   "set the gradients to zero at the start of each call");
  }
  if (follows_from_before())
    return conduct("keeps-state", "between calls",
                   "the answer at one point depends on the call before: something is kept between calls",
                   "start every call from the same state (hidden state, buffers, caches)");
  Finding random =
      conduct("not-repeatable", "every call", "two calls at one point give different gradients",
              "draw the random numbers (dropout, noise, initial states) from a seed that each call sets");
  if (has_loss() && loss(parameters_, batch_) == loss(parameters_, batch_))
    random.equivalents.push_back({"mask-redrawn",
                                  "the loss is repeatable and the gradient is not: the backward "
                                  "draws its dropout mask anew"});
  return random;
}

std::vector<Finding> Program::audit(Arrays& first) {
  std::vector<Finding> out;
  double loss_before = 0;
  if (has_loss()) loss_before = loss(parameters_, batch_);
  first = gradient(parameters_, batch_);
  const Arrays second = gradient(parameters_, batch_);
  const double loss_after = has_loss() ? loss(parameters_, batch_) : 0;
  // Where the arrays themselves were changed, another answer is no wonder.
  if (changed_parameters_.empty() && changed_batch_.empty()) {
    if (auto f = unlike(first, second))
      out.push_back(*std::move(f));
    else if (!(std::abs(loss_after - loss_before) <= kRepeat * std::abs(loss_before)))
      out.push_back(conduct("keeps-state", "the loss",
                            fmt::format("the loss at one point is {:.8g}, and after a gradient call {:.8g}",
                                        loss_before, loss_after),
                            "start every evaluation from the same state"));
  }
  if (!changed_parameters_.empty())
    out.push_back(conduct("parameters-left-changed", fmt::format("{}", fmt::join(changed_parameters_, ", ")),
                          fmt::format("{} {} changed after the call", fmt::join(changed_parameters_, ", "),
                                      changed_parameters_.size() == 1 ? "is" : "are"),
                          "compute the gradient without updating, or restore what was changed"));
  if (!changed_batch_.empty())
    out.push_back(conduct("mutates-input", fmt::format("{}", fmt::join(changed_batch_, ", ")),
                          fmt::format("the call writes into its input {}", fmt::join(changed_batch_, ", ")),
                          "work on a copy"));
  return out;
}

}  // namespace retrograde::doctor
