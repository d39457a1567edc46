// What one forward leaves: the packed weights that it ran with, the states, what the backward needs, and the
// outputs. One writer: `forward`. It is also the workspace: used again for batches of the same size, it
// allocates nothing.
#pragma once

#include <cstddef>
#include <vector>

#include "retrograde/loss/loss.h"
#include "retrograde/model/network.h"
#include "retrograde/sequence/input.h"
#include "retrograde/sequence/rows.h"
#include "retrograde/tensor/buffer.h"

namespace retrograde {

template <class T>
class Tape {
 public:
  const Rows& rows() const { return rows_; }

  // Outputs y [B, T, O] (or [B, O] for a head at the last step) and the head's pre-activations of the same
  // shape; 0 past a sequence's end. Without a head both are the last layer's states.
  std::vector<T> outputs() const { return batch_first(output_rows()); }
  std::vector<T> head_preactivations() const { return batch_first(head_); }

  // Hidden (which = 0) or cell states (1) with the start state first: [B, T + 1, H]; 0 past a sequence's end.
  // In the reverse direction entry t + 1 is the state at step t's own input, and entry 0 the start state.
  std::vector<T> states(std::size_t layer, bool reverse = false, std::size_t which = 0) const;

  // Pre-activations [B, T, S·H], if `keep_preactivations` was asked for: S blocks in the gates' order; where
  // a gate's two products are kept apart (the candidate of a GRU with reset after), W x + b first, and U h +
  // b as one more block at the end.
  std::vector<T> preactivations(std::size_t layer, bool reverse = false) const;

  // States after each sequence's own last step.
  State<T> final_state() const;

  // --- for sequence/ only: rows as the kernels see them
  // ---------------------------------------------------------------

  struct Layer {  // one layer, one direction; rows in its own time
    Buffer<T> packed, states[2], tape, preactivations, product_input[2], mask, reversed_input;
    std::vector<std::int32_t> reversed_tokens;
    LayerShape shape;
    std::size_t stride = 0;  // padded units
    LayerInput<T> input;
    LayerTape<T> view;
  };
  struct Workspace {  // of the backward
    Buffer<T> dz, last, dy, dx_reversed, carry[2], gradient, scratch;
    std::vector<std::uint8_t> cut;
    std::vector<Buffer<T>> d_output;  // by layer
    // window: sums and start states by layer · D + direction, what a layer receives by layer
    std::vector<Buffer<T>> da_sum, start[2], above;
    Buffer<T> delta[2];
    struct {
      std::vector<std::size_t> row, previous, sequence;
      std::vector<std::uint8_t> inside;
    } level;
  };

  Config config_;
  Rows rows_;
  std::vector<Layer> layers_;         // layer · D + direction
  Buffer<T> embedded_;                // rows of dense input, or of embedded tokens
  std::vector<std::int32_t> tokens_;  // rows
  std::vector<Buffer<T>>
      joined_;  // a layer's output rows where they are not its h: two directions, or dropout
  std::vector<Buffer<T>> dropout_;  // a layer's mask, like joined_
  Buffer<T> scratch_;
  Buffer<T> head_packed_, head_input_;
  const T* head_x_ = nullptr;
  std::size_t head_x_stride_ = 0;
  Buffer<T> head_, outputs_;        // [output rows][output_stride_]; outputs_ only where it is not head_
  std::vector<std::size_t> index_;  // output row -> entry of [B, T] or [B]
  std::size_t output_stride_ = 0;
  std::vector<std::uint8_t> given_start_;  // sorted position -> whether it began with a given state
  bool has_tape_ = false;
  Workspace work_;

  bool begins_with_given(std::size_t b) const { return given_start_[b] != 0; }
  Layer& layer(std::size_t k, std::size_t d) { return layers_[k * config_.directions() + d]; }
  const Layer& layer(std::size_t k, std::size_t d) const { return layers_[k * config_.directions() + d]; }
  // Stride of a layer's output rows.
  std::size_t output_stride(std::size_t k) const {
    return row_stride(config_.hidden[k] * config_.directions(), config_.cell.kernels<T>().lanes, sizeof(T));
  }
  // Whether the outputs are another thing than the head's pre-activations.
  bool activates() const {
    return config_.outputs && (config_.activation.is_softmax() ||
                               config_.activation.elementwise().kind() != Nonlinearity::Kind::identity);
  }
  const Buffer<T>& output_rows() const { return activates() ? outputs_ : head_; }
  LossRows<T> loss_rows(bool preactivations) const {
    return {index_.size(),
            config_.output_width(),
            output_stride_,
            rows_.batch(),
            (preactivations ? head_ : output_rows()).data(),
            index_,
            affine_kernels<T>().softmax};
  }

 private:
  std::vector<T> batch_first(const Buffer<T>& rows) const;
};

}  // namespace retrograde
