#include "retrograde/data/batches.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

constexpr std::size_t kRun = 32;  // batches' worth of sequences that are sorted by length together

// Empty places for some rows.
void reset(Batch<double>& batch, const Layout& layout, std::size_t rows, std::size_t steps) {
  const std::size_t places = rows * steps, targets = layout.at == At::every ? places : rows;
  batch.layout = layout;
  batch.batch = rows;
  batch.steps = steps;
  batch.lengths.assign(rows, 1);
  batch.x.assign(layout.tokens ? 0 : places * layout.inputs, 0);
  batch.tokens.assign(layout.tokens ? places : 0, 0);
  batch.values.assign(layout.classes ? 0 : targets * layout.outputs, 0);
  batch.classes.assign(layout.classes ? targets : 0, 0);
  batch.weights.assign(targets, 0);
  batch.starts.assign(rows, 1);
}

// Steps first .. first+count-1 of a sequence into row b.
void read_row(const Dataset& dataset, std::size_t sequence, std::size_t first, std::size_t count,
              std::size_t b, Batch<double>& batch) {
  const Layout& layout = batch.layout;
  const std::size_t before = b * batch.steps;
  const std::size_t target = layout.at == At::every ? before : b,
                    targets = layout.at == At::every ? count : 1;
  const auto piece = [](auto& all, std::size_t at, std::size_t n) {
    return all.empty() ? std::span(all) : std::span(all).subspan(at, n);
  };
  batch.lengths[b] = count;
  dataset.read(
      sequence, first, count,
      {piece(batch.x, before * layout.inputs, count * layout.inputs), piece(batch.tokens, before, count),
       piece(batch.values, target * layout.outputs, targets * layout.outputs),
       piece(batch.classes, target, targets), piece(batch.weights, target, targets)});
}

class WholeBatches : public Batches {
 public:
  WholeBatches(std::shared_ptr<const Dataset> dataset, const WholeOptions& options)
      : dataset_(std::move(dataset)), options_(options), sequences_(dataset_->sequences()), order_(count()) {
    std::iota(sequences_.begin(), sequences_.end(), std::size_t{0});
    std::iota(order_.begin(), order_.end(), std::size_t{0});
  }

  const Dataset& dataset() const override { return *dataset_; }
  bool carries() const override { return false; }
  std::size_t count() const override { return (dataset_->sequences() + options_.batch - 1) / options_.batch; }

 private:
  void draw_order(Random& random) override {
    if (!options_.shuffled) return;
    std::iota(sequences_.begin(), sequences_.end(), std::size_t{0});
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    random.shuffle(std::span(sequences_));
    if (!options_.by_length) return;
    for (std::size_t i = 0; i < sequences_.size(); i += kRun * options_.batch) {
      const auto run =
          std::span(sequences_).subspan(i, std::min(kRun * options_.batch, sequences_.size() - i));
      std::ranges::stable_sort(run, {}, [this](std::size_t s) { return dataset_->length(s); });
    }
    random.shuffle(std::span(order_));
  }

  void fill(std::uint64_t index, Batch<double>& batch) override {
    const std::size_t first = order_[static_cast<std::size_t>(index)] * options_.batch;
    const auto rows =
        std::span(sequences_).subspan(first, std::min(options_.batch, sequences_.size() - first));
    std::size_t steps = 0;
    for (const auto s : rows) steps = std::max(steps, dataset_->length(s));
    reset(batch, dataset_->layout(), rows.size(), steps);
    for (std::size_t b = 0; b < rows.size(); ++b)
      read_row(*dataset_, rows[b], 0, dataset_->length(rows[b]), b, batch);
  }

  std::shared_ptr<const Dataset> dataset_;
  WholeOptions options_;
  std::vector<std::size_t> sequences_;  // in the order in which they are taken
  std::vector<std::size_t> order_;      // of batches of them
};

// Which steps of which sequence each row reads, batch by batch.
class Schedule {
 public:
  Schedule(const Dataset& dataset, std::size_t rows, std::size_t steps) : steps_(steps) {
    const std::size_t all = dataset.steps();
    rows = std::min(rows, all);
    const std::size_t share = (all + rows - 1) / rows;
    for (std::size_t s = 0; s < dataset.sequences(); ++s) {
      const std::size_t length = dataset.length(s), pieces = (length + share - 1) / share;
      for (std::size_t i = 0; i < pieces; ++i) {
        const std::size_t first = length / pieces * i + std::min(i, length % pieces);
        pieces_.push_back({s, first, length / pieces + (i < length % pieces ? 1 : 0), 0});
      }
    }
    rows_.resize(std::min(rows, pieces_.size()));
    rewind();
  }

