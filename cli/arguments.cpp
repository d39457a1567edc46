#include "cli/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "retrograde/base/error.h"
#include "retrograde/base/json.h"

namespace retrograde::cli {
namespace {

using Words = std::vector<std::string>;

// Lists sub-commands with the first line of their descriptions only: the rest are examples.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* sub) const override {
    const std::string about = sub->get_description();
    return fmt::format("  {:<10}{}\n", sub->get_name(), about.substr(0, about.find('\n')));
  }
};

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

Words names_of_options(const CLI::App& app) {
  Words names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

Words names_of_commands(const CLI::App& app) {
  Words names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

[[noreturn]] void refuse_word(const CLI::App& app, const std::string& word) {
  const bool is_option = word.starts_with("-");
  const bool wants_command = app.get_parent() == nullptr && !is_option;
  const std::string meant = nearest(word.substr(0, word.find('=')), wants_command ? names_of_commands(app)
                                                                    : is_option   ? names_of_options(app)
                                                                                  : Words{});
  const std::string hint = meant.empty() ? "" : fmt::format(" Did you mean {}?", meant);
  if (wants_command) {
    throw UsageError("there is no command \"{}\".{}\n       The commands are {}.", word, hint,
                     fmt::join(names_of_commands(app), ", "));
  }
  const std::string command = app.get_parent() == nullptr ? "retrograde" : "retrograde " + app.get_name();
  throw UsageError("{} does not take {}.{}\n       See {} --help.", command, word, hint, command);
}

void refuse_extras(const CLI::App& app) {
  for (const CLI::App* sub : app.get_subcommands())
    if (!sub->remaining().empty()) refuse_word(*sub, sub->remaining().front());
  if (!app.remaining().empty()) refuse_word(app, app.remaining().front());
}

// The words that say what one entry of the configuration says.
Words words_of(const std::string& key, const Json& value) {
  const auto text = [](const Json& v) { return v.is_string() ? v.get<std::string>() : v.dump(); };
  if (value.is_null() || value == false) return {};
  if (value == true) return {"--" + key};
  std::string joined;
  for (const Json& item : value.is_array() ? value : Json::array({value})) {
    if (item.is_structured())
      throw UsageError("configuration: \"{}\" holds {}; it must be a number, a text, true, false or a list",
                       key, item.dump());
    joined += (joined.empty() ? "" : ",") + text(item);
  }
  return {"--" + key + "=" + joined};
}

Json read_configuration(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw FileError("{} cannot be opened", path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Json configuration = parse_json(text, path);
  if (!configuration.is_object())
    throw FileError("{}: this is a JSON {}; expected an object like {{\"hidden\": 64}}", path,
                    configuration.type_name());
  return configuration;
}

bool gives(const Words& arguments, const std::string& option) {
  return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& word) {
    return word == option || word.starts_with(option + "=");
  });
}

// The value of an option, and whether its words are to be taken out.
std::optional<std::string> take(Words& arguments, const std::string& option, bool erase) {
  for (auto word = arguments.begin(); word != arguments.end(); ++word) {
    if (*word != option && !word->starts_with(option + "=")) continue;
    const bool joined = *word != option;
    if (!joined && word + 1 == arguments.end()) throw UsageError("{} wants a value", option);
    std::string value = joined ? word->substr(option.size() + 1) : *(word + 1);
    if (erase) arguments.erase(word, word + (joined ? 1 : 2));
    return value;
  }
  return std::nullopt;
}

// Adds, after the command's name, the options of `--config FILE`, or those of the run that is to be resumed,
// which the command line does not give.
Words with_configuration(Words arguments) {
  const auto file = take(arguments, "--config", true);
  const auto run = take(arguments, "--resume", false);
  if (arguments.empty() || (!file && !run)) return arguments;
  Words added;
  const Json configuration = read_configuration(file ? *file : *run + "/config.json");
  for (const auto& [key, value] : configuration.items())
    if (!gives(arguments, "--" + key))
      for (std::string& option : words_of(key, value)) added.push_back(std::move(option));
  arguments.insert(arguments.begin() + 1, added.begin(), added.end());
  return arguments;
}

template <class T>
bool is_all(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// Refuses what is no value of the option's type: CLI11 reads -1 as the largest unsigned number.
void require_numbers(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const bool whole = option->get_type_name() == "UINT";
    if (!whole && option->get_type_name() != "FLOAT") continue;
    option->check([whole](const std::string& text) -> std::string {
      if (whole ? is_all<std::uint64_t>(text) : is_all<double>(text)) return "";
      return fmt::format("\"{}\" is not a {}", text, whole ? "whole number, 0 or more" : "number");
    });
  }
}

// What CLI11 has to say, as a sentence.
std::string sentence_of(const CLI::ParseError& e, const CLI::App& app) {
  const auto given = app.get_subcommands();
  const std::string command = given.empty() ? "retrograde" : "retrograde " + given.front()->get_name();
  std::string text = e.what();
  if (dynamic_cast<const CLI::RequiredError*>(&e) != nullptr)
    return fmt::format("{}; see {} --help", text, command);
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&e) != nullptr)
    return fmt::format("{} wants a value; see {} --help", text.substr(0, text.find(':')), command);
  return text;
}

}  // namespace

void set_up(CLI::App& app) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", "this text");
  app.set_version_flag("--version", RETROGRADE_VERSION);
}

std::string nearest(const std::string& word, const std::vector<std::string>& names) {
  std::string best;
  std::size_t least =
      std::max<std::size_t>(word.size() < 4 ? 1 : 2, word.size() / 3) + 1;  // swapped letters are 2
  for (const std::string& name : names) {
    const std::size_t distance = edit_distance(word, name);
    if (distance < least) {
      least = distance;
      best = name;
    }
  }
  return best;
}

void parse(CLI::App& app, std::vector<std::string> arguments) {
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) {
    sub->allow_extras();
    sub->set_help_flag("-h,--help", "this text");
    require_numbers(*sub);
  }
  app.allow_extras();
  arguments = with_configuration(std::move(arguments));
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::Success&) {
    throw;
  } catch (const CLI::ParseError& e) {
    refuse_extras(app);  // a misspelt option is the likelier cause of a missing one
    throw UsageError("{}", sentence_of(e, app));
  }
  refuse_extras(app);
  if (app.get_subcommands().empty()) throw UsageError("a command is missing; see retrograde --help");
}

}  // namespace retrograde::cli
