// What the doctor may be given, from least to most: arrays alone; a loss to call; a gradient to call.
// Names are free: roles are found from names, shapes and values, and hints override.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "retrograde/tensor/array.h"

namespace retrograde::doctor {

struct NamedArray {
  std::string name;
  Array array;
};
using Arrays = std::vector<NamedArray>;

// Overrides, all optional ("" is "find out").
struct Hints {
  // Array name -> "input", "target", "h0", "c0", "lengths", "mask", "loss", "outputs", "states", "upstream"
  // (dL/dh given from outside), "final gradient" (dL/dh_T), "final cell gradient" (dL/dc_T), "parameter",
  // "gradient of NAME", "numeric gradient of NAME", "ignore".
  std::map<std::string, std::string> roles;
  std::string cell;             // "elman", "lstm", "gru", "gru-reset-before"
  std::string activation;       // "tanh", "relu", ...
  std::string head_activation;  // "identity", "sigmoid", "softmax", ...
  std::string loss;        // "squared", "absolute", "huber", "softmax_cross_entropy", "binary_cross_entropy"
  std::string truncation;  // what the author meant: "full", "window 4", "chunk 5"; "" is full
};

// "full", "window 4" (each output's error goes back through its own step and 4 earlier ones) or "chunk 5"
// (the carry is cut every 5 steps). Throws UsageError for anything else; "" is full.
struct Truncation {
  int reach = -1, chunk = 0;
};
Truncation read_truncation(const std::string& hint);

// Called with the named parameters and the named batch, which a wrong program may change: the doctor looks.
// Shorter sequences are tried too; a function that does not take them throws (a std::runtime_error or
// logic_error) and is asked no further ones.
using LossCall = std::function<double(Arrays& parameters, Arrays& batch)>;
// Gradients named like the parameters (a prefix or suffix such as "d" or "_grad" is understood).
using GradientCall = std::function<Arrays(Arrays& parameters, Arrays& batch)>;

struct Case {
  Arrays arrays;
  Hints hints;
  LossCall loss;          // may be empty
  GradientCall gradient;  // may be empty; its answer at the case's own point replaces gradient arrays
};

}  // namespace retrograde::doctor
