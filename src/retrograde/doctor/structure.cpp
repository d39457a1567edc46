#include "retrograde/doctor/structure.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "retrograde/doctor/array_pieces.h"
#include "retrograde/doctor/naming.h"

namespace retrograde::doctor {

namespace {

// Chooses a reading for every array, depth first, the least doubtful choices first.
class Enumerator {
 public:
  Enumerator(const std::vector<Block>& blocks, Cell cell, const Dims& dims, std::vector<Structure>& out)
      : blocks_(blocks), cell_(cell), dims_(dims), chosen_(blocks.size()) {
    int first = 9;
    for (const Block& b : blocks) {
      named_layer_.push_back(suggest(b.parameter).layer);
      if (const int n = named_layer_.back(); n >= 0) first = std::min(first, n);
    }
    for (const Block& b : blocks) {
      readings_.push_back(array_readings(b, dims, first));
      if (readings_.back().empty()) return;
    }
    // The least doubt that the blocks from i on add.
    rest_.assign(blocks.size() + 1, 0);
    later_.assign(blocks.size() + 1, 0);
    for (std::size_t i = blocks.size(); i-- > 0;) {
      rest_[i] = rest_[i + 1] + readings_[i].front().doubt;
      later_[i] = later_[i + 1];
      for (const ArrayReading& r : readings_[i]) later_[i] |= 1ULL << slot(r.type, r.layer);
    }
    if (!reachable(0)) return;
    find_families();
    for (const double more : {0.35, 1.0, 2.0, 4.0, 100.0}) {
      known_ = bound_;
      bound_ = rest_[0] + more;
      nodes_ = 0;
      descend(0, 0);
      if (found_.size() >= kKept) break;
    }
    std::stable_sort(found_.begin(), found_.end(),
                     [](const Found& a, const Found& b) { return a.doubt < b.doubt; });
    if (found_.size() > kKept) found_.resize(kKept);
    for (const Found& f : found_) add_structures(blocks, cell, dims, f.readings, f.doubt, out);
  }

 private:
  static constexpr std::size_t kKept = 32;
  static constexpr int kNodes = 4000;  // a bound on the work where equal sizes leave everything open

  struct Found {
    std::vector<ArrayReading> readings;
    double doubt;
  };

  void descend(std::size_t i, double doubt) {
    if (found_.size() > 400 || ++nodes_ > kNodes) return;
    if (i == blocks_.size()) {
      if (doubt > known_ && complete())
        found_.push_back({chosen_, doubt + layer_doubt() + orientation_doubt()});
      return;
    }
    for (const ArrayReading& r : readings_[i]) {
      if (doubt + r.doubt + rest_[i + 1] > bound_) break;  // readings are sorted
      if (family_[i] >= 0 && !fits_family(r, static_cast<std::size_t>(family_[i]), i)) continue;
      chosen_[i] = r;
      int& n = counts_[slot(r.type, r.layer)][form(r)];
      ++n;
      if (possible(i) && reachable(i + 1)) descend(i + 1, doubt + r.doubt);
      --n;
    }
  }

  // Arrays of one shape whose names differ in the gate's letter alone are read alike.
  void find_families() {
    family_.assign(blocks_.size(), -1);
    for (std::size_t i = 0; i < blocks_.size() && dims_.G > 1; ++i)
      for (std::size_t at = 0; at < blocks_[i].parameter.size() && family_[i] < 0; ++at) {
        std::vector<std::size_t> alike;
        std::vector<std::string> names;
        for (std::size_t k = 0; k < blocks_.size(); ++k) {
          std::string a = blocks_[i].parameter, b = blocks_[k].parameter;
          if (a.size() != b.size() || blocks_[i].shape != blocks_[k].shape) continue;
          a[at] = b[at] = ' ';
          if (a == b) alike.push_back(k), names.push_back(blocks_[k].parameter);
        }
        if (static_cast<int>(alike.size()) == dims_.G && !gates_by_name(cell_, names).empty())
          for (std::size_t k : alike) family_[k] = static_cast<int>(alike[0]);
      }
  }
  bool fits_family(const ArrayReading& r, std::size_t first, std::size_t i) const {
    if (r.gates > 1 || r.type >= ArrayKind::V) return false;
    const ArrayReading& f = chosen_[first];
    return first == i || (r.type == f.type && r.layer == f.layer && r.in_out == f.in_out &&
                          r.x_first == f.x_first && r.bias == f.bias);
  }

