#include "retrograde/sequence/forward.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "retrograde/base/error.h"
#include "retrograde/sequence/parts.h"
#include "retrograde/sequence/passes.h"

namespace retrograde {
namespace {

// The caller's input as rows: dense, embedded, or tokens for one-hot.
template <class T>
LayerInput<T> input_rows(const Network<T>& network, const Input<T>& input, Segment stretch, Tape<T>& tape) {
  const Config& config = tape.config_;
  const Rows& rows = tape.rows_;
  const std::size_t width = config.inputs_of(0),
                    stride = row_stride(width, config.cell.kernels<T>().lanes, sizeof(T));
  if (config.tokens) {
    tape.tokens_.resize(rows.size());
    for (std::size_t r = stretch.begin; r < stretch.end; ++r) {
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
  const auto row_of = [&](std::size_t r) {
    return table ? table + static_cast<std::size_t>(tape.tokens_[r]) * width
                 : input.x.data() + rows.index()[r] * width;
  };
  for (std::size_t r = stretch.begin; r < stretch.end; ++r) {
    if (r + 1 < stretch.end) expect_row(row_of(r + 1), width);
    std::copy_n(row_of(r), width, out + r * stride);
  }
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

// Inverted dropout on rows [first, last): 0 with probability p, else 1/(1 − p); padding stays 0.
template <class T>
void draw_mask(Random& random, double p, std::size_t first, std::size_t last, std::size_t width,
               std::size_t stride, T* mask) {
  const T keep = static_cast<T>(1 / (1 - p));
  for (std::size_t r = first; r < last; ++r) {
    for (std::size_t i = 0; i < width; ++i) mask[r * stride + i] = random.uniform() < p ? T(0) : keep;
    std::fill(mask + r * stride + width, mask + (r + 1) * stride, T(0));
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

// Room for what the rows of a layer leave.
template <class T>
void make_room(const ForwardOptions<T>& options, std::size_t k, std::size_t d, Tape<T>& tape) {
  const std::size_t rows = tape.rows_.size();
  const Slots& slots = tape.config_.cell.slots();
  auto& layer = tape.layer(k, d);
  const auto keep = [&](bool wanted, Buffer<T>& buffer, std::size_t width) {
    return wanted ? reserve(buffer, rows * width) : nullptr;
  };
  for (std::size_t s = 0; s < slots.states; ++s)
    layer.view.states[s] = reserve(layer.states[s], (tape.rows_.batch() + rows) * layer.stride);
  layer.view.tape =
      keep(options.keep_tape && tape.config_.cell.keeps_tape(), layer.tape, layer.stride * slots.tape);
  layer.view.preactivations =
      keep(options.keep_preactivations, layer.preactivations, layer.stride * slots.slots);
  layer.view.product_input[0] =
      keep(options.keep_tape && layer.view.mask, layer.product_input[0], layer.stride);
  layer.view.product_input[1] =
      keep(options.keep_tape && slots.stages == 2, layer.product_input[1], layer.stride);
}

template <class T>
void run_layer(const LayerInput<T>& input, std::size_t k, std::size_t d, Segment stretch, Tape<T>& tape) {
  const Config& config = tape.config_;
  const StepRows rows = tape.rows_.view();
  const CellKernels<T>& kernels = config.cell.kernels<T>();
  auto& layer = tape.layer(k, d);
  layer.input = d == 1 ? reversed(input, tape.rows_, layer) : input;
  T* const scratch =
      reserve(tape.scratch_, kernels.scratch_size(layer.shape, tape.segment_room(), rows.batch()));
  for (Segment s{.last = stretch.first}; s.last < stretch.last;) {
    s = segment_from(rows, s.last, stretch.last, tape.segment_rows());
    kernels.forward(config.cell.get(), tape.call(k, d, scratch), s);
  }
}

// A layer's output rows: its h rows, or both directions side by side, times the dropout mask between layers.
template <class T>
LayerInput<T> output_rows(std::size_t k, Segment stretch, Tape<T>& tape) {
  const Config& config = tape.config_;
  const Rows& rows = tape.rows_;
  const bool dropout = tape.drops_ && k + 1 < config.layers();
  const auto h = [&](std::size_t d) {
    const auto& layer = tape.layer(k, d);
    return layer.states[0].data() + rows.batch() * layer.stride;
  };
  const std::size_t units = config.hidden[k], own = tape.layer(k, 0).stride, stride = tape.output_stride(k);
  if (!config.bidirectional && !dropout) return {.x = h(0), .stride = own};

  T* const out = reserve(tape.joined_[k], rows.size() * stride);
  for (std::size_t r = stretch.begin; r < stretch.end; ++r) {
    std::copy_n(h(0) + r * own, units, out + r * stride);
    if (config.bidirectional) std::copy_n(h(1) + rows.reversed(r) * own, units, out + r * stride + units);
  }
  if (dropout) {
    T* const mask = reserve(tape.dropout_[k], rows.size() * stride);
    draw_mask(tape.sources_[k], config.dropout, stretch.begin, stretch.end, units * config.directions(),
              stride, mask);
    for (std::size_t i = stretch.begin * stride; i < stretch.end * stride; ++i) out[i] *= mask[i];
  }
  return {.x = out, .stride = stride};
}

// The rows that end within these steps, the shortest sequence first, as a head at the last step reads them.
template <class T>
LayerInput<T> last_rows(const LayerInput<T>& top, Tape<T>& tape) {
  const Rows& rows = tape.rows_;
  const std::size_t going_on = rows.longer_than(rows.view().steps);
  T* const out = reserve(tape.head_input_, rows.batch() * top.stride);
  tape.index_.clear();
  for (std::size_t b = rows.batch(); b-- > going_on;) {
    std::copy_n(top.x + rows.last(b) * top.stride, top.stride, out + tape.index_.size() * top.stride);
    tape.index_.push_back(rows.order(b));
  }
  return {.x = out, .stride = top.stride};
}

// The head over rows [first, last) of its input.
template <class T>
void head(const LayerInput<T>& input, std::size_t first, std::size_t last, Tape<T>& tape) {
  const Config& config = tape.config_;
  tape.head_x_ = tape.z_ = input.x;
  tape.head_x_stride_ = tape.output_stride_ = input.stride;
  if (!config.outputs) return;
  const std::size_t width = config.outputs, stride = round_up(width, head_kernels<T>().lanes),
                    all = tape.index_.size();
  T* const z = reserve(tape.head_, all * stride);
  tape.z_ = z, tape.output_stride_ = stride;
  run_head<T>({config.features(), width}, tape.head_packed_.data(), last - first,
              {input.x + first * input.stride, input.stride}, z + first * stride);
  if (tape.activates())
    detail::activate(config.activation, last - first, width, stride, z + first * stride,
                     reserve(tape.outputs_, all * stride) + first * stride);
}

}  // namespace

namespace detail {

template <class T>
void check_input(const Config& config, const Input<T>& input, const ForwardOptions<T>& options) {
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

template <class T>
void begin_forward(const Network<T>& network, const Input<T>& input, Tape<T>& tape,
                   const ForwardOptions<T>& options) {
  tape.config_ = network.config();
  const Config& config = tape.config_;
  const std::size_t lanes = config.cell.kernels<T>().lanes;
  tape.layers_.resize(config.layers() * config.directions());
  tape.joined_.resize(config.layers());
  tape.dropout_.resize(config.layers());
  tape.drops_ = options.dropout && config.dropout > 0;
  tape.given_start_.assign(input.batch, options.start ? 1 : 0);
  for (std::size_t b = 0; b < options.given.size(); ++b)
    tape.given_start_[b] = options.start && options.given[tape.rows_.order(b)];
  tape.sources_.clear();
  for (std::size_t k = 0; k < config.layers(); ++k) {
    if (options.dropout) tape.sources_.emplace_back(options.dropout->bits());
    for (std::size_t d = 0; d < config.directions(); ++d) {
      auto& layer = tape.layer(k, d);
      layer.shape = {config.inputs_of(k), config.hidden[k]};
      layer.stride = row_stride(layer.shape.units, lanes, sizeof(T));
      const CellKernels<T>& kernels = config.cell.kernels<T>();
      kernels.pack(layer.shape, weights_of(network, k, d),
                   reserve(layer.packed, kernels.packed_size(layer.shape)));
      start_states(network, options, k, d, tape);
      layer.view.mask = nullptr;
      if (!options.dropout || config.recurrent_dropout == 0) continue;
      T* const mask = reserve(layer.mask, input.batch * layer.stride);
      draw_mask(tape.sources_[k], config.recurrent_dropout, 0, input.batch, layer.shape.units, layer.stride,
                mask);
      layer.view.mask = mask;
    }
  }
  if (!config.outputs) return;
  const LayerShape head{config.features(), config.outputs};
  head_kernels<T>().pack(head, head_weights_of(network),
                         reserve(tape.head_packed_, head_kernels<T>().packed_size(head)));
}

template <class T>
void run_forward(const Network<T>& network, const Input<T>& input, Tape<T>& tape,
                 const ForwardOptions<T>& options) {
  const Config& config = tape.config_;
  const StepRows rows = tape.rows_.view();
  const bool every = config.at == At::every;
  tape.has_tape_ = options.keep_tape;
  if (every) tape.index_.assign(tape.rows_.index().begin(), tape.rows_.index().end());
  for (std::size_t k = 0; k < config.layers(); ++k)
    for (std::size_t d = 0; d < config.directions(); ++d) make_room(options, k, d, tape);
  LayerInput<T> top;
  for (Segment stretch; stretch.last < rows.steps;) {
    stretch = config.bidirectional ? Segment::of(rows, 0, rows.steps)
                                   : segment_from(rows, stretch.last, rows.steps, tape.segment_rows());
    top = input_rows(network, input, stretch, tape);
    for (std::size_t k = 0; k < config.layers(); ++k) {
      for (std::size_t d = 0; d < config.directions(); ++d) run_layer(top, k, d, stretch, tape);
      top = output_rows(k, stretch, tape);
    }
    if (every) head(top, stretch.begin, stretch.end, tape);
  }
  if (every) return;
  const LayerInput<T> last = last_rows(top, tape);
  head(last, 0, tape.index_.size(), tape);
}

}  // namespace detail

template <class T>
void forward(const Network<T>& network, const Input<T>& input, Tape<T>& tape,
             const ForwardOptions<T>& options) {
  detail::check_input(network.config(), input, options);
  tape.rows_.assign(input.batch, input.steps, input.lengths);
  detail::begin_forward(network, input, tape, options);
  detail::run_forward(network, input, tape, options);
}

#define RETROGRADE_INSTANTIATE(T)                                                                      \
  template void forward(const Network<T>&, const Input<T>&, Tape<T>&, const ForwardOptions<T>&);       \
  namespace detail {                                                                                   \
  template void check_input(const Config&, const Input<T>&, const ForwardOptions<T>&);                 \
  template void begin_forward(const Network<T>&, const Input<T>&, Tape<T>&, const ForwardOptions<T>&); \
  template void run_forward(const Network<T>&, const Input<T>&, Tape<T>&, const ForwardOptions<T>&);   \
  }
RETROGRADE_INSTANTIATE(float)
RETROGRADE_INSTANTIATE(double)
RETROGRADE_INSTANTIATE(std::complex<double>)

}  // namespace retrograde
