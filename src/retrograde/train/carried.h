// The states that go from a batch to the next where sequences are longer than one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "retrograde/base/error.h"
#include "retrograde/sequence/forward.h"

namespace retrograde {

template <class T>
class Carried {
 public:
  // How a batch of `batch` sequences begins of which starts[b] = 1 marks those that begin here, and 0 those
  // that go on (empty: all begin). The options are valid until the next call. UsageError if it continues
  // another number of sequences than there were, or a bidirectional network's.
  ForwardOptions<T> beginning(const Config& config, std::size_t batch, std::span<const std::uint8_t> starts) {
    if (!starts.empty() && starts.size() != batch)
      throw UsageError("`starts` speaks of {} sequences; the batch has {}", starts.size(), batch);
    const bool all_begin = std::ranges::all_of(starts, [](std::uint8_t start) { return start != 0; });
    if (all_begin || states_.h.empty()) return {};
    if (config.bidirectional)
      throw UsageError("a bidirectional network reads a sequence from its end, so it cannot continue one");
    if (states_.h[0].size() != batch * config.hidden[0])
      throw UsageError("the batch continues {} sequences; the batch before it had {}", batch,
                       states_.h[0].size() / config.hidden[0]);
    given_.resize(starts.size());
    std::ranges::transform(starts, given_.begin(),
                           [](std::uint8_t start) { return std::uint8_t{start == 0}; });
    return {.start = &states_, .given = given_};
  }

  // The states after a batch; none: the next one begins anew.
  void take(const State<T>& states) { states_ = states; }
  const State<T>& states() const { return states_; }

 private:
  State<T> states_;
  std::vector<std::uint8_t> given_;
};

}  // namespace retrograde
