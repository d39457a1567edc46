#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
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

std::string fitted(const std::string& text, std::size_t indent) {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2 * indent) return text;
  std::string out;
  std::size_t column = 0, space = std::string::npos;  // where the line can be broken
  for (const char c : text) {
    if (c == ' ' && column > indent) space = out.size();
    const bool continues = (static_cast<unsigned char>(c) & 0xc0) == 0x80;  // of a UTF-8 character
    if (c != '\n' && !continues && column >= size.ws_col && space != std::string::npos) {
      const std::size_t rest = out.size() - space;
      out.replace(space, 1, "\n" + std::string(indent, ' '));
      column = indent + rest - 1;
      space = std::string::npos;
    }
    out += c;
    if (c == '\n')
      column = 0, space = std::string::npos;
    else if (!continues)
      ++column;
  }
  return out;
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
