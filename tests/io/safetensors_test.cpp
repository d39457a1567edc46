#include "retrograde/io/safetensors.h"

#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include <cmath>

#include "data/files.h"
#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryFolder;

TensorFile example() {
  TensorFile content;
  content.metadata = {{"format", "retrograde"}, {"config", R"({"cell": "lstm", "größe": 3})"}};
  content.tensors["rnn.weight"] = {{2, 3}, {0.5, -1, 2, 3, -7, 11}, Dtype::float32};
  content.tensors["adam.m"] = {{5}, {1e-300, 2, 3, 4, 5}, Dtype::float64};
  content.tensors["position"] = {{}, {123456789012.0}, Dtype::int64};
  content.tensors["rows"] = {{3}, {1, -2, 3}, Dtype::int32};
  content.tensors["nothing"] = {{0, 7}, {}, Dtype::float32};
  return content;
}

TensorFile read(const std::string& bytes, NonFinite non_finite = NonFinite::refused) {
  return read_safetensors(*open_memory("m.safetensors", std::as_bytes(std::span(bytes))), non_finite);
}

std::string with_header(const std::string& header, const std::string& data) {
  std::string out;
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(header.size() >> shift & 0xff));
  return out + header + data;
}

std::string refusal(const std::string& header, const std::string& data = std::string(8, '\0')) {
  return message_of<FileError>([&] { read(with_header(header, data)); });
}

TEST(Safetensors, WhatIsWrittenComesBack) {
  const TemporaryFolder folder;
  write_safetensors(folder / "m.safetensors", example());
  const TensorFile back = read_safetensors(folder / "m.safetensors");
  EXPECT_EQ(back.metadata.at("config"), example().metadata.at("config"));
  EXPECT_EQ(back.metadata.size(), 3u);  // and the checksum
  ASSERT_EQ(back.tensors.size(), example().tensors.size());
  for (const auto& [name, array] : example().tensors) {
    EXPECT_EQ(back.tensors.at(name).shape, array.shape) << name;
    EXPECT_EQ(back.tensors.at(name).values, array.values) << name;
    EXPECT_EQ(back.tensors.at(name).dtype, array.dtype) << name;
  }
}

TEST(Safetensors, AFileIsReplacedWholeAndNothingIsLeftBesideIt) {
  const TemporaryFolder folder;
  write_safetensors(folder / "m.safetensors", example());
  write_safetensors(folder / "m.safetensors", {});
  EXPECT_TRUE(read_safetensors(folder / "m.safetensors").tensors.empty());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Safetensors, TheExampleOfTheSpecificationIsRead) {
  const std::string header = R"({"test":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
  const TensorFile content = read(with_header(header + "   ", std::string("\0\0\x80\x3f\0\0\x20\xc0", 8)));
  EXPECT_THAT(content.tensors.at("test").shape, ElementsAre(1, 2));
  EXPECT_THAT(content.tensors.at("test").values, ElementsAre(1, -2.5));
}

TEST(Safetensors, WhatTheLibraryOfTheFormatsAuthorsWroteIsRead) {
  const TensorFile content = read_safetensors(testing::golden("library.safetensors"));
  EXPECT_EQ(content.metadata.at("größe"), "5");
  ASSERT_EQ(content.tensors.size(), 4u);
  EXPECT_THAT(content.tensors.at("w").shape, ElementsAre(2, 3, 5));
  EXPECT_EQ(content.tensors.at("w").values[29], 21.5);
  EXPECT_EQ(content.tensors.at("m").values[3], 3.0 / 7);
  EXPECT_EQ(content.tensors.at("position").values[0], 123456789012.0);
  EXPECT_THAT(content.tensors.at("rows").values, ElementsAre(0, 1, 2));
}

TEST(Safetensors, OffsetsMustCoverTheDataOnceAndInRange) {
  const auto entry = [](const char* name, const char* offsets) {
    return fmt::format(R"("{}":{{"dtype":"F32","shape":[1],"data_offsets":{}}})", name, offsets);
  };
  const auto header = [](const std::vector<std::string>& entries) {
    return fmt::format("{{{}}}", fmt::join(entries, ","));
  };
  EXPECT_THAT(refusal(header({entry("a", "[0,4]")})), HasSubstr("tensors end"));
  EXPECT_THAT(refusal(header({entry("a", "[4,8]")})), HasSubstr("begins at 4, expected at 0"));
  EXPECT_THAT(refusal(header({entry("a", "[0,4]"), entry("b", "[0,4]")})), HasSubstr("expected at 4"));
  EXPECT_THAT(refusal(header({entry("a", "[0,4]"), entry("b", "[8,12]")}), std::string(12, '\0')),
              HasSubstr("expected at 4"));
  EXPECT_THAT(refusal(header({entry("a", "[0,8]")})), HasSubstr("claims bytes 0 to 8"));
  EXPECT_THAT(refusal(header({entry("a", "[4,0]")})), HasSubstr("claims bytes"));
  EXPECT_THAT(refusal(header({entry("a", "[-4,0]")})), HasSubstr("data_offsets"));
  EXPECT_THAT(refusal(header({entry("a", "[0,4]"), entry("a", "[4,8]")})), HasSubstr("\"a\" occurs twice"));
}

TEST(Safetensors, WhatIsNotOfTheFormatIsSaid) {
  EXPECT_THAT(refusal(R"({"a":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}})"),
              AllOf(HasSubstr("tensor a"), HasSubstr("BF16"), HasSubstr("F64")));
  EXPECT_THAT(
      refusal(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}})"),
      HasSubstr("tensor a"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})"), HasSubstr("shape"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}})"),
              HasSubstr("something else"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"n":1}})", ""), HasSubstr("no string"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"n":"1","n":"2"}})", ""), HasSubstr("occurs twice"));
  EXPECT_THAT(refusal("[[[[[[[[", ""), HasSubstr("does not begin"));
  EXPECT_THAT(refusal(R"({"a":[[[[[[[]]]]]]]})", ""), HasSubstr("nested"));
  EXPECT_THAT(refusal("{\"a\":", ""), HasSubstr("header: is no JSON"));
  EXPECT_THAT(message_of<FileError>([] { read("\xff\xff\xff\xff\xff\xff\xff\xff{}"); }),
              HasSubstr("header claims"));
  EXPECT_THAT(message_of<FileError>([] { read("{}"); }), HasSubstr("too short"));
}

TEST(Safetensors, NoFlippedBitPasses) {
  const std::string bytes = safetensors_bytes(example());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const int bit : {0, 3, 6}) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ 1 << bit);
      try {
        // Only a checksum that has lost its name goes unseen, and then the rest is whole.
        const TensorFile content = read(damaged);
        EXPECT_FALSE(content.metadata.contains("crc32")) << i;
        EXPECT_EQ(content.tensors.at("rnn.weight").values, example().tensors.at("rnn.weight").values);
      } catch (const FileError&) {
      }
    }
  }
}

TEST(Safetensors, NaNIsRefusedByItsPlaceUnlessAllowed) {
  TensorFile content = example();
  content.tensors["rnn.weight"].values[4] = std::nan("");
  const std::string bytes = safetensors_bytes(content);
  EXPECT_THAT(message_of<FileError>([&] { read(bytes); }),
              AllOf(HasSubstr("rnn.weight"), HasSubstr("[1, 1]")));
  EXPECT_TRUE(std::isnan(read(bytes, NonFinite::allowed).tensors.at("rnn.weight").values[4]));
}

}  // namespace
}  // namespace retrograde
