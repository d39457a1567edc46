#include "retrograde/sequence/tape.h"

#include <algorithm>
#include <complex>

#include "retrograde/base/error.h"

namespace retrograde {

template <class T>
std::vector<T> Tape<T>::batch_first(const T* rows) const {
  const std::size_t width = config_.output_width();
  const std::size_t entries = rows_.batch() * (config_.at == At::every ? rows_.steps() : 1);
  std::vector<T> result(entries * width);
  for (std::size_t r = 0; r < index_.size(); ++r)
    std::copy_n(rows + r * output_stride_, width, result.data() + index_[r] * width);
  return result;
}

template <class T>
std::vector<T> Tape<T>::states(std::size_t k, bool reverse, std::size_t which) const {
  if (k >= config_.layers() || (reverse && !config_.bidirectional) || which >= config_.states())
    throw UsageError("the tape has no states {} of layer {}{}", which, k, reverse ? " in reverse" : "");
  const Layer& from = layer(k, reverse);
  const std::size_t units = from.shape.units, steps = rows_.steps() + 1;
  std::vector<T> result(rows_.batch() * steps * units);
  const auto put = [&](std::size_t b, std::size_t t, std::size_t row) {
    std::copy_n(from.states[which].data() + row * from.stride, units,
                result.data() + (rows_.order(b) * steps + t) * units);
  };
  for (std::size_t b = 0; b < rows_.batch(); ++b) put(b, 0, b);
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const std::size_t moment = reverse ? rows_.reversed(r) : r;
    put(rows_.sequence(r), rows_.step(moment) + 1, rows_.batch() + r);
  }
  return result;
}

template <class T>
std::vector<T> Tape<T>::preactivations(std::size_t k, bool reverse) const {
  if (k >= config_.layers() || (reverse && !config_.bidirectional))
    throw UsageError("the tape has no layer {}{}", k, reverse ? " in reverse" : "");
  const Layer& from = layer(k, reverse);
  if (!from.view.preactivations)
    throw UsageError("the tape holds no pre-activations; run forward with keep_preactivations");
  const Slots& slots = config_.cell.slots();
  const std::size_t lanes = config_.cell.kernels<T>().lanes, units = from.shape.units;
  const std::size_t row_size = round_up(units, lanes) * slots.slots, width = slots.slots * units;
  // Slot -> block: a gate's own place for the slot that takes the input; what is left follows.
  std::vector<std::size_t> block(slots.slots);
  std::size_t next = slots.gates;
  for (std::size_t s = 0; s < slots.slots; ++s) block[s] = slots.input.contains(s) ? slots.gate[s] : next++;
  std::vector<T> result(rows_.batch() * rows_.steps() * width);
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const T* const row = from.view.preactivations + r * row_size;
    T* const out = result.data() + rows_.index()[reverse ? rows_.reversed(r) : r] * width;
    for (std::size_t s = 0; s < slots.slots; ++s)
      for (std::size_t u = 0; u < units; ++u)
        out[block[s] * units + u] = row[(u / lanes * slots.slots + s) * lanes + u % lanes];
  }
  return result;
}

template <class T>
State<T> Tape<T>::final_state() const {
  State<T> result;
  final_state(result);
  return result;
}

template <class T>
void Tape<T>::final_state(State<T>& result) const {
  for (std::size_t s = 0; s < config_.states(); ++s) {
    auto& blocks = s == 0 ? result.h : result.c;
    blocks.resize(layers_.size());
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      const Layer& from = layers_[k];
      blocks[k].resize(rows_.batch() * from.shape.units);
      for (std::size_t b = 0; b < rows_.batch(); ++b)
        std::copy_n(from.states[s].data() + (rows_.batch() + rows_.last(b)) * from.stride, from.shape.units,
                    blocks[k].data() + rows_.order(b) * from.shape.units);
    }
  }
}

template class Tape<float>;
template class Tape<double>;
template class Tape<std::complex<double>>;

}  // namespace retrograde
