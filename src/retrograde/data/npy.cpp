#include "retrograde/data/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>
#include <utility>

#include "retrograde/base/error.h"
#include "retrograde/data/elements.h"
#include "retrograde/data/npy_header.h"
#include "retrograde/data/utf8.h"

namespace retrograde {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;  // bytes read from disk at a time

}  // namespace

NpyReader::NpyReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {
  NpyHeader header = read_npy_header(*source_);
  set_type(header.descr);
  shape_ = std::move(header.shape);
  fortran_ = header.fortran;
  data_offset_ = header.data_offset;
  set_row_size();
}

void NpyReader::set_type(const std::string& descr) {
  const auto refuse = [&](std::string_view what) {
    throw DataError("{}: elements are {} ('{}'); wanted are float32, float64, bool or integers", name(), what,
                    descr);
  };
  const char order = descr.empty() ? '?' : descr[0];
  std::size_t bytes = 0;
  for (std::size_t i = 2; i < descr.size(); ++i) {
    if (descr[i] < '0' || descr[i] > '9' || bytes > 100'000'000) refuse("of an unknown type");
    bytes = 10 * bytes + static_cast<std::size_t>(descr[i] - '0');
  }
  const char kind = descr.size() < 2 ? '?' : descr[1];
  const bool little = order == '<', big = order == '>';
  if (!little && !big && order != '|' && order != '=') refuse("of an unknown type");
  if (kind == 'O') refuse("Python objects, which are never loaded since that can run code");
  if (kind == 'c') refuse("complex numbers; save .real and .imag as two arrays");
  if (kind == 'm' || kind == 'M') refuse("dates or durations; convert with astype(numpy.int64)");
  if (kind == 'f' && bytes == 2) refuse("float16; convert with astype(numpy.float32)");
  if (kind == 'f' && bytes > 8) refuse("long double; convert with astype(numpy.float64)");
  if (kind == 'V') refuse("raw bytes");
  const bool number = (kind == 'f' && (bytes == 4 || bytes == 8)) || (kind == 'b' && bytes == 1) ||
                      ((kind == 'i' || kind == 'u') && bytes <= 8 && std::has_single_bit(bytes));
  if (!number && kind != 'U' && kind != 'S') refuse("of an unknown type");
  const bool native_little = std::endian::native == std::endian::little;
  type_ = {kind, kind == 'U' ? 4 * bytes : bytes, native_little ? big : little};
  dtype_ = kind == 'f'                                 ? (bytes == 4 ? Dtype::float32 : Dtype::float64)
           : bytes == 8 || (kind == 'u' && bytes == 4) ? Dtype::int64
                                                       : Dtype::int32;
}

void NpyReader::set_row_size() {
  // Multiplied in 128 bits and bounded before anything is allocated.
  constexpr unsigned __int128 kMost = std::uint64_t{1} << 48;
  unsigned __int128 row = 1;
  for (std::size_t d = 1; d < shape_.size() && row <= kMost; ++d) row *= shape_[d];
  const std::uint64_t there = source_->size() - data_offset_;
  if (row > kMost || row * rows() * type_.bytes != there) {
    throw FileError(
        "{}: damaged or cut off: its header promises {} elements of {} bytes, but {} bytes follow", name(),
        describe_shape(shape_), type_.bytes, there);
  }
  row_size_ = static_cast<std::size_t>(row);
}

template <class T>
void NpyReader::decode_as(std::span<const std::byte> raw, std::size_t first, std::span<double> into,
                          std::size_t at, std::size_t step) const {
  const auto fail = [&](std::string_view what) {
    throw DataError("{}: element {} {}", name(), describe_shape(indices_of(first * row_size_ + at, shape_)),
                    what);
  };
  for (std::size_t i = 0; i < raw.size(); i += sizeof(T), at += step) {
    const T value = load_element<T>(&raw[i], type_.swapped);
    if (!is_exact(value))
      fail("is an integer that no double holds exactly; beyond 2^53 use float64 yourself");
    if (type_.kind == 'b' && value > T{1}) fail("is neither true nor false: the file is damaged");
    into[at] = static_cast<double>(value);
  }
}

void NpyReader::decode(std::span<const std::byte> raw, std::size_t first, std::span<double> into,
                       std::size_t at, std::size_t step) const {
  const auto as = [&]<class T>(T) { decode_as<T>(raw, first, into, at, step); };
  switch (type_.bytes) {
    case 1:
      return type_.kind == 'i' ? as(std::int8_t{}) : as(std::uint8_t{});
    case 2:
      return type_.kind == 'i' ? as(std::int16_t{}) : as(std::uint16_t{});
    case 4:
      return type_.kind == 'f' ? as(float{}) : type_.kind == 'i' ? as(std::int32_t{}) : as(std::uint32_t{});
    default:
      return type_.kind == 'f' ? as(double{}) : type_.kind == 'i' ? as(std::int64_t{}) : as(std::uint64_t{});
  }
}

