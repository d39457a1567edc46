// Sequences with their targets, whatever they came from. A piece of any of them can be read at any time; what
// is larger than memory stays on disk (Forecast over a Table).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "retrograde/base/random.h"
#include "retrograde/data/batch.h"

namespace retrograde {

// Where the steps of a piece go: the places of one row of a batch, filled with zeros before.
struct StepPlaces {
  std::span<double> x;              // [steps, I], or
  std::span<std::int32_t> tokens;   // [steps]
  std::span<double> values;         // [steps, O], [O] at the last step, or
  std::span<std::int32_t> classes;  // [steps], [1]
  std::span<double> weights;        // [steps], [1]
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual const Layout& layout() const = 0;
  virtual std::size_t sequences() const = 0;
  virtual std::size_t length(std::size_t sequence) const = 0;  // at least 1
  // Steps first .. first+count-1 of a sequence. Safe from several threads.
  virtual void read(std::size_t sequence, std::size_t first, std::size_t count, StepPlaces into) const = 0;

  // How many steps at a sequence's start only warm the state up: their targets have weight 0.
  virtual std::size_t lead(std::size_t) const { return 0; }

  std::size_t steps() const;  // of all sequences
  std::size_t leads() const;
};

// A sequence in memory: of x and tokens one, of values and classes one, as in StepPlaces.
struct Sequence {
  std::vector<double> x{};
  std::vector<std::int32_t> tokens{};
  std::vector<double> values{};
  std::vector<std::int32_t> classes{};
  std::vector<double> weights{};  // of the targets; empty: 1
};

class Sequences : public Dataset {
 public:
  explicit Sequences(const Layout& layout) : layout_(layout) {}
  // UsageError if its sizes do not agree with the layout and with each other, or it has no steps.
  void add(Sequence sequence);

  const Layout& layout() const override { return layout_; }
  std::size_t sequences() const override { return sequences_.size(); }
  std::size_t length(std::size_t sequence) const override { return lengths_.at(sequence); }
  void read(std::size_t sequence, std::size_t first, std::size_t count, StepPlaces into) const override;

 private:
  Layout layout_;
  std::vector<Sequence> sequences_;
  std::vector<std::size_t> lengths_;
};

// A part of a sequence.
struct Part {
  std::size_t sequence = 0, first = 0, count = 0;
  std::size_t lead = 0;
};

// Parts of another dataset, each a sequence of its own.
class Parts : public Dataset {
 public:
  // UsageError if a part is empty or not inside its sequence, or cuts one that has a single target.
  Parts(std::shared_ptr<const Dataset> whole, std::vector<Part> parts);

  const Layout& layout() const override { return whole_->layout(); }
  std::size_t sequences() const override { return parts_.size(); }
  std::size_t length(std::size_t sequence) const override { return parts_.at(sequence).count; }
  std::size_t lead(std::size_t sequence) const override { return parts_.at(sequence).lead; }
  void read(std::size_t sequence, std::size_t first, std::size_t count, StepPlaces into) const override;

 private:
  std::shared_ptr<const Dataset> whole_;
  std::vector<Part> parts_;
};

struct Split {
  std::shared_ptr<const Dataset> train, valid;
};

// How many of a sequence's steps split_tail keeps for validation; 0 where either part would be empty.
std::size_t tail_of(std::size_t steps, double fraction);

// The last `fraction` of every sequence's steps is for validation, after up to `lead` steps that warm the
// state up. A sequence of which either part would be empty is for training alone. DataError when nothing is
// left for either.
Split split_tail(std::shared_ptr<const Dataset> whole, double fraction, std::size_t lead);

// Whole sequences, `fraction` of them drawn for validation.
Split split_sequences(std::shared_ptr<const Dataset> whole, double fraction, Random& random);

// Every sequence cut into pieces of `steps`; the last piece of each may be shorter.
std::shared_ptr<const Dataset> cut(std::shared_ptr<const Dataset> whole, std::size_t steps);

}  // namespace retrograde
