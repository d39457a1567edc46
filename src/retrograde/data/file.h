// Bytes on disk or in memory, read at any offset, and files that are replaced whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace retrograde {

// What a reader of a binary format needs: a name for its errors, a size known before anything is allocated,
// and reads at any offset (safe from several threads).
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual const std::string& name() const = 0;
  virtual std::uint64_t size() const = 0;
  // Fills `into` from `offset` on; FileError when the source ends before.
  virtual void read(std::uint64_t offset, std::span<std::byte> into) const = 0;
};

// A regular file; FileError if it is missing, not readable, or no regular file (a pipe has no size).
std::unique_ptr<ByteSource> open_file(const std::filesystem::path& path);

// Bytes owned by the caller, which must outlive the source.
std::unique_ptr<ByteSource> open_memory(std::string name, std::span<const std::byte> bytes);

// The file appears complete or stays as it was: written beside it, flushed to disk (file, then folder),
// renamed. FileError names the path and the system's reason.
void replace_file(const std::filesystem::path& path, std::string_view bytes);

// A new folder among the system's temporary ones, its name beginning with `name`.
std::filesystem::path temporary_folder(std::string_view name);

// Adds to the end of a file, which need not be there, and flushes it to disk.
void append_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace retrograde
