// A model in one file: a .safetensors file whose tensors are the parameters under PyTorch's names, with
//
//   metadata   format "retrograde", format_version "1", config (JSON), preprocess (JSON: scaler or
//   vocabulary) selftest.* a small input (x or tokens, lengths, start states h0 and c0) and the outputs y
//   that the network gives
//              for it, drawn and computed in double when the file is written and replayed whenever it is read
//   train.*    in checkpoints, with the metadata "train" (JSON): see Extras
//
// so that a file whose gates stand in another order, or which was written by other code, is refused rather
// than used.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "retrograde/base/error.h"
#include "retrograde/base/json.h"
#include "retrograde/model/network.h"
#include "retrograde/tensor/array.h"

namespace retrograde {

// The stored outputs are not those that this program computes (exit 3 on the command line).
class SelfTestError : public FileError {
 public:
  using FileError::FileError;
};

// What a checkpoint holds beside the model: whatever training needs to go on (io/checkpoint.h).
struct Extras {
  Json state;  // null: none
  std::map<std::string, Array, std::less<>> tensors;
};

template <class T>
struct Model {
  Network<T> network;
  Json preprocess;
  Extras extras;
};

// Replaces the file at once, flushed to disk (data/file.h). UsageError when a parameter or an output of the
// self-test is not finite: such a model is of no use, and what was saved before stays.
template <class T>
void save_model(const std::filesystem::path& path, const Network<T>& network,
                const Json& preprocess = Json::object(), const Extras& extras = {});

// Everything or nothing. `own`: cells that the caller defines, found by name. FileError lists missing and
// unused tensors and wrong shapes; SelfTestError if the self-test fails.
template <class T>
Model<T> load_model(const std::filesystem::path& path, const std::vector<Cell>& own = {});

// The type of the parameters in the file, float32 or float64, to choose T by. Reads the header alone.
Dtype model_dtype(const std::filesystem::path& path);

}  // namespace retrograde
