#include "retrograde/doctor/array_readings.h"

#include <algorithm>

#include "retrograde/doctor/naming.h"

namespace retrograde::doctor {

namespace {

double doubt_of(ArrayKind type, const Suggestion& s) {
  // U and W: some call the input's matrix U and the recurrent one W, more the other way round.
  if (s.letter && (type == ArrayKind::W || type == ArrayKind::U))
    return s.letter == (type == ArrayKind::W ? 'w' : 'u') ? 0 : 0.1;
  if (s.embedding && type != ArrayKind::E) return 1.5;
  switch (type) {
    case ArrayKind::W:
      return (s.U ? 1 : 0) + (s.V ? 0.8 : 0) + (s.W ? 0 : 0.2) + (s.bias ? 2 : 0);
    case ArrayKind::U:
      return (s.W ? 0.6 : 0) + (s.V ? 0.8 : 0) + (s.U ? 0 : 0.4) + (s.bias ? 2 : 0);
    case ArrayKind::V:
      return (s.U ? 1 : 0) + (s.W ? 1 : 0) + (s.V ? 0 : 0.5) + (s.bias ? 2 : 0);
    case ArrayKind::b:
      return (s.bias ? 0 : 0.5) + (s.V ? 0.3 : 0);
    case ArrayKind::c:
      return (s.V ? 0 : 0.3) + (s.bias || s.V ? 0 : 0.5);
    case ArrayKind::joined:
      return s.bias ? 2 : 0;
    case ArrayKind::E:
      return s.embedding ? 0 : s.W || s.U || s.V ? 1.2 : 0.5;
    case ArrayKind::P:
      return s.start ? 0 : s.W || s.U || s.V ? 1 : 0.4;
    case ArrayKind::p:
      return s.start ? 0 : 0.6;
  }
  return 0;
}

class OneArray {
 public:
  OneArray(const Block& block, const Dims& dims, int first)
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
                     [](const ArrayReading& a, const ArrayReading& b) { return a.doubt < b.doubt; });
  }
  std::vector<ArrayReading> readings;

 private:
  void add(ArrayReading r, double doubt) {
    const bool of_layer = r.type < ArrayKind::V;
    const bool other_layer = suggestion_.layer >= 0 && dims_.topology.levels > 1 && of_layer &&
                             suggestion_.layer - first_ != dims_.level(r.layer);
    const bool directed = dims_.topology.directions == 2 && (of_layer || r.share);
    const bool other_direction =
        directed && suggestion_.direction >= 0 && suggestion_.direction != r.layer % 2;
    r.doubt = doubt + doubt_of(r.type, suggestion_) + (other_layer ? 1 : 0) + (other_direction ? 1 : 0);
    readings.push_back(r);
    if (r.gates == dims_.G && r.gates > 1 && !r.pair && !r.gate_axis &&
        dims_.H[static_cast<std::size_t>(r.layer)] > 1) {  // as Chainer stores an LSTM's
      r.interleaved = true, r.doubt += 0.3;
      readings.push_back(r);
    }
  }
  // So many gates may share an array; "gates" and "candidate" are apart in some.
  std::vector<int> stacks() const {
    if (dims_.G == 1) return {1};
    return {1, dims_.G, dims_.G - 1};
  }
  double doubt_of_stack(int gates) const { return gates > 1 && gates < dims_.G ? 0.3 : 0; }
  int layers() const { return static_cast<int>(dims_.H.size()); }

  void vector(int n, int wide_axes, const std::vector<int>& shape) {
    const bool stacked_rows = shape.size() == 2 && shape[0] == dims_.G && dims_.G > 1 && shape[1] > 1;
    if (wide_axes > 1 && !stacked_rows && !(shape.size() == 2 && shape[0] == 2)) return;
    const double matrix_doubt = shape.size() == 2 && shape[0] > 1 && shape[1] > 1 ? 0.3 : 0;
    for (int l = 0; l < layers(); ++l) {
      const int H = dims_.H[static_cast<std::size_t>(l)];
      if (n == H && !stacked_rows) add({.type = ArrayKind::b, .layer = l}, 0);
      for (const int gates : stacks())
        if (gates > 1 && n == gates * H)
          add({.type = ArrayKind::b, .layer = l, .gates = gates}, matrix_doubt + doubt_of_stack(gates));
      if (n == 2 * dims_.G * H)
        add({.type = ArrayKind::b, .layer = l, .gates = dims_.G, .pair = true}, 0.2 + matrix_doubt);
    }
    if (dims_.O > 0 && n == dims_.O) add({.type = ArrayKind::c}, 0);
    if (dims_.front.features > 0 && n == dims_.H[0]) add({.type = ArrayKind::p}, 0);
  }

