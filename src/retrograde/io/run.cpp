#include "retrograde/io/run.h"

#include <array>
#include <span>
#include <system_error>
#include <utility>

#include "retrograde/base/error.h"
#include "retrograde/data/file.h"
#include "retrograde/io/report.h"

namespace retrograde {
namespace {

constexpr std::string_view kConfig = "config.json";

std::string whole(const std::filesystem::path& path) {
  const auto source = open_file(path);
  std::string bytes(static_cast<std::size_t>(source->size()), '\0');
  source->read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// What a run that was killed while it wrote may have left (data/file.h).
void remove_unfinished(const std::filesystem::path& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().find(".part-") != std::string::npos) {
      std::filesystem::remove(entry.path(), ignored);
    }
  }
}

}  // namespace

bool RunFolder::holds_run(const std::filesystem::path& folder) {
  return std::filesystem::exists(folder / kConfig);
}

RunFolder RunFolder::create(const std::filesystem::path& folder, const Json& config, bool overwrite) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!std::filesystem::is_directory(folder)) {
    throw FileError("{}: the folder cannot be made: {}", folder.string(), error.message());
  }
  RunFolder run(folder, config);
  if (holds_run(folder) && !overwrite) {
    throw UsageError("{}: holds a run already; resume it, overwrite it, or choose another folder",
                     folder.string());
  }
  for (const auto& old : {run.best(), run.last(), run.report(), run.metrics()})
    std::filesystem::remove(old, error);
  remove_unfinished(folder);
  replace_file(run.metrics(), "");
  replace_file(folder / kConfig, config.dump(2) + "\n");
  return run;
}

RunFolder RunFolder::open(const std::filesystem::path& folder) {
  if (!holds_run(folder)) {
    throw FileError("{}: holds no run ({} is missing)", folder.string(), kConfig);
  }
  remove_unfinished(folder);
  const auto config = folder / kConfig;
  RunFolder run(folder, parse_json(whole(config), config.string()));
  const std::string text = whole(run.metrics());
  // A line without its end was being written when the run was killed; `keep` takes it off the file.
  std::size_t number = 1;
  for (std::size_t at = 0, end = text.find('\n'); end != text.npos; at = end + 1, end = text.find('\n', at)) {
    const auto where = fmt::format("{}:{}", run.metrics().string(), number++);
    run.epochs_.push_back(parse_json(std::string_view(text).substr(at, end - at), where));
    if (!run.epochs_.back().is_object()) throw FileError("{}: is no object", where);
  }
  return run;
}

void RunFolder::append(const Json& epoch) {
  append_file(metrics(), epoch.dump() + "\n");
  epochs_.push_back(epoch);
}

void RunFolder::keep(std::size_t count) {
  if (count > epochs_.size()) {
    throw FileError("{}: has {} epochs, but the checkpoint was saved after {}", metrics().string(),
                    epochs_.size(), count);
  }
  epochs_.resize(count);
  std::string text;
  for (const Json& epoch : epochs_) text += epoch.dump() + "\n";
  replace_file(metrics(), text);
}

void RunFolder::write_report() const {
  replace_file(report(), report_html(folder_.filename().string(), config_, epochs_));
}

}  // namespace retrograde
