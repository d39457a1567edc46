#include "retrograde/data/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

// A file descriptor that is closed at the scope's end.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  operator int() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

class FileSource : public ByteSource {
 public:
  explicit FileSource(const std::filesystem::path& path)
      : name_(path.string()), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (file_ < 0) throw FileError("{}: cannot be opened: {}", name_, reason(errno));
    struct stat info {};
    if (::fstat(file_, &info) != 0) throw FileError("{}: {}", name_, reason(errno));
    if (S_ISDIR(info.st_mode)) throw FileError("{}: is a folder, not a file", name_);
    if (!S_ISREG(info.st_mode)) {
      throw FileError("{}: is no regular file; save it to disk first (its size must be known)", name_);
    }
    size_ = static_cast<std::uint64_t>(info.st_size);
  }

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return size_; }

  void read(std::uint64_t offset, std::span<std::byte> into) const override {
    while (!into.empty()) {
      const auto got = ::pread(file_, into.data(), into.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw FileError("{}: cannot be read: {}", name_, reason(errno));
      if (got == 0)
        throw FileError("{}: ends at byte {}, but {} more are needed", name_, offset, into.size());
      offset += static_cast<std::uint64_t>(got);
      into = into.subspan(static_cast<std::size_t>(got));
    }
  }

 private:
  std::string name_;
  Descriptor file_;
  std::uint64_t size_ = 0;
};

class MemorySource : public ByteSource {
 public:
  MemorySource(std::string name, std::span<const std::byte> bytes) : name_(std::move(name)), bytes_(bytes) {}

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return bytes_.size(); }

  void read(std::uint64_t offset, std::span<std::byte> into) const override {
    if (offset > bytes_.size() || into.size() > bytes_.size() - offset) {
      throw FileError("{}: ends at byte {}, but {} bytes from {} on are needed", name_, bytes_.size(),
                      into.size(), offset);
    }
    std::ranges::copy(bytes_.subspan(static_cast<std::size_t>(offset), into.size()), into.begin());
  }

 private:
  std::string name_;
  std::span<const std::byte> bytes_;
};

void write_all(int file, std::string_view bytes, const std::string& name) {
  while (!bytes.empty()) {
    const auto put = ::write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw FileError("{}: cannot be written: {}", name, reason(errno));
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

void flush_folder(const std::filesystem::path& folder) {
  const Descriptor file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // EINVAL: the file system has no such operation, and then there is nothing to do.
  if (file < 0 || (::fsync(file) != 0 && errno != EINVAL)) {
    throw FileError("{}: the folder cannot be flushed to disk: {}", folder.string(), reason(errno));
  }
}

}  // namespace

std::unique_ptr<ByteSource> open_file(const std::filesystem::path& path) {
  return std::make_unique<FileSource>(path);
}

std::unique_ptr<ByteSource> open_memory(std::string name, std::span<const std::byte> bytes) {
  return std::make_unique<MemorySource>(std::move(name), bytes);
}

void replace_file(const std::filesystem::path& path, std::string_view bytes) {
  const std::string name = path.string();
  // Its own name for every process and call, so that two writers never mix their bytes.
  static std::atomic<unsigned> calls = 0;
  const std::string temporary = fmt::format("{}.part-{}-{}", name, ::getpid(), calls++);
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file < 0) throw FileError("{}: cannot be created: {}", name, reason(errno));
  try {
    write_all(file, bytes, name);
    if (::fsync(file) != 0) throw FileError("{}: cannot be flushed to disk: {}", name, reason(errno));
    if (::close(file.release()) != 0) throw FileError("{}: cannot be closed: {}", name, reason(errno));
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      throw FileError("{}: cannot be replaced: {}", name, reason(errno));
    }
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  flush_folder(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
}

std::filesystem::path temporary_folder(std::string_view name) {
  std::string path = (std::filesystem::temp_directory_path() / fmt::format("{}-XXXXXX", name)).string();
  if (::mkdtemp(path.data()) == nullptr) throw FileError("{}: cannot be made: {}", path, reason(errno));
  return path;
}

void append_file(const std::filesystem::path& path, std::string_view bytes) {
  const std::string name = path.string();
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (file < 0) throw FileError("{}: cannot be opened: {}", name, reason(errno));
  write_all(file, bytes, name);
  if (::fsync(file) != 0) throw FileError("{}: cannot be flushed to disk: {}", name, reason(errno));
}

}  // namespace retrograde
