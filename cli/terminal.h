// What is shown while work goes on: messages on stderr, and a line that is drawn over again if stderr is a
// terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace retrograde::cli {

// Whether stderr is a terminal, on which lines may be redrawn.
bool on_terminal();

// `text` bold on a terminal, plain elsewhere and when NO_COLOR is set.
std::string bold(std::string_view text);

// For standard output: lines that are wider than the terminal go on below, `indent` from the left. As it is
// where standard output is no terminal.
std::string fitted(const std::string& text, std::size_t indent);

// "━━━━━━╸━━━" of the given width, `done` of 0..1 of it filled.
std::string bar(double done, int width);

// 18497 -> "18,497"; 412300 per second -> "412k"; 83 seconds -> "1:23".
std::string grouped(unsigned long long n);
// 2820 rows -> "2,820 rows"; 1 row -> "1 row".
std::string counted(unsigned long long n, std::string_view singular);
std::string short_number(double x);
std::string minutes(double seconds);

// One line at the bottom of the terminal. Drawn at most ten times a second; nothing elsewhere.
class LiveLine {
 public:
  LiveLine() = default;
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;
  ~LiveLine() { clear(); }

  bool due() const;
  void draw(std::string_view text);
  void clear();

 private:
  std::chrono::steady_clock::time_point last_{};
  bool drawn_ = false;
};

}  // namespace retrograde::cli
