#include "retrograde/data/zip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <set>
#include <span>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

constexpr std::uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr std::uint64_t kFull16 = 0xffff,
                        kFull32 = 0xffffffff;  // "the true number stands in the 64-bit record"
constexpr std::uint64_t kMaxDirectory = std::uint64_t{1} << 28;
constexpr std::uint64_t kMaxRatio = 1032;  // DEFLATE cannot pack better (zlib's technical notes)

[[noreturn]] void damaged(const ByteSource& source, std::string_view what) {
  throw FileError("{}: damaged or no .npz file: {}", source.name(), what);
}

// Little-endian fields, one after the other.
class Fields {
 public:
  Fields(const ByteSource& source, std::uint64_t offset, std::uint64_t size) : source_(source) {
    if (offset > source.size() || size > source.size() - offset)
      damaged(source, "a record lies beyond the file's end");
    bytes_.resize(static_cast<std::size_t>(size));
    source.read(offset, bytes_);
  }
  std::uint64_t number(std::size_t width) {
    const auto raw = take(width);
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(raw[i]);
    return value;
  }
  std::string text(std::size_t length) {
    const auto raw = take(length);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }
  std::span<const std::byte> take(std::size_t count) {
    if (count > left()) damaged(source_, "a record is cut off");
    at_ += count;
    return std::span(bytes_).subspan(at_ - count, count);
  }
  std::size_t left() const { return bytes_.size() - at_; }

 private:
  const ByteSource& source_;
  std::vector<std::byte> bytes_;
  std::size_t at_ = 0;
};

struct Directory {
  std::uint64_t entries = 0, size = 0, offset = 0;
};

Directory read_end64(const ByteSource& source, std::uint64_t end) {
  if (end < 20) damaged(source, "its 64-bit end record is missing");
  Fields locator(source, end - 20, 20);
  if (locator.number(4) != kLocator64 || locator.number(4) != 0)
    damaged(source, "its 64-bit end record is missing");
  Fields record(source, locator.number(8), 56);
  if (record.number(4) != kEnd64) damaged(source, "its 64-bit end record is not where it should be");
  record.take(8 + 2 + 2);
  const bool split = record.number(4) != 0 || record.number(4) != 0;
  Directory result;
  result.entries = record.number(8);
  if (split || record.number(8) != result.entries) damaged(source, "it is split over several files");
  result.size = record.number(8);
  result.offset = record.number(8);
  return result;
}

// The end record stands at the very end but for a comment of up to 65,535 bytes.
Directory find_directory(const ByteSource& source) {
  constexpr std::uint64_t kSize = 22;
  if (source.size() < kSize) damaged(source, "it is too short");
  const std::uint64_t window = std::min(source.size(), kSize + kFull16);
  Fields tail(source, source.size() - window, window);
  const auto bytes = tail.take(static_cast<std::size_t>(window));
  for (std::size_t at = bytes.size() - kSize + 1; at-- > 0;) {
    const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[at + i]); };
    if ((byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24) != kEnd) continue;
    if (at + kSize + (byte(20) | byte(21) << 8) != bytes.size()) continue;
    const std::uint64_t end = source.size() - window + at;
    Fields record(source, end, kSize);
    record.take(4);
    const bool split = record.number(2) != 0 || record.number(2) != 0;
    Directory result;
    result.entries = record.number(2);
    if (split || record.number(2) != result.entries) damaged(source, "it is split over several files");
    result.size = record.number(4);
    result.offset = record.number(4);
    const bool wide = result.entries == kFull16 || result.size == kFull32 || result.offset == kFull32;
    return wide ? read_end64(source, end) : result;
  }
  damaged(source, "its end record is missing (the file may be cut off)");
}

// Sizes that do not fit 32 bits stand in the extra field 1, in this order, and only those that did not fit.
void widen(const ByteSource& source, Fields& fields, std::size_t length, std::vector<std::uint64_t*> wide) {
  std::erase_if(wide, [](const auto* value) { return *value != kFull32; });
  const std::size_t end = fields.left() - length;
  while (fields.left() >= end + 4) {
    const auto id = fields.number(2);
    const auto size = static_cast<std::size_t>(fields.number(2));
    if (size > fields.left() - end) damaged(source, "an extra field is cut off");
    if (id == 1 && size >= 8 * wide.size()) {
      for (auto* value : wide) *value = fields.number(8);
      fields.take(size - 8 * wide.size());
      wide.clear();
    } else {
      fields.take(size);
    }
  }
  fields.take(fields.left() - end);
  if (!wide.empty()) damaged(source, "a 64-bit size is missing");
}

