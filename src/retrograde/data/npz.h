// NumPy's .npz files: a ZIP archive of .npy arrays, stored or deflated, 64-bit sizes included. The archive
// format: PKWARE APPNOTE 6.3. Every entry's checksum is verified; encrypted, split and overlapping archives,
// other ways of compression and repeated names are refused.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "retrograde/data/file.h"
#include "retrograde/tensor/array.h"

namespace retrograde {

struct Npz {
  std::map<std::string, Array, std::less<>> arrays;
  // Single strings, as numpy.savez("case.npz", activation="tanh") stores them.
  std::map<std::string, std::string, std::less<>> texts;
};

// Everything or nothing. FileError when damaged (path, entry, what was expected), DataError when an entry is
// of a type that npy.h refuses.
Npz read_npz(const std::filesystem::path& path);
Npz read_npz(const ByteSource& source);

enum class Compression { none, deflate };

// Replaces the file at once (file.h). The bytes depend on the content alone: no time stamp is stored.
void write_npz(const std::filesystem::path& path, const Npz& content,
               Compression compression = Compression::none);
std::string npz_bytes(const Npz& content, Compression compression = Compression::none);

}  // namespace retrograde
