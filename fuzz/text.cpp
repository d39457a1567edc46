#include "retrograde/data/text.h"

#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace retrograde;
  fuzz(bytes, size, [](std::unique_ptr<ByteSource> source) { read_notes(*source); });
  return fuzz(bytes, size, [](std::unique_ptr<ByteSource> source) { read_labelled_lines(*source); });
}
