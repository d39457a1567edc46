#include "retrograde/sequence/rows.h"

#include <algorithm>
#include <numeric>

#include "retrograde/base/error.h"

namespace retrograde {

void Rows::assign(std::size_t batch, std::size_t steps, std::span<const std::size_t> lengths) {
  if (batch == 0 || steps == 0)
    throw UsageError("the batch has {} sequences of {} steps; both must be 1 or more", batch, steps);
  if (!lengths.empty() && lengths.size() != batch)
    throw UsageError("there are {} lengths for a batch of {} sequences", lengths.size(), batch);
  for (std::size_t b = 0; b < lengths.size(); ++b)
    if (lengths[b] < 1 || lengths[b] > steps)
      throw UsageError("lengths[{}] is {}; it must be in 1 .. {} (the steps given)", b, lengths[b], steps);

  steps_ = steps;
  order_.resize(batch);
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  if (!lengths.empty())
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      return lengths[a] != lengths[b] ? lengths[a] > lengths[b] : a < b;
    });
  lengths_.assign(batch, steps);
  for (std::size_t b = 0; b < lengths.size(); ++b) lengths_[b] = lengths[order_[b]];

  offset_.assign(1, 0);
  for (std::size_t t = 0, count = batch; t < lengths_.front(); ++t) {
    while (lengths_[count - 1] <= t) --count;
    offset_.push_back(offset_.back() + count);
  }
  for (auto* column : {&sequence_, &step_, &previous_, &reversed_, &index_}) column->resize(offset_.back());
  for (std::size_t t = 0; t + 1 < offset_.size(); ++t)
    for (std::size_t b = 0, r = offset_[t]; r < offset_[t + 1]; ++b, ++r) {
      sequence_[r] = b;
      step_[r] = t;
      previous_[r] = t == 0 ? b : batch + offset_[t - 1] + b;
      reversed_[r] = offset_[lengths_[b] - 1 - t] + b;
      index_[r] = order_[b] * steps + t;
    }
}

}  // namespace retrograde
