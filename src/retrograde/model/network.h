// A network: a configuration and its parameters. It knows nothing of time (sequence/) nor of training
// (train/).
#pragma once

#include <cstddef>

#include "retrograde/model/config.h"
#include "retrograde/model/initialise.h"
#include "retrograde/tensor/params.h"

namespace retrograde {

template <class T>
class Network {
 public:
  using Scalar = T;

  // Throws UsageError if the configuration cannot be.
  explicit Network(Config config) : Network(config, initialise(config).template cast<T>()) {}
  Network(Config config, Params<T> parameters)
      : config_(std::move(config)), parameters_(std::move(parameters)) {}

  const Config& config() const { return config_; }
  Params<T>& parameters() { return parameters_; }
  const Params<T>& parameters() const { return parameters_; }
  std::size_t size() const { return parameters_.flat().size(); }

  // The same network over another scalar.
  template <class U>
  Network<U> cast() const {
    return Network<U>(config_, parameters_.template cast<U>());
  }

 private:
  Config config_;
  Params<T> parameters_;
};

}  // namespace retrograde
