// NumPy's .npy files, versions 1 to 3: one array each, read whole or row by row, in either byte order and
// memory order. The format: NEP 1 (R. Kern, 2007) and numpy/lib/format.py.
//
// Read as double: float32, float64, bool, int8/16/32/64 and uint8/16/32/64. An integer that no double holds
// exactly is refused, never rounded. Refused, and the error says which it is: object arrays (they can run
// code when they are loaded), structured, complex, float16, long double, dates, and strings (but see text()
// for a single one). A file that is shorter or longer than its header says is damaged and nothing of it is
// given out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "retrograde/data/file.h"
#include "retrograde/tensor/array.h"

namespace retrograde {

// An .npy file that stays on disk: only its header is read, then the rows (first axis) that are asked for.
class NpyReader {
 public:
  // FileError when it cannot be read or is damaged, DataError when its element type is not for us.
  explicit NpyReader(std::unique_ptr<ByteSource> source);
  explicit NpyReader(const std::filesystem::path& path) : NpyReader(open_file(path)) {}

  const std::string& name() const { return source_->name(); }
  const std::vector<std::size_t>& shape() const { return shape_; }
  // How far its digits can be trusted: bool and integers up to 16 bits count as int32, uint32 and up as
  // int64.
  Dtype dtype() const { return dtype_; }

  // A 0-d array is one row of one value.
  std::size_t rows() const { return shape_.empty() ? 1 : shape_[0]; }
  std::size_t row_size() const { return row_size_; }

  // Rows first .. first+count-1 in row-major order; `into` has count · row_size() places.
  void read_rows(std::size_t first, std::size_t count, std::span<double> into) const;

  // All rows.
  Array read() const;

  // A single string (0-d, as numpy.savez(f, activation="tanh") stores it), UTF-8.
  bool is_text() const { return type_.kind == 'U' || type_.kind == 'S'; }
  std::string text() const;

 private:
  struct Type {
    char kind = 'f';        // f float, i signed, u unsigned, b bool, U and S strings
    std::size_t bytes = 8;  // of one element
    bool swapped = false;   // not this machine's byte order
  };

  void set_type(const std::string& descr);
  void set_row_size();
  void read_row_major(std::size_t first, std::span<double> into) const;
  void read_column_major(std::size_t first, std::size_t count, std::span<double> into) const;
  // into[at], into[at + step], ... from the elements in `raw`.
  void decode(std::span<const std::byte> raw, std::size_t first, std::span<double> into, std::size_t at,
              std::size_t step) const;
  template <class T>
  void decode_as(std::span<const std::byte> raw, std::size_t first, std::span<double> into, std::size_t at,
                 std::size_t step) const;

  std::unique_ptr<ByteSource> source_;
  std::vector<std::size_t> shape_;
  std::size_t row_size_ = 1;
  Type type_;
  Dtype dtype_ = Dtype::float64;
  bool fortran_ = false;
  std::uint64_t data_offset_ = 0;
};

Array read_npy(const std::filesystem::path& path);

// The bytes of an .npy file, version 1, little-endian, row-major, of the array's dtype.
// UsageError when a value does not fit the dtype: 0.5 in an int32, 1e300 in a float32.
std::string npy_bytes(const Array& array);
// A single string (UTF-8), as NumPy stores one: 0-d, UTF-32.
std::string npy_bytes(std::string_view text);
void write_npy(const std::filesystem::path& path, const Array& array);

}  // namespace retrograde
