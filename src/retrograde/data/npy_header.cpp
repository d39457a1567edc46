#include "retrograde/data/npy_header.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::size_t kMaxHeader = std::size_t{1} << 20;  // NumPy writes about a hundred bytes

class Parser {
 public:
  Parser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  NpyHeader parse() {
    std::optional<std::string> descr;
    std::optional<bool> fortran;
    std::optional<std::vector<std::size_t>> shape;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !descr) {
        descr = type_name();
      } else if (key == "fortran_order" && !fortran) {
        fortran = truth();
      } else if (key == "shape" && !shape) {
        shape = tuple();
      } else {
        fail("holds an unknown or repeated key");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("goes on after its closing brace");
    if (!descr || !fortran || !shape) fail("lacks descr, fortran_order or shape");
    return {std::move(*descr), *fortran, std::move(*shape), 0};
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw FileError("{}: damaged: the .npy header {} (at its byte {})", name_, what, at_);
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail("is no {'descr': ..., 'fortran_order': ..., 'shape': ...}");
  }
  std::string quoted() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const auto end = text_.find(quote, at_);
    if (end == text_.npos) fail("holds a string without end");
    return std::string(text_.substr(std::exchange(at_, end + 1), end - at_));
  }
  std::string type_name() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') {
      throw DataError("{}: is a structured array (records); save each field as an array of its own", name_);
    }
    return quoted();
  }
  bool word(std::string_view w) {
    skip_space();
    if (!text_.substr(at_).starts_with(w)) return false;
    at_ += w.size();
    return true;
  }
  bool truth() {
    if (word("True")) return true;
    if (!word("False")) fail("says neither True nor False for fortran_order");
    return false;
  }
  std::size_t number() {
    skip_space();
    std::uint64_t n = 0;
    const auto start = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (n > (std::numeric_limits<std::int64_t>::max() - 9) / 10) fail("holds a size beyond any memory");
      n = 10 * n + static_cast<std::uint64_t>(text_[at_] - '0');
    }
    if (at_ == start) fail("holds a shape that is not of numbers");
    accept('L');  // Python 2 wrote 3L
    return static_cast<std::size_t>(n);
  }
  std::vector<std::size_t> tuple() {
    std::vector<std::size_t> sizes;
    expect('(');
    while (!accept(')')) {
      sizes.push_back(number());
      if (accept(',')) continue;
      if (sizes.size() == 1) fail("holds a shape that is no tuple");
      expect(')');
      break;
    }
    if (sizes.size() > 32) fail("holds a shape of more than 32 dimensions");
    return sizes;
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
};

}  // namespace

NpyHeader read_npy_header(const ByteSource& source) {
  std::string start(static_cast<std::size_t>(std::min<std::uint64_t>(12, source.size())), '\0');
  source.read(0, std::as_writable_bytes(std::span(start)));
  if (start.size() < 12 || !start.starts_with(kMagic)) {
    throw FileError("{}: is no .npy file (it does not begin with \\x93NUMPY)", source.name());
  }
  const auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(start[i])}; };
  const std::size_t version = byte(6);
  if (version < 1 || version > 3 || byte(7) != 0) {
    throw FileError("{}: is .npy version {}.{}; versions 1.0, 2.0 and 3.0 are known", source.name(), version,
                    byte(7));
  }
  const std::size_t length = byte(8) | byte(9) << 8 | (version == 1 ? 0 : byte(10) << 16 | byte(11) << 24);
  const std::size_t offset = version == 1 ? 10 : 12;
  if (length > kMaxHeader || offset + length > source.size()) {
    throw FileError("{}: damaged: its header claims {} bytes, the file has {}", source.name(), length,
                    source.size());
  }
  std::string text(length, '\0');
  source.read(offset, std::as_writable_bytes(std::span(text)));
  NpyHeader header = Parser(text, source.name()).parse();
  header.data_offset = offset + length;
  return header;
}

std::string npy_header_bytes(std::string_view descr, const std::vector<std::size_t>& shape) {
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr,
                                 fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  while ((kMagic.size() + 4 + text.size() + 1) % 64 != 0) text.push_back(' ');
  text.push_back('\n');
  if (text.size() > 0xffff) throw UsageError("an array of {} dimensions is no .npy file", shape.size());
  std::string out(kMagic);
  out += {'\1', '\0', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return out + text;
}

}  // namespace retrograde