// `offset` is of the local header at first; the packed bytes begin after it.
ZipEntry read_central(const ByteSource& source, Fields& fields) {
  if (fields.number(4) != kCentral) damaged(source, "its directory holds something else than entries");
  fields.take(4);
  const auto flags = fields.number(2), method = fields.number(2);
  fields.take(4);
  ZipEntry entry;
  entry.deflated = method == 8;
  entry.crc = static_cast<std::uint32_t>(fields.number(4));
  entry.packed = fields.number(4);
  entry.size = fields.number(4);
  const auto name = static_cast<std::size_t>(fields.number(2)),
             extra = static_cast<std::size_t>(fields.number(2));
  const auto comment = static_cast<std::size_t>(fields.number(2));
  fields.take(8);
  entry.offset = fields.number(4);
  entry.name = fields.text(name);
  if (extra > fields.left()) damaged(source, "its directory is cut off");
  widen(source, fields, extra, {&entry.size, &entry.packed, &entry.offset});
  fields.take(comment);
  if ((flags & 1) != 0) throw FileError("{}: entry {} is encrypted", source.name(), entry.name);
  if (method != 0 && method != 8) {
    throw FileError("{}: entry {} is packed by method {}; known are 0 (stored) and 8 (deflated)",
                    source.name(), entry.name, method);
  }
  return entry;
}

void step_over_local_header(const ByteSource& source, ZipEntry& entry) {
  constexpr std::uint64_t kSize = 30;
  Fields fields(source, entry.offset, kSize);
  if (fields.number(4) != kLocal)
    damaged(source, fmt::format("entry {} is not where it should be", entry.name));
  fields.take(4);
  const bool same_method = fields.number(2) == (entry.deflated ? 8u : 0u);
  fields.take(16);
  const auto name = fields.number(2), extra = fields.number(2);
  if (!same_method || name != entry.name.size() ||
      Fields(source, entry.offset + kSize, name).text(entry.name.size()) != entry.name) {
    damaged(source, fmt::format("entry {} differs between the directory and its place", entry.name));
  }
  entry.offset += kSize + name + extra;
  if (entry.offset > source.size() || entry.packed > source.size() - entry.offset) {
    damaged(source, fmt::format("entry {} is cut off", entry.name));
  }
  if (entry.deflated ? entry.size / kMaxRatio > entry.packed : entry.size != entry.packed) {
    damaged(source, fmt::format("entry {} claims {} bytes out of {}", entry.name, entry.size, entry.packed));
  }
}

void check_overlap(const ByteSource& source, std::vector<ZipEntry> entries, std::uint64_t directory) {
  std::ranges::sort(entries, {}, &ZipEntry::offset);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto limit = i + 1 < entries.size() ? entries[i + 1].offset : directory;
    if (entries[i].offset + entries[i].packed > limit) damaged(source, "its entries overlap");
  }
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(const ByteSource& source) {
  const Directory directory = find_directory(source);
  if (directory.size > kMaxDirectory) damaged(source, "its directory claims an absurd size");
  Fields fields(source, directory.offset, directory.size);
  std::vector<ZipEntry> entries;
  std::set<std::string> names;
  while (fields.left() > 0) {
    entries.push_back(read_central(source, fields));
    step_over_local_header(source, entries.back());
    if (!names.insert(entries.back().name).second) {
      throw FileError("{}: entry {} occurs twice", source.name(), entries.back().name);
    }
  }
  if (entries.size() != directory.entries) damaged(source, "its directory and its end record disagree");
  check_overlap(source, entries, directory.offset);
  return entries;
}

std::vector<std::byte> read_zip_entry(const ByteSource& source, const ZipEntry& entry) {
  std::vector<std::byte> packed(static_cast<std::size_t>(entry.packed));
  source.read(entry.offset, packed);
  std::vector<std::byte> bytes;
  if (entry.deflated) {
    bytes.resize(static_cast<std::size_t>(entry.size) + 1);  // one more, to see an entry that is too long
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw FileError("{}: zlib has no memory", source.name());
    int status = Z_OK;
    std::size_t in = 0, out = 0;
    while (status == Z_OK) {
      // zlib counts in 32 bits.
      constexpr std::size_t kMost = std::size_t{1} << 30;
      stream.next_in = reinterpret_cast<Bytef*>(packed.data() + in);
      stream.avail_in = static_cast<uInt>(std::min(kMost, packed.size() - in));
      stream.next_out = reinterpret_cast<Bytef*>(bytes.data() + out);
      stream.avail_out = static_cast<uInt>(std::min(kMost, bytes.size() - out));
      const auto before = std::pair(stream.avail_in, stream.avail_out);
      status = inflate(&stream, Z_NO_FLUSH);
      in += before.first - stream.avail_in;
      out += before.second - stream.avail_out;
    }
    inflateEnd(&stream);
    if (status != Z_STREAM_END || in != packed.size() || out != entry.size) {
      throw FileError("{}: entry {} is damaged: it does not unpack to its {} bytes", source.name(),
                      entry.name, entry.size);
    }
    bytes.resize(out);
  } else {
    bytes = std::move(packed);
  }
  if (crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()) != entry.crc) {
    throw FileError("{}: entry {} is damaged: its checksum differs", source.name(), entry.name);
  }
  return bytes;
}

}  // namespace retrograde
