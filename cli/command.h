// The pattern of a sub-command. cli/x.cpp defines `Command add_x(CLI::App& app)`: it declares the options,
// keeps their values in one shared struct, and returns what to run once they are parsed:
//
//   Command add_inspect(CLI::App& app) {
//     CLI::App* sub = app.add_subcommand("inspect", "Show what is in a model file\n\n"
//                                        "Examples:\n  retrograde inspect run/best.safetensors\n");
//     auto options = std::make_shared<InspectOptions>();
//     sub->add_option("model", options->path, "the model file")->required();
//     return {sub, [options] { return inspect(*options); }};
//   }
//
// Results go to stdout, messages to stderr. Errors are thrown (base/error.h): main.cpp alone turns them into
// text and an exit code. The text after the description's first line is shown by `retrograde x -h` alone.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace retrograde::cli {

enum class Exit {
  fine = 0,
  failure = 1,       // run-time or file error
  usage = 2,         // the command line is wrong
  check_failed = 3,  // check, doctor, eval --fail-under, a model's self-test
  bad_data = 4,
  cannot_tell = 5,
  interrupted = 130  // after saving
};

struct Command {
  CLI::App* app;
  std::function<Exit()> run;
};

// Runs the program with these words after its name: errors become text on stderr and an exit code.
Exit run_program(std::vector<std::string> words);

Command add_train(CLI::App& app);
Command add_eval(CLI::App& app);
Command add_predict(CLI::App& app);
Command add_sample(CLI::App& app);
Command add_inspect(CLI::App& app);
Command add_demo(CLI::App& app);
Command add_check(CLI::App& app);
Command add_doctor(CLI::App& app);
Command add_bench(CLI::App& app);

}  // namespace retrograde::cli