  void rewind() {
    next_piece_ = 0;
    std::ranges::fill(rows_, Row{});
  }

  // What a row reads: steps first .. first+count-1 of a piece; nothing when it has ended.
  struct Row {
    std::optional<std::size_t> piece{};
    std::size_t first = 0, count = 0;
  };

  // To the next batch; false when all rows have ended.
  bool advance() {
    bool any = false;
    for (Row& row : rows_) {
      row.first += row.count;
      if (!row.piece || row.first == pieces_[*row.piece].count) {
        row = {};
        if (next_piece_ < pieces_.size()) row.piece = next_piece_++;
      }
      row.count = row.piece ? std::min(steps_, pieces_[*row.piece].count - row.first) : 0;
      any |= row.piece.has_value();
    }
    return any;
  }

  const std::vector<Row>& rows() const { return rows_; }
  const Part& piece(std::size_t i) const { return pieces_[i]; }

 private:
  std::size_t steps_;
  std::vector<Part> pieces_;
  std::vector<Row> rows_;
  std::size_t next_piece_ = 0;
};

class StreamBatches : public Batches {
 public:
  StreamBatches(std::shared_ptr<const Dataset> dataset, std::size_t batch, std::size_t steps)
      : dataset_(std::move(dataset)), schedule_(*dataset_, batch, steps) {
    while (schedule_.advance()) ++count_;
    schedule_.rewind();
  }

  const Dataset& dataset() const override { return *dataset_; }
  bool carries() const override { return true; }
  std::size_t count() const override { return count_; }

 private:
  void draw_order(Random&) override {}

  void fill(std::uint64_t index, Batch<double>& batch) override {
    if (index < at_) schedule_.rewind(), at_ = 0;
    for (; at_ <= index; ++at_) schedule_.advance();
    const auto& rows = schedule_.rows();
    std::size_t steps = 1;
    for (const auto& row : rows) steps = std::max(steps, row.count);
    reset(batch, dataset_->layout(), rows.size(), steps);
    for (std::size_t b = 0; b < rows.size(); ++b) {
      if (!rows[b].piece) continue;
      const Part& piece = schedule_.piece(*rows[b].piece);
      batch.starts[b] = rows[b].first == 0;
      read_row(*dataset_, piece.sequence, piece.first + rows[b].first, rows[b].count, b, batch);
    }
  }

  std::shared_ptr<const Dataset> dataset_;
  Schedule schedule_;
  std::uint64_t at_ = 0;  // batches that the schedule has gone through
  std::size_t count_ = 0;
};

void check(const Dataset& dataset, std::size_t batch, std::size_t steps) {
  if (batch == 0 || steps == 0) throw UsageError("a batch must have at least one sequence and one step");
  if (dataset.sequences() == 0) throw UsageError("there are no sequences to make batches of");
}

}  // namespace

void Batches::start(Random& random) {
  position_ = {0, random.state()};
  draw_order(random);
}

bool Batches::next(Batch<double>& batch) {
  if (position_.next == count()) return false;
  fill(position_.next++, batch);
  return true;
}

void Batches::resume(const Position& position) {
  if (position.next > count()) {
    throw UsageError("batch {} was to be next, but a pass has {}: is this the data that the run began with?",
                     position.next, count());
  }
  Random random(position.order);
  draw_order(random);
  position_ = position;
}

std::unique_ptr<Batches> whole_batches(std::shared_ptr<const Dataset> dataset, const WholeOptions& options) {
  check(*dataset, options.batch, 1);
  return std::make_unique<WholeBatches>(std::move(dataset), options);
}

std::unique_ptr<Batches> stream_batches(std::shared_ptr<const Dataset> dataset, std::size_t batch,
                                        std::size_t steps) {
  check(*dataset, batch, steps);
  if (dataset->layout().at == At::last) {
    throw UsageError(
        "sequences with one target each cannot be trained in chunks with carried states; use whole ones");
  }
  return std::make_unique<StreamBatches>(std::move(dataset), batch, steps);
}

}  // namespace retrograde
