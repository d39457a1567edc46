// One step at a time: a trained network in a loop that never ends, as in a plug-in, a robot or a service. The
// weights are packed once, all memory is taken once; `step` allocates nothing, locks nothing, and gives the
// bits that `forward` gives for the whole sequence (of the same batch).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "retrograde/model/network.h"
#include "retrograde/sequence/input.h"
#include "retrograde/tensor/buffer.h"

namespace retrograde {

template <class T>
class Stream {
 public:
  // For `batch` sequences side by side, standing before their first step. The network's parameters are
  // copied; later changes of it are not seen. UsageError for a bidirectional network, which would need the
  // future.
  explicit Stream(const Network<T>& network, std::size_t batch = 1);

  // x [B, I], or B tokens, to outputs [B, O], valid until the next step. A network whose head is at the last
  // step gives the output for the case that this one is the last. UsageError for a wrong size or an unknown
  // token.
  std::span<const T> step(std::span<const T> x);
  std::span<const T> step(std::span<const std::int32_t> tokens);
  // The head's pre-activations (logits) that belong to the last outputs, [B, O].
  std::span<const T> head_preactivations() const { return z_; }

  // Back to before the first step: the network's own start states.
  void reset();
  // The states after the last step; set_state goes on from there. Shapes as in sequence/input.h.
  State<T> state() const;
  void set_state(const State<T>& state);

 private:
  struct Layer {
    LayerShape shape;
    std::size_t stride = 0;
    Buffer<T> packed;
    Buffer<T> states[2];  // [2B][stride]: before the step, after it
    Buffer<T> start[2];   // [stride], the network's own
  };

  std::span<const T> run(LayerInput<T> input);
  void run_layer(Layer& layer, LayerInput<T> input);

  Config config_;
  std::size_t batch_;
  std::size_t offsets_[2];
  std::vector<Layer> layers_;
  Buffer<T> embedding_, x_, scratch_, head_, padded_z_, padded_y_;
  std::vector<std::int32_t> tokens_;
  std::size_t x_stride_ = 0;
  std::vector<T> z_, y_;
};

extern template class Stream<float>;
extern template class Stream<double>;

}  // namespace retrograde
