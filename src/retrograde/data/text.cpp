#include "retrograde/data/text.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <span>
#include <system_error>
#include <utility>

#include "retrograde/base/error.h"
#include "retrograde/data/csv.h"
#include "retrograde/data/utf8.h"

namespace retrograde {
namespace {

constexpr int kLowestKey = 21;
constexpr char32_t kReplacement = 0xfffd;

std::string whole(const ByteSource& source) {
  std::string bytes(static_cast<std::size_t>(source.size()), '\0');
  source.read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// Calls use(line, number) for each line, without its end (LF or CRLF).
template <class Use>
void for_each_line(std::string_view bytes, Use use) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  for (std::size_t number = 1; !bytes.empty(); ++number) {
    const auto end = bytes.find('\n');
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end == bytes.npos ? bytes.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    use(line, number);
  }
}

}  // namespace

std::u32string characters_of(std::string_view utf8, std::string_view what) {
  std::u32string characters;
  for (std::size_t at = 0; at < utf8.size();) {
    const auto character = next_utf8(utf8, at);
    if (!character) {
      throw DataError("{}: byte {} (\\x{:02x}) is no UTF-8; convert the text first", what, at,
                      static_cast<unsigned char>(utf8[at]));
    }
    characters.push_back(*character);
  }
  return characters;
}

std::u32string read_characters(const ByteSource& source) {
  return characters_of(whole(source), source.name());
}

Vocabulary::Vocabulary(std::u32string text) : characters_(std::move(text)) {
  std::ranges::sort(characters_);
  characters_.erase(std::unique(characters_.begin(), characters_.end()), characters_.end());
  if (characters_.empty()) throw UsageError("a vocabulary needs at least one character");
}

std::int32_t Vocabulary::token(char32_t character) const {
  const auto found = std::ranges::lower_bound(characters_, character);
  if (found == characters_.end() || *found != character) return unknown();
  return static_cast<std::int32_t>(found - characters_.begin());
}

std::vector<std::int32_t> Vocabulary::tokens(std::u32string_view text) const {
  std::vector<std::int32_t> result;
  result.reserve(text.size());
  for (const auto character : text) result.push_back(token(character));
  return result;
}

std::string Vocabulary::text(std::int32_t token) const {
  if (token < 0 || token > unknown()) throw UsageError("token {} is none of {}", token, size());
  std::string out;
  append_utf8(token == unknown() ? kReplacement : characters_[static_cast<std::size_t>(token)], out);
  return out;
}

Json to_json(const Vocabulary& vocabulary) {
  std::string text;
  for (const auto character : vocabulary.characters()) append_utf8(character, text);
  return text;
}

Vocabulary vocabulary_from_json(const Json& json) {
  if (json.is_string()) {
    const auto characters = characters_of(json.get<std::string>(), "the vocabulary");
    if (!characters.empty() && std::ranges::is_sorted(characters, std::less_equal()))
      return Vocabulary(characters);
  }
  throw FileError(
      "the vocabulary is damaged: expected a string of characters, each once, in code point order");
}

std::vector<LabelledLine> read_labelled_lines(const ByteSource& source) {
  std::vector<LabelledLine> lines;
  for_each_line(whole(source), [&](std::string_view line, std::size_t number) {
    if (line.empty()) return;
    const auto tab = line.find('\t');
    const auto where = fmt::format("{}:{}", source.name(), number);
    if (tab == line.npos) throw DataError("{}: {} has no tab; a line is label<TAB>text", where, shown(line));
    if (tab == 0) throw DataError("{}: the label before the tab is missing", where);
    if (tab + 1 == line.size()) throw DataError("{}: the text after the tab is missing", where);
    characters_of(line.substr(0, tab), where);
    lines.push_back({std::string(line.substr(0, tab)), characters_of(line.substr(tab + 1), where), number});
  });
  if (lines.empty()) throw DataError("{}: is empty", source.name());
  return lines;
}

std::vector<Piece> read_notes(const ByteSource& source) {
  std::vector<Piece> pieces;
  bool between = true;
  for_each_line(whole(source), [&](std::string_view line, std::size_t number) {
    const auto blank = line.find_first_not_of(" \t") == line.npos;
    if (blank) return void(between = true);
    if (std::exchange(between, false)) pieces.emplace_back();
    auto& keys = pieces.back().keys;
    keys.resize(keys.size() + kKeys);
    const auto step = std::span(keys).last(kKeys);
    for (std::size_t at = line.find_first_not_of(" \t"); at < line.size();
         at = line.find_first_not_of(" \t", at)) {
      const auto end = std::min(line.find_first_of(" \t", at), line.size());
      const auto word = line.substr(std::exchange(at, end), end - at);
      if (word == "-" && line.find_first_not_of("- \t") == line.npos) continue;
      int note = 0;
      const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), note);
      if (error != std::errc() || stop != word.data() + word.size() || note < kLowestKey ||
          note >= kLowestKey + static_cast<int>(kKeys)) {
        throw DataError("{}:{}: {} is no MIDI number from 21 to 108 (\"-\" alone is silence)", source.name(),
                        number, shown(word));
      }
      step[static_cast<std::size_t>(note - kLowestKey)] = 1;
    }
  });
  if (pieces.empty()) throw DataError("{}: is empty", source.name());
  return pieces;
}

}  // namespace retrograde
