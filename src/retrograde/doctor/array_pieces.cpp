#include "retrograde/doctor/array_pieces.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "retrograde/doctor/naming.h"

namespace retrograde::doctor {

namespace {

// Orders of stacked gates: position -> canonical gate. The usual ones first.
std::vector<std::vector<int>> orders(Cell cell) {
  const int n = gate_count(cell);
  std::vector<int> base(static_cast<std::size_t>(n));
  std::iota(base.begin(), base.end(), 0);
  std::vector<std::vector<int>> out;
  if (cell == Cell::lstm) out = {{0, 1, 2, 3}, {0, 1, 3, 2}, {1, 0, 2, 3}, {0, 3, 1, 2}, {1, 0, 3, 2}};
  if (cell == Cell::gru) out = {{0, 1, 2}, {1, 0, 2}};
  do {
    if (std::find(out.begin(), out.end(), base) == out.end()) out.push_back(base);
  } while (std::next_permutation(base.begin(), base.end()));
  return out;
}

// An array's pieces; `gate` and `second` matter for those that hold one gate.
std::vector<Piece> pieces_of(const ArrayReading& r, const Dims& dims, int gate, const std::vector<int>& order,
                             bool second) {
  std::vector<Piece> out;
  const int H = dims.H[static_cast<std::size_t>(r.layer)], I = dims.inputs(r.layer), G = r.gates;
  auto whole = [&](Kind kind, int layer, int rows, int cols) {
    out.push_back({kind, layer, 0, rows, cols, 0, static_cast<std::size_t>(r.in_out ? 1 : cols),
                   static_cast<std::size_t>(r.in_out ? rows : 1)});
  };
  const int top = static_cast<int>(dims.H.size()) - 1;
  if (r.type == ArrayKind::V && r.bias) {
    const int n = dims.head_inputs();
    const auto rs = static_cast<std::size_t>(r.in_out ? 1 : n + 1),
               cs = static_cast<std::size_t>(r.in_out ? dims.O : 1), last = static_cast<std::size_t>(n) * cs;
    out.push_back({Kind::V, top, 0, dims.O, n, r.bias == 1 ? cs : 0, rs, cs});
    out.push_back({Kind::c, top, 0, dims.O, 1, r.bias == 1 ? 0 : last, rs, cs});
  } else if (r.type == ArrayKind::V) {
    whole(Kind::V, top, dims.O, r.share ? dims.H.back() : dims.head_inputs());
    if (r.share) out.back().gate = r.layer;
  }
  if (r.type == ArrayKind::c) whole(Kind::c, top, dims.O, 1);
  if (r.type == ArrayKind::E) whole(Kind::E, 0, I, dims.front.vocabulary);
  if (r.type == ArrayKind::P) whole(Kind::P, 0, dims.H[0], dims.front.features);
  if (r.type == ArrayKind::p) whole(Kind::p, 0, dims.H[0], 1);
  if (!out.empty()) return out;
  const int width = (r.type == ArrayKind::W   ? I
                     : r.type == ArrayKind::U ? H
                                              : I + H) +
                    (r.bias && r.type != ArrayKind::U ? 1 : 0);
  for (int k = 0; k < G; ++k) {
    const int g = r.gates > 1 ? order[static_cast<std::size_t>(k)] : gate;
    // Element (unit u of the array's k-th gate, input column j).
    const std::size_t one = static_cast<std::size_t>(r.in_out ? 1 : width),
                      rs = one * static_cast<std::size_t>(r.interleaved ? G : 1),
                      cs = static_cast<std::size_t>(r.in_out ? (r.gate_axis ? H : G * H) : 1);
    const std::size_t base = r.gate_axis     ? static_cast<std::size_t>(k * H * width)
                             : r.interleaved ? static_cast<std::size_t>(k) * one
                                             : static_cast<std::size_t>(k * H) * rs;
    auto part = [&](Kind kind, int from, int cols) {
      out.push_back({kind, r.layer, g, H, cols, base + static_cast<std::size_t>(from) * cs, rs, cs});
    };
    if (r.type == ArrayKind::W) {
      part(Kind::W, r.bias == 1 ? 1 : 0, I);
      if (r.bias) part(Kind::b, r.bias == 1 ? 0 : I, 1);
    }
    if (r.type == ArrayKind::U) part(Kind::U, 0, H);
    if (r.type == ArrayKind::joined) {
      const int start = r.bias == 1 ? 1 : 0;
      part(Kind::W, start + (r.x_first ? 0 : H), I);
      part(Kind::U, start + (r.x_first ? I : 0), H);
      if (r.bias) part(Kind::b, r.bias == 1 ? 0 : I + H, 1);
    }
    if (r.type == ArrayKind::b) {
      const auto at = static_cast<std::size_t>(r.interleaved ? k : k * H),
                 step = static_cast<std::size_t>(r.interleaved ? G : 1);
      out.push_back({second ? Kind::b2 : Kind::b, r.layer, g, H, 1, at, step, 1});
      if (r.pair)
        out.push_back({Kind::b2, r.layer, g, H, 1, at + static_cast<std::size_t>(dims.G * H), 1, 1});
    }
  }
  return out;
}

class Builder {
 public:
  Builder(const std::vector<Block>& blocks, Cell cell, const Dims& dims,
          const std::vector<ArrayReading>& readings)
      : blocks_(blocks),
        cell_(cell),
        dims_(dims),
        readings_(readings),
        gate_(blocks.size(), 0),
        candidate_(blocks.size(), false),
        second_(blocks.size(), false) {
    for (int l = 0; l < static_cast<int>(dims_.H.size()); ++l) {
      for (ArrayKind t : {ArrayKind::W, ArrayKind::U, ArrayKind::joined, ArrayKind::b})
        if (const Indices singles = members(t, l, 1); members(t, l, dims_.G - 1).empty() || dims_.G < 3)
          settle_gates(singles);
        else
          for (std::size_t i : singles) candidate_[i] = apart_ = true;
      if (const auto biases = members(ArrayKind::b, l, dims_.G); dims_.G > 1 && biases.size() == 2)
        second_[biases[is_recurrent(biases[0]) ? 0 : 1]] = true;
    }
  }