void NpyReader::read_rows(std::size_t first, std::size_t count, std::span<double> into) const {
  if (is_text()) throw DataError("{}: holds text, not numbers", name());
  if (first > rows() || count > rows() - first || into.size() != count * row_size_) {
    throw UsageError("{}: rows {} to {} into {} places were asked for; the file has {} rows of {}", name(),
                     first, first + count, into.size(), rows(), row_size_);
  }
  if (into.empty()) return;
  if (fortran_ && shape_.size() > 1) {
    read_column_major(first, count, into);
  } else {
    read_row_major(first, into);
  }
}

void NpyReader::read_row_major(std::size_t first, std::span<double> into) const {
  std::vector<std::byte> piece(std::min(kPiece, into.size() * type_.bytes));
  const std::uint64_t start = data_offset_ + std::uint64_t{first} * row_size_ * type_.bytes;
  for (std::size_t at = 0; at < into.size();) {
    const auto n = std::min(piece.size() / type_.bytes, into.size() - at);
    const auto raw = std::span(piece).first(n * type_.bytes);
    source_->read(start + std::uint64_t{at} * type_.bytes, raw);
    decode(raw, first, into, at, 1);
    at += n;
  }
}

// The first index runs fastest, so each place of a row has its own run of rows; a run is read at a time, or
// several when whole runs are wanted and lie side by side.
void NpyReader::read_column_major(std::size_t first, std::size_t count, std::span<double> into) const {
  const std::size_t run = count * type_.bytes;
  const std::size_t together = count == rows() ? std::clamp<std::size_t>(kPiece / run, 1, row_size_) : 1;
  const std::vector<std::size_t> inner(shape_.rbegin(), shape_.rend() - 1);  // of a row, fastest last
  std::vector<std::byte> piece(together * run);
  for (std::size_t r = 0; r < row_size_; r += together) {
    const auto n = std::min(together, row_size_ - r);
    source_->read(data_offset_ + (std::uint64_t{r} * rows() + first) * type_.bytes,
                  std::span(piece).first(n * run));
    for (std::size_t k = 0; k < n; ++k) {
      auto place = indices_of(r + k, inner);
      std::size_t at = 0;
      for (std::size_t d = 1; d < shape_.size(); ++d) at = at * shape_[d] + place[shape_.size() - 1 - d];
      decode(std::span(piece).subspan(k * run, run), first, into, at, row_size_);
    }
  }
}

std::string NpyReader::text() const {
  if (!is_text() || !shape_.empty()) throw DataError("{}: is no single string", name());
  std::vector<std::byte> raw(type_.bytes);
  source_->read(data_offset_, raw);
  const std::size_t width = type_.kind == 'U' ? 4 : 1;
  std::string result;
  for (std::size_t i = 0; i < raw.size(); i += width) {
    const auto c = width == 4 ? load_element<std::uint32_t>(&raw[i], type_.swapped)
                              : std::to_integer<std::uint32_t>(raw[i]);
    if ((width == 1 && c > 127) || !append_utf8(c, result))
      throw DataError("{}: holds no valid text", name());
  }
  // NumPy pads with zeros.
  result.resize(result.find_last_not_of('\0') + 1);
  return result;
}

Array NpyReader::read() const {
  Array array{shape_, std::vector<double>(rows() * row_size_), dtype_};
  read_rows(0, rows(), array.values);
  return array;
}

Array read_npy(const std::filesystem::path& path) { return NpyReader(path).read(); }

std::string npy_bytes(const Array& array) {
  constexpr std::array<std::string_view, 4> kDescr = {"<f4", "<f8", "<i4", "<i8"};
  std::string out = npy_header_bytes(kDescr[static_cast<std::size_t>(array.dtype)], array.shape);
  append_elements(array, out);
  return out;
}

std::string npy_bytes(std::string_view text) {
  std::string values;
  for (std::size_t at = 0; at < text.size();) {
    const auto start = at;
    const auto character = next_utf8(text, at);
    if (!character) throw UsageError("the text is no UTF-8 (at byte {})", start);
    for (int shift = 0; shift < 32; shift += 8)
      values.push_back(static_cast<char>(*character >> shift & 0xff));
  }
  return npy_header_bytes(fmt::format("<U{}", values.size() / 4), {}) + values;
}

void write_npy(const std::filesystem::path& path, const Array& array) {
  replace_file(path, npy_bytes(array));
}

}  // namespace retrograde