  static std::size_t slot(ArrayKind type, int layer) {
    return 4 * static_cast<std::size_t>(type) + static_cast<std::size_t>(layer);
  }
  // How an array holds its gates; a head's share is a form of its own, too.
  enum Form : unsigned char { single, stacked, partly };
  Form form(const ArrayReading& r) const {
    return r.share || (r.gates == dims_.G && r.gates > 1) ? stacked : r.gates > 1 ? partly : single;
  }
  int count(ArrayKind type, int layer, Form form) const { return counts_[slot(type, layer)][form]; }
  bool any(ArrayKind type, int layer) const {
    return count(type, layer, single) + count(type, layer, stacked) + count(type, layer, partly) > 0;
  }

  // The gates' arrays of one kind are stored in one way.
  bool alike(std::size_t last) const {
    const ArrayReading& r = chosen_[last];
    return std::all_of(
        chosen_.begin(), chosen_.begin() + static_cast<long>(last), [&](const ArrayReading& other) {
          return other.type != r.type || other.layer != r.layer || other.gates != r.gates ||
                 (other.in_out == r.in_out && other.x_first == r.x_first && other.bias == r.bias);
        });
  }

  // Whether the reading chosen last is not one too many.
  bool possible(std::size_t last) const {
    const ArrayReading& r = chosen_[last];
    const int one = count(r.type, r.layer, single), all = count(r.type, r.layer, stacked),
              most = count(r.type, r.layer, partly), G = dims_.G;
    if (r.type == ArrayKind::V && (one || all))  // one for each direction, or one
      return one + all <= 1 && !(count(ArrayKind::V, 0, single) && any(ArrayKind::V, 1));
    if (r.type >= ArrayKind::V) return one <= 1;
    // One author lays all gates out in one way.
    if (r.gates > 1 && std::any_of(chosen_.begin(), chosen_.begin() + static_cast<long>(last),
                                   [&](const ArrayReading& other) {
                                     return other.type < ArrayKind::V && other.gates > 1 &&
                                            other.interleaved != r.interleaved;
                                   }))
      return false;
    if (most && (most > 1 || one > 1 || all)) return false;
    if (r.type == ArrayKind::b ? one > 2 * G || all > 2 : one > G || all > 1 || (one && all)) return false;
    return alike(last);
  }

  // Whether the blocks from i on can bring what is missing.
  bool reachable(std::size_t i) const {
    auto open = [&](ArrayKind t, int l) { return any(t, l) || (later_[i] >> slot(t, l) & 1ULL); };
    for (int l = 0; l < static_cast<int>(dims_.H.size()); ++l)
      if (!open(ArrayKind::joined, l) && !(open(ArrayKind::W, l) && open(ArrayKind::U, l))) return false;
    return (dims_.O == 0 || open(ArrayKind::V, 0)) &&
           (dims_.front.vocabulary == 0 || open(ArrayKind::E, 0)) &&
           (dims_.front.features == 0 || open(ArrayKind::P, 0));
  }

  bool complete() const {
    const int G = dims_.G;
    for (int l = 0; l < static_cast<int>(dims_.H.size()); ++l) {
      auto full = [&](ArrayKind t) {
        const int one = count(t, l, single);
        return count(t, l, partly) == 1 ? one == 1 : count(t, l, stacked) == 1 || one == G;
      };
      if (!full(ArrayKind::joined) && !(full(ArrayKind::W) && full(ArrayKind::U))) return false;
      if (full(ArrayKind::joined) && (any(ArrayKind::W, l) || any(ArrayKind::U, l))) return false;
      if (count(ArrayKind::b, l, partly)
              ? !full(ArrayKind::b)
              : G > 1 && count(ArrayKind::b, l, single) % G > (cell_ == Cell::gru ? 1 : 0))
        return false;
      const bool inside = std::any_of(chosen_.begin(), chosen_.end(), [&](const ArrayReading& r) {
        return r.layer == l && r.bias && r.type < ArrayKind::V;
      });
      if (inside && any(ArrayKind::b, l)) return false;
    }
    const bool two_biases =
        any(ArrayKind::c, 0) && std::any_of(chosen_.begin(), chosen_.end(), [](const ArrayReading& r) {
          return r.type == ArrayKind::V && r.bias;
        });
    if (two_biases) return false;
    if (count(ArrayKind::V, 0, stacked) != count(ArrayKind::V, 1, stacked)) return false;
    return any(ArrayKind::V, 0) == (dims_.O > 0) && any(ArrayKind::E, 0) == (dims_.front.vocabulary > 0) &&
           any(ArrayKind::P, 0) == (dims_.front.features > 0);
  }