  void build(double doubt, std::vector<Structure>& out) const {
    const bool stacked =
        std::any_of(readings_.begin(), readings_.end(), [](const ArrayReading& r) { return r.gates > 1; });
    const auto all = orders(cell_);
    const std::size_t n = dims_.G > 1 && (stacked || !named_) ? all.size() : 1;
    for (std::size_t k = 0; k < n; ++k) {
      if (apart_ && all[k].back() != kCandidate) continue;
      Structure s;
      s.cell = cell_;
      s.front = dims_.front, s.topology = dims_.topology, s.outputs = dims_.O, s.hidden = dims_.H;
      s.order = static_cast<int>(k);
      s.doubt = doubt + 0.02 * static_cast<double>(k);
      for (std::size_t i = 0; i < blocks_.size(); ++i)
        s.pieces.push_back(pieces_of(readings_[i], dims_,
                                     candidate_[i] ? kCandidate
                                     : named_      ? gate_[i]
                                                   : all[k][static_cast<std::size_t>(gate_[i])],
                                     all[k], second_[i]));
      out.push_back(std::move(s));
    }
  }

 private:
  using Indices = std::vector<std::size_t>;

  static constexpr int kCandidate = 2;  // of an LSTM and of a GRU

  Indices members(ArrayKind type, int layer, int gates) const {
    Indices out;
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      if (readings_[i].type == type && readings_[i].layer == layer && readings_[i].gates == gates)
        out.push_back(i);
    return out;
  }
  // The second bias, by its name: bias_hh but not bias_ih_h.
  bool is_recurrent(std::size_t i) const {
    const std::string name = plain_lower(blocks_[i].parameter);
    return contains(name, {"hh", "rec", "bh", "bu"}) && !contains(name, {"ih"});
  }

  // brh beside brx, bhn beside bin: the names differ in one letter.
  bool has_input_twin(std::size_t i, const Indices& list) const {
    const std::string own = plain_lower(blocks_[i].parameter);
    return std::any_of(list.begin(), list.end(), [&](std::size_t k) {
      const std::string other = plain_lower(blocks_[k].parameter);
      if (own.size() != other.size()) return false;
      const auto [a, b] = std::mismatch(own.begin(), own.end(), other.begin());
      return a != own.end() && std::equal(a + 1, own.end(), b + 1) && (*a == 'h' || *a == 'u') &&
             (*b == 'x' || *b == 'i' || *b == 'w');
    });
  }

  // Of one bias more than gates: the candidate's second, in the product that the reset gate multiplies.
  std::size_t extra_bias(const Indices& list) const {
    std::size_t best = 0;
    int best_rank = -1;
    for (std::size_t k = 0; k < list.size() && list.size() > 1; ++k) {
      std::vector<std::string> rest;
      for (std::size_t i : list)
        if (i != list[k]) rest.push_back(blocks_[i].parameter);
      const int rank = 2 * !gates_by_name(cell_, rest).empty() + is_recurrent(list[k]);
      if (rank > best_rank) best = k, best_rank = rank;
    }
    return best;
  }

  // Which gate each of the arrays is, that hold one gate each. Of twice as many the recurrent are the second
  // biases.
  void settle_gates(Indices list) {
    if (list.empty()) return;
    const auto G = static_cast<std::size_t>(dims_.G);
    if (G > 1 && list.size() % G == 1 && readings_[list[0]].type == ArrayKind::b) {
      const std::size_t extra = extra_bias(list);
      gate_[list[extra]] = 2;
      second_[list[extra]] = true;
      list.erase(list.begin() + static_cast<long>(extra));
      if (list.empty()) return;
    }
    if (list.size() == 2 * G) {
      std::stable_partition(list.begin(), list.end(), [&, all = list](std::size_t i) {
        return !is_recurrent(i) && !has_input_twin(i, all);
      });
      const Indices rest(list.begin() + static_cast<long>(G), list.end());
      for (std::size_t i : rest) second_[i] = true;
      settle_gates(rest);
      list.resize(G);
    }
    std::vector<std::string> names;
    for (std::size_t i : list) names.push_back(blocks_[i].parameter);
    const auto by_name = G > 1 ? gates_by_name(cell_, names) : std::vector<int>(list.size(), 0);
    named_ &= !by_name.empty();
    for (std::size_t k = 0; k < list.size(); ++k)
      gate_[list[k]] = by_name.empty() ? static_cast<int>(k) : by_name[k];
  }

  const std::vector<Block>& blocks_;
  Cell cell_;
  const Dims& dims_;
  const std::vector<ArrayReading>& readings_;
  std::vector<int> gate_;        // by its name, or by its place among the others
  std::vector<bool> candidate_;  // the candidate's, beside one array for the other gates
  std::vector<bool> second_;     // a second bias
  bool apart_ = false;           // there are such
  bool named_ = true;            // the names tell every gate: no permutation is needed
};

}  // namespace

void add_structures(const std::vector<Block>& blocks, Cell cell, const Dims& dims,
                    const std::vector<ArrayReading>& readings, double doubt, std::vector<Structure>& out) {
  Builder(blocks, cell, dims, readings).build(doubt, out);
}

}  // namespace retrograde::doctor
