// Memory for kernels: aligned to a cache line, zero when it grows, never shrinking, so that after the first
// step of training nothing is allocated.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace retrograde {

template <class T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  CacheLineAllocator() = default;
  template <class U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}

  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kAlignment)); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, kAlignment); }
  bool operator==(const CacheLineAllocator&) const { return true; }
};

template <class T>
using Buffer = std::vector<T, CacheLineAllocator<T>>;

// Makes room for n elements without touching what is there.
template <class T>
T* reserve(Buffer<T>& buffer, std::size_t n) {
  if (buffer.size() < n) buffer.resize(n);
  return buffer.data();
}

// Room for n elements, all zero.
template <class T>
T* zeros(Buffer<T>& buffer, std::size_t n) {
  buffer.assign(n, T{});
  return buffer.data();
}

}  // namespace retrograde
