#include "retrograde/doctor/placing.h"

#include <algorithm>
#include <cmath>

namespace retrograde::doctor {

namespace {

const Array* find(const Roles& roles, Role role) {
  for (const Datum& d : roles.data)
    if (d.role == role) return &d.given.array;
  return nullptr;
}

Real one_hot(const std::vector<int>& tokens, int width) {
  Real out(tokens.size() * static_cast<std::size_t>(width), 0);
  for (std::size_t k = 0; k < tokens.size(); ++k)
    if (tokens[k] >= 0) out[k * static_cast<std::size_t>(width) + static_cast<std::size_t>(tokens[k])] = 1;
  return out;
}

// Integers below `limit`; empty if they are not. Negative ones stand for nothing, if there are others.
std::vector<int> tokens_of(const Real& values, int limit) {
  std::vector<int> out;
  bool any = false;
  for (double v : values) {
    if (!(v < limit) || v != std::floor(v) || v < -1000) return {};
    out.push_back(static_cast<int>(v));
    any |= v >= 0;
  }
  return any ? out : std::vector<int>();
}

// The start state kept in the states' array, which then is one step longer than the sequence.
void start_among_states(const Array& states, bool in_front, Problem& p) {
  for (const View& v : views(states.shape)) {
    if (v.F != p.H() || (v.B ? v.B : 1) != p.B || v.T != p.T + 1) continue;
    const Real all = read(v, states.values, v.T, p.B, p.H());
    const auto row = p.layers[0].h0.size();
    const auto from = all.begin() + static_cast<long>(in_front ? 0 : row * static_cast<std::size_t>(p.T));
    p.layers[0].h0.assign(from, from + static_cast<long>(row));
    return;
  }
}

// A start state: of the layer `next`, or of all layers along a leading axis; one row may serve the whole
// batch.
bool place_start(const Array& given, bool cell, bool columns, int& next, Problem& p) {
  const int L = static_cast<int>(p.layers.size());
  if (next >= L) return false;
  auto order = views(given.shape);
  std::stable_partition(order.begin(), order.end(),
                        [](const View& v) { return v.axes.find('t') == 0; });  // layers first
  if (columns)
    std::stable_partition(order.begin(), order.end(),
                          [](const View& v) { return v.axes.find('f') < v.axes.find('b'); });
  for (const View& v : order) {
    Layer& layer = p.layers[static_cast<std::size_t>(next)];
    if (v.F != layer.hidden && !(v.F == 0 && layer.hidden == 1)) continue;
    if ((v.B && v.B != p.B) || (v.T && v.T != L)) continue;
    if (!v.T || L == 1) {
      (cell ? layer.c0 : layer.h0) = read(v, given.values, 1, p.B, layer.hidden);
      ++next;
      return true;
    }
    for (int k = 0; k < L; ++k) {
      Layer& to = p.layers[static_cast<std::size_t>(k)];
      if (to.hidden != layer.hidden) return false;
      const Real all = read(v, given.values, L, p.B, to.hidden);
      const auto n = static_cast<long>(p.B * to.hidden);
      (cell ? to.c0 : to.h0).assign(all.begin() + k * n, all.begin() + (k + 1) * n);
    }
    next = L;
    return true;
  }
  return false;
}

bool place_lengths(const Array* lengths, Problem& p) {
  p.end.assign(static_cast<std::size_t>(p.B), p.T);
  if (!lengths) return true;
  if (static_cast<int>(lengths->size()) != p.B) return false;
  for (int b = 0; b < p.B; ++b) {
    const double n = lengths->values[static_cast<std::size_t>(b)];
    if (!(n >= 1 && n <= p.T)) return false;
    p.end[static_cast<std::size_t>(b)] = static_cast<int>(n);
  }
  return true;
}

}  // namespace

bool whole_numbers(const Real& v) {
  return std::all_of(v.begin(), v.end(), [](double x) { return x >= 0 && x == std::floor(x) && x < 1e6; });
}

Problem place_parameters(const std::vector<Block>& blocks, const Structure& s) {
  Problem p;
  p.I = s.front.inputs;
  p.gates = gate_count(s.cell);
  p.net.cell = s.cell;
  p.net.head = s.outputs > 0;
  p.net.directions = s.topology.directions, p.net.summed = s.topology.summed;
  for (std::size_t l = 0; l < s.hidden.size(); ++l) {
    Layer layer;
    layer.hidden = s.hidden[l];
    const int level = p.level(static_cast<int>(l));
    layer.inputs = level == 0 ? p.I : p.width(level - 1);
    p.layers.push_back(std::move(layer));
  }
  p.O = s.outputs ? s.outputs : p.H();
  std::vector<Block> placed = blocks;
  for (std::size_t i = 0; i < placed.size(); ++i) placed[i].pieces = s.pieces[i];
  put_parameters(placed, p);
  return p;
}

bool place_input(const Array& x, const View& v, bool tokens, const Structure& s, Problem& p) {
  p.T = v.T ? v.T : 1;
  p.B = v.B ? v.B : 1;
  if (!tokens) {
    p.x = read(v, x.values, p.T, p.B, p.I);
    return true;
  }
  const int limit = s.front.vocabulary ? s.front.vocabulary : p.I;
  const auto ids = tokens_of(read(v, x.values, p.T, p.B, 1), limit);
  if (ids.empty() || *std::min_element(ids.begin(), ids.end()) < 0) return false;
  if (s.front.vocabulary)
    p.tokens = ids, p.vocabulary = limit;
  else
    p.x = one_hot(ids, p.I);
  return true;
}

bool place_states(const Roles& roles, bool start_in_front, bool columns, Problem& p) {
  if (!place_lengths(find(roles, Role::lengths), p)) return false;
  for (Layer& layer : p.layers) {
    layer.h0.assign(static_cast<std::size_t>(p.B * layer.hidden), 0);
    layer.c0 = layer.h0;
  }
  int next[2] = {0, 0};
  for (const Datum& d : roles.data) {
    if (d.role == Role::states && p.layers.size() == 1) start_among_states(d.given.array, start_in_front, p);
    const bool cell = d.role == Role::c0;
    if ((cell || d.role == Role::h0) && !place_start(d.given.array, cell, columns, next[cell], p))
      return false;
  }
  for (const auto& [role, part] : {std::pair(Role::final_gradient, &Problem::final_gradient),
                                   std::pair(Role::final_cell_gradient, &Problem::final_cell_gradient)})
    if (const Array* final = find(roles, role);
        final && p.net.directions == 1 && (role == Role::final_gradient || p.net.cell == Cell::lstm))
      for (const View& v : views(final->shape))
        if (v.F == p.H() && (!v.B || v.B == p.B) && v.T <= 1) {
          p.*part = read(v, final->values, 1, p.B, p.H());
          break;
        }
  return true;
}

bool square_states(const Roles& roles, const Problem& p) {
  return p.B > 1 && std::any_of(roles.data.begin(), roles.data.end(), [&](const Datum& d) {
           return (d.role == Role::h0 || d.role == Role::c0) && d.given.array.shape.size() > 1 &&
                  std::any_of(p.layers.begin(), p.layers.end(),
                              [&](const Layer& l) { return l.hidden == p.B; });
         });
}

bool place_features(const Roles& roles, const Structure& s, Problem& p) {
  if (s.front.features == 0) return true;
  for (const Datum& d : roles.data) {
    if (d.role != Role::input && d.role != Role::unknown) continue;
    for (const View& v : views(d.given.array.shape)) {
      if (v.T || v.F != s.front.features || (v.B ? v.B : 1) != p.B) continue;
      p.features = read(v, d.given.array.values, 1, p.B, v.F);
      return true;
    }
  }
  return false;
}

bool place_target(const Array& target, const View& v, Problem& p) {
  if ((v.B && v.B != p.B) || (!v.B && p.B > 1) || (v.T && v.T != p.T)) return false;
  p.net.last_output = !v.T && p.T > 1;
  p.mask.clear();
  if (v.F ? v.F == p.O : p.O == 1) {
    p.target = read(v, target.values, p.T, p.B, p.O);
    return true;
  }
  if (v.F || p.O < 2) return false;
  const auto ids = tokens_of(read(v, target.values, p.T, p.B, 1), p.O);
  if (ids.empty()) return false;
  p.target = one_hot(ids, p.O);
  if (*std::min_element(ids.begin(), ids.end()) < 0)
    for (std::size_t k = 0; k < ids.size(); ++k)
      p.mask.push_back(ids[k] >= 0 &&
                       (!p.net.last_output || k + static_cast<std::size_t>(p.B) >= ids.size()));
  return true;
}

std::vector<OutputForm> output_forms(const View& target, const Problem& p) {
  std::vector<OutputForm> out = {{p.net.last_output, Pool::last}};
  if (p.T < 2 || !p.mask.empty()) return out;
  if (target.T) {
    out.push_back({true, Pool::last});
  } else {
    for (const Pool pool : {Pool::mean, Pool::sum, Pool::max})
      if (pool != Pool::max || !p.net.summed) out.push_back({true, pool});
    out.push_back({false, Pool::last});  // one target for every step
  }
  return out;
}

void take_form(const OutputForm& form, Problem& p) {
  p.net.last_output = form.last_output, p.net.pool = form.pool;
  if (!form.last_output) return;
  const auto row = p.target.size() / static_cast<std::size_t>(p.T),
             width = row / static_cast<std::size_t>(p.B);
  const Real all = p.target;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto end = static_cast<std::size_t>(p.end[i % row / width]);
    p.target[i] = all[(end - 1) * row + i % row];
  }
}

}  // namespace retrograde::doctor
