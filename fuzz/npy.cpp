#include "retrograde/data/npy.h"

#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace retrograde;
  return fuzz(bytes, size, [](std::unique_ptr<ByteSource> source) {
    const NpyReader reader(std::move(source));
    if (reader.is_text()) {
      reader.text();
    } else {
      npy_bytes(reader.read());
    }
  });
}
