// The header of an .npy file: magic, version, length, and a Python literal
// {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "retrograde/data/file.h"

namespace retrograde {

struct NpyHeader {
  std::string descr;  // byte order, kind and size of an element: "<f8"
  bool fortran = false;
  std::vector<std::size_t> shape;
  std::uint64_t data_offset = 0;
};

// FileError when it is no .npy file or damaged, DataError when it holds records (a structured array).
NpyHeader read_npy_header(const ByteSource& source);

// Version 1.0, row-major, padded so that the values start at a multiple of 64 bytes.
std::string npy_header_bytes(std::string_view descr, const std::vector<std::size_t>& shape);

}  // namespace retrograde
