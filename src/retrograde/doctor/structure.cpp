#include "retrograde/doctor/structure.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>
#include <set>
#include <string>

namespace retrograde::doctor {

namespace {

enum class Type { W, U, joined, b, V, c, E, P, p };

// One way to read one array.
struct Reading {
  Type type = Type::W;
  int layer = 0;
  bool stacked = false;    // holds every gate
  bool in_out = false;     // stored [in, out]
  bool x_first = false;    // joined [x, h], else [h, x]
  int bias = 0;            // joined with a bias: 1 in front, 2 behind
  bool pair = false;       // a bias array with both biases
  bool gate_axis = false;  // a separate leading axis for gates with [in, out] behind it
  double doubt = 0;
};

struct Dims {
  Front front;
  int O, G;
  std::vector<int> H;
  int inputs(int layer) const { return layer == 0 ? front.inputs : H[static_cast<std::size_t>(layer - 1)]; }
};

std::string lower(const std::string& s) {
  std::string out;
  for (char c : s)
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool has(const std::string& s, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const char* w) { return s.find(w) != std::string::npos; });
}

// What a name suggests. Layer -1: nothing.
struct Suggestion {
  bool W = false, U = false, V = false, bias = false, embedding = false, start = false;
  int layer = -1;
  char letter = 0;  // the whole name, if it is u or w
};

Suggestion suggest(const std::string& name) {
  const std::string l = lower(name);
  Suggestion s;
  s.bias = !l.empty() && (l[0] == 'b' || has(l, {"bias"}));
  s.V = has(l, {"hy", "ya", "out", "head", "fc", "dense", "linear", "hq", "ho", "hv", "ay", "dec", "softmax",
                "proj", "voc"}) ||
        l == "v" || l == "wy" || l == "by" || l == "c" || l == "wo" || l == "bo";
  s.U = has(l, {"hh", "rec", "aa", "ss", "hid", "whid"}) || (!l.empty() && l[0] == 'u') || l == "wh" ||
        l == "wr" || l == "ws";
  s.W =
      has(l, {"xh", "ih", "inp", "ax", "xs", "wx", "hx", "xt", "enc"}) || l == "w" || l == "wi" || l == "win";
  s.embedding = has(l, {"emb", "lookup", "wte", "vectors"}) || l == "e" || l == "we" || l == "l";
  s.start = has(l, {"proj", "init", "start", "feat", "img", "h0"});
  if (l.find("ih") != std::string::npos) s.U = false;  // weight_ih_h
  if (s.embedding) s.W = s.U = s.V = false;
  if (l == "u" || l == "w") s.letter = l[0];
  for (char c : name)  // the last digit: weight_ih_l0, p0_1
    if (std::isdigit(static_cast<unsigned char>(c))) s.layer = c - '0';
  return s;
}

double doubt_of(Type type, const Suggestion& s) {
  // U and W: some call the input's matrix U and the recurrent one W, more the other way round.
  if (s.letter && (type == Type::W || type == Type::U))
    return s.letter == (type == Type::W ? 'w' : 'u') ? 0 : 0.1;
  if (s.embedding && type != Type::E) return 1.5;
  switch (type) {
    case Type::W:
      return (s.U ? 1 : 0) + (s.V ? 0.8 : 0) + (s.W ? 0 : 0.2) + (s.bias ? 2 : 0);
    case Type::U:
      return (s.W ? 0.6 : 0) + (s.V ? 0.8 : 0) + (s.U ? 0 : 0.4) + (s.bias ? 2 : 0);
    case Type::V:
      return (s.U ? 1 : 0) + (s.W ? 1 : 0) + (s.V ? 0 : 0.5) + (s.bias ? 2 : 0);
    case Type::b:
      return (s.bias ? 0 : 0.5) + (s.V ? 0.3 : 0);
    case Type::c:
      return (s.V ? 0 : 0.3) + (s.bias || s.V ? 0 : 0.5);
    case Type::joined:
      return s.bias ? 2 : 0;
    case Type::E:
      return s.embedding ? 0 : s.W || s.U || s.V ? 1.2 : 0.5;
    case Type::P:
      return s.start ? 0 : s.W || s.U || s.V ? 1 : 0.4;
    case Type::p:
      return s.start ? 0 : 0.6;
  }
  return 0;
}

class Reader {
 public:
  // `first` is the smallest number in the names: that of the first layer.
  Reader(const Block& block, const Dims& dims, int first)
      : dims_(dims), suggestion_(suggest(block.parameter)), first_(first) {
    std::vector<int> shape;
    for (std::size_t n : block.shape) shape.push_back(static_cast<int>(n));
    const int size = static_cast<int>(block.value.size());
    vector(size, static_cast<int>(std::count_if(shape.begin(), shape.end(), [](int n) { return n > 1; })),
           shape);
    if (shape.size() == 2) matrix(shape[0], shape[1], 0);
    if (shape.size() == 3 && shape[0] == dims.G && dims.G > 1) gate_axis(shape[1], shape[2]);
    if (shape.size() == 3 && shape[0] == 1) matrix(shape[1], shape[2], 0);
    if (shape.size() == 1) {  // a matrix with one row or column, squeezed
      matrix(1, shape[0], 1.5);
      matrix(shape[0], 1, 1.5);
    }
    if (shape.empty()) matrix(1, 1, 1.5);
    std::stable_sort(readings.begin(), readings.end(),
                     [](const Reading& a, const Reading& b) { return a.doubt < b.doubt; });
  }
  std::vector<Reading> readings;

