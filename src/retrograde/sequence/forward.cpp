#include "retrograde/sequence/forward.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "retrograde/base/error.h"
#include "retrograde/sequence/parts.h"

namespace retrograde {
namespace {

template <class T>
void validate(const Config& config, const Input<T>& input, const ForwardOptions<T>& options) {
  const std::size_t entries = input.batch * input.steps;
  if (config.tokens) {
    if (!input.x.empty() || input.tokens.size() != entries)
      throw UsageError("the network reads tokens [{}, {}] (batch, time); got {} tokens and {} dense values",
                       input.batch, input.steps, input.tokens.size(), input.x.size());
  } else if (!input.tokens.empty() || input.x.size() != entries * config.inputs) {
    throw UsageError("x must be [{}, {}, {}] (batch, time, features), {} values; got {} values and {} tokens",
                     input.batch, input.steps, config.inputs, entries * config.inputs, input.x.size(),
                     input.tokens.size());
  }
  if (!options.given.empty() && options.given.size() != input.batch)
    throw UsageError("`given` says for {} sequences where they begin; the batch has {}", options.given.size(),
                     input.batch);
  if (!options.start) return;
  const std::size_t blocks = config.layers() * config.directions();
  const auto fits = [&](const std::vector<std::vector<T>>& states, const char* what, bool wanted) {
    if (states.size() != (wanted ? blocks : 0))
      throw UsageError("the start state has {} blocks of {}; the network wants {} (layers x directions)",
                       states.size(), what, wanted ? blocks : 0);
    for (std::size_t i = 0; i < states.size(); ++i)
      if (states[i].size() != input.batch * config.hidden[i / config.directions()])
        throw UsageError("block {} of the start state's {} has {} values; [{}, {}] (batch, units) wants {}",
                         i, what, states[i].size(), input.batch, config.hidden[i / config.directions()],
                         input.batch * config.hidden[i / config.directions()]);
  };
  fits(options.start->h, "h", true);
  fits(options.start->c, "c", config.states() > 1);
}

// The caller's input as rows: dense, embedded, or tokens for one-hot.
template <class T>
LayerInput<T> input_rows(const Network<T>& network, const Input<T>& input, Tape<T>& tape) {
  const Config& config = tape.config_;
  const Rows& rows = tape.rows_;
  const std::size_t width = config.inputs_of(0),
                    stride = row_stride(width, config.cell.kernels<T>().lanes, sizeof(T));
  if (config.tokens) {
    tape.tokens_.resize(rows.size());
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const auto token = input.tokens[rows.index()[r]];
      if (token < 0 || static_cast<std::size_t>(token) >= config.inputs)
        throw UsageError("tokens[{}, {}] is {}; the network knows 0 .. {}", rows.index()[r] / input.steps,
                         rows.index()[r] % input.steps, token, config.inputs - 1);
      tape.tokens_[r] = token;
    }
    if (!config.embedding) return {.tokens = tape.tokens_.data()};
  }
  T* const out = reserve(tape.embedded_, rows.size() * stride);
  const T* const table = config.tokens ? network.parameters()["embedding.weight"].data() : nullptr;
  for (std::size_t r = 0; r < rows.size(); ++r)
    std::copy_n(table ? table + static_cast<std::size_t>(tape.tokens_[r]) * width
                      : input.x.data() + rows.index()[r] * width,
                width, out + r * stride);
  return {.x = out, .stride = stride};
}

// The same rows in the reverse direction's own time.
template <class T>
LayerInput<T> reversed(const LayerInput<T>& input, const Rows& rows, typename Tape<T>::Layer& layer) {
  if (input.tokens) {
    layer.reversed_tokens.resize(rows.size());
    for (std::size_t r = 0; r < rows.size(); ++r) layer.reversed_tokens[r] = input.tokens[rows.reversed(r)];
    return {.tokens = layer.reversed_tokens.data()};
  }
  T* const out = reserve(layer.reversed_input, rows.size() * input.stride);
  for (std::size_t r = 0; r < rows.size(); ++r)
    std::copy_n(input.x + rows.reversed(r) * input.stride, input.stride, out + r * input.stride);
  return {.x = out, .stride = input.stride};
}

// Inverted dropout: 0 with probability p, else 1/(1 − p); padding stays 0.
template <class T>
void draw_mask(Random& random, double p, std::size_t count, std::size_t width, std::size_t stride,
               Buffer<T>& mask) {
  T* const out = reserve(mask, count * stride);
  const T keep = static_cast<T>(1 / (1 - p));
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t i = 0; i < width; ++i) out[r * stride + i] = random.uniform() < p ? T(0) : keep;
    std::fill(out + r * stride + width, out + (r + 1) * stride, T(0));
  }
}

