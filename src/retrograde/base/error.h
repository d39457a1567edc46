// What a caller's mistake, a bad file and bad data look like: one sentence that names what, got, expected and
// the remedy. A numeric outcome (a check differs, training diverged) is a result and never one of these.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace retrograde {

// Base of everything that the library throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The call is wrong: a shape, an option, an argument out of range (exit 2 on the command line).
class UsageError : public Error {
 public:
  template <class... Args>
  explicit UsageError(fmt::format_string<Args...> text, Args&&... args)
      : Error(fmt::format(text, std::forward<Args>(args)...)) {}
};

// A file cannot be read or written, or is not what it should be (exit 1).
class FileError : public Error {
 public:
  template <class... Args>
  explicit FileError(fmt::format_string<Args...> text, Args&&... args)
      : Error(fmt::format(text, std::forward<Args>(args)...)) {}
};

// The file is readable but its data cannot be used: a cell that is no number, a missing column (exit 4).
class DataError : public Error {
 public:
  template <class... Args>
  explicit DataError(fmt::format_string<Args...> text, Args&&... args)
      : Error(fmt::format(text, std::forward<Args>(args)...)) {}
};

}  // namespace retrograde
