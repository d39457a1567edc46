// Tasks on text: the next character, a label a line, the next notes.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/task.h"
#include "cli/terminal.h"
#include "retrograde/base/error.h"
#include "retrograde/base/random.h"
#include "retrograde/data/text.h"

namespace retrograde::cli::detail {
namespace {

constexpr std::size_t kWarmUp = 256;  // characters that warm the state up before the validation part

Layout character_layout(std::size_t symbols, std::size_t outputs, At at) {
  return {.inputs = symbols, .tokens = true, .outputs = outputs, .classes = true, .at = at};
}

}  // namespace

Task open_characters(const Opening& o) {
  const std::u32string text = read_characters(*open_source(o.arguments.path));
  if (text.size() < 2)
    throw DataError("{}: a text of {} characters; at least 2 are needed", o.arguments.path, text.size());
  const std::size_t for_training = text.size() - tail_of(text.size() - 1, o.fraction);
  const Vocabulary vocabulary = o.known ? vocabulary_from_json(known_item(*o.known, "vocabulary"))
                                        : Vocabulary(text.substr(0, for_training));
  Task task{.kind = "characters",
            .layout = character_layout(vocabulary.size(), vocabulary.size(), At::every),
            .preprocess = {{"task", "characters"}, {"vocabulary", to_json(vocabulary)}},
            .loss = Loss::Kind::softmax_cross_entropy,
            .long_sequences = true};
  auto whole = std::make_shared<Sequences>(task.layout);
  std::vector<std::int32_t> tokens = vocabulary.tokens(text);
  std::vector<std::int32_t> next(tokens.begin() + 1, tokens.end());
  tokens.pop_back();
  whole->add({.tokens = std::move(tokens), .classes = std::move(next)});
  task.about = {fmt::format("data   {}, {} characters, {} symbols", o.arguments.path, grouped(text.size()),
                            vocabulary.size() - 1)};
  if (o.known) {
    task.valid = whole;
  } else if (o.fraction > 0) {
    const Split split = split_tail(whole, o.fraction, kWarmUp);
    task.train = split.train;
    task.valid = split.valid;
  } else {
    task.train = whole;
  }
  return task;
}

namespace {

// Lines to be labelled: the text after a tab if there is one, else the whole line.
std::vector<LabelledLine> lines_to_label(const ByteSource& source) {
  std::vector<LabelledLine> lines(1);
  for (const char32_t c : read_characters(source)) {
    if (c == U'\n')
      lines.emplace_back();
    else if (c == U'\t')
      lines.back().text.clear();
    else if (c != U'\r')
      lines.back().text += c;
  }
  std::erase_if(lines, [](const LabelledLine& line) { return line.text.empty(); });
  return lines;
}

}  // namespace

Task open_labelled_lines(const Opening& o) {
  const auto source = open_source(o.arguments.path);
  std::vector<LabelledLine> lines =
      o.targets == Targets::unwanted ? lines_to_label(*source) : read_labelled_lines(*source);
  if (lines.empty()) throw DataError("{}: there is no line", o.arguments.path);
  std::size_t valid = 0;
  if (!o.known) {
    Random random = Random::named(o.seed, "split");
    random.shuffle(std::span(lines));
    valid = static_cast<std::size_t>(static_cast<double>(lines.size()) * o.fraction);
  }
  std::u32string seen;
  std::set<std::string> names;
  for (std::size_t i = valid; i < lines.size(); ++i) {
    seen += lines[i].text;
    names.insert(lines[i].label);
  }
  const Vocabulary vocabulary =
      o.known ? vocabulary_from_json(known_item(*o.known, "vocabulary")) : Vocabulary(seen);
  const std::vector<std::string> labels =
      o.known ? known_names(*o.known, "labels") : std::vector<std::string>(names.begin(), names.end());
  Task task{.kind = "label",
            .layout = character_layout(vocabulary.size(), labels.size(), At::last),
            .preprocess = {{"task", "label"}, {"vocabulary", to_json(vocabulary)}, {"labels", labels}},
            .loss = Loss::Kind::softmax_cross_entropy,
            .outputs = labels};
  const auto dataset = [&](std::size_t first, std::size_t last) {
    auto result = std::make_shared<Sequences>(task.layout);
    for (std::size_t i = first; i < last; ++i)
      result->add({.tokens = vocabulary.tokens(lines[i].text),
                   .classes = {o.targets == Targets::unwanted
                                   ? 0
                                   : label_index(labels, lines[i].label,
                                                 fmt::format("{}:{}", o.arguments.path, lines[i].line))}});
    return result;
  };
  task.about = {fmt::format("data   {}, {} lines, {} labels, {} symbols", o.arguments.path,
                            grouped(lines.size()), labels.size(), vocabulary.size() - 1)};
  if (o.known) {
    task.valid = dataset(0, lines.size());
  } else {
    task.train = dataset(valid, lines.size());
    if (valid > 0) task.valid = dataset(0, valid);
  }
  return task;
}

Task open_notes(const Opening& o) {
  const std::vector<Piece> pieces = read_notes(*open_source(o.arguments.path));
  Task task{.kind = "notes",
            .layout = {.inputs = kKeys, .outputs = kKeys},
            .preprocess = {{"task", "notes"}},
            .loss = Loss::Kind::binary_cross_entropy};
  auto whole = std::make_shared<Sequences>(task.layout);
  for (const Piece& piece : pieces) {
    if (piece.steps() < 2) continue;
    whole->add({.x = {piece.keys.begin(), piece.keys.end() - kKeys},
                .values = {piece.keys.begin() + kKeys, piece.keys.end()}});
  }
  if (whole->sequences() == 0) throw DataError("{}: there is no piece of at least 2 steps", o.arguments.path);
  task.about = {fmt::format("data   {}, {} pieces, {} steps of 88 keys", o.arguments.path, whole->sequences(),
                            grouped(whole->steps()))};
  divide(task, whole, o);
  return task;
}

}  // namespace retrograde::cli::detail
