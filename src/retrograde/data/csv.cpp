#include "retrograde/data/csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <system_error>
#include <utility>

#include "retrograde/base/error.h"
#include "retrograde/data/utf8.h"

namespace retrograde {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 16;
constexpr std::size_t kMaxCell = std::size_t{1} << 20;
constexpr std::size_t kMaxRecord = std::size_t{1} << 24;
constexpr std::size_t kMaxCells = 100'000;
constexpr std::size_t kSample = 50;  // records that are looked at to find the delimiter
constexpr std::array<char, 4> kDelimiters = {',', ';', '\t', '|'};

}  // namespace

CsvReader::CsvReader(std::shared_ptr<const ByteSource> source, const CsvOptions& options)
    : source_(std::move(source)) {
  find_start();
  rewind();
  if (options.delimiter) {
    delimiter_ = *options.delimiter;
  } else {
    find_delimiter();
  }
  find_header(options.header);
}

CsvReader CsvReader::at(std::uint64_t offset, std::size_t line) const {
  CsvReader reader = *this;
  reader.buffer_.clear();
  reader.buffer_offset_ = offset;
  reader.at_ = 0;
  reader.line_ = line;
  return reader;
}

bool CsvReader::next(CsvRecord& record) {
  if (!next_raw(record)) return false;
  if (record.cells.size() != columns_.size()) {
    throw DataError("{}:{}: has {} cells, expected {} (separated by {})", name(), record.line,
                    record.cells.size(), columns_.size(), shown({&delimiter_, 1}));
  }
  return true;
}

// The next byte, or -1 at the end.
int CsvReader::peek() {
  if (at_ == buffer_.size()) {
    buffer_offset_ += buffer_.size();
    at_ = 0;
    buffer_.resize(
        static_cast<std::size_t>(std::min<std::uint64_t>(kBuffer, source_->size() - buffer_offset_)));
    if (buffer_.empty()) return -1;
    source_->read(buffer_offset_, std::as_writable_bytes(std::span(buffer_)));
  }
  return static_cast<unsigned char>(buffer_[at_]);
}

void CsvReader::end_line() {
  const bool carriage_return = buffer_[at_++] == '\r';
  if (carriage_return && peek() == '\n') ++at_;
  ++line_;
}

bool CsvReader::next_raw(CsvRecord& record) {
  for (int c = peek(); c == '\n' || c == '\r'; c = peek()) end_line();
  if (peek() < 0) return false;
  record.line = line_;
  record.offset = buffer_offset_ + at_;
  std::size_t n = 0, length = 0;
  for (bool more = true; more; ++n) {
    if (n == kMaxCells) throw DataError("{}:{}: has more than {} cells", name(), record.line, kMaxCells);
    if (n == record.cells.size()) record.cells.emplace_back();
    more = read_cell(record.cells[n], record);
    length += record.cells[n].size();
    if (length > kMaxRecord) {
      throw DataError("{}:{}: is longer than {} bytes; is a quote missing?", name(), record.line, kMaxRecord);
    }
  }
  record.cells.resize(n);
  return true;
}

// True when another cell follows in the record.
bool CsvReader::read_cell(std::string& cell, const CsvRecord& record) {
  cell.clear();
  while (delimiter_ != ' ' && peek() == ' ' && cell.size() <= kMaxCell) cell.push_back(buffer_[at_++]);
  const bool quoted = peek() == '"';
  if (quoted) {
    cell.clear();  // blanks before a quote belong to nobody
    read_quoted(cell, record);
    while (delimiter_ != ' ' && peek() == ' ') ++at_;
  }
  while (true) {
    const int c = peek();
    if (c < 0) return false;
    if (c == '\n' || c == '\r') return end_line(), false;
    if (c == static_cast<unsigned char>(delimiter_)) return ++at_, true;
    if (quoted)
      throw DataError("{}:{}: text follows a closing quote (in {})", name(), record.line, shown(cell));
    append_run(cell, record, [this](char d) { return d == delimiter_ || d == '\n' || d == '\r'; });
  }
}

void CsvReader::read_quoted(std::string& cell, const CsvRecord& record) {
  ++at_;
  while (true) {
    const int c = peek();
    if (c < 0)
      throw DataError("{}:{}: a quote is opened in this record and never closed", name(), record.line);
    if (c != '"') {
      append_run(cell, record, [](char d) { return d == '"'; });
      continue;
    }
    ++at_;
    if (peek() != '"') break;
    cell.push_back(buffer_[at_++]);  // two stand for one
    check_length(cell, record);
  }
  line_ += static_cast<std::size_t>(std::ranges::count(cell, '\n'));
}

