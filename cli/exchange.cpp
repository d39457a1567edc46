#include "cli/exchange.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "retrograde/base/error.h"
#include "retrograde/data/file.h"

namespace retrograde::cli {
namespace {

std::string quoted(const std::filesystem::path& path) {
  std::string out = "'";
  for (const char c : path.string()) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

Exchange::Exchange(std::string command, std::function<void(int)> before)
    : command_(std::move(command)),
      before_(std::move(before)),
      folder_(temporary_folder("retrograde-doctor")) {}

Exchange::~Exchange() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Npz Exchange::ask(const Npz& request, bool quiet) {
  const auto question = folder_ / "request.npz", reply = folder_ / "reply.npz";
  write_npz(question, request);
  std::filesystem::remove(reply);
  before_(++starts_);
  const int status = std::system(fmt::format("{} {} {} {}", command_, quoted(question), quoted(reply),
                                             quiet ? ">/dev/null 2>&1" : "1>&2")
                                     .c_str());
  if (status == -1) throw FileError("\"{}\" cannot be started", command_);
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) - 128;
  if (signal == SIGINT || signal == SIGTERM) throw Interrupted{};
  if (status != 0) {
    throw FileError("\"{}\" ended with exit code {}; what it printed stands above", command_,
                    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + signal);
  }
  if (!std::filesystem::exists(reply)) {
    throw FileError(
        "\"{}\" wrote no reply. It is started with two file names: it reads the first, a .npz, and writes "
        "its\n"
        "       parameters, batch, loss and gradients to the second (docs/doctor_protocol.md)",
        command_);
  }
  return read_npz(reply);
}

}  // namespace retrograde::cli
