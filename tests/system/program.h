// Runs the built program as a user does: words in, exit code and both streams out.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "retrograde/data/file.h"

namespace retrograde::system_test {

// A directory of its own for one test, removed at the end.
class Folder {
 public:
  Folder() = default;
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return *this / name;
  }

 private:
  std::filesystem::path path_ = temporary_folder("retrograde");
};

inline std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Outcome {
  int exit;  // 128 + signal if a signal ended it
  std::string out;
  std::string err;
  std::size_t peak_bytes;  // of memory
};

// A run of the program in progress. Standard input comes from the file `input`, "/dev/null" unless told.
class Running {
 public:
  Running(const std::vector<std::string>& words, const std::string& input = "/dev/null") {
    pid_ = fork();
    if (pid_ == 0) {
      become(words, input);
      _exit(127);
    }
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (pid_ > 0) {
      send(SIGKILL);
      wait();
    }
  }

  void send(int signal) const { kill(pid_, signal); }

  Outcome wait() {
    int status = 0;
    rusage usage{};
    wait4(pid_, &status, 0, &usage);
    pid_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read(folder_ / "out"),
            read(folder_ / "err"), static_cast<std::size_t>(usage.ru_maxrss) * 1024};
  }

 private:
  void become(const std::vector<std::string>& words, const std::string& input) const {
    const auto redirect = [](const std::string& path, int flags, int to) {
      dup2(open(path.c_str(), flags, 0600), to);
    };
    redirect(input, O_RDONLY, 0);
    redirect(folder_ / "out", O_WRONLY | O_CREAT, 1);
    redirect(folder_ / "err", O_WRONLY | O_CREAT, 2);
    std::vector<char*> argv{const_cast<char*>(RETROGRADE_PROGRAM)};
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    execv(RETROGRADE_PROGRAM, argv.data());
  }

  Folder folder_;
  pid_t pid_ = -1;
};

inline Outcome retrograde(const std::vector<std::string>& words, const std::string& input = "/dev/null") {
  return Running(words, input).wait();
}

}  // namespace retrograde::system_test
