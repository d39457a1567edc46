#include "retrograde/io/safetensors.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "retrograde/base/error.h"
#include "retrograde/base/json.h"
#include "retrograde/data/elements.h"

namespace retrograde {
namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::string_view kMetadata = "__metadata__", kCrc = "crc32";
constexpr std::array<std::string_view, 4> kDtypes = {"F32", "F64", "I32", "I64"};  // in Dtype's order

class Crc {
 public:
  void add(std::string_view bytes) {
    // zlib takes a null pointer, which is what an empty view may have, for the wish to begin anew.
    if (!bytes.empty()) value_ = crc32_z(value_, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  }
  std::string text() const { return fmt::format("{:08x}", value_); }

 private:
  uLong value_ = 0;
};

struct Entry {
  std::string name;
  Dtype dtype = Dtype::float32;
  std::vector<std::size_t> shape;
  std::uint64_t begin = 0, end = 0;
};

[[noreturn]] void damaged(const ByteSource& source, std::string_view what) {
  throw FileError("{}: damaged or no .safetensors file: {}. Nothing was loaded.", source.name(), what);
}

std::optional<std::uint64_t> natural(const Json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<std::uint64_t>();
}

Entry parse_entry(const ByteSource& source, const std::string& name, const Json& json) {
  const auto fail = [&](std::string_view what) { damaged(source, fmt::format("tensor {} {}", name, what)); };
  if (!json.is_object() || json.size() != 3 || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets")) {
    fail("has something else than dtype, shape and data_offsets");
  }
  Entry entry;
  entry.name = name;
  const auto dtype =
      std::ranges::find(kDtypes, json["dtype"].is_string() ? json["dtype"].get<std::string>() : "");
  if (dtype == kDtypes.end()) {
    throw FileError("{}: tensor {} is of dtype {}; known are F32, F64, I32 and I64. Nothing was loaded.",
                    source.name(), name, json["dtype"].dump());
  }
  entry.dtype = static_cast<Dtype>(dtype - kDtypes.begin());
  const Json& offsets = json["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !natural(offsets[0]) || !natural(offsets[1])) {
    fail("has no data_offsets [begin, end]");
  }
  entry.begin = *natural(offsets[0]);
  entry.end = *natural(offsets[1]);
  if (!json["shape"].is_array()) fail("has a shape that is no list");
  unsigned __int128 bytes = bytes_of(entry.dtype);
  for (const Json& size : json["shape"]) {
    const auto n = natural(size);
    // Sizes beyond any memory would overflow the product; a zero among them could hide it.
    if (!n || *n > std::uint64_t{1} << 48 || entry.shape.size() == 32) fail("has an impossible shape");
    entry.shape.push_back(static_cast<std::size_t>(*n));
    if (bytes <= source.size()) bytes *= *n;
  }
  if (std::ranges::find(entry.shape, 0u) != entry.shape.end()) bytes = 0;
  if (entry.begin > entry.end || entry.end > source.size() || bytes != entry.end - entry.begin) {
    fail(fmt::format("of shape {} and dtype {} claims bytes {} to {}", describe_shape(entry.shape), *dtype,
                     entry.begin, entry.end));
  }
  return entry;
}

template <class T>
void decode_as(const ByteSource& source, const Entry& entry, const std::vector<std::byte>& raw,
               NonFinite non_finite, std::vector<double>& values) {
  const auto fail = [&](std::string_view what) {
    throw FileError("{}: tensor {}, element {} {}. Nothing was loaded.", source.name(), entry.name,
                    describe_shape(indices_of(values.size(), entry.shape)), what);
  };
  for (std::size_t i = 0; i < raw.size(); i += sizeof(T)) {
    const T value = load_element<T>(&raw[i], std::endian::native == std::endian::big);
    if (!is_exact(value)) fail("is an integer that no double holds exactly");
    if (non_finite == NonFinite::refused && !std::isfinite(static_cast<double>(value)))
      fail("is NaN or infinite");
    values.push_back(static_cast<double>(value));
  }
}

Array read_tensor(const ByteSource& source, const Entry& entry, std::uint64_t data, NonFinite non_finite,
                  Crc& crc) {
  std::vector<std::byte> raw(static_cast<std::size_t>(entry.end - entry.begin));
  source.read(data + entry.begin, raw);
  crc.add({reinterpret_cast<const char*>(raw.data()), raw.size()});
  Array array{entry.shape, {}, entry.dtype};
  array.values.reserve(raw.size() / bytes_of(entry.dtype));
  const auto as = [&]<class T>(T) { decode_as<T>(source, entry, raw, non_finite, array.values); };
  switch (entry.dtype) {
    case Dtype::float32:
      as(float{});
      break;
    case Dtype::float64:
      as(double{});
      break;
    case Dtype::int32:
      as(std::int32_t{});
      break;
    case Dtype::int64:
      as(std::int64_t{});
      break;
  }
  return array;
}

struct Header {
  Json json;
  std::map<std::string, std::string, std::less<>> metadata;
  std::vector<Entry> entries;  // by place
  std::uint64_t data = 0;      // offset of the first
};

void check_places(const ByteSource& source, const Header& header) {
  std::uint64_t expected = 0;
  for (const Entry& entry : header.entries) {
    if (entry.begin != expected) {
      damaged(source,
              fmt::format("tensor {} begins at {}, expected at {}", entry.name, entry.begin, expected));
    }
    expected = entry.end;
  }
  if (header.data + expected != source.size()) {
    damaged(source,
            fmt::format("its tensors end at byte {}, the file at {}", header.data + expected, source.size()));
  }
}

Header read_header(const ByteSource& source) {
  std::array<std::byte, 8> prefix{};
  if (source.size() < prefix.size()) damaged(source, "it is too short");
  source.read(0, prefix);
  const auto length = load_element<std::uint64_t>(prefix.data(), std::endian::native == std::endian::big);
  if (length > kMaxHeader || length > source.size() - prefix.size()) {
    damaged(source, fmt::format("its header claims {} bytes (at most 100 MB, and {} bytes are there)", length,
                                source.size() - prefix.size()));
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  source.read(prefix.size(), std::as_writable_bytes(std::span(text)));
  if (!text.starts_with('{')) damaged(source, "its header does not begin with {");
  Header header;
  header.json =
      parse_json(text, fmt::format("{}: damaged or no .safetensors file: its header", source.name()), 3);
  header.data = prefix.size() + length;
  for (const auto& [name, json] : header.json.items()) {
    if (name != kMetadata) {
      header.entries.push_back(parse_entry(source, name, json));
      continue;
    }
    if (!json.is_object()) damaged(source, "its metadata are no map");
    for (const auto& [key, value] : json.items()) {
      if (!value.is_string()) damaged(source, fmt::format("metadata \"{}\" is no string", key));
      header.metadata.emplace(key, value.get<std::string>());
    }
  }
  std::ranges::sort(header.entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
  check_places(source, header);
  return header;
}

}  // namespace

TensorFile read_safetensors(const ByteSource& source, NonFinite non_finite) {
  Header header = read_header(source);
  TensorFile content{std::move(header.metadata), {}};
  Crc crc;
  for (const Entry& entry : header.entries) {
    content.tensors.emplace(entry.name, read_tensor(source, entry, header.data, non_finite, crc));
  }
  if (const auto stored = content.metadata.find(kCrc); stored != content.metadata.end()) {
    header.json[kMetadata].erase(kCrc);
    crc.add(header.json.dump());
    if (stored->second != crc.text()) damaged(source, "its checksum differs");
  }
  return content;
}

TensorFile read_safetensors_header(const std::filesystem::path& path) {
  Header header = read_header(*open_file(path));
  TensorFile content{std::move(header.metadata), {}};
  for (const Entry& entry : header.entries) content.tensors[entry.name] = {entry.shape, {}, entry.dtype};
  return content;
}

TensorFile read_safetensors(const std::filesystem::path& path, NonFinite non_finite) {
  return read_safetensors(*open_file(path), non_finite);
}

std::string safetensors_bytes(const TensorFile& content) {
  // Eight-byte elements first, so that every tensor is aligned to its element.
  std::vector<const std::pair<const std::string, Array>*> order;
  for (const auto& item : content.tensors) order.push_back(&item);
  std::ranges::stable_sort(order, std::greater{},
                           [](const auto* item) { return bytes_of(item->second.dtype); });
  Json header = Json::object();
  header[kMetadata] = content.metadata;
  header[kMetadata].erase(kCrc);
  std::string data;
  for (const auto* item : order) {
    const auto& [name, array] = *item;
    if (name == kMetadata) throw UsageError("no tensor can be named {}", kMetadata);
    const std::size_t begin = data.size();
    append_elements(array, data);
    header[name] = {{"dtype", kDtypes[static_cast<std::size_t>(array.dtype)]},
                    {"shape", array.shape},
                    {"data_offsets", {begin, data.size()}}};
  }
  Crc crc;
  crc.add(data);
  crc.add(header.dump());
  header[kMetadata][kCrc] = crc.text();
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string out;
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(text.size() >> shift & 0xff));
  return out + text + data;
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& content) {
  replace_file(path, safetensors_bytes(content));
}

}  // namespace retrograde
