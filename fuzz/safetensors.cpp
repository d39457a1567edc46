#include "retrograde/io/safetensors.h"

#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace retrograde;
  return fuzz(bytes, size,
              [](std::unique_ptr<ByteSource> source) { safetensors_bytes(read_safetensors(*source)); });
}
