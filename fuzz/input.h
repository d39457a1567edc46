// What the fuzzer made up, as a file.
#pragma once

#include <cstdint>
#include <memory>

#include "retrograde/base/error.h"
#include "retrograde/data/file.h"

namespace retrograde {

// Reads the bytes; the library's own errors are the right answer to most of them.
template <class Read>
int fuzz(const std::uint8_t* bytes, std::size_t size, Read read) {
  try {
    read(open_memory("input", std::as_bytes(std::span(bytes, size))));
  } catch (const Error&) {
  }
  return 0;
}

}  // namespace retrograde
