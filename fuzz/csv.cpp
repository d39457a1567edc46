#include "input.h"
#include "retrograde/data/csv_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace retrograde;
  return fuzz(bytes, size, [](std::shared_ptr<const ByteSource> source) {
    // Little memory: the second reading, in pieces, must find what the first one found.
    const CsvTable csv = open_csv_table(source, {.fill = Fill::drop, .memory = 256});
    std::vector<double> values(csv.table->rows() * csv.table->width());
    csv.table->read(0, csv.table->rows(), values);
  });
}
