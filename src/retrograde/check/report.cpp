// The forms of a CheckReport: a line to quote, a table to read, plain data.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "retrograde/check/gradient.h"

namespace retrograde {
namespace {

// 12345 -> "12,345"
std::string grouped(std::size_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

std::string extent(const CheckReport& r) {
  if (r.mode == CheckMode::directional) return grouped(r.checked) + " directions";
  if (r.checked == r.entries)
    return fmt::format("all {} {}", grouped(r.entries), r.entries == 1 ? "entry" : "entries");
  return grouped(r.checked) + (r.checked < r.planned ? " entries reached" : " sampled entries");
}

std::string number(double x) { return fmt::format("{:.6g}", x); }

// JSON has no NaN and no infinity.
nlohmann::ordered_json plain(double x) {
  if (std::isfinite(x)) return x;
  return std::isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) line += fmt::format("  {:<{}}", row[c], widths[c]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace

std::string CheckReport::line() const {
  if (blocks.empty()) return "nothing was checked";
  const auto& first = blocks.front();
  if (verdict == Verdict::agrees) {
    double worst = 0;
    std::size_t unresolved = 0;
    for (const auto& b : blocks) {
      worst = std::max(worst, b.scale > 0 ? b.relative_gap() : 0);
      unresolved += b.unresolved;
    }
    return fmt::format("gradient agrees with {}: worst {:.1e} of {}{} ({:.1f} s)", oracle, worst,
                       extent(*this),
                       unresolved ? fmt::format(", {} too small to tell", grouped(unresolved)) : "", seconds);
  }
  if (verdict == Verdict::cannot_tell) {
    const std::string why = first.verdict == Verdict::cannot_tell && !first.note.empty()
                                ? first.name + ": " + first.note
                            : notes.empty() ? "see the table"
                                            : notes.front();
    return fmt::format("cannot tell if the gradient is right, by {} at {}: {} ({:.1f} s)", oracle,
                       extent(*this), why, seconds);
  }
  const auto wrong = std::count_if(blocks.begin(), blocks.end(),
                                   [](const auto& b) { return b.verdict == Verdict::differs; });
  return fmt::format(
      "gradient differs from {} in {} of {} blocks: {} is claimed {}, true {}, gap {:.1e}, allowed {:.1e} "
      "({}, {:.1f} s)",
      oracle, wrong, blocks.size(), first.worst_at, number(first.worst.claimed),
      number(first.worst.truth.value), first.worst.gap, first.worst.allowed, extent(*this), seconds);
}

std::string CheckReport::text() const {
  std::string out = line() + "\n\n";
  std::vector<std::vector<std::string>> rows{{"block", "verdict", "bad", "worst entry", "claimed", "true",
                                              "gap", "allowed", "cosine", "|claimed|/|true|"}};
  for (const auto& b : blocks)
    rows.push_back({b.name, std::string(name(b.verdict)),
                    fmt::format("{} of {}", grouped(b.bad), grouped(b.checked)), b.worst_at,
                    number(b.worst.claimed), number(b.worst.truth.value), fmt::format("{:.1e}", b.worst.gap),
                    fmt::format("{:.1e}", b.worst.allowed), fmt::format("{:.6f}", b.cosine),
                    fmt::format("{:.6f}", b.norm_ratio)});
  out += table(rows);
  out += fmt::format(
      "\nclaimed is the gradient under test ({}), true comes from {}; bad counts gaps above what is "
      "allowed\n",
      name(claim), oracle);
  for (const auto& b : blocks)
    if (!b.note.empty()) out += fmt::format("{}: {}\n", b.name, b.note);
  for (const auto& note : notes) out += fmt::format("note: {}\n", note);
  if (!std::isnan(taylor.slope))
    out +=
        fmt::format("Taylor remainder at the worst entry: slope {:.2f} +- {:.2f} (2 if right, 1 if wrong)\n",
                    taylor.slope, taylor.error);
  if (!power.empty()) out += fmt::format("power: {}\n", power);
  return out;
}

nlohmann::ordered_json CheckReport::json() const {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto& b : blocks)
    rows.push_back({{"block", b.name},
                    {"verdict", name(b.verdict)},
                    {"entries", b.entries},
                    {"checked", b.checked},
                    {"bad", b.bad},
                    {"not_finite", b.not_finite},
                    {"unresolved", b.unresolved},
                    {"kinks", b.kinks},
                    {"worst",
                     {{"index", b.worst.index},
                      {"at", b.worst_at},
                      {"claimed", plain(b.worst.claimed)},
                      {"true", plain(b.worst.truth.value)},
                      {"true_error", plain(b.worst.truth.error)},
                      {"gap", plain(b.worst.gap)},
                      {"allowed", plain(b.worst.allowed)}}},
                    {"cosine", plain(b.cosine)},
                    {"norm_ratio", plain(b.norm_ratio)},
                    {"note", b.note}});
  return {{"verdict", name(verdict)},
          {"line", line()},
          {"oracle", oracle},
          {"mode", name(mode)},
          {"claim", name(claim)},
          {"entries", entries},
          {"checked", checked},
          {"planned", planned},
          {"evaluations", evaluations},
          {"seconds", seconds},
          {"predicted", {{"evaluations", predicted.evaluations}, {"seconds", predicted.seconds}}},
          {"blocks", rows},
          {"power", power},
          {"notes", notes}};
}

}  // namespace retrograde
