// From a file and a few words to something that can be learned: sequences with targets, and all that a model
// must carry with it so that other files are read the same way.
//
//   forecast     a series (CSV, NPY): after each step the target columns, `horizon` steps ahead
//   label        a label a sequence: "label<TAB>text" lines, or a CSV whose --group column names sequences
//   label-steps  a label a row of a CSV
//   characters   a text: the next character
//   notes        pieces of music: the next set of keys
//   arrays       an NPZ with x and y: numbers or labels, for every step or for the sequence
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "retrograde/base/json.h"
#include "retrograde/data/dataset.h"
#include "retrograde/data/file.h"
#include "retrograde/loss/loss.h"

namespace retrograde::cli {

struct DataArguments {
  std::string path, task, valid, time, group, fill = "refuse", scale = "standard", delimiter;
  std::string x = "x", y = "y", lengths = "lengths";  // names in an NPZ
  std::vector<std::string> targets, inputs, na;
  std::size_t horizon = 1, period = 0;
  bool no_header = false;
};

// `training`: also what decides the task, which a model knows already.
void declare(CLI::App& app, DataArguments& arguments, bool training);

struct Task {
  std::string kind = {};
  Layout layout = {};
  // `train` is null when a file is opened for a model; `valid`, the part that is kept back (null: none), is
  // then the whole file.
  std::shared_ptr<const Dataset> train = {}, valid = {};
  Json preprocess = {};  // what a model's file says
  Loss::Kind loss = Loss::Kind::squared_error;
  bool long_sequences = false;            // read in pieces with carried states, not one by one
  std::vector<std::string> outputs = {};  // names of the target columns or labels; empty: none
  std::vector<double> target_offset = {}, target_scale = {};  // raw = value · scale + offset; empty: as is
  std::vector<std::string> about = {};                        // lines for the reader
};

// Opens a file to train on it; what is drawn at random is drawn from `seed`.
Task open_task(const DataArguments& arguments, std::uint64_t seed);
// Opens a file as a model wants it, whose `preprocess` this is. Without targets (to predict) the file need
// not have any, every step of a series is read up to its end, and all targets weigh nothing.
enum class Targets { needed, unwanted };
Task open_task(const DataArguments& arguments, const Json& preprocess, Targets targets);

namespace detail {

// How a file is opened: for training (`known` null), or as a model wants it.
struct Opening {
  const DataArguments& arguments;
  const Json* known = nullptr;
  Targets targets = Targets::needed;
  std::uint64_t seed = 1;
  double fraction = 0;  // kept back for validation
};
Task open_forecast(const Opening& opening);
Task open_labelled_rows(const Opening& opening, bool each_step);
Task open_labelled_lines(const Opening& opening);
Task open_characters(const Opening& opening);
Task open_notes(const Opening& opening);
Task open_arrays(const Opening& opening);

// What was read, whole sequences: all of it for a model that is there; for training, less the fraction that
// is drawn for validation.
void divide(Task& task, const std::shared_ptr<const Dataset>& whole, const Opening& opening);

// A file, or standard input for "-".
std::shared_ptr<const ByteSource> open_source(const std::string& path);

// A list of a model's preprocess by its key; FileError if it is not there.
const Json& known_item(const Json& known, const char* key);
std::vector<std::string> known_names(const Json& known, const char* key);

// The place of a label; DataError if the model does not know it.
std::int32_t label_index(const std::vector<std::string>& labels, const std::string& label,
                         const std::string& where);

}  // namespace detail

}  // namespace retrograde::cli
