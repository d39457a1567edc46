#include "retrograde/doctor/cotangents.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "retrograde/doctor/losses.h"

namespace retrograde::doctor {

namespace {

// What the numbers are multiplied with.
enum class Place { states, final_state, final_cell };
constexpr std::array kPlaces{Place::states, Place::final_state, Place::final_cell};

Role role_of(Place place) {
  return place == Place::states        ? Role::upstream
         : place == Place::final_state ? Role::final_gradient
                                       : Role::final_cell_gradient;
}

// One array as the numbers of one place, or none.
struct Part {
  const Datum* datum = nullptr;
  std::string name;
  View view;
  Real numbers;  // [T,B,H], or [B,H] of a final state
  double sum = 0, size = 0, doubt = 0;
};

class Finder {
 public:
  Finder(const Roles& roles, const Problem& problem, const std::vector<Tape>& tapes)
      : roles_(roles), p_(problem), states_(top_states(problem, tapes)) {
    if (p_.net.directions == 2) return;
    const auto row = static_cast<std::size_t>(p_.B * p_.H());
    for (std::size_t i = 0; i < row; ++i) {
      const int end = p_.end[i / static_cast<std::size_t>(p_.H())];
      final_[0].push_back(states_[static_cast<std::size_t>(end - 1) * row + i]);
    }
    if (tapes.back().has(Var::c) && !p_.ragged())
      final_[1].assign(tapes.back().at(Var::c, p_.T - 1), tapes.back().at(Var::c, p_.T - 1) + row);
  }

  std::vector<Cotangents> run(std::optional<double> loss, double tolerance) {
    loss_ = loss, tolerance_ = tolerance;
    for (std::size_t k = 0; k < kPlaces.size(); ++k) parts_[k] = parts(kPlaces[k]);
    combine();
    if (out_.empty() && loss && !named(Role::upstream)) {
      for (auto& list : parts_) list.resize(1);
      parts_[0] = {ones(true), ones(false)};
      combine();
    }
    return std::move(out_);
  }

 private:
  bool named(Role role) const {
    return std::any_of(roles_.data.begin(), roles_.data.end(),
                       [&](const Datum& d) { return d.role == role; });
  }

  // The arrays that may stand in a place; the first is none, unless one is called so.
  std::vector<Part> parts(Place place) const {
    std::vector<Part> out;
    const bool called = named(role_of(place));
    if (!called) out.emplace_back();
    for (const Datum& d : roles_.data) {
      if (d.role != role_of(place) &&
          (called || d.role != Role::unknown || (!loss_ && place != Place::states)))
        continue;
      for (const View& v : views(d.given.array.shape)) {
        if (!(v.F == p_.H() || (v.F == 0 && p_.H() == 1)) || (v.B ? v.B != p_.B : p_.B > 1)) continue;
        // An array without time stands for the last step's states.
        if (v.T ? v.T != p_.T || place != Place::states : place == Place::states && !called) continue;
        out.push_back(part(d, v, place));
      }
    }
    return out;
  }

  Part part(const Datum& d, const View& v, Place place) const {
    const int T = place == Place::states ? p_.T : 1;
    Part part{&d, d.given.name, v, read(v, d.given.array.values, T, p_.B, p_.H()), 0, 0, v.doubt};
    part.doubt += d.role == Role::unknown ? 0.2 : 0;
    measure(part, place);
    return part;
  }

  Part ones(bool every) const {
    Part part;
    part.name = every ? "one" : "one at the last step";
    part.numbers.assign(states_.size(), 1);
    if (every) part.view.T = p_.T;
    measure(part, Place::states);
    return part;
  }

  bool last_only(const Part& part) const { return part.view.T == 0 && p_.T > 1; }

  void measure(Part& part, Place place) const {
    const Real& with = place == Place::states ? states_ : final_[place == Place::final_cell];
    const std::size_t row = static_cast<std::size_t>(p_.B * p_.H());
    for (std::size_t i = 0; i < std::min(with.size(), part.numbers.size()); ++i) {
      if (place == Place::states &&
          !counted(part, static_cast<int>(i / row), static_cast<int>(i % row) / p_.H()))
        continue;
      const double product = with[i] * part.numbers[i];
      part.sum += product, part.size += std::abs(product);
    }
  }
  bool counted(const Part& part, int t, int b) const {
    const int end = p_.end[static_cast<std::size_t>(b)];
    return last_only(part) ? t == end - 1 : t < end;
  }

