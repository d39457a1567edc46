// What a network reads and what it is compared with, as the package hands them over.
#pragma once

#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <vector>

#include "arrays.h"
#include "retrograde/loss/loss.h"
#include "retrograde/sequence/forward.h"

namespace retrograde::python {

// Dense x [B, T, I] or tokens [B, T].
template <class T>
struct Reading {
  std::optional<In<T>> x;
  std::optional<In<std::int32_t>> tokens;
  std::vector<std::size_t> lengths;
  std::optional<StateArrays<T>> h, c;
  std::optional<std::uint64_t> dropout_seed;

  Input<T> input() const {
    Input<T> result;
    if (x) result.batch = x->shape(0), result.steps = x->shape(1), result.x = span_of(*x);
    if (tokens)
      result.batch = tokens->shape(0), result.steps = tokens->shape(1), result.tokens = span_of(*tokens);
    result.lengths = lengths;
    return result;
  }
  std::optional<State<T>> start() const {
    if (!h) return std::nullopt;
    return State<T>{values_of(*h), c ? values_of(*c) : std::vector<std::vector<T>>{}};
  }
  std::optional<Random> dropout() const {
    if (!dropout_seed) return std::nullopt;
    return Random::named(*dropout_seed, "dropout");
  }
};

// Values [B, T, O] or classes [B, T] ([B, O], [B] for a head at the last step), and weights without the last
// axis.
template <class T>
struct Goal {
  std::optional<In<T>> values;
  std::optional<In<std::int32_t>> classes;
  std::optional<In<T>> weights;

  Target<T> target() const {
    Target<T> result;
    if (values) result.values = span_of(*values);
    if (classes) result.classes = span_of(*classes);
    if (weights) result.weights = span_of(*weights);
    return result;
  }
};

}  // namespace retrograde::python
