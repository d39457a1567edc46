// The program `retrograde`: one file a sub-command. Here are the list of them, the one place where errors
// become text and exit codes, and nothing else.
#include <fmt/format.h>

#include <cstdio>
#include <new>
#include <stdexcept>
#include <vector>

#include "cli/arguments.h"
#include "cli/command.h"
#include "retrograde/base/error.h"
#include "retrograde/io/model.h"

namespace retrograde::cli {
namespace {

constexpr const char* kAbout =
    "Recurrent networks whose gradients you can trust\n\n"
    "Examples:\n"
    "  retrograde demo                                 see it work, in under a minute\n"
    "  retrograde train series.csv --target load       train a forecaster\n"
    "  retrograde eval run/best.safetensors test.csv   measure it on other data\n"
    "  retrograde train --help                         options of one command\n";

Exit report(Exit code, std::string_view message) {
  fmt::print(stderr, "error: {}\n", message);
  return code;
}

}  // namespace

Exit run_program(std::vector<std::string> arguments) {
  CLI::App app(kAbout, "retrograde");
  set_up(app);
  const std::vector<Command> commands{add_train(app),  add_eval(app),    add_predict(app),
                                      add_sample(app), add_inspect(app), add_demo(app),
                                      add_check(app),  add_doctor(app),  add_bench(app)};
  try {
    parse(app, std::move(arguments));
    for (const Command& command : commands)
      if (command.app->parsed()) return command.run();
    return Exit::usage;
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version) == 0 ? Exit::fine : Exit::failure;
  } catch (const SelfTestError& e) {
    return report(Exit::check_failed, e.what());
  } catch (const UsageError& e) {
    return report(Exit::usage, e.what());
  } catch (const DataError& e) {
    return report(Exit::bad_data, e.what());
  } catch (const std::bad_alloc&) {
    return report(Exit::failure, "there is not enough memory for this");
  } catch (const std::length_error&) {  // a container larger than any
    return report(Exit::failure, "there is not enough memory for this");
  } catch (const std::exception& e) {
    return report(Exit::failure, e.what());
  }
}

}  // namespace retrograde::cli

int main(int argc, char** argv) {
  return static_cast<int>(retrograde::cli::run_program(std::vector<std::string>(argv + 1, argv + argc)));
}
