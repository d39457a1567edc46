// Writes the archive with 64-bit sizes throughout, as NumPy does, so that there is one layout and no limit.
#include <zlib.h>

#include <algorithm>

#include "retrograde/base/error.h"
#include "retrograde/data/zip.h"

namespace retrograde {
namespace {

constexpr unsigned kVersion = 45;  // the first with 64-bit sizes
constexpr unsigned kDate =
    1 << 5 | 1;  // 1980-01-01, the format's first day: the content alone decides the bytes

void put(std::string& out, std::size_t width, std::uint64_t value) {
  for (std::size_t i = 0; i < width; ++i) out.push_back(static_cast<char>(value >> 8 * i & 0xff));
}

std::string deflated_bytes(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw FileError("zlib has no memory");
  }
  std::string out;
  std::string piece(std::size_t{1} << 16, '\0');
  int status = Z_OK;
  while (status != Z_STREAM_END) {
    if (stream.avail_in == 0 && !bytes.empty()) {
      const auto n = std::min(bytes.size(), std::size_t{1} << 30);  // zlib counts in 32 bits
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
      stream.avail_in = static_cast<uInt>(n);
      bytes.remove_prefix(n);
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    status = deflate(&stream, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
    out.append(piece.data(), piece.size() - stream.avail_out);
  }
  deflateEnd(&stream);
  return out;
}

}  // namespace

void ZipWriter::add(std::string_view name, std::string_view bytes, bool deflated) {
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  const std::string packed = deflated ? deflated_bytes(bytes) : std::string();
  const std::string_view data = deflated ? packed : bytes;
  const std::uint64_t offset = out_.size();
  const auto put_common = [&](std::string& out) {
    put(out, 2, kVersion);
    put(out, 2, 1u << 11);  // the name is UTF-8
    put(out, 2, deflated ? 8 : 0);
    put(out, 2, 0);
    put(out, 2, kDate);
    put(out, 4, crc);
    put(out, 4, 0xffffffff);
    put(out, 4, 0xffffffff);
    put(out, 2, name.size());
  };
  put(out_, 4, 0x04034b50);
  put_common(out_);
  put(out_, 2, 20);
  out_ += name;
  put(out_, 2, 1), put(out_, 2, 16), put(out_, 8, bytes.size()), put(out_, 8, data.size());
  out_ += data;

  put(directory_, 4, 0x02014b50);
  put(directory_, 2, kVersion);
  put_common(directory_);
  put(directory_, 2, 28);
  put(directory_, 8, 0), put(directory_, 2, 0);  // comment, disk, attributes
  put(directory_, 4, 0xffffffff);
  directory_ += name;
  put(directory_, 2, 1), put(directory_, 2, 24);
  put(directory_, 8, bytes.size()), put(directory_, 8, data.size()), put(directory_, 8, offset);
  ++entries_;
}

std::string ZipWriter::finish() {
  const std::uint64_t start = out_.size(), end = start + directory_.size();
  out_ += directory_;
  put(out_, 4, 0x06064b50);
  put(out_, 8, 44);
  put(out_, 2, kVersion), put(out_, 2, kVersion), put(out_, 8, 0);
  put(out_, 8, entries_), put(out_, 8, entries_), put(out_, 8, end - start), put(out_, 8, start);
  put(out_, 4, 0x07064b50), put(out_, 4, 0), put(out_, 8, end), put(out_, 4, 1);
  put(out_, 4, 0x06054b50), put(out_, 4, 0), put(out_, 2, 0xffff), put(out_, 2, 0xffff);
  put(out_, 4, 0xffffffff), put(out_, 4, 0xffffffff), put(out_, 2, 0);
  return std::move(out_);
}

}  // namespace retrograde
