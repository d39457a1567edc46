// NumPy arrays in and out. What comes in is C-contiguous and of the network's own type (the package sees to
// that, with one copy where it must); what goes out is moved, never copied.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace retrograde::python {

namespace nb = nanobind;

template <class T>
using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<nb::numpy, T>;
using Shape = std::vector<std::size_t>;

template <class T>
std::span<const T> span_of(const In<T>& array) {
  return {array.data(), array.size()};
}

template <class T>
Shape shape_of(const In<T>& array) {
  Shape shape(array.ndim());
  for (std::size_t i = 0; i < shape.size(); ++i) shape[i] = array.shape(i);
  return shape;
}

// An array that owns `values`.
template <class T>
Out<T> owned(std::vector<T> values, const Shape& shape) {
  auto kept = std::make_unique<std::vector<T>>(std::move(values));
  T* const data = kept->data();
  nb::capsule owner(kept.get(), [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  kept.release();
  return Out<T>(data, shape.size(), shape.data(), std::move(owner));
}

template <class T>
std::vector<T> copy_of(std::span<const T> values) {
  return {values.begin(), values.end()};
}

// States cross as one [B, H] array a layer and direction.
template <class T>
using StateArrays = std::vector<In<T>>;

template <class T>
std::vector<std::vector<T>> values_of(const StateArrays<T>& arrays) {
  std::vector<std::vector<T>> result;
  for (const auto& array : arrays) result.push_back(copy_of(span_of(array)));
  return result;
}

template <class T>
std::vector<Out<T>> arrays_of(std::vector<std::vector<T>> states, std::size_t batch) {
  std::vector<Out<T>> result;
  for (auto& state : states) {
    const std::size_t units = batch ? state.size() / batch : 0;
    result.push_back(owned(std::move(state), {batch, units}));
  }
  return result;
}

}  // namespace retrograde::python
