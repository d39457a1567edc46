#include "retrograde/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

// Rows first .. first+count-1 of `from`, each of `width` places.
template <class T>
void copy_rows(const std::vector<T>& from, std::size_t first, std::size_t count, std::size_t width,
               std::span<T> to) {
  if (!from.empty()) std::ranges::copy(std::span(from).subspan(first * width, count * width), to.begin());
}

void check_fraction(double fraction) {
  if (!(fraction > 0 && fraction < 1)) {
    throw UsageError("the validation part is {}; it must lie between 0 and 1", fraction);
  }
}

void check_split(const std::vector<Part>& train, const std::vector<Part>& valid, double fraction) {
  if (train.empty() || valid.empty()) {
    throw DataError("there is too little data: a validation part of {} leaves nothing for {}", fraction,
                    train.empty() ? "training" : "validation");
  }
}

}  // namespace

std::size_t Dataset::steps() const {
  std::size_t sum = 0;
  for (std::size_t s = 0; s < sequences(); ++s) sum += length(s);
  return sum;
}

std::size_t Dataset::leads() const {
  std::size_t sum = 0;
  for (std::size_t s = 0; s < sequences(); ++s) sum += lead(s);
  return sum;
}

void Sequences::add(Sequence sequence) {
  const std::size_t steps =
      layout_.tokens || layout_.inputs == 0 ? sequence.tokens.size() : sequence.x.size() / layout_.inputs;
  const std::size_t targets = layout_.at == At::every ? steps : 1;
  const bool agrees = sequence.x.size() == (layout_.tokens ? 0 : steps * layout_.inputs) &&
                      sequence.tokens.size() == (layout_.tokens ? steps : 0) &&
                      sequence.values.size() == (layout_.classes ? 0 : targets * layout_.outputs) &&
                      sequence.classes.size() == (layout_.classes ? targets : 0) &&
                      (sequence.weights.empty() || sequence.weights.size() == targets);
  if (steps == 0 || !agrees) {
    throw UsageError(
        "sequence {} has {} numbers and {} tokens in, {} numbers and {} classes as targets; {} steps of {} "
        "want {} targets",
        sequences_.size(), sequence.x.size(), sequence.tokens.size(), sequence.values.size(),
        sequence.classes.size(), steps, layout_.tokens ? 1 : layout_.inputs, targets);
  }
  lengths_.push_back(steps);
  sequences_.push_back(std::move(sequence));
}

void Sequences::read(std::size_t sequence, std::size_t first, std::size_t count, StepPlaces into) const {
  const Sequence& s = sequences_.at(sequence);
  const std::size_t first_target = layout_.at == At::every ? first : 0,
                    targets = layout_.at == At::every ? count : 1;
  copy_rows(s.x, first, count, layout_.inputs, into.x);
  copy_rows(s.tokens, first, count, 1, into.tokens);
  copy_rows(s.values, first_target, targets, layout_.outputs, into.values);
  copy_rows(s.classes, first_target, targets, 1, into.classes);
  std::ranges::fill(into.weights, 1.0);
  copy_rows(s.weights, first_target, targets, 1, into.weights);
}

Parts::Parts(std::shared_ptr<const Dataset> whole, std::vector<Part> parts)
    : whole_(std::move(whole)), parts_(std::move(parts)) {
  for (const Part& part : parts_) {
    const std::size_t length = whole_->length(part.sequence);
    const bool inside =
        part.count > 0 && part.lead < part.count && part.first < length && part.count <= length - part.first;
    if (!inside || (layout().at == At::last && part.count != length)) {
      throw UsageError("steps {} to {} are no part of a sequence of {}{}", part.first,
                       part.first + part.count, length,
                       inside ? " with one target, which cannot be cut" : "");
    }
  }
}

void Parts::read(std::size_t sequence, std::size_t first, std::size_t count, StepPlaces into) const {
  const Part& part = parts_.at(sequence);
  whole_->read(part.sequence, part.first + first, count, into);
  if (first < part.lead) std::ranges::fill(into.weights.first(std::min(count, part.lead - first)), 0.0);
}

std::size_t tail_of(std::size_t steps, double fraction) {
  const auto tail = static_cast<std::size_t>(std::lround(fraction * static_cast<double>(steps)));
  return tail >= steps ? 0 : tail;
}

Split split_tail(std::shared_ptr<const Dataset> whole, double fraction, std::size_t lead) {
  check_fraction(fraction);
  std::vector<Part> train, valid;
  for (std::size_t s = 0; s < whole->sequences(); ++s) {
    const std::size_t length = whole->length(s);
    const std::size_t tail = tail_of(length, fraction), start = length - tail;
    train.push_back({s, 0, start, 0});
    if (tail == 0) continue;
    const std::size_t warm = std::min(lead, start);
    valid.push_back({s, start - warm, tail + warm, warm});
  }
  check_split(train, valid, fraction);
  return {std::make_shared<Parts>(whole, std::move(train)), std::make_shared<Parts>(whole, std::move(valid))};
}

Split split_sequences(std::shared_ptr<const Dataset> whole, double fraction, Random& random) {
  check_fraction(fraction);
  std::vector<std::size_t> order(whole->sequences());
  std::iota(order.begin(), order.end(), std::size_t{0});
  random.shuffle(std::span(order));
  const auto count = static_cast<std::size_t>(std::lround(fraction * static_cast<double>(order.size())));
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count));
  std::sort(order.begin() + static_cast<std::ptrdiff_t>(count), order.end());
  std::vector<Part> train, valid;
  for (std::size_t i = 0; i < order.size(); ++i) {
    (i < count ? valid : train).push_back({order[i], 0, whole->length(order[i]), 0});
  }
  check_split(train, valid, fraction);
  return {std::make_shared<Parts>(whole, std::move(train)), std::make_shared<Parts>(whole, std::move(valid))};
}

std::shared_ptr<const Dataset> cut(std::shared_ptr<const Dataset> whole, std::size_t steps) {
  if (steps == 0) throw UsageError("a piece must have at least one step");
  std::vector<Part> parts;
  for (std::size_t s = 0; s < whole->sequences(); ++s) {
    const std::size_t length = whole->length(s);
    for (std::size_t first = 0; first < length; first += steps) {
      parts.push_back({s, first, std::min(steps, length - first), 0});
    }
  }
  return std::make_shared<Parts>(std::move(whole), std::move(parts));
}

}  // namespace retrograde
