// Training data where it lies in NumPy's memory: read batch by batch, never copied as a whole.
#pragma once

#include <algorithm>

#include "reading.h"
#include "retrograde/data/dataset.h"

namespace retrograde::python {

// Sequences [N, T, ...] with their lengths, targets and weights. Holds on to the arrays.
template <class T>
class ArrayDataset : public Dataset {
 public:
  ArrayDataset(Reading<T> reading, Goal<T> goal, const Config& config)
      : reading_(std::move(reading)),
        goal_(std::move(goal)),
        input_(reading_.input()),
        target_(goal_.target()) {
    layout_ = {.inputs = config.inputs,
               .tokens = config.tokens,
               .outputs = config.output_width(),
               .classes = !target_.classes.empty(),
               .at = config.at};
  }

  const Layout& layout() const override { return layout_; }
  std::size_t sequences() const override { return input_.batch; }
  std::size_t length(std::size_t sequence) const override {
    return input_.lengths.empty() ? input_.steps : input_.lengths[sequence];
  }
  void read(std::size_t sequence, std::size_t first, std::size_t count, StepPlaces into) const override {
    const std::size_t step = sequence * input_.steps + first;
    copy(input_.x, step, count, into.x);
    copy(input_.tokens, step, count, into.tokens);
    const bool every = layout_.at == At::every;
    const std::size_t target = every ? step : sequence, targets = every ? count : 1;
    copy(target_.values, target, targets, into.values);
    copy(target_.classes, target, targets, into.classes);
    if (target_.weights.empty())
      std::fill_n(into.weights.begin(), targets, 1.0);
    else
      copy(target_.weights, target, targets, into.weights);
  }

 private:
  // `count` rows of `from`, as wide as `into` says, from row `first` on.
  template <class U, class V>
  static void copy(std::span<const U> from, std::size_t first, std::size_t count, std::span<V> into) {
    if (from.empty()) return;
    const std::size_t width = into.size() / count;
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(first * width), into.size(), into.begin());
  }

  Reading<T> reading_;
  Goal<T> goal_;
  Input<T> input_;
  Target<T> target_;
  Layout layout_;
};

}  // namespace retrograde::python