template <class T>
void start_states(const Network<T>& network, const ForwardOptions<T>& options, std::size_t k, std::size_t d,
                  Tape<T>& tape) {
  const Config& config = tape.config_;
  auto& layer = tape.layer(k, d);
  const std::size_t units = layer.shape.units, batch = tape.rows_.batch();
  for (std::size_t s = 0; s < config.states(); ++s) {
    T* const out = reserve(layer.states[s], (batch + tape.rows_.size()) * layer.stride);
    layer.view.states[s] = out;
    std::fill_n(out, batch * layer.stride, T{});
    const T* const learned = config.learned_start
                                 ? network.parameters()[block_name(s == 0 ? "h0" : "c0", k, d == 1)].data()
                                 : nullptr;
    for (std::size_t b = 0; b < batch; ++b) {
      if (tape.begins_with_given(b))
        std::copy_n((s == 0 ? options.start->h : options.start->c)[k * config.directions() + d].data() +
                        tape.rows_.order(b) * units,
                    units, out + b * layer.stride);
      else if (learned)
        std::copy_n(learned, units, out + b * layer.stride);
    }
  }
}

template <class T>
void run_layer(const Network<T>& network, const LayerInput<T>& input, const ForwardOptions<T>& options,
               std::size_t k, std::size_t d, Tape<T>& tape) {
  const Config& config = tape.config_;
  const Rows& rows = tape.rows_;
  const Slots& slots = config.cell.slots();
  const CellKernels<T>& kernels = config.cell.kernels<T>();
  auto& layer = tape.layer(k, d);
  layer.shape = {config.inputs_of(k), config.hidden[k]};
  layer.stride = row_stride(layer.shape.units, kernels.lanes, sizeof(T));
  layer.input = d == 1 ? reversed(input, rows, layer) : input;
  kernels.pack(layer.shape, detail::weights_of(network, k, d),
               reserve(layer.packed, kernels.offsets(layer.shape).size));
  start_states(network, options, k, d, tape);

  layer.view.mask = nullptr;
  if (options.dropout && config.recurrent_dropout > 0) {
    draw_mask(*options.dropout, config.recurrent_dropout, rows.batch(), layer.shape.units, layer.stride,
              layer.mask);
    layer.view.mask = layer.mask.data();
  }
  const auto keep = [&](bool wanted, Buffer<T>& buffer, std::size_t width) {
    return wanted ? reserve(buffer, rows.size() * width) : nullptr;
  };
  const bool tape_wanted = options.keep_tape;
  layer.view.tape = keep(tape_wanted, layer.tape, layer.stride * slots.tape);
  layer.view.preactivations =
      keep(options.keep_preactivations, layer.preactivations, layer.stride * slots.slots);
  layer.view.product_input[0] = keep(tape_wanted && layer.view.mask, layer.product_input[0], layer.stride);
  layer.view.product_input[1] = keep(tape_wanted && slots.stages == 2, layer.product_input[1], layer.stride);
  kernels.forward(config.cell.get(),
                  {.rows = rows.view(),
                   .first = 0,
                   .last = rows.view().steps,
                   .shape = layer.shape,
                   .packed = layer.packed.data(),
                   .input = layer.input,
                   .tape = layer.view,
                   .scratch = reserve(tape.scratch_, kernels.scratch_size(layer.shape, rows.view()))});
}

