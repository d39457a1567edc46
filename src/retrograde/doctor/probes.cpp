#include "retrograde/doctor/probes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <stdexcept>
#include <tuple>

namespace retrograde::doctor {

namespace {

// Of the given error, where targets may be chosen: below every clip, far above rounding.
constexpr double kSmall = 1e-3;
constexpr double kStart = 0.3, kStartCell = -0.4;
constexpr std::size_t kBeam = 24;
constexpr double kSlack = 0.5;

std::size_t volume(const std::vector<std::size_t>& shape) {
  std::size_t n = 1;
  for (std::size_t d : shape) n *= d;
  return n;
}

// The first `count` entries along one axis.
Array first_along(const Array& a, std::size_t axis, std::size_t count) {
  Array out = a;
  out.shape[axis] = count;
  out.values.clear();
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < a.shape.size(); ++i) inner *= a.shape[i];
  const std::size_t outer = volume(a.shape) / (inner * a.shape[axis]);
  for (std::size_t o = 0; o < outer; ++o) {
    const auto from = a.values.begin() + static_cast<long>(o * a.shape[axis] * inner);
    out.values.insert(out.values.end(), from, from + static_cast<long>(count * inner));
  }
  return out;
}

// The axis of an array of the batch that runs over time, if there is one.
std::optional<std::size_t> time_axis(const NamedArray& a, const Hypothesis& h, int T) {
  for (const Sequence* s : {&h.input, &h.target})
    if (s->name == a.name) {
      const auto at = s->view.axes.find('t');
      return at == std::string::npos || s->view.spread ? std::nullopt : std::optional(at);
    }
  const auto& shape = a.array.shape;  // a mask, or something that this reading does not use
  const auto n = static_cast<std::size_t>(T);
  if (std::count(shape.begin(), shape.end(), n) != 1) return std::nullopt;
  return static_cast<std::size_t>(std::find(shape.begin(), shape.end(), n) - shape.begin());
}

// The strides of a view after its array was cut to fewer steps.
View strides(View v, const std::vector<std::size_t>& shape) {
  std::size_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0; stride *= shape[i]) {
    if (v.axes[i] == 't') v.t = stride;
    if (v.axes[i] == 'b') v.b = stride;
    if (v.axes[i] == 'f') v.f = stride;
  }
  return v;
}

// Every row's error is `small` of what it was, or zero.
void shrink_errors(Problem& p, bool last_only, double small) {
  if (p.net.loss == Loss::upstream) {
    for (std::size_t i = 0; i < p.target.size(); ++i) {
      const bool last = i >= p.target.size() - static_cast<std::size_t>(p.B * p.O);
      p.target[i] *= last_only && !last ? 0 : small;
    }
    return;
  }
  const Engine engine(p);
  const Real y = activated_outputs(p, engine.outputs());
  const std::size_t rows = static_cast<std::size_t>(p.B * p.O), last = p.target.size() - rows;
  for (std::size_t i = 0; i < y.size(); ++i) {
    // With one output a sequence all rows hold its target.
    const std::size_t own = p.net.last_output ? last + i % rows : i;
    const double share = last_only && own < last ? 0 : small;
    p.target[i] = y[own] + share * (p.target[i] - y[own]);
  }
}

// The canonical target in the user's array.
void put_target(const Problem& p, const View& v, Array& to) {
  const auto at = [](int i, int n, std::size_t stride) {
    return n ? static_cast<std::size_t>(i) * stride : 0;
  };
  for (int t = 0; t < p.T; ++t)
    for (int b = 0; b < p.B; ++b)
      for (int k = 0; k < p.O; ++k)
        to.values[at(t, v.T, v.t) + at(b, v.B, v.b) + at(k, v.F, v.f)] =
            p.target[static_cast<std::size_t>((t * p.B + b) * p.O + k)];
}

// Whether targets may be anything between the outputs and the given ones.
bool targets_are_free(const Hypothesis& h) {
  const Problem& p = h.problem;
  const bool one_for_every_step = p.T > 1 && !p.net.last_output && h.target.view.T == 0;
  if (one_for_every_step || h.target.name.empty()) return false;
  return p.net.loss == Loss::upstream || (p.net.loss != Loss::absolute && (h.target.view.F > 0 || p.O == 1));
}

// Start states of zero, or others. False if the arrays do not allow it.
bool set_start(Problem& p, const Program& program, Arrays& batch, bool start) {
  if (!p.p.empty() || !p.P.empty()) return start;  // it is learned
  bool set = false, ok = true;
  for (const auto& [role, part, value] :
       {std::tuple(Role::h0, &Layer::h0, kStart), std::tuple(Role::c0, &Layer::c0, kStartCell)}) {
    const bool zero = std::all_of(p.layers.begin(), p.layers.end(),
                                  [&, part = part](const Layer& l) { return largest(l.*part) == 0; });
    if (zero != start) {  // as it is
      set |= start;
      continue;
    }
    bool found = false;
    for (NamedArray& a : batch)
      if (program.role(a.name) == role)
        std::fill(a.array.values.begin(), a.array.values.end(), start ? value : 0), found = true;
    if (found)
      for (Layer& l : p.layers) std::fill((l.*part).begin(), (l.*part).end(), start ? value : 0);
    set |= found && start;
    ok &= found || start;
  }
  return ok && set == start;
}