 private:
  void add(Reading r, double doubt) {
    const bool of_layer = r.type < Type::V;
    const bool other_layer =
        suggestion_.layer >= 0 && layers() > 1 && of_layer && suggestion_.layer - first_ != r.layer;
    r.doubt = doubt + doubt_of(r.type, suggestion_) + (other_layer ? 1 : 0);
    readings.push_back(r);
  }
  int layers() const { return static_cast<int>(dims_.H.size()); }

  void vector(int n, int wide_axes, const std::vector<int>& shape) {
    const bool stacked_rows = shape.size() == 2 && shape[0] == dims_.G && dims_.G > 1 && shape[1] > 1;
    if (wide_axes > 1 && !stacked_rows && !(shape.size() == 2 && shape[0] == 2)) return;
    const double matrix_doubt = shape.size() == 2 && shape[0] > 1 && shape[1] > 1 ? 0.3 : 0;
    for (int l = 0; l < layers(); ++l) {
      const int H = dims_.H[static_cast<std::size_t>(l)];
      if (n == H && !stacked_rows) add({.type = Type::b, .layer = l}, 0);
      if (dims_.G > 1 && n == dims_.G * H) add({.type = Type::b, .layer = l, .stacked = true}, matrix_doubt);
      if (n == 2 * dims_.G * H)
        add({.type = Type::b, .layer = l, .stacked = true, .pair = true}, 0.2 + matrix_doubt);
    }
    if (dims_.O > 0 && n == dims_.O) add({.type = Type::c}, 0);
    if (dims_.front.features > 0 && n == dims_.H[0]) add({.type = Type::p}, 0);
  }

  void matrix(int a, int b, double doubt) {
    for (int l = 0; l < layers(); ++l) {
      const int H = dims_.H[static_cast<std::size_t>(l)], I = dims_.inputs(l);
      for (int stacked = 0; stacked < (dims_.G > 1 ? 2 : 1); ++stacked) {
        const int rows = stacked ? dims_.G * H : H;
        auto both = [&](int cols, Reading r, double extra) {
          r.layer = l;
          r.stacked = stacked;
          if (a == rows && b == cols) add(r, doubt + extra);
          r.in_out = true;
          if (a == cols && b == rows) add(r, doubt + extra + (a == b ? 0.02 : 0));
        };
        both(I, {.type = Type::W}, 0);
        both(H, {.type = Type::U}, 0);
        for (bool x_first : {false, true}) {
          both(I + H, {.type = Type::joined, .x_first = x_first}, x_first ? 0.1 : 0);
          for (int bias : {1, 2})
            both(I + H + 1, {.type = Type::joined, .x_first = x_first, .bias = bias}, 0.3);
        }
      }
    }
    auto whole = [&](Type type, int rows, int cols, double square) {
      if (rows == 0 || cols == 0) return;
      if (a == rows && b == cols) add({.type = type}, doubt);
      if (a == cols && b == rows) add({.type = type, .in_out = true}, doubt + (a == b ? square : 0));
    };
    whole(Type::V, dims_.O, dims_.H.back(), 0.1);
    for (int bias : {1, 2}) {  // with the output's bias as one more column
      const int rows = dims_.O, cols = dims_.H.back() + 1;
      if (rows && a == rows && b == cols) add({.type = Type::V, .bias = bias}, doubt + 0.3);
      if (rows && a == cols && b == rows) add({.type = Type::V, .in_out = true, .bias = bias}, doubt + 0.4);
    }
    if (dims_.front.vocabulary) whole(Type::E, dims_.front.inputs, dims_.front.vocabulary, -0.1);
    whole(Type::P, dims_.H[0], dims_.front.features, 0.1);
  }

