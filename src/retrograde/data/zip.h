// The part of the ZIP format that .npz files use. PKWARE APPNOTE 6.3; DEFLATE by zlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "retrograde/data/file.h"

namespace retrograde {

struct ZipEntry {
  std::string name;
  bool deflated = false;
  std::uint32_t crc = 0;
  std::uint64_t packed = 0;  // bytes in the archive
  std::uint64_t size = 0;    // bytes unpacked
  std::uint64_t offset = 0;  // of the packed bytes
};

// The archive's directory, checked: entries in range, none overlapping, no name twice. FileError otherwise.
std::vector<ZipEntry> read_zip_directory(const ByteSource& source);

// One entry's bytes, unpacked and checked against its size and checksum.
std::vector<std::byte> read_zip_entry(const ByteSource& source, const ZipEntry& entry);

// Collects entries and gives the archive's bytes.
class ZipWriter {
 public:
  void add(std::string_view name, std::string_view bytes, bool deflated);
  // The archive; nothing can be added afterwards.
  std::string finish();

 private:
  std::string out_;
  std::string directory_;
  std::size_t entries_ = 0;
};

}  // namespace retrograde
