#include "retrograde/sequence/checkpoint.h"

#include <algorithm>
#include <cmath>

#include "retrograde/base/error.h"
#include "retrograde/sequence/passes.h"

namespace retrograde {

// The tape's rows become those of a stretch.
template <class T>
void Checkpoints<T>::hold(const Input<T>& input, std::size_t stretch) {
  tape_.rows_.assign(input.batch, input.steps, input.lengths, stretch * length_,
                     std::min(longest_, (stretch + 1) * length_));
}

// The states before the stretch, to what is kept or back.
template <class T>
void Checkpoints<T>::copy_states(Kept& kept, bool back) {
  const std::size_t states = tape_.config_.states();
  kept.states.resize(tape_.layers_.size() * states);
  for (std::size_t k = 0; k < tape_.layers_.size(); ++k)
    for (std::size_t s = 0; s < states; ++s) {
      auto& layer = tape_.layers_[k];
      const std::size_t size = tape_.rows_.batch() * layer.stride;
      T *const here = layer.states[s].data(), *const there = reserve(kept.states[k * states + s], size);
      std::copy_n(back ? there : here, size, back ? here : there);
    }
}

// After a stretch: the states of sequences that end go to the final ones, those of the others to where the
// next stretch begins.
template <class T>
void Checkpoints<T>::leave(const Input<T>& input) {
  const Rows& rows = tape_.rows_;
  const std::size_t going_on = rows.longer_than(rows.view().steps);
  const auto& config = tape_.config_;
  for (std::size_t k = 0; k < tape_.layers_.size(); ++k)
    for (std::size_t s = 0; s < config.states(); ++s) {
      auto& layer = tape_.layers_[k];
      auto& blocks = s == 0 ? final_.h : final_.c;
      const std::size_t units = layer.shape.units;
      blocks.resize(tape_.layers_.size());
      blocks[k].resize(input.batch * units);
      T* const states = layer.states[s].data();
      for (std::size_t b = going_on; b < rows.batch(); ++b)
        std::copy_n(states + (rows.batch() + rows.last(b)) * layer.stride, units,
                    blocks[k].data() + rows.order(b) * units);
      const std::size_t last = rows.batch() + rows.view().offset[rows.view().steps - 1];
      std::copy_n(states + last * layer.stride, going_on * layer.stride, states);
    }
}

template <class T>
double Checkpoints<T>::loss_and_gradients(const Network<T>& network, const Input<T>& input, const Loss& loss,
                                          const Target<T>& target, const Bptt& bptt, Gradients<T>& gradients,
                                          const ForwardOptions<T>& options) {
  if (network.config().bidirectional)
    throw UsageError("a bidirectional network needs its whole tape: it goes without checkpoint");
  if (bptt.kind == Bptt::Kind::window)
    throw UsageError("bptt {} needs the whole tape: it goes without checkpoint", to_string(bptt));
  detail::check_input(network.config(), input, options);
  detail::check_loss_fits(loss, target, network.config(), input.batch, input.steps);
  longest_ =
      input.lengths.empty() ? input.steps : *std::max_element(input.lengths.begin(), input.lengths.end());
  length_ = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(std::sqrt(longest_))));
  const std::size_t stretches = (longest_ + length_ - 1) / length_;

  hold(input, 0);
  detail::begin_forward(network, input, tape_, options);
  kept_.resize(std::max(kept_.size(), stretches));
  ForwardOptions<T> run = options;
  double weight = 0, value = 0;
  for (std::size_t i = 0; i < stretches; ++i) {
    hold(input, i);
    copy_states(kept_[i], false);
    kept_[i].sources = tape_.sources_;
    run.keep_tape = i + 1 == stretches;
    detail::run_forward(network, input, tape_, run);
    loss.add_weight(tape_.loss_rows(false, 0, tape_.index_.size()), target, weight);
    leave(input);
  }
  const double denominator = loss.denominator(weight, input.batch);
  detail::Sweep<T> sweep(tape_, bptt, gradients);
  sweep.begin(nullptr);
  run.keep_tape = true;
  for (std::size_t i = stretches; i-- > 0;) {
    if (i + 1 < stretches) {
      hold(input, i);
      copy_states(kept_[i], true);
      tape_.sources_ = kept_[i].sources;
      detail::run_forward(network, input, tape_, run);
    }
    sweep.run([&](std::size_t first, std::size_t last) {
      detail::loss_gradient(tape_, loss, target, denominator, first, last, value);
    });
  }
  sweep.end();
  return value;
}

template class Checkpoints<float>;
template class Checkpoints<double>;

}  // namespace retrograde
