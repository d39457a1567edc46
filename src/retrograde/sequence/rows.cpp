#include "retrograde/sequence/rows.h"

#include <algorithm>
#include <numeric>

#include "retrograde/base/error.h"

namespace retrograde {

void Rows::assign(std::size_t batch, std::size_t steps, std::span<const std::size_t> lengths) {
  assign(batch, steps, lengths, 0,
         lengths.empty() ? steps : *std::max_element(lengths.begin(), lengths.end()));
}

void Rows::assign(std::size_t batch, std::size_t steps, std::span<const std::size_t> lengths,
                  std::size_t first, std::size_t last) {
  if (batch == 0 || steps == 0)
    throw UsageError("the batch has {} sequences of {} steps; both must be 1 or more", batch, steps);
  if (!lengths.empty() && lengths.size() != batch)
    throw UsageError("there are {} lengths for a batch of {} sequences", lengths.size(), batch);
  for (std::size_t b = 0; b < lengths.size(); ++b)
    if (lengths[b] < 1 || lengths[b] > steps)
      throw UsageError("lengths[{}] is {}; it must be in 1 .. {} (the steps given)", b, lengths[b], steps);

  steps_ = steps, entries_ = batch * steps, first_ = first;
  order_.resize(batch);
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  if (!lengths.empty())
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      return lengths[a] != lengths[b] ? lengths[a] > lengths[b] : a < b;
    });
  lengths_.assign(batch, steps);
  for (std::size_t b = 0; b < lengths.size(); ++b) lengths_[b] = lengths[order_[b]];
  const auto count_longer = [&](std::size_t t) {
    return static_cast<std::size_t>(
        std::partition_point(lengths_.begin(), lengths_.end(), [&](std::size_t n) { return n > t; }) -
        lengths_.begin());
  };
  order_.resize(count_longer(first));
  lengths_.resize(order_.size());
  going_on_ = count_longer(last);

  offset_.assign(1, 0);
  for (std::size_t t = first; t < last; ++t) offset_.push_back(offset_.back() + count_longer(t));
  for (auto* column : {&sequence_, &step_, &previous_, &reversed_, &index_}) column->resize(offset_.back());
  for (std::size_t t = first; t < last; ++t)
    for (std::size_t b = 0, r = row(0, t); r < offset_[t - first + 1]; ++b, ++r) {
      sequence_[r] = b;
      step_[r] = t;
      previous_[r] = t == first ? b : order_.size() + row(b, t - 1);
      reversed_[r] = first == 0 && lengths_[b] <= last ? row(b, lengths_[b] - 1 - t) : r;
      index_[r] = order_[b] * steps + t;
    }
}

}  // namespace retrograde
