#include "retrograde/base/json.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

TEST(JsonText, AKeyThatOccursTwiceIsRefusedInItsObjectOnly) {
  EXPECT_EQ(parse_json(R"({"a": {"a": 1}, "b": {"a": 2}})", "x")["b"]["a"], 2);
  EXPECT_THROW(parse_json(R"({"a": 1, "a": 2})", "x"), FileError);
  EXPECT_THROW(parse_json(R"({"b": [{"a": 1, "a": 2}]})", "x"), FileError);
}

TEST(JsonText, DepthIsBounded) {
  EXPECT_NO_THROW(parse_json("[[[1]]]", "x", 3));
  EXPECT_THROW(parse_json("[[[[1]]]]", "x", 3), FileError);
  EXPECT_THROW(parse_json(std::string(1'000'000, '['), "x"), FileError);
}

TEST(JsonText, WhatIsNoJsonIsSaid) {
  for (const auto* text : {"", "{", "{\"a\":1,}", "nul", "{\"a\":1} x", "\"\xff\""}) {
    EXPECT_THROW(parse_json(text, "x"), FileError) << text;
  }
}

}  // namespace
}  // namespace retrograde
