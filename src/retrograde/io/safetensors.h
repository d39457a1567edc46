// Named tensors with string metadata in one file: the safetensors format (Hugging Face, 2022), read strictly.
//
//   8 bytes           n, the header's length, little-endian, at most 100 MB
//   n bytes           JSON: {"__metadata__": {"key": "text"}, "name": {"dtype": "F32", "shape": [2, 3],
//                     "data_offsets": [begin, end]}, ...}, padded with spaces
//   the rest          the tensors' elements, little-endian, row-major, one after the other
//
// Files written here carry the metadata "crc32": of the tensors' bytes and then the header without it, keys
// sorted. It is checked where it is there, so that no flipped bit passes for a number.
//
// Refused: a name or key that occurs twice, offsets that overlap, leave holes or leave the file, bytes that
// do not match shape and dtype, other dtypes than F32, F64, I32 and I64, an I64 that no double holds exactly,
// and NaN or infinity unless allowed. FileError names the file, the tensor, what was found and what was
// expected.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "retrograde/data/file.h"
#include "retrograde/tensor/array.h"

namespace retrograde {

struct TensorFile {
  std::map<std::string, std::string, std::less<>> metadata;
  std::map<std::string, Array, std::less<>> tensors;
};

enum class NonFinite { refused, allowed };

// Everything or nothing.
TensorFile read_safetensors(const ByteSource& source, NonFinite non_finite = NonFinite::refused);
TensorFile read_safetensors(const std::filesystem::path& path, NonFinite non_finite = NonFinite::refused);

// Metadata, shapes and dtypes, checked as above; the tensors' values stay unread (empty).
TensorFile read_safetensors_header(const std::filesystem::path& path);

// Replaces the file at once, flushed to disk (data/file.h).
void write_safetensors(const std::filesystem::path& path, const TensorFile& content);
std::string safetensors_bytes(const TensorFile& content);

}  // namespace retrograde
