#include "cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace retrograde::cli {

bool on_terminal() {
  static const bool terminal = isatty(STDERR_FILENO) == 1;
  return terminal;
}

std::string bold(std::string_view text) {
  const char* no_colour = std::getenv("NO_COLOR");
  const bool plain = !on_terminal() || (no_colour != nullptr && *no_colour != '\0');
  return plain ? std::string(text) : fmt::format("\x1b[1m{}\x1b[0m", text);
}

std::string bar(double done, int width) {
  const int filled = static_cast<int>(std::clamp(done, 0.0, 1.0) * width);
  std::string text;
  for (int i = 0; i < width; ++i) text += i < filled ? "━" : i == filled ? "╸" : " ";
  return text;
}

std::string grouped(unsigned long long n) {
  const std::string digits = std::to_string(n);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string counted(unsigned long long n, std::string_view singular) {
  return fmt::format("{} {}{}", grouped(n), singular, n == 1 ? "" : "s");
}

std::string short_number(double x) {
  if (x >= 1e6) return fmt::format("{:.1f}M", x / 1e6);
  if (x >= 1e3) return fmt::format("{:.0f}k", x / 1e3);
  return fmt::format("{:.0f}", x);
}

std::string minutes(double seconds) {
  const long whole = std::lround(std::max(seconds, 0.0));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

bool LiveLine::due() const {
  return on_terminal() && std::chrono::steady_clock::now() - last_ >= std::chrono::milliseconds(100);
}

void LiveLine::draw(std::string_view text) {
  if (!due()) return;
  last_ = std::chrono::steady_clock::now();
  drawn_ = true;
  fmt::print(stderr, "\r\x1b[2K{}", text);
  std::fflush(stderr);
}

void LiveLine::clear() {
  if (drawn_) fmt::print(stderr, "\r\x1b[2K");
  drawn_ = false;
}

}  // namespace retrograde::cli