  void combine() {
    for (const Part& a : parts_[0])
      for (const Part& h : parts_[1])
        for (const Part& c : parts_[2]) {
          const bool none = a.numbers.empty() && h.numbers.empty() && c.numbers.empty();
          const bool twice =
              (a.datum && (a.datum == h.datum || a.datum == c.datum)) || (h.datum && h.datum == c.datum);
          if (none || twice || (!h.numbers.empty() && final_[0].empty()) ||
              (!c.numbers.empty() && final_[1].empty()))
            continue;
          offer(a, h, c);
        }
  }

  void offer(const Part& a, const Part& h, const Part& c) {
    const double sum = a.sum + h.sum + c.sum, size = a.size + h.size + c.size,
                 doubt = a.doubt + h.doubt + c.doubt;
    if (!loss_) return out_.push_back({problem(a, h, c, 1), sequence(a, h, c), -1, doubt});
    const double T = p_.T, B = p_.B, H = p_.H();
    for (const double n : {1.0, B, T, T * B, T * B * H, B * H, H, 2.0}) {
      const double gap = std::abs(sum / n - *loss_) / std::max(size / n, 1e-300);
      if (!(gap <= tolerance_)) continue;
      return out_.push_back({problem(a, h, c, 1 / n), sequence(a, h, c), gap, doubt});
    }
  }

  static Sequence sequence(const Part& a, const Part& h, const Part& c) {
    const Part& first = !a.numbers.empty() ? a : !h.numbers.empty() ? h : c;
    return {first.datum ? first.name : "", first.view};
  }

  Problem problem(const Part& a, const Part& h, const Part& c, double factor) const {
    Problem p = p_;
    p.net.loss = Loss::upstream;
    p.net.scale = factor;
    p.mask.clear();
    const bool alone = a.numbers.empty() && c.numbers.empty();  // the last step's states are all that counts
    const auto rows = static_cast<std::size_t>(p.T * p.B * p.H());
    p.net.last_output = alone ? p.T > 1 : !a.numbers.empty() && last_only(a);
    p.target = a.numbers;
    if (alone)
      for (std::size_t i = 0; i < rows; ++i) p.target.push_back(h.numbers[i % h.numbers.size()]);
    p.target.resize(rows, 0);
    p.final_gradient = alone ? Real() : h.numbers, p.final_cell_gradient = c.numbers;
    for (Real* final : {&p.final_gradient, &p.final_cell_gradient})
      for (double& v : *final) v *= factor;
    p.net.reduction = text(a, h, c, factor);
    return p;
  }

  std::string text(const Part& a, const Part& h, const Part& c, double factor) const {
    std::vector<std::string> terms;
    if (!a.numbers.empty())
      terms.push_back(fmt::format("{} times {}", last_only(a) ? "the last state" : "the states", a.name));
    if (!h.numbers.empty()) terms.push_back(fmt::format("the last state times {}", h.name));
    if (!c.numbers.empty()) terms.push_back(fmt::format("the last cell state times {}", c.name));
    if (!loss_) return fmt::format("the gradient is given of {}", fmt::join(terms, ", "));
    return fmt::format("the loss is the sum of {}{}", fmt::join(terms, " and "),
                       factor == 1 ? "" : fmt::format(", divided by {:g}", 1 / factor));
  }

  const Roles& roles_;
  const Problem& p_;
  const Real states_;
  Real final_[2];  // h_T, c_T
  std::optional<double> loss_;
  double tolerance_ = 0;
  std::array<std::vector<Part>, 3> parts_;
  std::vector<Cotangents> out_;
};

}  // namespace

std::vector<Cotangents> cotangents(const Roles& roles, const Problem& problem, const std::vector<Tape>& tapes,
                                   std::optional<double> loss, double tolerance) {
  return Finder(roles, problem, tapes).run(loss, tolerance);
}

}  // namespace retrograde::doctor
