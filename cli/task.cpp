#include "cli/task.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <iterator>

#include "retrograde/base/error.h"
#include "retrograde/base/random.h"

namespace retrograde::cli {
namespace {

const std::vector<std::string> kKinds{"forecast", "label", "label-steps", "characters", "notes", "arrays"};

class Memory : public ByteSource {
 public:
  Memory(std::string name, std::string bytes)
      : bytes_(std::move(bytes)), source_(open_memory(std::move(name), std::as_bytes(std::span(bytes_)))) {}
  const std::string& name() const override { return source_->name(); }
  std::uint64_t size() const override { return source_->size(); }
  void read(std::uint64_t offset, std::span<std::byte> into) const override { source_->read(offset, into); }

 private:
  std::string bytes_;
  std::unique_ptr<ByteSource> source_;
};

// The first few kilobytes of a text file.
std::string beginning(const std::string& path) {
  const auto source = open_file(path);
  std::string text(std::min<std::uint64_t>(source->size(), 4096), '\0');
  source->read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

// Lines of numbers and "-" alone.
bool looks_like_notes(const std::string& text) {
  return text.find_first_not_of("0123456789 -\r\n") == std::string::npos && !text.empty();
}

std::string guess_kind(const DataArguments& a) {
  const std::string name = a.path;
  const auto ends = [&](const char* suffix) { return name.ends_with(suffix); };
  if (ends(".npz")) return "arrays";
  if (ends(".csv") || ends(".npy") || !a.targets.empty() || name == "-") return "forecast";
  const std::string text = beginning(name);
  if (looks_like_notes(text)) return "notes";
  return text.substr(0, text.find('\n')).find('\t') == std::string::npos ? "characters" : "label";
}

// "0.2" -> 0.2; a file name -> nothing.
std::optional<double> fraction_of(const std::string& valid) {
  double value = 0;
  const auto [end, error] = std::from_chars(valid.data(), valid.data() + valid.size(), value);
  if (error != std::errc() || end != valid.data() + valid.size()) return std::nullopt;
  if (!(value >= 0 && value < 1))
    throw UsageError("--valid is {}; it must be a fraction from 0 to below 1, or a file", valid);
  return value;
}

Task open_kind(const std::string& kind, const detail::Opening& opening) {
  if (kind == "forecast") return detail::open_forecast(opening);
  if (kind == "label-steps") return detail::open_labelled_rows(opening, true);
  if (kind == "label")
    return opening.arguments.group.empty() && (!opening.known || opening.known->contains("vocabulary"))
               ? detail::open_labelled_lines(opening)
               : detail::open_labelled_rows(opening, false);
  if (kind == "characters") return detail::open_characters(opening);
  if (kind == "notes") return detail::open_notes(opening);
  if (kind == "arrays") return detail::open_arrays(opening);
  throw UsageError("there is no task \"{}\"; there are {}", kind, fmt::join(kKinds, ", "));
}

}  // namespace

void declare(CLI::App& app, DataArguments& a, bool training) {
  const std::string group = "Data";
  if (training) {
    app.add_option("--task", a.task,
                   "forecast, label, label-steps, characters, notes or arrays; guessed from the file")
        ->group(group);
    app.add_option("--target", a.targets, "the column or columns to learn")->delimiter(',')->group(group);
    app.add_option("--inputs", a.inputs, "the columns to learn from; by default all numbers")
        ->delimiter(',')
        ->group(group);
    app.add_option("--horizon", a.horizon, "steps to look ahead")->group(group);
    app.add_option("--period", a.period, "steps of a season, for the seasonal naive forecast")->group(group);
    app.add_option("--valid", a.valid, "a fraction to keep back, or a file; by default 0.2 (a text: 0.1)")
        ->group(group);
    app.add_option("--scale", a.scale, "standard, minmax or none")->group(group);
  }
  app.add_option("--time", a.time, "the column of time stamps, which is not learned")->group(group);
  app.add_option("--group", a.group, "the column that tells several series apart")->group(group);
  app.add_option("--na", a.na, "texts that stand for a missing value")->delimiter(',')->group(group);
  app.add_option("--fill", a.fill, "missing values: refuse, forward or drop")
      ->check(CLI::IsMember({"refuse", "forward", "drop"}))
      ->group(group);
  app.add_option("--delimiter", a.delimiter, "between cells; found by itself otherwise")->group(group);
  app.add_flag("--no-header", a.no_header, "the first line holds data")->group(group);
  app.add_option("--x", a.x, "name of the inputs in an NPZ")->group(group);
  app.add_option("--y", a.y, "name of the targets in an NPZ")->group(group);
  app.add_option("--lengths", a.lengths, "name of the sequences' lengths in an NPZ")->group(group);
}

Task open_task(const DataArguments& a, std::uint64_t seed) {
  const std::string kind = a.task.empty() ? guess_kind(a) : a.task;
  if (a.horizon == 0) throw UsageError("--horizon is 0; it must be at least 1");
  const double usual = kind == "characters" ? 0.1 : 0.2;
  const std::optional<double> given = a.valid.empty() ? usual : fraction_of(a.valid);
  Task task = open_kind(kind, {.arguments = a, .seed = seed, .fraction = given.value_or(0)});
  if (!given) {
    DataArguments other = a;
    other.path = a.valid;
    task.valid = open_task(other, task.preprocess, Targets::needed).valid;
  }
  return task;
}

Task open_task(const DataArguments& a, const Json& preprocess, Targets targets) {
  return open_kind(detail::known_item(preprocess, "task").get<std::string>(),
                   {.arguments = a, .known = &preprocess, .targets = targets});
}

namespace detail {

void divide(Task& task, const std::shared_ptr<const Dataset>& whole, const Opening& o) {
  if (o.known) {
    task.valid = whole;
  } else if (o.fraction > 0) {
    Random random = Random::named(o.seed, "split");
    const Split split = split_sequences(whole, o.fraction, random);
    task.train = split.train;
    task.valid = split.valid;
  } else {
    task.train = whole;
  }
}

std::shared_ptr<const ByteSource> open_source(const std::string& path) {
  if (path != "-") return open_file(path);
  std::string bytes{std::istreambuf_iterator<char>(std::cin), {}};
  return std::make_shared<Memory>("standard input", std::move(bytes));
}

const Json& known_item(const Json& known, const char* key) {
  const auto item = known.find(key);
  if (item == known.end()) throw FileError("the model's preprocess does not say \"{}\"", key);
  return *item;
}

std::vector<std::string> known_names(const Json& known, const char* key) {
  const Json& list = known_item(known, key);
  std::vector<std::string> names;
  for (const Json& name : list) {
    if (!name.is_string()) throw FileError("the model's preprocess: \"{}\" is no list of names", key);
    names.push_back(name.get<std::string>());
  }
  return names;
}

std::int32_t label_index(const std::vector<std::string>& labels, const std::string& label,
                         const std::string& where) {
  const auto at = std::ranges::find(labels, label);
  if (at == labels.end())
    throw DataError("{}: label \"{}\" is none of the model's {} ({}, ...)", where, label, labels.size(),
                    labels.front());
  return static_cast<std::int32_t>(at - labels.begin());
}

}  // namespace detail

}  // namespace retrograde::cli
