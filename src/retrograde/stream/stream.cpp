#include "retrograde/stream/stream.h"

#include <algorithm>

#include "retrograde/base/error.h"
#include "retrograde/sequence/parts.h"

namespace retrograde {

template <class T>
Stream<T>::Stream(const Network<T>& network, std::size_t batch)
    : config_(network.config()), batch_(batch), offsets_{0, batch} {
  if (config_.bidirectional)
    throw UsageError("a bidirectional network reads sequences from their ends too; it cannot be streamed");
  if (batch == 0) throw UsageError("a stream needs a batch of at least 1; got 0");
  const CellKernels<T>& kernels = config_.cell.kernels<T>();
  std::size_t scratch = 0;
  for (std::size_t k = 0; k < config_.layers(); ++k) {
    Layer& layer = layers_.emplace_back();
    layer.shape = {config_.inputs_of(k), config_.hidden[k]};
    layer.stride = row_stride(layer.shape.units, kernels.lanes, sizeof(T));
    kernels.pack(layer.shape, detail::weights_of(network, k, 0),
                 zeros(layer.packed, kernels.packed_size(layer.shape)));
    for (std::size_t s = 0; s < config_.states(); ++s) {
      zeros(layer.states[s], 2 * batch * layer.stride);
      zeros(layer.start[s], layer.stride);
      if (config_.learned_start)
        std::ranges::copy(network.parameters()[block_name(s == 0 ? "h0" : "c0", k, false)],
                          layer.start[s].begin());
    }
    scratch = std::max(scratch, kernels.scratch_size(layer.shape, batch, batch));
  }
  zeros(scratch_, scratch);
  x_stride_ = round_up(config_.inputs_of(0), kernels.lanes);
  zeros(x_, batch * x_stride_);
  tokens_.resize(batch);
  if (config_.embedding) {
    const auto table = network.parameters()["embedding.weight"];
    embedding_.assign(table.begin(), table.end());
  }
  const std::size_t outputs = config_.output_width();
  if (config_.outputs) {
    const CellKernels<T>& head = head_kernels<T>();
    const LayerShape shape{config_.features(), outputs};
    head.pack(shape, detail::head_weights_of(network), zeros(head_, head.packed_size(shape)));
    zeros(padded_z_, batch * round_up(outputs, head.lanes));
    zeros(padded_y_, batch * round_up(outputs, head.lanes));
  }
  z_.resize(batch * outputs);
  y_.resize(batch * outputs);
  reset();
}

template <class T>
void Stream<T>::reset() {
  for (Layer& layer : layers_)
    for (std::size_t s = 0; s < config_.states(); ++s)
      for (std::size_t b = 0; b < batch_; ++b)
        std::ranges::copy(layer.start[s], layer.states[s].data() + (batch_ + b) * layer.stride);
}

template <class T>
std::span<const T> Stream<T>::step(std::span<const T> x) {
  const std::size_t width = config_.inputs;
  if (config_.tokens || x.size() != batch_ * width)
    throw UsageError("the stream wants {}; got {} values",
                     config_.tokens ? fmt::format("{} tokens", batch_)
                                    : fmt::format("[{}, {}] (batch, features)", batch_, width),
                     x.size());
  for (std::size_t b = 0; b < batch_; ++b)
    std::copy_n(x.data() + b * width, width, x_.data() + b * x_stride_);
  return run({.x = x_.data(), .stride = x_stride_});
}

template <class T>
std::span<const T> Stream<T>::step(std::span<const std::int32_t> tokens) {
  if (!config_.tokens || tokens.size() != batch_)
    throw UsageError("the stream wants {}; got {} tokens",
                     config_.tokens ? fmt::format("{} tokens", batch_)
                                    : fmt::format("[{}, {}] (batch, features)", batch_, config_.inputs),
                     tokens.size());
  for (std::size_t b = 0; b < batch_; ++b)
    if (tokens[b] < 0 || static_cast<std::size_t>(tokens[b]) >= config_.inputs)
      throw UsageError("token {} is {}; the network knows 0 .. {}", b, tokens[b], config_.inputs - 1);
  if (!config_.embedding) {
    std::ranges::copy(tokens, tokens_.begin());
    return run({.tokens = tokens_.data()});
  }
  for (std::size_t b = 0; b < batch_; ++b)
    std::copy_n(embedding_.data() + static_cast<std::size_t>(tokens[b]) * config_.embedding,
                config_.embedding, x_.data() + b * x_stride_);
  return run({.x = x_.data(), .stride = x_stride_});
}

template <class T>
std::span<const T> Stream<T>::run(LayerInput<T> input) {
  for (Layer& layer : layers_) {
    run_layer(layer, input);
    input = {.x = layer.states[0].data() + batch_ * layer.stride, .stride = layer.stride};
  }
  const std::size_t width = config_.output_width();
  const T* z = input.x;
  const T* y = input.x;
  std::size_t stride = input.stride;
  if (config_.outputs) {
    stride = padded_z_.size() / batch_;
    run_head<T>({config_.features(), width}, head_.data(), batch_, input, padded_z_.data());
    detail::activate(config_.activation, batch_, width, stride, padded_z_.data(), padded_y_.data());
    z = padded_z_.data();
    y = padded_y_.data();
  }
  for (std::size_t b = 0; b < batch_; ++b) {
    std::copy_n(z + b * stride, width, z_.data() + b * width);
    std::copy_n(y + b * stride, width, y_.data() + b * width);
  }
  return y_;
}

// The states after the last step become those before this one.
template <class T>
void Stream<T>::run_layer(Layer& layer, LayerInput<T> input) {
  LayerTape<T> tape;
  const std::size_t size = batch_ * layer.stride;
  for (std::size_t s = 0; s < config_.states(); ++s) {
    std::copy_n(layer.states[s].data() + size, size, layer.states[s].data());
    tape.states[s] = layer.states[s].data();
  }
  const StepRows rows{offsets_, 1};
  config_.cell.kernels<T>().forward(config_.cell.get(),
                                    {rows, layer.shape, layer.packed.data(), input, tape, scratch_.data()},
                                    Segment::of(rows, 0, 1));
}

template <class T>
State<T> Stream<T>::state() const {
  State<T> result;
  for (const Layer& layer : layers_)
    for (std::size_t s = 0; s < config_.states(); ++s) {
      const std::size_t units = layer.shape.units;
      auto& out = (s == 0 ? result.h : result.c).emplace_back(batch_ * units);
      for (std::size_t b = 0; b < batch_; ++b)
        std::copy_n(layer.states[s].data() + (batch_ + b) * layer.stride, units, out.data() + b * units);
    }
  return result;
}

template <class T>
void Stream<T>::set_state(const State<T>& state) {
  const auto set = [&](const std::vector<std::vector<T>>& from, std::size_t s) {
    if (from.size() != layers_.size())
      throw UsageError("the state has {} blocks; the network has {} layers", from.size(), layers_.size());
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      Layer& layer = layers_[k];
      const std::size_t units = layer.shape.units;
      if (from[k].size() != batch_ * units)
        throw UsageError("the state of layer {} has {} values; [{}, {}] (batch, units) wants {}", k,
                         from[k].size(), batch_, units, batch_ * units);
      for (std::size_t b = 0; b < batch_; ++b)
        std::copy_n(from[k].data() + b * units, units, layer.states[s].data() + (batch_ + b) * layer.stride);
    }
  };
  set(state.h, 0);
  if (config_.states() > 1) set(state.c, 1);
}

template class Stream<float>;
template class Stream<double>;

}  // namespace retrograde
