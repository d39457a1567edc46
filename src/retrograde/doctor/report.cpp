#include "retrograde/doctor/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace retrograde::doctor {

std::string_view name(Verdict v) {
  return v == Verdict::agrees ? "agrees" : v == Verdict::differs ? "differs" : "cannot tell";
}

namespace {

void line(std::string& out, std::string_view label, std::string_view text) {
  if (!text.empty()) out += fmt::format("{:<10}{}\n", label, text);
}

std::string table(const std::vector<BlockRow>& blocks) {
  std::size_t width = 6;
  for (const BlockRow& b : blocks) width = std::max(width, b.parameter.size());
  std::string out = fmt::format("\n  {:<{}}  {:<24} {:<9} {}\n", "block", width, "claim against truth",
                                "allowed", "verdict");
  for (const BlockRow& b : blocks) {
    const std::string count = b.wrong ? fmt::format(" ({} of {})", b.wrong, b.entries) : std::string();
    out += fmt::format("  {:<{}}  {:<24} {:<9.0e} {}\n", b.parameter, width,
                       fmt::format("{:.1e}{}", b.gap, count), b.allowed, name(b.verdict));
  }
  return out + "\n";
}

}  // namespace

std::string Report::text() const {
  std::string out;
  line(out, "network",
       network.empty() ? fmt::format("not recognised{}{}", found_by.empty() ? "" : "; ", found_by)
                       : fmt::format("{}{}{}", network, found_by.empty() ? "" : "; ", found_by));
  line(out, "", sizes);
  if (!blocks.empty()) out += table(blocks);
  line(out, "verdict", name(verdict));
  line(out, "where", where);
  for (const Finding& f : findings) {
    line(out, "finding", fmt::format("{} ({}): {}", f.name, f.certainty, f.sentence));
    if (!f.where.empty()) line(out, "  in", f.where);
    if (!f.fix.empty())
      line(out, "  fix", f.yours.empty() ? f.fix : fmt::format("{}      you have  {}", f.fix, f.yours));
    for (const Alternative& a : f.equivalents) line(out, "  or", fmt::format("{}: {}", a.name, a.sentence));
  }
  line(out, "proof", proof);
  if (!ruled_out.empty()) line(out, "not", fmt::format("{}", fmt::join(ruled_out, ", ")));
  for (std::size_t i = 0; i < power.size(); ++i) line(out, i ? "" : "power", power[i]);
  for (std::size_t i = 0; i < notes.size(); ++i) line(out, i ? "" : "note", notes[i]);
  return out;
}

nlohmann::json Report::json() const {
  nlohmann::json j = {{"verdict", name(verdict)},
                      {"network", network},
                      {"found_by", found_by},
                      {"sizes", sizes},
                      {"where", where},
                      {"proof", proof},
                      {"ruled_out", ruled_out},
                      {"power", power},
                      {"notes", notes},
                      {"seconds", seconds},
                      {"blocks", nlohmann::json::array()},
                      {"findings", nlohmann::json::array()}};
  for (const BlockRow& b : blocks)
    j["blocks"].push_back({{"parameter", b.parameter},
                           {"gradient", b.gradient},
                           {"gap", b.gap},
                           {"allowed", b.allowed},
                           {"wrong", b.wrong},
                           {"entries", b.entries},
                           {"worst", b.worst},
                           {"verdict", name(b.verdict)}});
  for (const Finding& f : findings) {
    nlohmann::json others = nlohmann::json::array();
    for (const Alternative& a : f.equivalents) others.push_back({{"name", a.name}, {"sentence", a.sentence}});
    j["findings"].push_back({{"name", f.name},
                             {"where", f.where},
                             {"sentence", f.sentence},
                             {"fix", f.fix},
                             {"yours", f.yours},
                             {"certainty", f.certainty},
                             {"equivalents", others},
                             {"blocks", f.blocks}});
  }
  return j;
}

}  // namespace retrograde::doctor