// A layer's output rows: its h rows, or both directions side by side, times the dropout mask between layers.
template <class T>
LayerInput<T> output_rows(const ForwardOptions<T>& options, std::size_t k, Tape<T>& tape) {
  const Config& config = tape.config_;
  const Rows& rows = tape.rows_;
  const bool dropout = options.dropout && config.dropout > 0 && k + 1 < config.layers();
  const auto h = [&](std::size_t d) {
    const auto& layer = tape.layer(k, d);
    return layer.states[0].data() + rows.batch() * layer.stride;
  };
  const std::size_t units = config.hidden[k], own = tape.layer(k, 0).stride, stride = tape.output_stride(k);
  if (!dropout) tape.dropout_[k].clear();
  if (!config.bidirectional && !dropout) return {.x = h(0), .stride = own};

  T* const out = reserve(tape.joined_[k], rows.size() * stride);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::copy_n(h(0) + r * own, units, out + r * stride);
    if (config.bidirectional) std::copy_n(h(1) + rows.reversed(r) * own, units, out + r * stride + units);
  }
  if (dropout) {
    draw_mask(*options.dropout, config.dropout, rows.size(), units * config.directions(), stride,
              tape.dropout_[k]);
    for (std::size_t i = 0; i < rows.size() * stride; ++i) out[i] *= tape.dropout_[k][i];
  }
  return {.x = out, .stride = stride};
}

// The head over the last layer's output rows: all of them, or each sequence's last.
template <class T>
void head(const Network<T>& network, const LayerInput<T>& top, Tape<T>& tape) {
  const Config& config = tape.config_;
  const Rows& rows = tape.rows_;
  const AffineKernels<T>& affine = affine_kernels<T>();
  tape.head_x_ = top.x;
  tape.head_x_stride_ = top.stride;
  if (config.at == At::last) {
    T* const out = reserve(tape.head_input_, rows.batch() * top.stride);
    tape.index_.resize(rows.batch());
    for (std::size_t b = 0; b < rows.batch(); ++b) {
      std::copy_n(top.x + rows.last(b) * top.stride, top.stride, out + b * top.stride);
      tape.index_[b] = rows.order(b);
    }
    tape.head_x_ = out;
  } else {
    tape.index_.assign(rows.index().begin(), rows.index().end());
  }
  const std::size_t count = tape.index_.size(), width = config.output_width();
  tape.output_stride_ = config.outputs ? round_up(width, affine.lanes) : top.stride;
  T* const z = reserve(tape.head_, count * tape.output_stride_);
  if (!config.outputs) {
    std::copy_n(tape.head_x_, count * top.stride, z);
    return;
  }
  const std::size_t inputs = config.features();
  T* const packed = reserve(tape.head_packed_, affine.packed_size(inputs, width));
  affine.pack(inputs, width, network.parameters()["head.weight"].data(),
              network.parameters().find("head.bias"), packed);
  affine.forward(inputs, width, packed, count, tape.head_x_, top.stride, z);
  if (!tape.activates()) return;
  detail::activate(config.activation, count, width, tape.output_stride_, z,
                   reserve(tape.outputs_, count * tape.output_stride_));
}

}  // namespace

template <class T>
void forward(const Network<T>& network, const Input<T>& input, Tape<T>& tape,
             const ForwardOptions<T>& options) {
  validate(network.config(), input, options);
  tape.config_ = network.config();
  const Config& config = tape.config_;
  tape.rows_.assign(input.batch, input.steps, input.lengths);
  tape.layers_.resize(config.layers() * config.directions());
  tape.joined_.resize(config.layers());
  tape.dropout_.resize(config.layers());
  tape.has_tape_ = options.keep_tape;
  tape.given_start_.assign(input.batch, options.start ? 1 : 0);
  for (std::size_t b = 0; b < options.given.size(); ++b)
    tape.given_start_[b] = options.start && options.given[tape.rows_.order(b)];

  LayerInput<T> rows = input_rows(network, input, tape);
  for (std::size_t k = 0; k < config.layers(); ++k) {
    for (std::size_t d = 0; d < config.directions(); ++d) run_layer(network, rows, options, k, d, tape);
    rows = output_rows(options, k, tape);
  }
  head(network, rows, tape);
}

template void forward(const Network<float>&, const Input<float>&, Tape<float>&, const ForwardOptions<float>&);
template void forward(const Network<double>&, const Input<double>&, Tape<double>&,
                      const ForwardOptions<double>&);
template void forward(const Network<std::complex<double>>&, const Input<std::complex<double>>&,
                      Tape<std::complex<double>>&, const ForwardOptions<std::complex<double>>&);

}  // namespace retrograde
