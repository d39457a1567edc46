// What the doctor says: a verdict, the network it recognised, every block, the findings with their proof, and
// what more would settle what is open.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace retrograde::doctor {

enum class Verdict { agrees, differs, cannot_tell };
std::string_view name(Verdict verdict);

struct BlockRow {
  std::string parameter, gradient;
  double gap = 0;      // largest |claim - truth|, relative to the block's largest true entry
  double allowed = 0;  // what rounding explains, in the same measure
  std::size_t wrong = 0, entries = 0;
  std::string worst;  // the worst entry: its index, claimed and true value
  Verdict verdict = Verdict::agrees;
};

struct Alternative {
  std::string name, sentence;
};

struct Finding {
  std::string name;      // public, from the catalogue
  std::string where;     // blocks, gate, carry, step
  std::string sentence;  // what the code must be doing
  std::string fix, yours;
  std::string certainty;                 // "certain", "one of several", "likely"
  std::vector<Alternative> equivalents;  // which would leave the very same numbers
  std::vector<std::string> blocks;
};

struct Report {
  Verdict verdict = Verdict::cannot_tell;
  std::string
      network;  // "an Elman network, tanh, linear head, half the summed squared error over every step"
  std::string found_by;          // "from the loss 4.8317, which it reproduces to 1e-15"
  std::string sizes;             // "B 3 . T 6 . I 4 . H 5 . O 2"
  std::vector<BlockRow> blocks;  // the worst first
  std::string where;
  std::vector<Finding> findings;
  std::string proof;
  std::vector<std::string> ruled_out;
  std::vector<std::string> power;  // after "agrees": what this point could not have shown
  std::vector<std::string> notes;  // what else is worth knowing, and what would settle open questions
  double seconds = 0;

  // About fifteen lines for a terminal.
  std::string text() const;
  nlohmann::json json() const;
};

}  // namespace retrograde::doctor
