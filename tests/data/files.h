// Files for tests: a folder of their own that vanishes afterwards, golden files, and the real data sets.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "retrograde/data/file.h"

namespace retrograde::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() = default;
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_ = temporary_folder("retrograde-test");
};

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::filesystem::path save(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);  // some file systems flush what is written over, which takes long
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

inline std::filesystem::path golden(std::string_view name) {
  return std::filesystem::path(RETROGRADE_SOURCE_DIR) / "tests/data/golden" / name;
}

// The data sets that the repository does not ship: $RETROGRADE_DATA, or ../shared/data beside the repository.
inline std::optional<std::filesystem::path> real_data(std::string_view name) {
  const char* variable = std::getenv("RETROGRADE_DATA");
  const auto folder = variable != nullptr ? std::filesystem::path(variable)
                                          : std::filesystem::path(RETROGRADE_SOURCE_DIR) / "../shared/data";
  if (!std::filesystem::exists(folder / name)) return std::nullopt;
  return folder / name;
}

// Runs `action` and gives the message of the E that it must throw.
template <class E, class Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error was thrown: " << error.what();
    return {};
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace retrograde::testing
