// The folder of a training run:
//
//   config.json        what was asked for
//   metrics.jsonl      one JSON object an epoch: {"epoch": 1, "train": 0.41, "valid": 0.36, ...}
//   best.safetensors   the model of the best epoch
//   last.safetensors   the last one, with what it takes to go on (io/checkpoint.h)
//   report.html        the losses as a picture and the epochs as a table, in one file that needs no other
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "retrograde/base/json.h"

namespace retrograde {

class RunFolder {
 public:
  static bool holds_run(const std::filesystem::path& folder);
  // Begins a run. UsageError when the folder holds one already, unless it is to be overwritten.
  static RunFolder create(const std::filesystem::path& folder, const Json& config, bool overwrite);
  // A run that is there; FileError when it is none or damaged.
  static RunFolder open(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path best() const { return folder_ / "best.safetensors"; }
  std::filesystem::path last() const { return folder_ / "last.safetensors"; }
  std::filesystem::path report() const { return folder_ / "report.html"; }
  const Json& config() const { return config_; }
  const std::vector<Json>& epochs() const { return epochs_; }

  // Adds an epoch's line, flushed to disk.
  void append(const Json& epoch);
  // Drops the lines after the first `count`: those of epochs that the checkpoint which is resumed has not
  // seen. FileError if there are fewer.
  void keep(std::size_t count);
  void write_report() const;

 private:
  RunFolder(std::filesystem::path folder, Json config)
      : folder_(std::move(folder)), config_(std::move(config)) {}
  std::filesystem::path metrics() const { return folder_ / "metrics.jsonl"; }

  std::filesystem::path folder_;
  Json config_;
  std::vector<Json> epochs_;
};

}  // namespace retrograde
