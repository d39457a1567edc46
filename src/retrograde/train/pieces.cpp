#include "retrograde/train/pieces.h"

#include <algorithm>

namespace retrograde {
namespace {

// Rows [first, first + steps) of the sequences `alive` of an array [B, T, width], short ones padded with
// zeros.
template <class V>
std::span<const V> cut(std::span<const V> from, std::size_t width, std::size_t total_steps, std::size_t first,
                       std::size_t steps, const std::vector<std::size_t>& alive, std::vector<V>& into) {
  if (from.empty()) return {};
  into.assign(alive.size() * steps * width, V{});
  const std::size_t count = std::min(steps, total_steps - first) * width;
  for (std::size_t i = 0; i < alive.size(); ++i)
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>((alive[i] * total_steps + first) * width), count,
                into.begin() + static_cast<std::ptrdiff_t>(i * steps * width));
  return into;
}

// Rows `alive` of every state in `all` (of `batch` rows) into `some`, or back.
template <class T>
void gather(const std::vector<std::vector<T>>& all, std::size_t batch, const std::vector<std::size_t>& alive,
            std::vector<std::vector<T>>& some) {
  some.resize(all.size());
  for (std::size_t k = 0; k < all.size(); ++k) {
    const std::size_t width = all[k].size() / batch;
    some[k].resize(alive.size() * width);
    for (std::size_t i = 0; i < alive.size(); ++i)
      std::copy_n(all[k].data() + alive[i] * width, width, some[k].data() + i * width);
  }
}

template <class T>
void scatter(const std::vector<std::vector<T>>& some, const std::vector<std::size_t>& alive,
             std::size_t batch, std::vector<std::vector<T>>& all) {
  all.resize(some.size());
  for (std::size_t k = 0; k < some.size(); ++k) {
    const std::size_t width = some[k].size() / alive.size();
    all[k].resize(batch * width);
    for (std::size_t i = 0; i < alive.size(); ++i)
      std::copy_n(some[k].data() + i * width, width, all[k].data() + alive[i] * width);
  }
}

}  // namespace

template <class T>
void Pieces<T>::begin(const BatchView<T>& batch, std::size_t steps, std::size_t features, std::size_t outputs,
                      const ForwardOptions<T>& beginning) {
  batch_ = &batch;
  steps_ = steps;
  features_ = features;
  outputs_ = outputs;
  first_ = 0;
  has_states_ = beginning.start != nullptr;
  if (has_states_) states_ = *beginning.start;
  given_.assign(beginning.given.begin(), beginning.given.end());
}

template <class T>
ForwardOptions<T> Pieces<T>::beginning() const {
  if (!has_states_) return {};
  return {.start = &start_, .given = given_};
}

template <class T>
std::size_t Pieces<T>::length(std::size_t b) const {
  return batch_->input.lengths.empty() ? batch_->input.steps : batch_->input.lengths[b];
}

template <class T>
const BatchView<T>* Pieces<T>::next() {
  const Input<T>& input = batch_->input;
  alive_.clear();
  lengths_.clear();
  for (std::size_t b = 0; b < input.batch; ++b)
    if (length(b) > first_) {
      alive_.push_back(b);
      lengths_.push_back(std::min(steps_, length(b) - first_));
    }
  if (alive_.empty()) return nullptr;

  const std::size_t steps = *std::max_element(lengths_.begin(), lengths_.end());
  const auto part = [&](auto from, std::size_t width, auto& into) {
    return cut(from, width, input.steps, first_, steps, alive_, into);
  };
  piece_.input = {.batch = alive_.size(),
                  .steps = steps,
                  .x = part(input.x, features_, x_),
                  .tokens = part(input.tokens, 1, tokens_),
                  .lengths = lengths_};
  piece_.target = {.values = part(batch_->target.values, outputs_, values_),
                   .classes = part(batch_->target.classes, 1, classes_),
                   .weights = part(batch_->target.weights, 1, weights_)};
  if (has_states_) {
    gather(states_.h, input.batch, alive_, start_.h);
    gather(states_.c, input.batch, alive_, start_.c);
  }
  first_ += steps;
  return &piece_;
}

template <class T>
void Pieces<T>::carry(const State<T>& after) {
  scatter(after.h, alive_, batch_->input.batch, states_.h);
  scatter(after.c, alive_, batch_->input.batch, states_.c);
  has_states_ = true;
  given_.clear();  // every later piece goes on from a state
}

template class Pieces<float>;
template class Pieces<double>;

}  // namespace retrograde
