// Text files: characters, a vocabulary that travels with the model, labelled lines, and notes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "retrograde/base/json.h"
#include "retrograde/data/file.h"

namespace retrograde {

// The whole source as characters. DataError names the offset of the first byte that is no UTF-8.
std::u32string read_characters(const ByteSource& source);
std::u32string characters_of(std::string_view utf8, std::string_view what);

// Characters and their tokens. Token 0, 1, ... are the characters in code point order; the last token stands
// for every character that is none of them, so that a model can read any text.
class Vocabulary {
 public:
  // The distinct characters of a text. UsageError if there is none.
  explicit Vocabulary(std::u32string text);

  // With the token for unknown characters.
  std::size_t size() const { return characters_.size() + 1; }
  std::int32_t unknown() const { return static_cast<std::int32_t>(characters_.size()); }
  std::int32_t token(char32_t character) const;
  std::vector<std::int32_t> tokens(std::u32string_view text) const;
  // UTF-8; U+FFFD for the unknown one. UsageError if there is no such token.
  std::string text(std::int32_t token) const;
  const std::u32string& characters() const { return characters_; }

 private:
  std::u32string characters_;  // sorted
};

// A string of the characters.
Json to_json(const Vocabulary& vocabulary);
Vocabulary vocabulary_from_json(const Json& json);

// "label<TAB>text" lines; blank lines are passed over. DataError names file, line and what is wrong.
struct LabelledLine {
  std::string label;
  std::u32string text;
  std::size_t line = 0;
};
std::vector<LabelledLine> read_labelled_lines(const ByteSource& source);

// Pieces of music: one step a line of MIDI numbers (21 to 108, a piano's 88 keys), "-" for silence, a blank
// line between pieces.
constexpr std::size_t kKeys = 88;
struct Piece {
  std::vector<double> keys;  // [steps, 88], 1 where a key sounds
  std::size_t steps() const { return keys.size() / kKeys; }
};
std::vector<Piece> read_notes(const ByteSource& source);

}  // namespace retrograde
