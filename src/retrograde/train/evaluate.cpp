#include "retrograde/train/evaluate.h"

#include <algorithm>
#include <cmath>

#include "retrograde/base/random.h"
#include "retrograde/sequence/backward.h"
#include "retrograde/train/carried.h"

namespace retrograde {
namespace {

// Calls f(weight, first value of its row in y and z, first target value, its class) for every target that
// counts.
template <class F>
void each_target(const Batch<double>& batch, F f) {
  const std::size_t width = batch.layout.outputs;
  for (std::size_t r = 0; r < batch.weights.size(); ++r) {
    if (!(batch.weights[r] > 0)) continue;
    f(batch.weights[r], r * width, batch.values.empty() ? nullptr : batch.values.data() + r * width,
      batch.classes.empty() ? 0 : batch.classes[r]);
  }
}

class Regression : public Metrics {
 public:
  explicit Regression(std::vector<double> scale) : scale_(std::move(scale)) {}

  void add(const Batch<double>& batch, std::span<const double> y, std::span<const double>) override {
    const std::size_t width = batch.layout.outputs;
    mean_.resize(width);
    spread_.resize(width);
    each_target(batch, [&](double weight, std::size_t at, const double* target, std::int32_t) {
      weight_ += weight;
      for (std::size_t o = 0; o < width; ++o) {
        const double scale = scale_.empty() ? 1 : scale_[o], t = target[o] * scale;
        const double error = y[at + o] * scale - t, before = t - mean_[o];
        squared_ += weight * error * error;
        absolute_ += weight * std::abs(error);
        mean_[o] += weight / weight_ * before;
        spread_[o] += weight * before * (t - mean_[o]);
      }
    });
  }

  Values values() const override {
    const double count = weight_ * static_cast<double>(mean_.size());
    double spread = 0;
    for (const double s : spread_) spread += s;
    return {{"rmse", std::sqrt(squared_ / count)}, {"mae", absolute_ / count}, {"r2", 1 - squared_ / spread}};
  }

 private:
  std::vector<double> scale_, mean_, spread_;
  double weight_ = 0, squared_ = 0, absolute_ = 0;
};

class Classes : public Metrics {
 public:
  void add(const Batch<double>& batch, std::span<const double>, std::span<const double> z) override {
    const std::size_t width = batch.layout.outputs;
    each_target(batch, [&](double weight, std::size_t at, const double*, std::int32_t wanted) {
      const std::span<const double> row = z.subspan(at, width);
      const auto largest = std::ranges::max_element(row);
      double sum = 0;
      for (const double v : row) sum += std::exp(v - *largest);
      weight_ += weight;
      nll_ += weight * (std::log(sum) + *largest - row[static_cast<std::size_t>(wanted)]);
      right_ += largest - row.begin() == wanted ? weight : 0;
    });
  }

  Values values() const override { return {{"accuracy", right_ / weight_}, {"nll", nll_ / weight_}}; }

 private:
  double weight_ = 0, nll_ = 0, right_ = 0;
};

class Binary : public Metrics {
 public:
  void add(const Batch<double>& batch, std::span<const double>, std::span<const double> z) override {
    const std::size_t width = batch.layout.outputs;
    each_target(batch, [&](double weight, std::size_t at, const double* target, std::int32_t) {
      weight_ += weight;
      for (std::size_t o = 0; o < width; ++o) {
        const double v = z[at + o], t = target[o];
        // −t log σ(z) − (1 − t) log(1 − σ(z)), exact for large |z|
        nll_ += weight * (std::max(v, 0.0) - v * t + std::log1p(std::exp(-std::abs(v))));
        const bool said = v > 0, is = t > 0.5;
        hits_ += said && is ? weight : 0;
        either_ += said || is ? weight : 0;
      }
    });
  }

  Values values() const override {
    return {{"nll", nll_ / weight_}, {"accuracy", either_ > 0 ? hits_ / either_ : 1}};
  }

 private:
  double weight_ = 0, nll_ = 0, hits_ = 0, either_ = 0;
};

template <class T>
std::vector<double> as_double(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

}  // namespace

std::unique_ptr<Metrics> regression_metrics(std::vector<double> scale) {
  return std::make_unique<Regression>(std::move(scale));
}
std::unique_ptr<Metrics> class_metrics() { return std::make_unique<Classes>(); }
std::unique_ptr<Metrics> binary_metrics() { return std::make_unique<Binary>(); }

template <class T>
void for_each_output(const Network<T>& network, Batches& batches,
                     const std::function<void(const Batch<double>&, const Tape<T>&)>& visit) {
  Random order(0);  // nothing is drawn where the order matters
  Carried<T> carried;
  Tape<T> tape;
  Batch<double> batch;
  batches.start(order);
  while (batches.next(batch)) {
    const Batch<T> cast = batch.template cast<T>();
    ForwardOptions<T> options = carried.beginning(network.config(), batch.batch, batch.starts);
    options.keep_tape = false;
    forward(network, cast.input(), tape, options);
    if (batches.carries()) carried.take(tape.final_state());
    visit(batch, tape);
  }
}

template <class T>
Evaluation evaluate(const Network<T>& network, Batches& batches, const Loss& loss, Metrics& metrics) {
  double sum = 0, weight = 0;
  for_each_output<T>(network, batches, [&](const Batch<double>& batch, const Tape<T>& tape) {
    const double counted = batch.counted();
    if (!(counted > 0)) return;
    const Batch<T> cast = batch.template cast<T>();
    sum += counted * loss_of(tape, loss, cast.target());
    weight += counted;
    metrics.add(batch, as_double(tape.outputs()), as_double(tape.head_preactivations()));
  });
  if (!(weight > 0)) throw DataError("there is no target to evaluate on");
  return {sum / weight, metrics.values()};
}

template void for_each_output(const Network<float>&, Batches&,
                              const std::function<void(const Batch<double>&, const Tape<float>&)>&);
template void for_each_output(const Network<double>&, Batches&,
                              const std::function<void(const Batch<double>&, const Tape<double>&)>&);
template Evaluation evaluate(const Network<float>&, Batches&, const Loss&, Metrics&);
template Evaluation evaluate(const Network<double>&, Batches&, const Loss&, Metrics&);

}  // namespace retrograde
