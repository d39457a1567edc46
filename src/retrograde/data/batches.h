// The batches of a dataset, pass by pass. Where a pass stands can be kept and taken up again: the batches
// that follow are the same to the bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "retrograde/base/random.h"
#include "retrograde/data/dataset.h"

namespace retrograde {

class Batches {
 public:
  // A place in a pass: the batches that were given out, and the random source with which the pass began.
  struct Position {
    std::uint64_t next = 0;
    Random::State order{};
  };

  virtual ~Batches() = default;
  virtual const Dataset& dataset() const = 0;
  // Of a pass.
  virtual std::size_t count() const = 0;
  // Whether rows go on where those of the batch before ended (Batch::starts).
  virtual bool carries() const = 0;

  // Begins a pass; whatever is random in its order is drawn from `random`.
  void start(Random& random);
  // The next batch; false at the end of the pass.
  bool next(Batch<double>& batch);

  Position position() const { return position_; }
  // Goes on with a pass that was left there.
  void resume(const Position& position);

 protected:
  virtual void draw_order(Random& random) = 0;
  virtual void fill(std::uint64_t index, Batch<double>& batch) = 0;

 private:
  Position position_;
};

struct WholeOptions {
  std::size_t batch = 32;
  bool shuffled = true;  // else in the dataset's order, for validation
  // Sequences of like length are put together, so that less is padded: each run of 32 batches' worth, after
  // it was drawn, is sorted by length, and the batches of a pass are shuffled.
  bool by_length = true;
};

// Whole sequences, each with its start state.
std::unique_ptr<Batches> whole_batches(std::shared_ptr<const Dataset> dataset, const WholeOptions& options);

// Long sequences read side by side, `steps` at a time, states carried on: the batches of training with
// `chunk`. The `batch` rows are as equally long as can be: a sequence longer than its share is cut into equal
// parts, and a row that has come to the end of one begins the next. Nothing is left out, nothing is random. A
// batch has fewer rows when there are fewer steps than rows. UsageError for a dataset with one target a
// sequence.
std::unique_ptr<Batches> stream_batches(std::shared_ptr<const Dataset> dataset, std::size_t batch,
                                        std::size_t steps);

}  // namespace retrograde