void CsvReader::check_length(const std::string& cell, const CsvRecord& record) const {
  if (cell.size() > kMaxCell) {
    throw DataError("{}:{}: a cell is longer than {} bytes; is a quote missing?", name(), record.line,
                    kMaxCell);
  }
}

// Takes what is in the buffer up to the first character that stops.
template <class Stop>
void CsvReader::append_run(std::string& cell, const CsvRecord& record, Stop stop) {
  const char* const begin = buffer_.data() + at_;
  const char* const end = std::find_if(begin, std::as_const(buffer_).data() + buffer_.size(), stop);
  cell.append(begin, end);
  at_ += static_cast<std::size_t>(end - begin);
  check_length(cell, record);
}

void CsvReader::find_start() {
  std::string start(static_cast<std::size_t>(std::min<std::uint64_t>(4096, source_->size())), '\0');
  source_->read(0, std::as_writable_bytes(std::span(start)));
  if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff")) {
    throw FileError("{}: is UTF-16 text; save it as UTF-8", name());
  }
  if (start.find('\0') != start.npos) throw FileError("{}: is binary, no CSV file", name());
  if (start.starts_with("\xef\xbb\xbf")) start_ = 3;
}

std::vector<CsvRecord> CsvReader::sample(std::size_t count) {
  rewind();
  std::vector<CsvRecord> records;
  CsvRecord record;
  while (records.size() < count && next_raw(record)) records.push_back(record);
  rewind();
  return records;
}

// The one that cuts all of the first records into the same number of cells, the more the better.
void CsvReader::find_delimiter() {
  std::size_t best = 1;
  for (const char candidate : kDelimiters) {
    CsvReader reader = *this;
    reader.delimiter_ = candidate;
    try {
      const auto records = reader.sample(kSample);
      const auto cells = records.empty() ? 0 : records[0].cells.size();
      const bool even = std::ranges::all_of(records, [&](const auto& r) { return r.cells.size() == cells; });
      if (even && cells > best) {
        best = cells;
        delimiter_ = candidate;
      }
    } catch (const DataError&) {
      // Not this one; if it is none, the reader says what is wrong with commas.
    }
  }
}

void CsvReader::find_header(std::optional<bool> header) {
  const auto records = sample(2);
  if (records.empty()) throw DataError("{}: is empty", name());
  const auto is_name = [](const std::string& cell) { return !trimmed(cell).empty() && !to_number(cell); };
  const auto& first = records[0].cells;
  if (header) {
    has_header_ = *header;
  } else {
    has_header_ =
        std::ranges::all_of(first, [&](const auto& cell) { return is_name(cell) || trimmed(cell).empty(); });
    if (records.size() == 2 && records[1].cells.size() == first.size()) {
      for (std::size_t i = 0; i < first.size(); ++i) {
        has_header_ |= is_name(first[i]) && to_number(records[1].cells[i]).has_value();
      }
    }
  }
  for (std::size_t i = 0; i < first.size(); ++i) {
    columns_.push_back(has_header_ ? std::string(trimmed(first[i])) : fmt::format("{}", i + 1));
    for (std::size_t at = 0; at < columns_[i].size();) {
      if (!next_utf8(columns_[i], at)) {
        throw DataError("{}:{}:{}: the name {} is no UTF-8", name(), records[0].line, i + 1,
                        shown(columns_[i]));
      }
    }
  }
  CsvRecord skipped;
  if (has_header_) next_raw(skipped);
}

std::string_view trimmed(std::string_view cell) {
  const auto first = cell.find_first_not_of(" \t");
  if (first == cell.npos) return {};
  return cell.substr(first, cell.find_last_not_of(" \t") - first + 1);
}

std::optional<double> to_number(std::string_view cell) {
  cell = trimmed(cell);
  if (cell.starts_with('+') && !cell.starts_with("+-")) cell.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  const bool letters = !cell.empty() && cell.find_first_of("nN") != cell.npos;  // inf, nan
  if (error != std::errc() || end != cell.data() + cell.size() || letters) return std::nullopt;
  return value;
}

std::string shown(std::string_view cell) {
  constexpr std::size_t kMost = 40;
  std::string out = "\"";
  std::size_t at = 0;
  for (std::size_t n = 0; at < cell.size() && n < kMost; ++n) {
    const auto start = at;
    const auto character = next_utf8(cell, at);
    if (character && *character >= 0x20 && *character != 0x7f) {
      out += cell.substr(start, at - start);
    } else {
      at = start + 1;
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(cell[start]));
    }
  }
  return out + (at < cell.size() ? "...\"" : "\"");
}

}  // namespace retrograde
