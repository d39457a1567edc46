// From the words of the command line, and a configuration file if one is named, to parsed options.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace retrograde::cli {

// Help with examples first, --version, and exactly one sub-command.
void set_up(CLI::App& app);

// Parses the words after the program's name. `--config FILE` adds the options of a JSON object,
// {"hidden": 64, "bptt": "chunk:96", "json": true}, except those that the command line gives too, and
// `--resume RUN` likewise those that the run was begun with. UsageError says what is wrong and, for a typing
// error, what was probably meant; CLI::Success asks for help or the version to be printed.
void parse(CLI::App& app, std::vector<std::string> arguments);

// Of `names` the one nearest to `word` by edit distance, "" if none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& names);

}  // namespace retrograde::cli
