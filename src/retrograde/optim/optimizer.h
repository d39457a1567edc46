// Optimisers on one flat vector of parameters. Formulas, defaults and the order of operations are those of
// torch.optim (2.x); g is the gradient after clipping, t counts updates from 1, and every product is
// elementwise.
//
//   Sgd      g += decay θ;  m ← momentum m + (1 − dampening) g  (m ← g at t = 1);  θ −= rate m
//            Nesterov: θ −= rate (g + momentum m).            Polyak 1964; Sutskever et al. 2013
//   RmsProp  v ← alpha v + (1 − alpha) g²;  m ← momentum m + g / (√(v − a²) + eps);  θ −= rate m
//            a, the mean of g, only if centered.              Tieleman & Hinton 2012; Graves 2013
//   Adam     m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²
//            θ −= rate / (1 − β₁ᵗ) · m / (√(v / (1 − β₂ᵗ)) + eps)          Kingma & Ba 2015, arXiv:1412.6980
//   AdamW    θ ← (1 − rate decay) θ, then Adam without decay             Loshchilov & Hutter 2019,
//   arXiv:1711.05101
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace retrograde {

struct Sgd {
  double rate = 1e-2;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;
};

struct RmsProp {
  double rate = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double momentum = 0;
  bool centered = false;
  double weight_decay = 0;
};

struct Adam {
  double rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
};

struct AdamW {
  double rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;
};

using Method = std::variant<Sgd, RmsProp, Adam, AdamW>;

// "sgd", "rmsprop", "adam", "adamw".
std::string_view name(const Method& method);
// The method of that name with its defaults; UsageError lists the names if there is none.
Method method_named(std::string_view name);
double rate(const Method& method);
void set_rate(Method& method, double rate);
void set_weight_decay(Method& method, double weight_decay);

// Everything an optimiser remembers between updates: saved and restored, it goes on as if never stopped.
template <class T>
struct OptimizerState {
  struct Moment {
    std::string name;  // "momentum", "square", "mean"
    std::vector<T> values;
  };
  std::uint64_t updates = 0;
  std::vector<Moment> moments;
};

template <class T>
class Optimizer {
 public:
  // For `size` parameters. UsageError if an option is out of its range.
  Optimizer(const Method& method, std::size_t size);

  // One update of `parameters` by `gradients` (both of the size given at construction), at the method's rate
  // times `factor`, which a schedule provides.
  void step(std::span<T> parameters, std::span<const T> gradients, double factor = 1);

  const Method& method() const { return method_; }
  const OptimizerState<T>& state() const { return state_; }
  // UsageError if the moments' names or sizes are not this method's.
  void restore(OptimizerState<T> state);

 private:
  std::span<T> moment(std::size_t index) { return state_.moments[index].values; }
  void update(const Sgd& sgd, std::span<T> parameters, std::span<const T> gradients, double factor);
  void update(const RmsProp& rms, std::span<T> parameters, std::span<const T> gradients, double factor);
  void update(const Adam& adam, std::span<T> parameters, std::span<const T> gradients, double factor);
  void update(const AdamW& adamw, std::span<T> parameters, std::span<const T> gradients, double factor);
  void adam_update(const Adam& adam, T shrink, std::span<T> parameters, std::span<const T> gradients,
                   double factor);

  Method method_;
  std::size_t size_;
  OptimizerState<T> state_;
};

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace retrograde
