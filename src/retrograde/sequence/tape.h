// What one forward leaves: the packed weights that it ran with, the states, what the backward needs, and the
// outputs. One writer: `forward`. It is also the workspace: used again for batches of the same size, it
// allocates nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "retrograde/base/random.h"
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
  std::vector<T> outputs() const { return batch_first(y()); }
  std::vector<T> head_preactivations() const { return batch_first(z_); }

  // Hidden (which = 0) or cell states (1) with the start state first: [B, T + 1, H]; 0 past a sequence's end.
  // In the reverse direction entry t + 1 is the state at step t's own input, and entry 0 the start state.
  std::vector<T> states(std::size_t layer, bool reverse = false, std::size_t which = 0) const;

  // Pre-activations [B, T, S·H], if `keep_preactivations` was asked for: S blocks in the gates' order; where
  // a gate's two products are kept apart (the candidate of a GRU with reset after), W x + b first, and U h +
  // b as one more block at the end.
  std::vector<T> preactivations(std::size_t layer, bool reverse = false) const;

  // States after each sequence's own last step; into memory that is there already.
  State<T> final_state() const;
  void final_state(State<T>& result) const;

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
    Buffer<T> dz, last, dx, dy, dx_reversed, scratch, head_gradient;
    std::vector<Buffer<T>> d_output;            // by layer
    std::vector<Buffer<T>> gradient, carry[2];  // by layer · D + direction
    std::vector<std::uint8_t> cut[2];           // by direction
    // window: sums by layer · D + direction, what a layer receives by layer
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
  // Where a layer's output rows are not its h (two directions, or dropout), and their dropout masks.
  std::vector<Buffer<T>> joined_, dropout_;
  std::vector<Random> sources_;  // of a layer's dropout
  bool drops_ = false;           // between layers
  Buffer<T> scratch_, head_packed_, head_input_, head_, outputs_;
  const T *head_x_ = nullptr, *z_ = nullptr;  // rows that the head reads, and makes
  std::size_t head_x_stride_ = 0, output_stride_ = 0;
  std::vector<std::size_t> index_;         // output row -> entry of [B, T] or [B]
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
  const T* y() const { return activates() ? outputs_.data() : z_; }
  // Output rows [first, last).
  LossRows<T> loss_rows(bool preactivations, std::size_t first, std::size_t last) const {
    return {last - first,
            config_.output_width(),
            output_stride_,
            given_start_.size(),
            (preactivations ? z_ : y()) + first * output_stride_,
            std::span(index_).subspan(first, last - first),
            softmax_kernel<T>()};
  }
  // Rows of a segment: as many as the widest layer has units, or reading and writing the weights' gradient
  // would cost more than making it.
  std::size_t segment_rows() const {
    return std::clamp<std::size_t>(*std::max_element(config_.hidden.begin(), config_.hidden.end()), 128, 512);
  }
  // Those of the largest.
  std::size_t segment_room() const { return std::min(std::max(segment_rows(), rows_.batch()), rows_.size()); }
  LayerCall<T> call(std::size_t k, std::size_t d, T* scratch) const {
    const Layer& from = layer(k, d);
    return {rows_.view(), from.shape, from.packed.data(), from.input, from.view, scratch};
  }

 private:
  std::vector<T> batch_first(const T* rows) const;
};

}  // namespace retrograde
