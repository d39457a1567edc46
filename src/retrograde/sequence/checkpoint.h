// Loss and gradients of long sequences in little memory: the states are kept every S ≈ √T steps, and the tape
// of such a stretch is made again when the backward comes to it. One more forward, a S-th of the tape; the
// gradients are those of the whole tape, bit for bit. Chen, Xu, Zhang & Guestrin 2016, arXiv:1604.06174.
#pragma once

#include <vector>

#include "retrograde/sequence/backward.h"

namespace retrograde {

template <class T>
class Checkpoints {
 public:
  // What forward and loss_and_gradients do, with the gradients added. UsageError for a bidirectional network
  // and for windows, which need the whole tape.
  double loss_and_gradients(const Network<T>& network, const Input<T>& input, const Loss& loss,
                            const Target<T>& target, const Bptt& bptt, Gradients<T>& gradients,
                            const ForwardOptions<T>& options = {});
  // After each sequence's own last step, as Tape::final_state.
  const State<T>& final_state() const { return final_; }

 private:
  struct Kept {                     // what a stretch begins with
    std::vector<Buffer<T>> states;  // by layer · states + state
    std::vector<Random> sources;
  };
  void hold(const Input<T>& input, std::size_t stretch);
  void copy_states(Kept& kept, bool back);
  void leave(const Input<T>& input);

  Tape<T> tape_;  // of one stretch
  std::vector<Kept> kept_;
  State<T> final_;
  std::size_t length_ = 0, longest_ = 0;  // of a stretch, of the longest sequence
};

extern template class Checkpoints<float>;
extern template class Checkpoints<double>;

}  // namespace retrograde