  void gate_axis(int a, int b) {
    matrix(dims_.G * a, b, 0);
    for (int l = 0; l < layers(); ++l) {
      const int H = dims_.H[static_cast<std::size_t>(l)], I = dims_.inputs(l);
      if (b == H && a == I)
        add({.type = Type::W, .layer = l, .stacked = true, .in_out = true, .gate_axis = true}, 0);
      if (b == H && a == H)
        add({.type = Type::U, .layer = l, .stacked = true, .in_out = true, .gate_axis = true}, 0);
    }
  }

  const Dims& dims_;
  Suggestion suggestion_;
  int first_;
};

// Which gate each separate array is, from what is left of the names without their common beginning and end.
std::vector<int> gates_by_name(Cell cell, const std::vector<std::string>& names) {
  std::vector<std::string> rest;
  for (const auto& n : names) rest.push_back(lower(n));
  auto same = [&](auto at) {
    return std::all_of(rest.begin(), rest.end(),
                       [&](const std::string& s) { return s.size() > 1 && at(s) == at(rest[0]); });
  };
  while (same([](const std::string& s) { return s.front(); }))
    for (auto& s : rest) s.erase(0, 1);
  while (same([](const std::string& s) { return s.back(); }))
    for (auto& s : rest) s.pop_back();
  std::vector<int> gate(names.size(), -1);
  auto claim = [&](int g, std::initializer_list<char> letters) {
    for (char c : letters)
      for (std::size_t k = 0; k < rest.size(); ++k)
        if (gate[k] < 0 && !rest[k].empty() && rest[k][0] == c) {
          gate[k] = g;
          return;
        }
  };
  if (cell == Cell::lstm)
    claim(1, {'f'}), claim(3, {'o'}), claim(0, {'i', 'u'}),
        claim(2, {'g', 'c', 'a', 'n', 'u', 'z', 'j', 'h', 's'});
  else
    claim(0, {'r'}), claim(1, {'z', 'u'}), claim(2, {'n', 'h', 'c', 'g', 't', 'w', 's'});
  return std::count(gate.begin(), gate.end(), -1) ? std::vector<int>() : gate;
}

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

class Enumerator {
 public:
  Enumerator(const std::vector<Block>& blocks, Cell cell, const Dims& dims, std::vector<Structure>& out)
      : blocks_(blocks), cell_(cell), dims_(dims), out_(out), chosen_(blocks.size()) {
    int first = 9;
    for (const Block& b : blocks) {
      named_layer_.push_back(suggest(b.parameter).layer);
      if (const int n = named_layer_.back(); n >= 0) first = std::min(first, n);
    }
    for (const Block& b : blocks) {
      readings_.push_back(Reader(b, dims, first).readings);
      if (readings_.back().empty()) return;
    }
    // The least doubt that the blocks from i on add.
    rest_.assign(blocks.size() + 1, 0);
    later_.assign(blocks.size() + 1, 0);
    for (std::size_t i = blocks.size(); i-- > 0;) {
      rest_[i] = rest_[i + 1] + readings_[i].front().doubt;
      later_[i] = later_[i + 1];
      for (const Reading& r : readings_[i]) later_[i] |= 1U << slot(r.type, r.layer);
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
    for (const Found& f : found_) build(f);
  }

 private:
  static constexpr std::size_t kKept = 32;
  static constexpr int kNodes = 4000;  // a bound on the work where equal sizes leave everything open

  struct Found {
    std::vector<Reading> readings;
    double doubt;
  };

  void descend(std::size_t i, double doubt) {
    if (found_.size() > 400 || ++nodes_ > kNodes) return;
    if (i == blocks_.size()) {
      if (doubt > known_ && complete())
        found_.push_back({chosen_, doubt + layer_doubt() + orientation_doubt()});
      return;
    }
    for (const Reading& r : readings_[i]) {
      if (doubt + r.doubt + rest_[i + 1] > bound_) break;  // readings are sorted
      if (family_[i] >= 0 && !fits_family(r, static_cast<std::size_t>(family_[i]), i)) continue;
      chosen_[i] = r;
      int& n = counts_[slot(r.type, r.layer)][r.stacked];
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
  bool fits_family(const Reading& r, std::size_t first, std::size_t i) const {
    if (r.stacked || r.type >= Type::V) return false;
    const Reading& f = chosen_[first];
    return first == i || (r.type == f.type && r.layer == f.layer && r.in_out == f.in_out &&
                          r.x_first == f.x_first && r.bias == f.bias);
  }

  static std::size_t slot(Type type, int layer) {
    return 2 * static_cast<std::size_t>(type) + static_cast<std::size_t>(layer);
  }
  int count(Type type, int layer, bool stacked) const { return counts_[slot(type, layer)][stacked]; }
  bool any(Type type, int layer) const { return count(type, layer, false) + count(type, layer, true) > 0; }

  // The gates' arrays of one kind are stored in one way.
  bool alike(std::size_t last) const {
    const Reading& r = chosen_[last];
    return std::all_of(chosen_.begin(), chosen_.begin() + static_cast<long>(last), [&](const Reading& other) {
      return other.type != r.type || other.layer != r.layer || other.stacked != r.stacked ||
             (other.in_out == r.in_out && other.x_first == r.x_first && other.bias == r.bias);
    });
  }

  // Whether the reading chosen last is not one too many.
  bool possible(std::size_t last) const {
    const Reading& r = chosen_[last];
    const int single = count(r.type, r.layer, false), stacked = count(r.type, r.layer, true), G = dims_.G;
    if (r.type >= Type::V) return single <= 1;
    if (r.type == Type::b ? single > 2 * G || stacked > 2 : single > G || stacked > 1 || (single && stacked))
      return false;
    return alike(last);
  }

  // Whether the blocks from i on can bring what is missing.
  bool reachable(std::size_t i) const {
    auto open = [&](Type t, int l) { return any(t, l) || (later_[i] >> slot(t, l) & 1U); };
    for (int l = 0; l < static_cast<int>(dims_.H.size()); ++l)
      if (!open(Type::joined, l) && !(open(Type::W, l) && open(Type::U, l))) return false;
    return (dims_.O == 0 || open(Type::V, 0)) && (dims_.front.vocabulary == 0 || open(Type::E, 0)) &&
           (dims_.front.features == 0 || open(Type::P, 0));
  }

  bool complete() const {
    const int G = dims_.G;
    for (int l = 0; l < static_cast<int>(dims_.H.size()); ++l) {
      auto full = [&](Type t) { return count(t, l, true) == 1 || count(t, l, false) == G; };
      if (!full(Type::joined) && !(full(Type::W) && full(Type::U))) return false;
      if (full(Type::joined) && (any(Type::W, l) || any(Type::U, l))) return false;
      if (G > 1 && count(Type::b, l, false) % G) return false;
    }
    const bool two_biases =
        any(Type::c, 0) && std::any_of(chosen_.begin(), chosen_.end(),
                                       [](const Reading& r) { return r.type == Type::V && r.bias; });
    if (two_biases) return false;
    return any(Type::V, 0) == (dims_.O > 0) && any(Type::E, 0) == (dims_.front.vocabulary > 0) &&
           any(Type::P, 0) == (dims_.front.features > 0);
  }

  // Layers in the order of the digits in the names.
  double layer_doubt() const {
    double doubt = 0;
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      for (std::size_t k = 0; k < i; ++k) {
        if (chosen_[i].type >= Type::V || chosen_[k].type >= Type::V) continue;
        const int a = named_layer_[i], b = named_layer_[k];
        const int named = a == b ? 0 : a > b ? 1 : -1, read = chosen_[i].layer - chosen_[k].layer;
        if (a >= 0 && b >= 0 && ((named == 0) != (read == 0) || named * read < 0)) doubt += 1;
        if (chosen_[i].type == chosen_[k].type && read < 0 && a < 0) doubt += 0.3;
      }
    return doubt;
  }

  // One author stores all matrices one way.
  double orientation_doubt() const {
    int in_out = 0, out_in = 0;
    for (const Reading& r : chosen_)
      if (r.type != Type::b && r.type <= Type::V) ++(r.in_out ? in_out : out_in);
    return 0.3 * std::min(in_out, out_in);
  }

  std::vector<int> members(const Found& f, Type t, int layer, bool stacked) const {
    std::vector<int> out;
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      if (f.readings[i].type == t && f.readings[i].layer == layer && f.readings[i].stacked == stacked)
        out.push_back(static_cast<int>(i));
    return out;
  }

  void build(const Found& f) {
    const bool gated = dims_.G > 1;
    // Separate arrays whose names tell their gates need no permutation.
    std::vector<int> gate(blocks_.size(), 0);
    bool named = true, second_bias = false;
    std::vector<bool> second(blocks_.size(), false);
    for (int l = 0; l < static_cast<int>(dims_.H.size()); ++l) {
      for (Type t : {Type::W, Type::U, Type::joined, Type::b}) {
        auto list = members(f, t, l, false);
        auto group = [&](const std::vector<int>& g) {
          std::vector<std::string> names;
          for (int i : g) names.push_back(blocks_[static_cast<std::size_t>(i)].parameter);
          auto by_name = gated ? gates_by_name(cell_, names) : std::vector<int>{0};
          named &= !by_name.empty();
          for (std::size_t k = 0; k < g.size(); ++k)
            gate[static_cast<std::size_t>(g[k])] = by_name.empty() ? static_cast<int>(k) : by_name[k];
        };
        if (static_cast<int>(list.size()) == 2 * dims_.G) {
          // Two biases: those that the names call recurrent are the second.
          std::stable_sort(list.begin(), list.end(), [&](int a, int b) {
            auto rec = [&](int i) {
              const std::string name = lower(blocks_[static_cast<std::size_t>(i)].parameter);
              return has(name, {"hh", "rec", "bh", "bu"}) && !has(name, {"ih"});  // bias_ih_h
            };
            return !rec(a) && rec(b);
          });
          for (std::size_t k = list.size() / 2; k < list.size(); ++k)
            second[static_cast<std::size_t>(list[k])] = true;
          group({list.begin(), list.begin() + static_cast<long>(list.size() / 2)});
          group({list.begin() + static_cast<long>(list.size() / 2), list.end()});
          second_bias = true;
        } else if (!list.empty()) {
          group(list);
        }
      }
      auto stacked = members(f, Type::b, l, true);
      if (stacked.size() == 2) {
        const bool first_rec =
            has(lower(blocks_[static_cast<std::size_t>(stacked[0])].parameter), {"hh", "rec"});
        second[static_cast<std::size_t>(stacked[first_rec ? 0 : 1])] = true;
      }
      second_bias |= stacked.size() == 2;
    }
    bool any_stacked = false;
    for (const Reading& r : f.readings) any_stacked |= r.stacked, second_bias |= r.pair;
    const auto all = orders(cell_);
    const std::size_t n = gated && (any_stacked || !named) ? all.size() : 1;
    for (std::size_t k = 0; k < n; ++k) {
      Structure s;
      s.cell = cell_;
      s.front = dims_.front, s.outputs = dims_.O, s.hidden = dims_.H;
      s.order = static_cast<int>(k);
      s.single_bias = !second_bias;
      s.doubt = f.doubt + 0.02 * static_cast<double>(k);
      for (std::size_t i = 0; i < blocks_.size(); ++i)
        s.pieces.push_back(pieces(f.readings[i], named ? gate[i] : all[k][static_cast<std::size_t>(gate[i])],
                                  all[k], second[i]));
      out_.push_back(std::move(s));
    }
  }

  std::vector<Piece> pieces(const Reading& r, int gate, const std::vector<int>& order, bool second) const {
    std::vector<Piece> out;
    const int H = dims_.H[static_cast<std::size_t>(r.layer)], I = dims_.inputs(r.layer),
              G = r.stacked ? dims_.G : 1;
    auto whole = [&](Kind kind, int layer, int rows, int cols) {
      out.push_back({kind, layer, 0, rows, cols, 0, static_cast<std::size_t>(r.in_out ? 1 : cols),
                     static_cast<std::size_t>(r.in_out ? rows : 1)});
    };
    const int top = static_cast<int>(dims_.H.size()) - 1;
    if (r.type == Type::V && r.bias) {
      const int n = dims_.H.back();
      const auto rs = static_cast<std::size_t>(r.in_out ? 1 : n + 1),
                 cs = static_cast<std::size_t>(r.in_out ? dims_.O : 1),
                 last = static_cast<std::size_t>(n) * cs;
      out.push_back({Kind::V, top, 0, dims_.O, n, r.bias == 1 ? cs : 0, rs, cs});
      out.push_back({Kind::c, top, 0, dims_.O, 1, r.bias == 1 ? 0 : last, rs, cs});
    } else if (r.type == Type::V) {
      whole(Kind::V, top, dims_.O, dims_.H.back());
    }
    if (r.type == Type::c) whole(Kind::c, top, dims_.O, 1);
    if (r.type == Type::E) whole(Kind::E, 0, I, dims_.front.vocabulary);
    if (r.type == Type::P) whole(Kind::P, 0, dims_.H[0], dims_.front.features);
    if (r.type == Type::p) whole(Kind::p, 0, dims_.H[0], 1);
    if (!out.empty()) return out;
    const int width = r.type == Type::W ? I : r.type == Type::U ? H : I + H + (r.bias ? 1 : 0);
    for (int k = 0; k < G; ++k) {
      const int g = r.stacked ? order[static_cast<std::size_t>(k)] : gate;
      // Element (unit u of the array's k-th gate, input column j).
      const std::size_t rs = static_cast<std::size_t>(r.in_out ? 1 : width),
                        cs = static_cast<std::size_t>(r.in_out ? (r.gate_axis ? H : G * H) : 1);
      const std::size_t base =
          r.gate_axis ? static_cast<std::size_t>(k * H * width) : static_cast<std::size_t>(k * H) * rs;
      auto part = [&](Kind kind, int from, int cols) {
        out.push_back({kind, r.layer, g, H, cols, base + static_cast<std::size_t>(from) * cs, rs, cs});
      };
      if (r.type == Type::W) part(Kind::W, 0, I);
      if (r.type == Type::U) part(Kind::U, 0, H);
      if (r.type == Type::joined) {
        const int start = r.bias == 1 ? 1 : 0;
        part(Kind::W, start + (r.x_first ? 0 : H), I);
        part(Kind::U, start + (r.x_first ? I : 0), H);
        if (r.bias) part(Kind::b, r.bias == 1 ? 0 : I + H, 1);
      }
      if (r.type == Type::b) {
        const auto at = static_cast<std::size_t>(k * H);
        out.push_back({second ? Kind::b2 : Kind::b, r.layer, g, H, 1, at, 1, 1});
        if (r.pair)
          out.push_back({Kind::b2, r.layer, g, H, 1, at + static_cast<std::size_t>(dims_.G * H), 1, 1});
      }
    }
    return out;
  }

  const std::vector<Block>& blocks_;
  Cell cell_;
  const Dims& dims_;
  std::vector<Structure>& out_;
  std::vector<Reading> chosen_;
  std::vector<std::vector<Reading>> readings_;
  std::vector<Found> found_;
  std::vector<double> rest_;
  std::vector<unsigned> later_;  // which readings (a bit a slot) the blocks from i on have
  std::vector<int> named_layer_;
  std::array<std::array<int, 2>, 18> counts_{};  // chosen readings by slot and stacked
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

std::vector<Structure> structures(const std::vector<Block>& blocks, Cell cell, int layers,
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
      for (int H1 : layers == 1 ? std::set<int>{0} : hidden) {
        std::vector<int> output_sizes = {0};
        for (int O : sizes)
          if (const int H = layers == 1 ? H0 : H1; holds(blocks, O * H) || holds(blocks, O * (H + 1)))
            output_sizes.push_back(O);
        for (int O : output_sizes) {
          if (WorkClock::now() > deadline) break;
          Dims dims{front, O, G, {H0}};
          if (layers == 2) dims.H.push_back(H1);
          Enumerator(blocks, cell, dims, out);
        }
      }
  std::stable_sort(out.begin(), out.end(),
                   [](const Structure& a, const Structure& b) { return a.doubt < b.doubt; });
  return out;
}

}  // namespace retrograde::doctor