  void matrix(int a, int b, double doubt) {
    for (int l = 0; l < layers(); ++l) {
      const int H = dims_.H[static_cast<std::size_t>(l)], I = dims_.inputs(l);
      for (const int gates : stacks()) {
        const int rows = gates * H;
        auto both = [&](int cols, ArrayReading r, double extra) {
          r.layer = l;
          r.gates = gates;
          extra += doubt_of_stack(gates);
          if (a == rows && b == cols) add(r, doubt + extra);
          r.in_out = true;
          if (a == cols && b == rows) add(r, doubt + extra + (a == b ? 0.02 : 0));
        };
        both(I, {.type = ArrayKind::W}, 0);
        for (int bias : {1, 2}) both(I + 1, {.type = ArrayKind::W, .bias = bias}, 0.3);
        both(H, {.type = ArrayKind::U}, 0);
        for (bool x_first : {false, true}) {
          both(I + H, {.type = ArrayKind::joined, .x_first = x_first}, x_first ? 0.1 : 0);
          for (int bias : {1, 2})
            both(I + H + 1, {.type = ArrayKind::joined, .x_first = x_first, .bias = bias}, 0.3);
        }
      }
    }
    auto whole = [&](ArrayKind type, int rows, int cols, double square) {
      if (rows == 0 || cols == 0) return;
      if (a == rows && b == cols) add({.type = type}, doubt);
      if (a == cols && b == rows) add({.type = type, .in_out = true}, doubt + (a == b ? square : 0));
    };
    whole(ArrayKind::V, dims_.O, dims_.head_inputs(), 0.1);
    if (dims_.topology.directions == 2 && !dims_.topology.summed && dims_.O > 0)
      for (int d : {0, 1}) {
        const int H = dims_.H.back();
        if (a == dims_.O && b == H) add({.type = ArrayKind::V, .layer = d, .share = true}, doubt);
        if (a == H && b == dims_.O)
          add({.type = ArrayKind::V, .layer = d, .share = true, .in_out = true}, doubt + (a == b ? 0.1 : 0));
      }
    for (int bias : {1, 2}) {  // with the output's bias as one more column
      const int rows = dims_.O, cols = dims_.head_inputs() + 1;
      if (rows && a == rows && b == cols) add({.type = ArrayKind::V, .bias = bias}, doubt + 0.3);
      if (rows && a == cols && b == rows)
        add({.type = ArrayKind::V, .in_out = true, .bias = bias}, doubt + 0.4);
    }
    if (dims_.front.vocabulary) whole(ArrayKind::E, dims_.front.inputs, dims_.front.vocabulary, -0.1);
    whole(ArrayKind::P, dims_.H[0], dims_.front.features, 0.1);
  }

  void gate_axis(int a, int b) {
    matrix(dims_.G * a, b, 0);
    for (int l = 0; l < layers(); ++l) {
      const int H = dims_.H[static_cast<std::size_t>(l)], I = dims_.inputs(l);
      if (b == H && a == I)
        add({.type = ArrayKind::W, .layer = l, .gates = dims_.G, .in_out = true, .gate_axis = true}, 0);
      if (b == H && a == H)
        add({.type = ArrayKind::U, .layer = l, .gates = dims_.G, .in_out = true, .gate_axis = true}, 0);
    }
  }

  const Dims& dims_;
  Suggestion suggestion_;
  int first_;
};

}  // namespace

std::vector<ArrayReading> array_readings(const Block& block, const Dims& dims, int first) {
  return OneArray(block, dims, first).readings;
}

}  // namespace retrograde::doctor
