// The self-test of a model file (io/model.h).
#pragma once

#include <string_view>

#include "retrograde/io/safetensors.h"
#include "retrograde/model/network.h"

namespace retrograde {

constexpr std::string_view kSelfTest = "selftest.";

// Adds an input and the network's outputs for it. UsageError when an output is not finite.
void add_self_test(const Network<double>& network, TensorFile& file);

// Replays it. FileError when it is incomplete, SelfTestError when the outputs differ by more than 1e-6 of the
// largest: far more than any machine's rounding in double, far less than any mistake.
void replay_self_test(const Network<double>& network, const TensorFile& file, std::string_view name);

}  // namespace retrograde