// The loss's factor at another number of steps: as it was, or averaged over the steps that there are.
bool set_scale(const Hypothesis& whole, Problem& p, std::optional<double> loss) {
  const double steps = [&] {
    double sum = 0;
    for (int e : whole.problem.end) sum += e;
    return sum / (p.T * p.B);
  }();
  const double factors[] = {1, steps, static_cast<double>(whole.problem.T) / p.T};
  if (!loss) {
    p.net.scale *= whole.problem.net.reduction.find("steps") == std::string::npos ? 1 : steps;
    return true;
  }
  const double before = p.net.scale;
  for (const double f : factors) {
    p.net.scale = f * before;
    if (std::abs(loss_of(p) - *loss) <= 1e-6 * std::abs(*loss)) return true;
  }
  return false;
}

}  // namespace

std::optional<Hypothesis> ask(Program& program, const Hypothesis& whole, Point point, Precision precision) {
  Hypothesis h = whole;
  Problem& p = h.problem;
  Arrays batch = program.batch();
  p.T = point.steps;
  const auto rows = static_cast<std::size_t>(p.T * p.B);
  p.x.resize(rows * static_cast<std::size_t>(p.I));
  p.target.resize(rows * static_cast<std::size_t>(p.O));
  if (!p.tokens.empty()) p.tokens.resize(rows);
  if (!p.mask.empty()) p.mask.resize(rows);
  p.end.assign(p.end.size(), p.T);
  if (!set_start(p, program, batch, point.start)) return std::nullopt;
  if (targets_are_free(h))
    shrink_errors(p, point.last_only, precision == Precision::single ? 1 : kSmall);
  else if (point.last_only && !p.net.last_output)
    return std::nullopt;
  const int T = whole.problem.T;
  for (NamedArray& a : batch) {
    const Role role = program.role(a.name);
    if (role == Role::lengths) std::fill(a.array.values.begin(), a.array.values.end(), p.T);
    if (a.array.size() == 1 && role == Role::unknown && a.array.values[0] == T)
      a.array.values[0] = p.T;  // the number of steps, handed over beside the arrays
    // One array may hold input and target, and one step more than either.
    if (const auto axis = time_axis(a, h, T); axis && role != Role::h0 && role != Role::c0) {
      const std::size_t n = a.array.shape[*axis], less = static_cast<std::size_t>(T - p.T);
      if (n <= less) return std::nullopt;
      a.array = first_along(a.array, *axis, n - less);
    }
    if (a.name == h.target.name && targets_are_free(h) && a.name != h.input.name)
      put_target(p, strides(h.target.view, a.array.shape), a.array);
  }
  std::erase_if(h.blocks, [](const Block& b) {
    return b.claim.empty() || b.pieces.empty() || b.pieces[0].kind >= Kind::dx;
  });
  for (Block& b : h.blocks) b.claim.clear();
  std::optional<double> loss;
  try {
    take_claims(program.gradient(program.parameters(), batch), h.blocks);
    if (program.has_loss()) loss = program.loss(program.parameters(), batch);
  } catch (const std::runtime_error&) {
    return std::nullopt;
  } catch (const std::logic_error&) {
    return std::nullopt;
  }
  const bool numbers = std::all_of(h.blocks.begin(), h.blocks.end(), [](const Block& b) {
    return !b.claim.empty() &&
           std::all_of(b.claim.begin(), b.claim.end(), [](double v) { return std::isfinite(v); });
  });
  if (!numbers || !set_scale(whole, p, loss)) return std::nullopt;
  return h;
}

namespace {

std::string key_of(const Start& s) {
  std::set<std::string> keys;
  for (const Atom& a : s) keys.insert(a.key);
  return fmt::format("{}", fmt::join(keys, "|"));
}

// The starts of all explanations that are about as good as the best, without what concerns one block alone.
std::vector<Start> starts_of(std::vector<Explanation> found) {
  std::stable_sort(found.begin(), found.end(),
                   [](const Explanation& a, const Explanation& b) { return a.cost() < b.cost(); });
  std::vector<Start> out;
  std::set<std::string> seen;
  for (const Explanation& e : found) {
    if (e.cost() > found.front().cost() + kSlack || out.size() == kBeam) break;
    Start s;
    for (const Atom& a : e.atoms)
      if (a.patch) s.push_back(a);
    if (seen.insert(key_of(s)).second) out.push_back(std::move(s));
  }
  return out;
}

}  // namespace

std::vector<Start> climb(Program& program, const Hypothesis& whole, Precision precision,
                         WorkClock::time_point deadline) {
  std::vector<Start> beam(1);
  constexpr Point points[] = {
      {1, false, false}, {1, true, false}, {2, true, true}, {2, true, false}, {3, true, false}};
  bool any = false;
  for (Point point : points) {
    if (point.steps >= whole.problem.T || WorkClock::now() > deadline) break;
    auto h = ask(program, whole, point, precision);
    if (!h && point.start) point.start = false, h = ask(program, whole, point, precision);
    if (!h) continue;
    const Engine engine(h->problem);
    const Judge judge(*h);
    const auto targets = judge.search_targets(precision);
    for (const bool pairs : {false, true}) {
      std::vector<Explanation> found;
      for (const Start& start : beam) {
        SearchResult r = Search(engine, h->words, targets, deadline, start).run(pairs);
        std::move(r.best.begin(), r.best.end(), std::back_inserter(found));
      }
      if (found.empty()) continue;
      beam = starts_of(std::move(found));
      any = true;
      break;
    }
  }
  return any ? beam : std::vector<Start>();
}

}  // namespace retrograde::doctor
