// What `retrograde train` can be told.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "retrograde/base/json.h"
#include "retrograde/model/config.h"
#include "retrograde/optim/optimizer.h"
#include "retrograde/train/fit.h"
#include "retrograde/train/trainer.h"

namespace retrograde::cli {

struct ModelArguments {
  std::string cell = "lstm", activation = "tanh", init = "keras";
  std::vector<std::size_t> hidden{64};
  std::size_t embedding = 0;
  double dropout = 0, recurrent_dropout = 0;
  bool bidirectional = false, no_bias = false, learned_start = false, reset_before = false;
};

struct LoopArguments {
  std::size_t epochs = 50, batch = 0, patience = 0, warmup = 0;
  std::string bptt, optimizer = "adam", schedule = "cosine", loss, verify = "first", precision = "float";
  double rate = 0, momentum = 0, weight_decay = 0, clip = 1, clip_value = 0;
  bool nesterov = false, checkpoint = false;
  std::uint64_t seed = 1;
};

void declare(CLI::App& app, ModelArguments& arguments);
void declare(CLI::App& app, LoopArguments& arguments);

// Cell, layers and everything else that the words decide; input and output widths are the data's business.
Config config_of(const ModelArguments& arguments, std::uint64_t seed);

// The optimiser, with its usual rate unless one was given: for Adam and AdamW 0.01, and 0.002 if a layer has
// more than 200 units.
Method method_of(const LoopArguments& arguments, const std::vector<std::size_t>& hidden);
// The schedule in updates, of which an epoch has `updates_per_epoch`.
Schedule schedule_of(const LoopArguments& arguments, std::size_t updates_per_epoch);
FitOptions fit_options_of(const LoopArguments& arguments);

// Verification of the gradient: before the first update, before every n-th, or never (0).
struct VerifyWhen {
  std::size_t every = 0;
  bool first = true;
  bool due(std::uint64_t updates) const;
};
VerifyWhen verify_of(const std::string& text);

// The options that were given, in the form that --config reads.
Json settings_of(const CLI::App& app);

}  // namespace retrograde::cli
