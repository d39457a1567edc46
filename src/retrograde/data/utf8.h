// UTF-8, strictly: no overlong forms, no surrogates, nothing beyond U+10FFFF (RFC 3629).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace retrograde {

// The character that begins at `at`, which moves to the next one; nothing, and `at` stays, when the bytes
// there are no UTF-8. `at` must be inside the text.
std::optional<char32_t> next_utf8(std::string_view text, std::size_t& at);

// False, and nothing appended, when it is no character.
bool append_utf8(char32_t character, std::string& out);

}  // namespace retrograde
