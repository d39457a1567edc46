#include "retrograde/data/utf8.h"

#include <gmock/gmock.h>

namespace retrograde {
namespace {

TEST(Utf8, EveryCharacterComesBackAndSurrogatesAreNone) {
  for (char32_t c = 0; c <= 0x110000; ++c) {
    std::string text;
    const bool is_character = c <= 0x10ffff && (c < 0xd800 || c >= 0xe000);
    ASSERT_EQ(append_utf8(c, text), is_character) << static_cast<unsigned>(c);
    if (!is_character) continue;
    std::size_t at = 0;
    ASSERT_EQ(next_utf8(text, at), c) << static_cast<unsigned>(c);
    ASSERT_EQ(at, text.size());
  }
}

TEST(Utf8, WhatIsNoUtf8IsSeen) {
  for (const std::string_view bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3(", "\xe2\x82("}) {
    std::size_t at = 0;
    EXPECT_EQ(next_utf8(bad, at), std::nullopt) << bad.size();
    EXPECT_EQ(at, 0u);
  }
}

}  // namespace
}  // namespace retrograde
