// Where the user's arrays stand in the canonical problem: a parameter array is one or more pieces, each one
// canonical matrix or vector (layer, kind, gate) seen through strides, which covers stored transposes,
// concatenated [h,x], stacked gates in any order and biases kept as a row of a matrix.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "retrograde/doctor/network.h"
#include "retrograde/doctor/plan.h"

namespace retrograde::doctor {

// E, P and p: the embedding, and what makes a learned start state (network.h). dh0 and dc0 of one row belong
// to a start state that every row of the batch shares.
enum class Kind : unsigned char { W, U, b, b2, V, c, E, P, p, dx, dh0, dc0 };

struct Piece {
  Kind kind = Kind::W;
  int layer = 0, gate = 0;  // V with a matrix for each direction: the direction
  int rows = 0, cols = 0;
  std::size_t base = 0, row_stride = 0, col_stride = 0;  // canonical (r,c) -> index in the user's array
};

// One of the user's parameter arrays with its claimed gradient.
struct Block {
  std::string parameter, gradient;
  std::vector<std::size_t> shape;
  Real value, claim;
  Real numeric;  // the user's own numeric gradient, if given
  std::vector<Piece> pieces;
  bool claim_transposed = false;  // the claim's shape is the transpose of the parameter's
};

// The problem with the blocks' values in its parameters.
void put_parameters(const std::vector<Block>& blocks, Problem& problem);
Real gather(const Piece& piece, const Real& array);
void scatter(const Piece& piece, const Real& canonical, Real& array);

// What of a layer's plan the blocks' products share.
struct LayerForm {
  int reset = -1;
  Replay replay = Replay::own;
  int first = 0;
};

// What a plan makes of a problem, everything that block gradients are made of.
struct Evaluation {
  Real dy;  // [T,B,O] as it enters dV and dc
  Real up;  // [T,B,H]
  std::vector<Deltas> deltas;
  const Plan* plan = nullptr;    // that was run; it outlives the evaluation
  std::vector<LayerForm> forms;  // per layer, as the plan has it
};

// What the loss's penalty adds to a piece's gradient, as a multiple of the parameter.
double decay_of(const Problem& problem, Kind kind);
// The loss with its scale and its penalty on the parameters.
double loss_of(const Problem& problem);

class Engine {
 public:
  explicit Engine(const Problem& problem, Rounding* rounding = nullptr);
  const Problem& problem() const { return problem_; }
  const std::vector<Tape>& tapes() const { return tapes_; }
  const Real& outputs() const { return z_; }
  Evaluation evaluate(const Plan& plan) const;
  Evaluation evaluate(Plan&& plan) const = delete;  // the plan must outlive the evaluation
  // The same in parts: the head's errors, their way up to the last layer's states, one layer's sweep.
  void head(Evaluation& e, const Plan& plan) const;
  void way_up(Evaluation& e, const Plan& plan) const;
  void sweep(Evaluation& e, const Plan& plan, int layer) const;
  // The right product of a piece, before any block mistake.
  Product right_product(const Piece& piece, int reset_form = -1) const;
  // Rows [from, to) of a piece's gradient made by `product`, canonical row-major.
  Real gradient(const Piece& piece, const Product& product, const Evaluation& e, int from = 0,
                int to = -1) const;
  Real gradient(const Piece& piece, const Evaluation& e) const {
    return gradient(piece, right_product(piece, e.forms[static_cast<std::size_t>(piece.layer)].reset), e);
  }

 private:
  Real sent_down(const Evaluation& e, const Plan& plan, int level) const;
  Real sent_to_input(const Evaluation& e, const Product& product) const;
  void add_in_order(int layer, Real one, Real& sum) const;
  Real own_share(const Real& up, const LayerPlan& plan, int layer) const;
  const Real& head_side(Var v) const;
  Real apart(const Piece& piece, Product product, const Evaluation& e, int from, int to) const;
  Real start_gradient(const Piece& piece, const Product& product, const Evaluation& e) const;
  std::vector<char> kept_tokens(const Tape& tape, int mode) const;

  const Problem& problem_;
  Rounding* rounding_;
  std::vector<Tape> tapes_;
  Real z_, pool_shares_;
  mutable std::map<Var, Real> head_sides_;  // joined quantities, with two directions
};

}  // namespace retrograde::doctor
