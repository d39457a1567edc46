// A thousand damaged models and run folders: a clear error or a correct load. (The `dev` preset runs this
// with sanitizers.)
#include "data/damage.h"

#include <gmock/gmock.h>

#include "data/files.h"
#include "retrograde/io/model.h"
#include "retrograde/io/report.h"
#include "retrograde/io/run.h"
#include "retrograde/io/safetensors.h"

namespace retrograde {
namespace {

using testing::bytes_of;
using testing::errors_of;
using testing::golden;
using testing::kDamages;
using testing::TemporaryFolder;

TEST(Damage, SafetensorsOfOthersWithoutAChecksum) {
  const int errors =
      errors_of(bytes_of(golden("library.safetensors")), 1, "the-file", [](const std::string& bytes) {
        const auto content = read_safetensors(*open_memory("the-file", std::as_bytes(std::span(bytes))));
        for (const auto& [name, array] : content.tensors) {
          std::size_t size = 1;
          for (const auto n : array.shape) size *= n;
          EXPECT_EQ(array.size(), size);
        }
      });
  EXPECT_GT(errors, kDamages / 2);
}

TEST(Damage, ModelsLoadWholeOrNotAtAll) {
  const TemporaryFolder folder;
  Config config;
  config.cell = Gru{true};
  config.inputs = 3;
  config.hidden = {5};
  config.outputs = 2;
  Extras extras{{{"epoch", 7}}, {}};
  extras.tensors["moment"] = {{3}, {1, 2, 3}, Dtype::float32};
  const Network<float> network(config);
  save_model(folder / "m.safetensors", network, {{"columns", {"a", "b"}}}, extras);
  const auto path = folder / "damaged.safetensors";
  const int errors =
      errors_of(bytes_of(folder / "m.safetensors"), 2, "damaged.safetensors", [&](const std::string& bytes) {
        testing::save(path, bytes);
        const auto model = load_model<float>(path);
        EXPECT_TRUE(std::ranges::equal(model.network.parameters().flat(), network.parameters().flat()));
        EXPECT_EQ(to_json(model.network.config()), to_json(config));
        EXPECT_EQ(model.preprocess.dump(), R"({"columns":["a","b"]})");
        EXPECT_EQ(model.extras.state["epoch"], 7);
      });
  // What loads in spite of damage has blanks more or less in its header.
  EXPECT_GT(errors, kDamages * 9 / 10);
}

TEST(Damage, ConfigurationsAndMetrics) {
  const TemporaryFolder folder;
  auto run = RunFolder::create(folder / "run", {{"hidden", {64, 32}}, {"cell", "lstm"}}, false);
  for (int epoch = 1; epoch <= 5; ++epoch) run.append({{"epoch", epoch}, {"train", 1.0 / epoch}});
  for (const auto* file : {"config.json", "metrics.jsonl"}) {
    const std::string whole = bytes_of(folder / "run" / file);
    errors_of(whole, 3, file, [&](const std::string& bytes) {
      testing::save(folder / "run" / file, bytes);
      const auto damaged_run = RunFolder::open(folder / "run");
      EXPECT_FALSE(report_html("run", damaged_run.config(), damaged_run.epochs()).empty());
    });
    testing::save(folder / "run" / file, whole);
  }
}

}  // namespace
}  // namespace retrograde
