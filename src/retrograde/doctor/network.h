// The network that a claim belongs to, as the doctor describes it, and the canonical form of the case's
// numbers.
//
// Everything is time-major: x [T,B,I], states [T,B,H], outputs [T,B,O]. A layer's weights are stored per gate
// as W [G,H,I], U [G,H,H], b and b2 [G,H] with z = W x + U h + b + b2; the head is V [O,H], c [O]. Gate
// order: LSTM i, f, g, o; GRU r, z, n. The doctor shares no code with the production network: it is the
// second opinion.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace retrograde::doctor {

using Real = std::vector<double>;

enum class Cell { elman, lstm, gru };
// leaky_relu has slope 0.01 below zero, leaky_relu_1 and _2 have 0.1 and 0.2.
enum class Activation {
  tanh,
  relu,
  leaky_relu,
  elu,
  sigmoid,
  softsign,
  softplus,
  sin,
  identity,
  softmax,
  leaky_relu_1,
  leaky_relu_2
};
enum class Loss { squared, absolute, huber, softmax_cross_entropy, binary_cross_entropy, upstream };

// What the head reads where there is one output a sequence: the last step's state, or the mean, the sum or
// the maximum of all steps' states.
enum class Pool { last, mean, sum, max };

enum class Decays {
  matrices,
  everything,
  layers,
  head
};  // all matrices; with biases; without the head's; it alone

struct Network {
  Cell cell = Cell::elman;
  Activation activation = Activation::tanh;  // Elman's f; the candidate's and the output's f of LSTM and GRU
  bool reset_after = true;                   // GRU: n = f(Wx + b + r (U h + c)), else n = f(Wx + b + U (r h))
  bool no_reset =
      false;  // GRU: n = f(Wx + b + U h): the forward leaves out r, which then is good for nothing
  bool update_keeps = true;  // GRU: h' = (1-z) n + z h, else h' = (1-z) h + z n
  bool head = true;
  Activation head_activation = Activation::identity;
  Loss loss = Loss::squared;
  double scale = 1;          // loss = scale * (1/2 sum (y-t)^2 | sum |y-t| | sum of cross entropies ...)
  std::string reduction;     // the scale in words
  bool last_output = false;  // one output a sequence, at each row's last step
  Pool pool = Pool::last;    // what that one is made of
  // The truncation that the author means: steps that an output's error goes back (-1: all), or the length of
  // the pieces between which the carry is cut (0: none).
  int reach = -1, chunk = 0;
  bool first_unit = false;  // no head's parameters: the state's first unit is the output
  bool plain_cell = false;  // LSTM: h = o c, the cell state without an activation
  Activation of_cell() const { return plain_cell ? Activation::identity : activation; }
  bool forget_plus_one = false;  // LSTM: f = sigmoid(z_f + 1), the 1 being no parameter
  // Two: every level is a pair of layers, the first reading the input in its order, the second in reverse,
  // whose states are joined side by side, or summed. `own_ends`: one output a sequence is made of each
  // direction's own last state, not of the states at the last step.
  int directions = 1;
  bool summed = false, own_ends = false;
  double decay = 0;  // loss += decay/2 * sum of the squares of what `decays` says
  Decays decays = Decays::matrices;
  std::array<double, 12> own_decay{};  // the same with a factor for each kind of parameter (Kind, blocks.h)
};

struct Layer {
  int inputs = 0, hidden = 0;
  Real W, U, b, b2;
  Real h0, c0;  // [B,H]
};

// One case in canonical form.
struct Problem {
  int T = 0, B = 0, I = 0, O = 0, gates = 1;
  Network net;
  std::vector<Layer> layers;
  Real V, c;
  Real x;                   // [T,B,I]
  std::vector<int> tokens;  // [T,B] where the input is tokens that an embedding makes x of, else empty
  int vocabulary = 0;
  Real E;                // embedding [I, vocabulary]: x[t,b] is its column tokens[t,b]
  Real features, P, p;   // a learned start state of the first layer: h0 = features [B,F] P' + p [H], P [H,F]
  Real target;           // [T,B,O], dense (tokens as one-hot rows), or the given upstream gradient [T,B,H]
  std::vector<int> end;  // [B] number of valid steps
  std::vector<char> mask;  // [T,B] which outputs the loss counts, or empty: all that `end` allows
  // dL/dh_T and dL/dc_T of the last layer, given from outside, [B,H] or empty.
  Real final_gradient, final_cell_gradient;
  bool ragged() const {
    for (int e : end)
      if (e != T) return true;
    return !mask.empty();
  }
  int levels() const { return static_cast<int>(layers.size()) / net.directions; }
  int level(int layer) const { return layer / net.directions; }
  bool reversed(int layer) const { return net.directions == 2 && layer % 2 == 1; }
  // Of a level's joined states.
  int width(int level) const {
    return layers[static_cast<std::size_t>(level * net.directions)].hidden *
           (net.summed ? 1 : net.directions);
  }
  // Width of the states that the head reads.
  int H() const { return width(levels() - 1); }
};

// x from the tokens and h0 from the features, where parameters make them.
void derive_inputs(Problem& problem);

int gate_count(Cell cell);
std::string_view name(Cell cell);
std::string_view name(Activation activation);
std::string_view name(Loss loss);
// Canonical gate letters: "" for Elman, i f g o, r z n.
std::string_view gate_name(Cell cell, int gate);

// "layer 2"; with two directions "the backward direction", "layer 2's forward direction".
std::string layer_name(const Problem& problem, int layer);

// f(z).
double value(Activation f, double z);
// f'(z), from the pre-activation.
double slope(Activation f, double z);
// The same derivative written as a function of a = f(z) where that exists (1-a^2 for tanh), else slope(f, a).
double slope_from_value(Activation f, double a);

}  // namespace retrograde::doctor
