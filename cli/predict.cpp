// retrograde predict: a model's outputs for a file, as CSV or NPY.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cli/command.h"
#include "cli/model_file.h"
#include "cli/terminal.h"
#include "retrograde/base/error.h"
#include "retrograde/data/npy.h"
#include "retrograde/data/text.h"

namespace retrograde::cli {
namespace {

struct PredictArguments {
  DataArguments data;
  std::string model, out = "-";
};

// Takes the outputs of one step, or of one sequence.
class Sink {
 public:
  virtual ~Sink() = default;
  // Both count from 0; `step` is the last one for an output a sequence.
  virtual void row(std::size_t sequence, std::size_t step, std::span<const double> y) = 0;
  virtual void finish() = 0;
};

std::string quoted(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string text = "\"";
  for (const char c : cell) text += c == '"' ? "\"\"" : std::string(1, c);
  return text + "\"";
}

// Labels become the likeliest one and its probability, everything else numbers. Steps and sequences count
// from 1; the step of a forecast is the row of the series that it speaks of, `horizon` after the last one it
// has seen.
class CsvSink : public Sink {
 public:
  CsvSink(const Task& task, const std::string& out)
      : task_(task), file_(out == "-" ? stdout : std::fopen(out.c_str(), "wb")) {
    if (!file_) throw FileError("{} cannot be written", out);
    horizon_ = task.kind == "forecast" ? task.preprocess.at("horizon").get<std::size_t>() : 0;
    symbols_ = task.kind == "characters";
    std::string head = "sequence";
    if (task.layout.at == At::every) head += ",step";
    if (task.layout.classes) {
      head += symbols_ ? ",next,probability" : ",label,probability";
    } else {
      for (std::size_t o = 0; o < task.layout.outputs; ++o)
        head += "," + (task.outputs.empty() ? (task.kind == "notes" ? fmt::format("key_{}", o + 21)
                                                                    : fmt::format("y{}", o + 1))
                                            : quoted(task.outputs[o]));
    }
    fmt::print(file_, "{}\n", head);
  }
  CsvSink(const CsvSink&) = delete;
  CsvSink& operator=(const CsvSink&) = delete;
  ~CsvSink() override {
    if (file_ && file_ != stdout) std::fclose(file_);
  }

  void row(std::size_t sequence, std::size_t step, std::span<const double> y) override {
    std::string line = std::to_string(sequence + 1);
    if (task_.layout.at == At::every) line += fmt::format(",{}", step + 1 + horizon_);
    if (task_.layout.classes) {
      const auto best = static_cast<std::size_t>(std::ranges::max_element(y) - y.begin());
      line += fmt::format(",{},{:.6g}", quoted(label(best)), y[best]);
    } else {
      for (const double value : y) line += fmt::format(",{:.9g}", value);
    }
    fmt::print(file_, "{}\n", line);
  }
  void finish() override {
    if (std::fflush(file_) != 0)
      throw FileError("the predictions could not be written: the disk is full or the pipe closed");
  }

 private:
  std::string label(std::size_t best) const {
    if (symbols_)
      return vocabulary_from_json(task_.preprocess.at("vocabulary")).text(static_cast<std::int32_t>(best));
    return task_.outputs.empty() ? std::to_string(best) : task_.outputs[best];
  }

  const Task& task_;
  std::FILE* file_;
  std::size_t horizon_ = 0;
  bool symbols_ = false;
};

// All rows one after the other, [rows, outputs].
class NpySink : public Sink {
 public:
  NpySink(std::string path, std::size_t width) : path_(std::move(path)) { all_.shape = {0, width}; }
  void row(std::size_t, std::size_t, std::span<const double> y) override {
    all_.values.insert(all_.values.end(), y.begin(), y.end());
    ++all_.shape[0];
  }
  void finish() override { write_npy(path_, all_); }

 private:
  std::string path_;
  Array all_;
};

// Outputs of a batch, in the target's own units, to the sink, row by row.
void hand_over(const Task& task, const Batch<double>& batch, std::vector<double> y, std::size_t& sequence,
               std::size_t& step, bool carries, Sink& sink) {
  const std::size_t width = task.layout.outputs;
  for (std::size_t i = 0; i < y.size() && !task.target_scale.empty(); ++i)
    y[i] = y[i] * task.target_scale[i % width] + task.target_offset[i % width];
  for (std::size_t b = 0; b < batch.batch; ++b) {
    if (batch.starts[b] != 0) ++sequence, step = 0;
    const bool every = task.layout.at == At::every;
    for (std::size_t t = 0; t < (every ? batch.lengths[b] : 1); ++t) {
      const std::size_t at = (every ? b * batch.steps + t : b) * width;
      sink.row(sequence - 1, step + t, std::span(y).subspan(at, width));
    }
    step = carries ? step + batch.lengths[b] : 0;
  }
}

template <class T>
Exit predict_with(const PredictArguments& a, const Model<T>& model) {
  const Task task = open_task(a.data, model.preprocess, Targets::unwanted);
  const auto batches = reading_batches(task, task.valid);
  std::unique_ptr<Sink> sink;
  if (a.out.ends_with(".npy"))
    sink = std::make_unique<NpySink>(a.out, task.layout.outputs);
  else
    sink = std::make_unique<CsvSink>(task, a.out);
  std::size_t sequence = 0, step = 0;
  for_each_output<T>(model.network, *batches, [&](const Batch<double>& batch, const Tape<T>& tape) {
    const std::vector<T> y = tape.outputs();
    hand_over(task, batch, {y.begin(), y.end()}, sequence, step, batches->carries(), *sink);
  });
  sink->finish();
  if (a.out != "-") fmt::print(stderr, "saved  {}\n", a.out);
  return Exit::fine;
}

}  // namespace

Command add_predict(CLI::App& app) {
  CLI::App* sub =
      app.add_subcommand("predict",
                         "Write a model's outputs for a file\n\n"
                         "Examples:\n"
                         "  retrograde predict run/best.safetensors series.csv > forecast.csv\n"
                         "  retrograde predict run/best.safetensors series.csv --out forecast.npy\n"
                         "  tail -500 log.csv | retrograde predict run/best.safetensors -\n");
  auto a = std::make_shared<PredictArguments>();
  sub->add_option("model", a->model, "the model file")->required();
  sub->add_option("data", a->data.path, "a file like the one it was trained on; - is standard input")
      ->required();
  sub->add_option("--out", a->out, "a .csv or .npy file; - is standard output, as CSV");
  declare(*sub, a->data, false);
  return {sub,
          [a] { return with_model(a->model, [&](const auto& model) { return predict_with(*a, model); }); }};
}

}  // namespace retrograde::cli
