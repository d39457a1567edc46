// retrograde demo: the program at work on two true stories, each step a command that can be typed.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cli/command.h"
#include "cli/terminal.h"
#include "retrograde/data/file.h"

namespace retrograde::cli {

// examples/data/monthly-sunspots.csv and the two files of examples/story, by cmake/embed.cmake.
std::string_view sunspots_csv();
std::string_view every_step_npz();
std::string_view one_output_npz();

namespace {

struct DemoArguments {
  std::string out;
};

void say(std::string_view text) { fmt::print(stderr, "{}\n", text); }

// Shows a command and runs it.
Exit step(const std::vector<std::string>& words) {
  say(bold(fmt::format("\n$ retrograde {}", fmt::join(words, " "))));
  const Exit code = run_program(words);
  std::fflush(stdout);  // keeps both streams in order where they end in one
  return code;
}

// The last line of a file.
std::string last_line(const std::string& path) {
  std::ifstream file(path);
  std::string line, last;
  while (std::getline(file, line)) last = line;
  return last;
}

Exit forecast(const std::filesystem::path& folder) {
  const std::string data = (folder / "monthly-sunspots.csv").string(), run = (folder / "run").string(),
                    model = (folder / "run" / "best.safetensors").string(),
                    out = (folder / "forecast.csv").string();
  replace_file(data, sunspots_csv());
  say(bold("1  A forecast") +
      "\n   Sunspots, month by month from 1749 to 1983: what will the next month bring?");
  Exit code = step({"train", data, "--target", "Sunspots", "--time", "Month", "--period", "132", "--hidden",
                    "32", "--epochs", "20", "--out", run, "--overwrite"});
  if (code == Exit::fine) code = step({"eval", model, data});
  if (code == Exit::fine) code = step({"predict", model, data, "--out", out});
  if (code != Exit::fine) return code;
  const std::string line = last_line(out);
  say(fmt::format("       the month after the last: {} spots", line.substr(line.rfind(',') + 1)));
  return Exit::fine;
}

// That a fault is found is what is to be shown.
Exit diagnose(const std::filesystem::path& file, std::string_view arrays) {
  replace_file(file.string(), arrays);
  const Exit code = step({"doctor", file.string()});
  return code == Exit::check_failed ? Exit::fine : code == Exit::fine ? Exit::check_failed : code;
}

Exit story(const std::filesystem::path& folder) {
  say(bold("\n2  A gradient that is wrong") +
      "\n   A man wrote back-propagation through time by hand. His check fails for the state's weights, and "
      "the\n"
      "   mathematics is right. This file holds his network's numbers and the gradient that his code gave.");
  const Exit code = diagnose(folder / "every_step.npz", every_step_npz());
  if (code != Exit::fine) return code;
  say("   The same code, asked for one output a sequence, holds a second fault that he never saw.");
  return diagnose(folder / "one_output.npz", one_output_npz());
}

Exit demo(const DemoArguments& a) {
  const std::filesystem::path folder =
      a.out.empty() ? temporary_folder("retrograde-demo") : std::filesystem::path(a.out);
  std::filesystem::create_directories(folder);
  Exit code = forecast(folder);
  if (code == Exit::fine) code = story(folder);
  if (code != Exit::fine) return code;
  say(fmt::format("\neverything is in {}\nnext   retrograde train --help", folder.string()));
  return Exit::fine;
}

}  // namespace

Command add_demo(CLI::App& app) {
  CLI::App* sub =
      app.add_subcommand("demo",
                         "See it work: a forecast of sunspots, and a wrong gradient that is explained\n\n"
                         "Examples:\n"
                         "  retrograde demo\n"
                         "  retrograde demo --out here      keep what it makes in this folder\n");
  auto a = std::make_shared<DemoArguments>();
  sub->add_option("--out", a->out, "folder for what it makes; by default one among the temporary files");
  return {sub, [a] { return demo(*a); }};
}

}  // namespace retrograde::cli
