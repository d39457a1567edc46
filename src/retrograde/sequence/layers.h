// Pieces of the backward that the full sweep and the windowed one share. For sequence/ only; rows as in
// kernels/calls.h.
#pragma once

#include <algorithm>

#include "retrograde/base/error.h"
#include "retrograde/sequence/backward.h"

namespace retrograde::detail {

// to[moment] += from: rows of the reverse direction's time, added where they belong.
template <class T>
void add_reversed(const Rows& rows, std::size_t stride, const T* from, T* to) {
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t i = 0; i < stride; ++i) to[rows.reversed(r) * stride + i] += from[r * stride + i];
}

// Stride of the gradient by layer k's output rows.
template <class T>
std::size_t output_gradient_stride(const Tape<T>& tape, std::size_t k) {
  const Config& config = tape.config_;
  if (k + 1 < config.layers()) return tape.layer(k + 1, 0).input.stride;
  return row_stride(config.features(),
                    std::max(head_kernels<T>().lanes, config.cell.template kernels<T>().lanes), sizeof(T));
}

// Layer k's share, in direction d and its own time, of the gradient by its output rows of a stretch.
template <class T>
const T* output_gradient(Tape<T>& tape, std::size_t k, std::size_t d, Segment stretch, const T* from) {
  const Config& config = tape.config_;
  const std::size_t stride = output_gradient_stride(tape, k), units = config.hidden[k];
  const auto& layer = tape.layer(k, d);
  if (!config.bidirectional && stride == layer.stride) return from;
  T* const out = zeros(tape.work_.dy, stretch.rows() * layer.stride);
  for (std::size_t r = 0; r < stretch.rows(); ++r)
    std::copy_n(from + (d == 1 ? tape.rows_.reversed(r) : r) * stride + d * units, units,
                out + r * layer.stride);
  return out;
}

// The gradient by the start states, [B][stride] sorted, to whoever wants it: the learned ones by the
// sequences that began with them, those that a caller gave by the others.
template <class T>
void add_start(const Tape<T>& tape, std::size_t k, std::size_t d, std::size_t which, const T* rows_of_start,
               Gradients<T>& gradients) {
  const Config& config = tape.config_;
  const auto& layer = tape.layer(k, d);
  const std::size_t units = layer.shape.units, batch = tape.rows_.batch();
  if (config.learned_start) {
    const auto out = gradients.parameters[block_name(which == 0 ? "h0" : "c0", k, d == 1)];
    for (std::size_t b = 0; b < batch; ++b)
      if (!tape.begins_with_given(b))
        for (std::size_t i = 0; i < units; ++i) out[i] += rows_of_start[b * layer.stride + i];
  }
  if (!gradients.want_start) return;
  auto& states = which == 0 ? gradients.start.h : gradients.start.c;
  states.resize(tape.layers_.size());
  auto& out = states[k * config.directions() + d];
  out.resize(batch * units);
  for (std::size_t b = 0; b < batch; ++b)
    if (tape.begins_with_given(b) || !config.learned_start)
      for (std::size_t i = 0; i < units; ++i)
        out[tape.rows_.order(b) * units + i] += rows_of_start[b * layer.stride + i];
}

// The gradient by the input rows of a stretch, to the embedding or to dx.
template <class T>
void add_input(const Tape<T>& tape, Segment stretch, const T* dx, std::size_t stride,
               Gradients<T>& gradients) {
  const Config& config = tape.config_;
  const Rows& rows = tape.rows_;
  const std::size_t width = config.inputs_of(0);
  T* to;
  if (config.embedding)
    to = gradients.parameters["embedding.weight"].data();
  else
    gradients.dx.resize(rows.entries() * width), to = gradients.dx.data();
  const auto row_of = [&](std::size_t r) {
    return to + (config.embedding ? static_cast<std::size_t>(tape.tokens_[r]) : rows.index()[r]) * width;
  };
  for (std::size_t r = stretch.end; r-- > stretch.begin;) {
    if (r > stretch.begin) expect_row(row_of(r - 1), width);
    const T* const from = dx + (r - stretch.begin) * stride;
    T* const row = row_of(r);
    for (std::size_t i = 0; i < width; ++i) row[i] += from[i];
  }
}

template <class T>
void unpack(const Tape<T>& tape, std::size_t k, std::size_t d, const T* packed, Gradients<T>& gradients) {
  const auto find = [&](std::string_view what) {
    return gradients.parameters.find(block_name(what, k, d == 1));
  };
  tape.config_.cell.template kernels<T>().unpack(
      tape.layer(k, d).shape, packed,
      {find("weight_ih"), find("weight_hh"), find("bias_ih"), find("bias_hh")});
}

// The cotangent of the final states, sorted, over what is there; nothing if there is none.
template <class T>
void final_cotangent(const Tape<T>& tape, const State<T>* cotangent, std::size_t k, std::size_t d,
                     std::size_t which, T* out) {
  const auto& layer = tape.layer(k, d);
  if (!cotangent) return;
  const auto& states = which == 0 ? cotangent->h : cotangent->c;
  if (states.empty()) return;
  const auto& block = states.at(k * tape.config_.directions() + d);
  const std::size_t units = layer.shape.units;
  if (block.size() != tape.rows_.batch() * units)
    throw UsageError(
        "the final states' cotangent has {} values for layer {}; [{}, {}] (batch, units) wants {}",
        block.size(), k, tape.rows_.batch(), units, tape.rows_.batch() * units);
  for (std::size_t b = 0; b < tape.rows_.batch(); ++b)
    std::copy_n(block.data() + tape.rows_.order(b) * units, units, out + b * layer.stride);
}

template <class T>
void times_dropout(const Tape<T>& tape, std::size_t k, Segment stretch, T* d) {
  if (!tape.drops_) return;
  const std::size_t stride = tape.output_stride(k);
  const T* const mask = tape.dropout_[k].data() + stretch.begin * stride;
  for (std::size_t i = 0; i < stretch.rows() * stride; ++i) d[i] *= mask[i];
}

}  // namespace retrograde::detail