  // Layers in the order of the digits in the names.
  double layer_doubt() const {
    double doubt = 0;
    for (int l = 0; l < static_cast<int>(dims_.H.size()); ++l)  // the candidate alone has a second bias
      if (dims_.G > 1 && count(ArrayKind::b, l, single) % dims_.G && !count(ArrayKind::b, l, partly))
        doubt += 0.4;
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      for (std::size_t k = 0; k < i; ++k) {
        if (chosen_[i].type >= ArrayKind::V || chosen_[k].type >= ArrayKind::V) continue;
        const int a = named_layer_[i], b = named_layer_[k];
        const int named = a == b  ? 0
                          : a > b ? 1
                                  : -1,
                  read = dims_.level(chosen_[i].layer) - dims_.level(chosen_[k].layer);
        if (a >= 0 && b >= 0 && ((named == 0) != (read == 0) || named * read < 0)) doubt += 1;
        if (chosen_[i].type == chosen_[k].type && chosen_[i].layer < chosen_[k].layer && a < 0) doubt += 0.3;
      }
    return doubt;
  }

  // One author stores all matrices one way.
  double orientation_doubt() const {
    int in_out = 0, out_in = 0;
    for (const ArrayReading& r : chosen_)
      if (r.type != ArrayKind::b && r.type <= ArrayKind::V) ++(r.in_out ? in_out : out_in);
    return 0.3 * std::min(in_out, out_in);
  }

  const std::vector<Block>& blocks_;
  Cell cell_;
  const Dims& dims_;
  std::vector<ArrayReading> chosen_;
  std::vector<std::vector<ArrayReading>> readings_;
  std::vector<Found> found_;
  std::vector<double> rest_;
  std::vector<unsigned long long> later_;  // which readings (a bit a slot) the blocks from i on have
  std::vector<int> named_layer_;
  std::array<std::array<int, 3>, 36> counts_{};  // chosen readings by slot and form
  double bound_ = -1, known_ = -1;               // structures of no more doubt are known
  std::vector<int> family_;                      // the first of the arrays that are read alike, or -1
  int nodes_ = 0;
};

bool holds(const std::vector<Block>& blocks, int size) {
  return std::any_of(blocks.begin(), blocks.end(),
                     [&](const Block& b) { return b.value.size() == static_cast<std::size_t>(size); });
}

// Some block must be the recurrent matrix, alone, stacked or joined with the input's.
bool may_be_hidden(const std::vector<Block>& blocks, int H, int G) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const Block& b) {
    const int size = static_cast<int>(b.value.size());
    return size >= H * H && size % H == 0 &&
           (H == 1 || std::any_of(b.shape.begin(), b.shape.end(), [&](std::size_t n) {
              return static_cast<int>(n) == H || static_cast<int>(n) == G * H;
            }));
  });
}

}  // namespace

std::vector<Structure> structures(const std::vector<Block>& blocks, Cell cell, const Topology& topology,
                                  const std::vector<Front>& fronts, WorkClock::time_point deadline) {
  std::vector<Structure> out;
  std::set<int> sizes, hidden;
  for (const Block& b : blocks) {
    for (std::size_t n : b.shape) sizes.insert(static_cast<int>(n));
    sizes.insert(static_cast<int>(b.value.size()));
    sizes.insert(1);
  }
  const int G = gate_count(cell);
  for (int n : sizes)
    for (int H : {n, G > 1 && n % G == 0 ? n / G : n})
      if (may_be_hidden(blocks, H, G)) hidden.insert(H);
  for (const Front& front : fronts)
    for (int H0 : hidden)
      for (int H1 : topology.levels == 1 ? std::set<int>{0} : hidden) {
        Dims dims{front, 0, G, std::vector<int>(static_cast<std::size_t>(topology.directions), H0), topology};
        if (topology.levels == 2)
          dims.H.insert(dims.H.end(), static_cast<std::size_t>(topology.directions), H1);
        std::vector<int> output_sizes = {0};
        for (int O : sizes)
          if (holds(blocks, O * dims.head_inputs()) || holds(blocks, O * (dims.head_inputs() + 1)) ||
              (topology.directions == 2 && holds(blocks, O * dims.H.back())))
            output_sizes.push_back(O);
        for (int O : output_sizes) {
          if (WorkClock::now() > deadline) break;
          dims.O = O;
          Enumerator(blocks, cell, dims, out);
        }
      }
  std::stable_sort(out.begin(), out.end(),
                   [](const Structure& a, const Structure& b) { return a.doubt < b.doubt; });
  return out;
}

}  // namespace retrograde::doctor
