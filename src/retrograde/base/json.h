// JSON as it is kept in files: keys sorted, numbers that come back to the bit, and no key twice.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace retrograde {

using Json = nlohmann::json;

// FileError, beginning with `what`, when the text is no JSON, a key occurs twice in an object (parsers
// commonly keep one of the two and say nothing), or objects and lists are nested deeper than `max_depth`.
Json parse_json(std::string_view text, std::string_view what, int max_depth = 32);

}  // namespace retrograde
