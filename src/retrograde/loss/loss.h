// Losses of one row of outputs against its target, and how rows are summed up.
//
//   squared_error           Σ_o (y_o − t_o)²
//   absolute_error          Σ_o |y_o − t_o|
//   huber                   Σ_o ½ d² where |d| <= δ, else δ (|d| − ½ δ);  d = y_o − t_o  (Huber 1964)
//   softmax_cross_entropy   −Σ_o w_o t_o log softmax(z)_o, or −w_c log softmax(z)_c for a class c
//   binary_cross_entropy    −Σ_o w_o [t_o log σ(z_o) + (1 − t_o) log(1 − σ(z_o))]
//
// The two entropies are taken from the head's pre-activations z, where they are exact for every z; the first
// three, and the user's own, from the outputs y. w are the class weights, 1 if none are given.
//
// Reduction, stated here and nowhere else. v_r is the weight of row r (a valid step of a sequence), 1 if none
// is given:
//   sum         Σ_r v_r loss_r
//   mean        the sum over Σ_r v_r (w_c of row r's class) for classes, over Σ_r v_r · outputs otherwise
//   mean_batch  the sum over the number of sequences
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "retrograde/kernels/calls.h"

namespace retrograde {

enum class Reduction { mean, mean_batch, sum };
std::string_view name(Reduction reduction);
Reduction reduction(std::string_view name);  // throws UsageError

// The real type that goes with T: itself, or double for complex<double>.
template <class T>
struct RealOf {
  using type = T;
};
template <>
struct RealOf<std::complex<double>> {
  using type = double;
};

// What outputs are compared with. Of `values` and `classes` exactly one is given.
template <class T>
struct Target {
  std::span<const T> values = {};              // [B, T, O], or [B, O] for a head at the last step
  std::span<const std::int32_t> classes = {};  // [B, T] or [B]; softmax_cross_entropy only
  std::span<const T> weights = {};             // [B, T] or [B], a weight each step; empty: 1
};

// Rows of outputs (or of pre-activations for the entropies): row r belongs to entry index[r] of the target.
template <class T>
struct LossRows {
  std::size_t rows = 0, outputs = 0, stride = 0, batch = 0;
  const T* values = nullptr;           // [rows][stride]
  std::span<const std::size_t> index;  // [rows]
  Softmax<T> softmax = nullptr;
};

class Loss {
 public:
  enum class Kind {
    squared_error,
    absolute_error,
    huber,
    softmax_cross_entropy,
    binary_cross_entropy,
    custom
  };
  // value(y, target) of one row, and d value / d y into the third argument.
  using Value = std::function<double(std::span<const double>, std::span<const double>)>;
  using Gradient = std::function<void(std::span<const double>, std::span<const double>, std::span<double>)>;

  Loss(Kind kind = Kind::squared_error, Reduction how = Reduction::mean) : kind_(kind), reduction_(how) {}
  // By name; throws UsageError with the list of names.
  explicit Loss(std::string_view name, Reduction how = Reduction::mean);
  // The user's own.
  Loss(std::string name, Value value, Gradient gradient, Reduction how = Reduction::mean);

  Loss& with_class_weights(std::vector<double> weights);  // one an output
  Loss& with_delta(double delta);                         // huber's δ > 0; 1 by default

  std::string_view name() const;
  Kind kind() const { return kind_; }
  Reduction how() const { return reduction_; }
  std::span<const double> class_weights() const { return class_weights_; }
  double delta() const { return delta_; }
  // Whether it is taken from the head's pre-activations.
  bool on_preactivations() const {
    return kind_ == Kind::softmax_cross_entropy || kind_ == Kind::binary_cross_entropy;
  }

  // The loss; its gradient by rows.values into d [rows][stride] (padding zero) if d is not null. Complex:
  // value only. The sum is taken in double, from the last row to the first.
  template <class T>
  SumOf<T> evaluate(const LossRows<T>& rows, const Target<typename RealOf<T>::type>& target, T* d) const;

  // The same in pieces: what all rows weigh, added up from the first to the last; what the sum is divided by;
  // and then the loss of some rows, added to `sum`. `batch` is the number of sequences.
  template <class T>
  void add_weight(const LossRows<T>& rows, const Target<typename RealOf<T>::type>& target,
                  double& weight) const;
  double denominator(double weight, std::size_t batch) const;
  template <class T, class S>
  void add(const LossRows<T>& rows, const Target<typename RealOf<T>::type>& target, double denominator,
           S& sum, T* d) const;

 private:
  // Of one row, not yet weighted; the gradient into d if it is not null.
  template <class T>
  SumOf<T> of_row(const LossRows<T>& rows, std::size_t r, const Target<typename RealOf<T>::type>& target,
                  T* d) const;
  template <class T>
  SumOf<T> custom(std::size_t width, const T* y, const typename RealOf<T>::type* t, T* d) const;

  struct Custom {
    std::string name;
    Value value;
    Gradient gradient;
  };
  Kind kind_;
  Reduction reduction_;
  double delta_ = 1;
  std::vector<double> class_weights_;
  std::shared_ptr<const Custom> custom_;
};

}  // namespace retrograde
