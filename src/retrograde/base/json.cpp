#include "retrograde/base/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "retrograde/base/error.h"

namespace retrograde {

Json parse_json(std::string_view text, std::string_view what, int max_depth) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > max_depth) throw FileError("{}: is nested too deeply", what);
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      throw FileError("{}: \"{}\" occurs twice", what, value.get<std::string>());
    }
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::exception& error) {
    throw FileError("{}: is no JSON ({})", what, error.what());
  }
}

}  // namespace retrograde
