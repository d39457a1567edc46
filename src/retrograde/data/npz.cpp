#include "retrograde/data/npz.h"

#include <string_view>
#include <utility>

#include "retrograde/base/error.h"
#include "retrograde/data/npy.h"
#include "retrograde/data/zip.h"

namespace retrograde {
namespace {

constexpr std::string_view kSuffix = ".npy";

}  // namespace

Npz read_npz(const std::filesystem::path& path) { return read_npz(*open_file(path)); }

Npz read_npz(const ByteSource& source) {
  Npz result;
  for (const auto& entry : read_zip_directory(source)) {
    if (!entry.name.ends_with(kSuffix)) {
      throw DataError("{}: entry {} is no .npy array; an .npz file holds nothing else", source.name(),
                      entry.name);
    }
    const auto key = entry.name.substr(0, entry.name.size() - kSuffix.size());
    const auto bytes = read_zip_entry(source, entry);
    const NpyReader reader(open_memory(fmt::format("{}, array {}", source.name(), key), bytes));
    if (reader.is_text()) {
      result.texts.emplace(key, reader.text());
    } else {
      result.arrays.emplace(key, reader.read());
    }
  }
  return result;
}

std::string npz_bytes(const Npz& content, Compression compression) {
  ZipWriter zip;
  const auto add = [&](const std::string& key, const std::string& bytes) {
    zip.add(key + std::string(kSuffix), bytes, compression == Compression::deflate);
  };
  for (const auto& [key, array] : content.arrays) add(key, npy_bytes(array));
  for (const auto& [key, text] : content.texts) {
    if (content.arrays.contains(key)) throw UsageError("{} is both an array and a text; rename one", key);
    add(key, npy_bytes(text));
  }
  return zip.finish();
}

void write_npz(const std::filesystem::path& path, const Npz& content, Compression compression) {
  replace_file(path, npz_bytes(content, compression));
}

}  // namespace retrograde
