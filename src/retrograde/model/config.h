// What a network is: input -> layers of cells -> head. Everything that its file must say so that it can be
// built again, and nothing else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "retrograde/cells/cell.h"

namespace retrograde {

// The head's output activation: softmax over the outputs, or an elementwise one.
class OutputActivation {
 public:
  OutputActivation(Nonlinearity elementwise = Nonlinearity::Kind::identity)
      : elementwise_(std::move(elementwise)) {}
  OutputActivation(Nonlinearity::Kind kind) : elementwise_(kind) {}
  // "softmax", or the name of an elementwise activation; throws UsageError.
  explicit OutputActivation(std::string_view name);
  static OutputActivation softmax();

  bool is_softmax() const { return softmax_; }
  const Nonlinearity& elementwise() const { return elementwise_; }
  std::string_view name() const { return softmax_ ? "softmax" : elementwise_.name(); }

 private:
  bool softmax_ = false;
  Nonlinearity elementwise_;
};

enum class At { every, last };               // the head: at every step, or at each sequence's own last one
enum class Initialisation { keras, torch };  // see model/initialise.h

struct Config {
  Cell cell = Lstm{};
  std::size_t inputs = 0;                // features, or the number of symbols where the input is tokens
  bool tokens = false;                   // the input is integers in [0, inputs)
  std::size_t embedding = 0;             // width of their embedding; 0: one-hot
  std::vector<std::size_t> hidden = {};  // units of each layer
  std::size_t outputs = 0;               // of the head; 0: no head, the last layer's states are the outputs
  OutputActivation activation = {};      // of the head
  At at = At::every;
  bool bidirectional = false;
  bool bias = true;
  double dropout = 0;            // between layers, in [0, 1)
  double recurrent_dropout = 0;  // on the state that meets U, one mask a sequence (Gal & Ghahramani 2016)
  bool learned_start = false;    // the start states are parameters; else zero unless given
  Initialisation initialisation = Initialisation::keras;
  std::uint64_t seed = 1;

  std::size_t layers() const { return hidden.size(); }
  std::size_t directions() const { return bidirectional ? 2 : 1; }
  std::size_t states() const { return cell.slots().states; }
  // Width of what layer k receives.
  std::size_t inputs_of(std::size_t layer) const;
  // Width of what the last layer hands to the head.
  std::size_t features() const { return hidden.back() * directions(); }
  // Width of an output.
  std::size_t output_width() const { return outputs ? outputs : features(); }

  // Throws UsageError naming the option that cannot be.
  void validate() const;
};

// "weight_ih" of layer 1 in reverse: weight_ih_l1_reverse. Asked for at every step, so it is not on the heap.
class BlockName {
 public:
  BlockName(std::string_view what, std::size_t layer, bool reverse);
  operator std::string_view() const { return {text_.data(), size_}; }
  operator std::string() const { return {text_.data(), size_}; }

 private:
  std::array<char, 48> text_;
  std::size_t size_;
};
inline BlockName block_name(std::string_view what, std::size_t layer, bool reverse) {
  return {what, layer, reverse};
}

// The library's own cells and activations only; a user's own need their code (see from_json's `cells`).
nlohmann::json to_json(const Config& config);
// `own`: the cells that the caller defines, found by name. Throws UsageError on unknown or missing keys.
Config config_from_json(const nlohmann::json& json, const std::vector<Cell>& own = {});

}  // namespace retrograde
