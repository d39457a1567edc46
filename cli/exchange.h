// Somebody else's program as a function: it is started for every probe and exchanges .npz files with us
// (docs/doctor_protocol.md).
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "retrograde/data/npz.h"

namespace retrograde::cli {

// The user pressed Ctrl-C while the program ran.
struct Interrupted {};

class Exchange {
 public:
  // `command` is a shell command; the names of the request and of the reply are appended to it. What it
  // prints goes to stderr. `before` is called before each start.
  Exchange(std::string command, std::function<void(int starts)> before);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange();

  // Throws FileError if the program fails or leaves no reply that can be read, DataError if the reply holds
  // what read_npz refuses, Interrupted. `quiet`: what it prints is not shown, since it may refuse.
  Npz ask(const Npz& request, bool quiet = false);
  int starts() const { return starts_; }

 private:
  std::string command_;
  std::function<void(int)> before_;
  std::filesystem::path folder_;
  int starts_ = 0;
};

}  // namespace retrograde::cli
