// The forward and the backward in pieces: over the steps that the tape's rows hold, which may be all of a
// batch (forward.h, backward.h) or a few (checkpoint.h). For sequence/ only.
#pragma once

#include "retrograde/sequence/backward.h"

namespace retrograde::detail {

// Throws UsageError if the input or where it begins does not fit the network.
template <class T>
void check_input(const Config& config, const Input<T>& input, const ForwardOptions<T>& options);

// What comes before the first step: packed weights, start states, masks of the state. tape.rows_ is set.
template <class T>
void begin_forward(const Network<T>& network, const Input<T>& input, Tape<T>& tape,
                   const ForwardOptions<T>& options);

// The steps of tape.rows_, from the states that stand before them.
template <class T>
void run_forward(const Network<T>& network, const Input<T>& input, Tape<T>& tape,
                 const ForwardOptions<T>& options);

// Throws UsageError if the loss, or what it compares with, does not go with the network and the batch.
template <class T>
void check_loss_fits(const Loss& loss, const Target<T>& target, const Config& config, std::size_t batch,
                     std::size_t steps);

// The loss of output rows [first, last), added to `value`, and its gradient in work_.dz: a `top` of Sweep.
template <class T>
void loss_gradient(Tape<T>& tape, const Loss& loss, const Target<T>& target, double denominator,
                   std::size_t first, std::size_t last, double& value);

// Backward from the last step to the first, in as many runs as the forward had.
template <class T>
class Sweep {
 public:
  Sweep(Tape<T>& tape, const Bptt& bptt, Gradients<T>& gradients);
  // `final_state`: the cotangent of the states after the last step; null: zero.
  void begin(const State<T>* final_state);
  // The steps of tape.rows_. top(first, last) leaves the gradient by the head's pre-activations of output
  // rows [first, last) in work_.dz.
  template <class Top>
  void run(Top top);
  // Everything is added to the gradients.
  void end();

 private:
  void mark_cuts();
  void stretch(Segment stretch, std::size_t first, std::size_t last);
  const T* head(Segment stretch, std::size_t first, std::size_t last);
  void layer(std::size_t k, std::size_t d, Segment stretch, const T* dy, T* dx);

  Tape<T>& tape_;
  const Config& config_;
  Bptt bptt_;
  Gradients<T>& gradients_;
};

// Which output rows belong to some of the steps.
template <class T>
std::pair<std::size_t, std::size_t> output_rows_of(const Tape<T>& tape, Segment stretch) {
  if (tape.config_.at == At::every) return {stretch.begin, stretch.end};
  const Rows& rows = tape.rows_;
  return {rows.batch() - rows.longer_than(stretch.first), rows.batch() - rows.longer_than(stretch.last)};
}

template <class T>
template <class Top>
void Sweep<T>::run(Top top) {
  const StepRows rows = tape_.rows_.view();
  mark_cuts();
  for (Segment s{.first = rows.steps}; s.first > 0;) {
    // Two directions have their layers one after the other, and so has a window, whose paths cross the steps.
    s = config_.bidirectional || bptt_.kind == Bptt::Kind::window
            ? Segment::of(rows, 0, rows.steps)
            : segment_until(rows, s.first, 0, tape_.segment_rows());
    const auto [first, last] = output_rows_of(tape_, s);
    top(first, last);
    stretch(s, first, last);
  }
}

}  // namespace retrograde::detail
