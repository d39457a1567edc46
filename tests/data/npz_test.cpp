#include "retrograde/data/npz.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <numeric>

#include "data/files.h"
#include "retrograde/base/error.h"
#include "retrograde/data/zip.h"

namespace retrograde {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::golden;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryFolder;

Npz example() {
  Npz content;
  Array x{{2, 3, 5}, std::vector<double>(30), Dtype::float32};
  std::iota(x.values.begin(), x.values.end(), -7.5);
  content.arrays["x"] = x;
  content.arrays["n"] = {{}, {11}, Dtype::int64};
  content.texts["activation"] = "tänh 𝄞";
  content.texts["nothing"] = "";
  return content;
}

TEST(Npz, WhatNumpyWroteIsReadStoredAndDeflated) {
  for (const auto* file : {"stored.npz", "deflated.npz"}) {
    const Npz content = read_npz(golden(file));
    ASSERT_EQ(content.arrays.size(), 3u) << file;
    EXPECT_THAT(content.arrays.at("x").shape, ElementsAre(2, 3, 5));
    EXPECT_EQ(content.arrays.at("x").values[29], 21.5);
    EXPECT_THAT(content.arrays.at("label").values, ElementsAre(0, 1, 2));
    EXPECT_EQ(content.arrays.at("größe").dtype, Dtype::float32);
    EXPECT_EQ(content.texts.at("activation"), "tanh");
  }
}

TEST(Npz, WhatIsWrittenComesBack) {
  const TemporaryFolder folder;
  for (const auto compression : {Compression::none, Compression::deflate}) {
    write_npz(folder / "a.npz", example(), compression);
    const Npz back = read_npz(folder / "a.npz");
    EXPECT_EQ(back.texts, example().texts);
    ASSERT_EQ(back.arrays.size(), 2u);
    EXPECT_EQ(back.arrays.at("x").values, example().arrays.at("x").values);
    EXPECT_EQ(back.arrays.at("x").dtype, Dtype::float32);
    EXPECT_TRUE(back.arrays.at("n").shape.empty());
  }
}

TEST(Npz, AnArchiveWithoutArraysIsAnArchive) {
  const std::string bytes = npz_bytes({});
  EXPECT_TRUE(read_npz(*open_memory("empty", std::as_bytes(std::span(bytes)))).arrays.empty());
}

TEST(Npz, NumpyReadsWhatWeWrite) {
  if (std::system("python3 -c 'import numpy' 2>/dev/null") != 0) {
    GTEST_SKIP() << "python3 with NumPy is not installed: nobody looked whether NumPy reads our .npz files";
  }
  const TemporaryFolder folder;
  for (const auto compression : {Compression::none, Compression::deflate}) {
    write_npz(folder / "a.npz", example(), compression);
    const std::string command =
        "python3 -c 'import numpy as np, sys, zipfile\n"
        "assert zipfile.ZipFile(sys.argv[1]).testzip() is None\n"
        "f = np.load(sys.argv[1])\n"
        "assert sorted(f.files) == [\"activation\", \"n\", \"nothing\", \"x\"], f.files\n"
        "assert f[\"x\"].dtype == np.float32 and f[\"x\"].shape == (2, 3, 5)\n"
        "assert (f[\"x\"].ravel() == np.arange(30) - 7.5).all()\n"
        "assert f[\"n\"] == 11 and f[\"n\"].dtype == np.int64\n"
        "assert f[\"activation\"] == \"tänh 𝄞\" and f[\"nothing\"] == \"\"' ";
    EXPECT_EQ(std::system((command + (folder / "a.npz").string()).c_str()), 0);
  }
}

TEST(Npz, AFlippedBitInAnArrayIsSeenByItsChecksum) {
  std::string bytes = npz_bytes(example());
  bytes[bytes.find("NUMPY") + 130] ^= 1;
  EXPECT_THAT(
      message_of<FileError>([&] { read_npz(*open_memory("a.npz", std::as_bytes(std::span(bytes)))); }),
      AllOf(HasSubstr("a.npz"), HasSubstr("checksum")));
}

TEST(Npz, AnEntryThatClaimsMoreThanDeflateCanPackIsRefusedBeforeItIsAllocated) {
  ZipWriter zip;
  zip.add("a.npy", std::string(1000, 'x'), true);
  std::string bytes = zip.finish();
  const std::string_view size("\xe8\x03\0\0\0\0\0\0", 8);  // 1000
  for (auto at = bytes.find(size); at != bytes.npos; at = bytes.find(size)) bytes[at + 6] = 1, bytes[at] = 0;
  EXPECT_THAT(
      message_of<FileError>([&] { read_npz(*open_memory("a.npz", std::as_bytes(std::span(bytes)))); }),
      HasSubstr("claims"));
}

TEST(Npz, StrangeArchivesAreRefusedInWords) {
  const auto refusal = [](ZipWriter zip) {
    const std::string bytes = zip.finish();
    return message_of<Error>([&] { read_npz(*open_memory("a.npz", std::as_bytes(std::span(bytes)))); });
  };
  ZipWriter twice;
  twice.add("a.npy", "x", false);
  twice.add("a.npy", "x", false);
  EXPECT_THAT(refusal(twice), HasSubstr("occurs twice"));
  ZipWriter other;
  other.add("readme.txt", "x", false);
  EXPECT_THAT(refusal(other), HasSubstr("no .npy array"));
  ZipWriter inside;
  inside.add("b.npy", testing::bytes_of(golden("object.npy")), false);
  EXPECT_THAT(refusal(inside), AllOf(HasSubstr("array b"), HasSubstr("Python objects")));
  const std::string cut = testing::bytes_of(golden("stored.npz")).substr(0, 900);
  EXPECT_THAT(message_of<FileError>([&] { read_npz(*open_memory("a.npz", std::as_bytes(std::span(cut)))); }),
              HasSubstr("cut off"));
}

}  // namespace
}  // namespace retrograde
