// What `retrograde train` shows: a table on stderr with a line an epoch (and a bar on a terminal), or JSON
// lines on stdout.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/terminal.h"
#include "retrograde/train/fit.h"

namespace retrograde::cli {

// An epoch as a line of metrics.jsonl.
nlohmann::ordered_json json_of(const EpochReport& report);

class TrainView {
 public:
  // `metric`: the validation's metric that has a column, "" for none; `unit` is put behind its name.
  TrainView(bool json, std::string metric) : json_(json), metric_(std::move(metric)) {}

  // A line before the table.
  void say(const std::string& line);
  void step(const StepEvent& event);
  void epoch(const EpochReport& report);

 private:
  void head();

  bool json_, head_ = false;
  std::string metric_;
  LiveLine live_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::size_t steps_ = 0;  // of the running epoch
};

}  // namespace retrograde::cli
