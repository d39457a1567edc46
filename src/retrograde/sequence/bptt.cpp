#include "retrograde/sequence/bptt.h"

#include <charconv>

#include "retrograde/base/error.h"

namespace retrograde {

Bptt chunk(std::size_t steps) {
  if (steps == 0) throw UsageError("a chunk of 0 steps; it needs at least 1");
  return {Bptt::Kind::chunk, steps};
}

Bptt parse_bptt(const std::string& text) {
  if (text == "full") return full();
  const auto colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  if (colon != std::string::npos && (kind == "chunk" || kind == "window")) {
    std::size_t length = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, length);
    if (error == std::errc{} && stop == end) return kind == "chunk" ? chunk(length) : window(length);
  }
  throw UsageError("bptt is \"{}\"; it may be full, chunk:STEPS or window:REACH", text);
}

std::string to_string(const Bptt& bptt) {
  if (bptt.kind == Bptt::Kind::full) return "full";
  return fmt::format("{}:{}", bptt.kind == Bptt::Kind::chunk ? "chunk" : "window", bptt.length);
}

}  // namespace retrograde
