// Parameters: named blocks over one flat buffer, in a fixed order. Optimisers, checks and files see the flat
// vector; people see names and shapes (PyTorch's). A gradient has the same blocks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "retrograde/base/error.h"
#include "retrograde/tensor/buffer.h"

namespace retrograde {

struct ParamBlock {
  std::string name;
  std::vector<std::size_t> shape;
  std::size_t offset = 0;  // into the flat buffer
  std::size_t size = 0;
};

// The blocks of a parameter vector. Adding is in order; names are unique.
class Blocks {
 public:
  void add(std::string name, std::vector<std::size_t> shape) {
    std::size_t size = 1;
    for (const auto n : shape) size *= n;
    blocks_.push_back({std::move(name), std::move(shape), size_, size});
    size_ += size;
  }
  const ParamBlock* find(std::string_view name) const {
    const auto it =
        std::find_if(blocks_.begin(), blocks_.end(), [&](const ParamBlock& b) { return b.name == name; });
    return it == blocks_.end() ? nullptr : &*it;
  }
  const ParamBlock& at(std::string_view name) const {
    if (const ParamBlock* block = find(name)) return *block;
    throw UsageError("there is no parameter \"{}\"", name);
  }
  std::size_t size() const { return size_; }
  auto begin() const { return blocks_.begin(); }
  auto end() const { return blocks_.end(); }

 private:
  std::vector<ParamBlock> blocks_;
  std::size_t size_ = 0;
};

template <class T>
class Params {
 public:
  Params() = default;
  explicit Params(Blocks blocks) : blocks_(std::move(blocks)), values_(blocks_.size()) {}

  const Blocks& blocks() const { return blocks_; }
  std::span<T> flat() { return values_; }
  std::span<const T> flat() const { return values_; }
  std::span<T> operator[](std::string_view name) { return slice(blocks_.at(name)); }
  std::span<const T> operator[](std::string_view name) const { return slice(blocks_.at(name)); }
  std::span<T> slice(const ParamBlock& block) { return flat().subspan(block.offset, block.size); }
  std::span<const T> slice(const ParamBlock& block) const { return flat().subspan(block.offset, block.size); }
  // Null where there is no such block (a network without biases, for one).
  T* find(std::string_view name) {
    const ParamBlock* block = blocks_.find(name);
    return block ? values_.data() + block->offset : nullptr;
  }
  const T* find(std::string_view name) const { return const_cast<Params*>(this)->find(name); }
  void fill(T value) { std::fill(values_.begin(), values_.end(), value); }

  template <class U>
  Params<U> cast() const {
    Params<U> result(blocks_);
    std::transform(values_.begin(), values_.end(), result.flat().begin(),
                   [](T v) { return static_cast<U>(v); });
    return result;
  }

 private:
  Blocks blocks_;
  Buffer<T> values_;
};

}  // namespace retrograde
