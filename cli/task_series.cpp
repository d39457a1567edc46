// Tasks on rows of numbers, from a CSV or an NPY file: forecasts, a label a series, a label a row.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/task.h"
#include "cli/terminal.h"
#include "retrograde/base/error.h"
#include "retrograde/data/csv_table.h"
#include "retrograde/data/forecast.h"
#include "retrograde/data/npy.h"
#include "retrograde/data/scaler.h"

namespace retrograde::cli::detail {
namespace {

constexpr std::size_t kLead = 512;  // steps that warm the state up before the validation part

CsvTableOptions csv_options(const DataArguments& a) {
  CsvTableOptions options;
  if (!a.delimiter.empty()) {
    const std::string text = a.delimiter == "tab" || a.delimiter == "\\t" ? "\t" : a.delimiter;
    if (text.size() != 1)
      throw UsageError("--delimiter is \"{}\"; it must be one character, or tab", a.delimiter);
    options.csv.delimiter = text[0];
  }
  if (a.no_header) options.csv.header = false;
  options.group = a.group;
  if (!a.time.empty()) options.ignored = {a.time};
  options.na.insert(options.na.end(), a.na.begin(), a.na.end());
  options.fill = a.fill == "forward" ? Fill::forward : a.fill == "drop" ? Fill::drop : Fill::refuse;
  return options;
}

// How a CSV is to be read goes with the model, so that its user need not say it again.
Json csv_json(const DataArguments& a) {
  return {{"time", a.time}, {"group", a.group}, {"na", a.na}, {"fill", a.fill}};
}
DataArguments with_known_csv(DataArguments a, const Json& known) {
  const Json& csv = known_item(known, "csv");
  if (a.time.empty()) a.time = known_item(csv, "time").get<std::string>();
  if (a.group.empty()) a.group = known_item(csv, "group").get<std::string>();
  if (a.na.empty()) a.na = known_names(csv, "na");
  if (a.fill == "refuse") a.fill = known_item(csv, "fill").get<std::string>();
  return a;
}

std::vector<std::size_t> places(const Table& table, const std::vector<std::string>& columns,
                                const std::string& path) {
  std::vector<std::size_t> result;
  for (const std::string& column : columns) result.push_back(find_column(table.columns(), column, path));
  return result;
}

std::string describe_rows(const std::string& path, const CsvTable& csv) {
  std::string text = fmt::format("data   {}, {} × {}, {} series", path, counted(csv.table->rows(), "row"),
                                 counted(csv.table->width(), "column"), csv.series.size());
  if (csv.gaps > 0) text += fmt::format(", {} gaps (lines {}–{})", csv.gaps, csv.first_gap, csv.last_gap);
  if (!csv.in_memory) text += ", read from disk in pieces";
  return text;
}

CsvTable open_rows(const DataArguments& a, const std::vector<std::string>& numbers) {
  if (a.path.ends_with(".npy")) {
    CsvTable result;
    result.table = open_npy_table(NpyReader(a.path));
    result.series = {{"", 0, result.table->rows()}};
    return result;
  }
  CsvTableOptions options = csv_options(a);
  options.numbers = numbers;
  options.required = a.targets;
  return open_csv_table(open_source(a.path), options);
}

// Every row of every series as inputs, with targets that weigh nothing: what a forecast is made from.
class AllRows : public Dataset {
 public:
  AllRows(std::shared_ptr<const Table> table, std::vector<SeriesRows> series, std::vector<std::size_t> inputs,
          const Scaler& scaler, const Layout& layout)
      : table_(std::move(table)),
        series_(std::move(series)),
        inputs_(std::move(inputs)),
        scaler_(scaler.select(inputs_)),
        layout_(layout) {}

  const Layout& layout() const override { return layout_; }
  std::size_t sequences() const override { return series_.size(); }
  std::size_t length(std::size_t sequence) const override { return series_.at(sequence).count; }
  void read(std::size_t sequence, std::size_t first, std::size_t count, StepPlaces into) const override {
    std::vector<double> rows(count * table_->width());
    table_->read(series_.at(sequence).first + first, count, rows);
    for (std::size_t t = 0; t < count; ++t)
      for (std::size_t i = 0; i < inputs_.size(); ++i)
        into.x[t * inputs_.size() + i] = rows[t * table_->width() + inputs_[i]];
    scaler_.apply(into.x);
  }

 private:
  std::shared_ptr<const Table> table_;
  std::vector<SeriesRows> series_;
  std::vector<std::size_t> inputs_;
  Scaler scaler_;
  Layout layout_;
};

// The inputs of another dataset, scaled.
class Scaled : public Dataset {
 public:
  Scaled(std::shared_ptr<const Dataset> raw, Scaler scaler)
      : raw_(std::move(raw)), scaler_(std::move(scaler)) {}
  const Layout& layout() const override { return raw_->layout(); }
  std::size_t sequences() const override { return raw_->sequences(); }
  std::size_t length(std::size_t sequence) const override { return raw_->length(sequence); }
  void read(std::size_t sequence, std::size_t first, std::size_t count, StepPlaces into) const override {
    raw_->read(sequence, first, count, into);
    scaler_.apply(into.x);
  }

 private:
  std::shared_ptr<const Dataset> raw_;
  Scaler scaler_;
};

Scaler scaler_of_inputs(Scaling kind, const Dataset& dataset) {
  const Layout& layout = dataset.layout();
  ScalerFit fit(kind, layout.inputs);
  for (std::size_t s = 0; s < dataset.sequences(); ++s) {
    const std::size_t count = dataset.length(s);
    std::vector<double> x(count * layout.inputs), weights(count);
    std::vector<std::int32_t> classes(count);
    StepPlaces into;
    into.x = x;
    into.classes = classes;
    into.weights = weights;
    dataset.read(s, 0, count, into);
    fit.add(x);
  }
  return fit.finish();
}

}  // namespace

Task open_forecast(const Opening& o) {
  const DataArguments a = o.known ? with_known_csv(o.arguments, *o.known) : o.arguments;
  std::vector<std::string> inputs = o.known ? known_names(*o.known, "inputs") : a.inputs;
  std::vector<std::string> targets = o.known ? known_names(*o.known, "targets") : a.targets;
  std::vector<std::string> wanted;
  if (!inputs.empty()) {
    wanted = inputs;
    if (o.targets == Targets::needed)
      for (const std::string& target : targets)
        if (std::ranges::find(wanted, target) == wanted.end()) wanted.push_back(target);
  }
  CsvTable csv = open_rows(a, wanted);
  const std::shared_ptr<const Table> table = std::move(csv.table);
  if (targets.empty() && table->width() > 1 && !a.path.ends_with(".npy"))
    throw UsageError("{} has {} columns of numbers: {}.\n       Say with --target which to forecast", a.path,
                     table->width(), fmt::join(table->columns(), ", "));
  if (targets.empty()) targets = table->columns();
  if (inputs.empty()) inputs = table->columns();

  const std::size_t horizon = o.known ? known_item(*o.known, "horizon").get<std::size_t>() : a.horizon;
  const std::size_t period = o.known ? known_item(*o.known, "period").get<std::size_t>() : a.period;
  const std::vector<std::size_t> input_places = places(*table, inputs, a.path);
  const Layout layout{.inputs = inputs.size(), .outputs = targets.size()};
  Task task{.kind = "forecast", .layout = layout, .long_sequences = true, .outputs = targets};
  Scaler scaler;  // of the table's columns
  if (o.known) {
    const std::vector<std::string> columns = known_names(*o.known, "columns");
    const Scaler stored = scaler_from_json(known_item(*o.known, "scaler"));
    const auto place = [&](const std::string& column) {
      const auto at = std::ranges::find(columns, column);
      if (at == columns.end() || stored.width() != columns.size())
        throw FileError("the model's scaler does not know the column \"{}\"", column);
      return static_cast<std::size_t>(at - columns.begin());
    };
    std::vector<std::size_t> order, of_targets;
    for (const std::string& column : wanted) order.push_back(place(column));
    for (const std::string& column : targets) of_targets.push_back(place(column));
    scaler = table->width() == order.size() ? stored.select(order) : stored;
    const Scaler target_scaler = stored.select(of_targets);
    task.target_offset = target_scaler.offset;
    task.target_scale = target_scaler.scale;
    task.preprocess = *o.known;
  } else {
    const std::vector<std::size_t> of_targets = places(*table, targets, a.path);
    scaler = fit_scaler(scaling_named(a.scale), *table, csv.series, o.fraction, horizon);
    const Scaler target_scaler = scaler.select(of_targets);
    task.target_offset = target_scaler.offset;
    task.target_scale = target_scaler.scale;
    task.preprocess = {{"task", "forecast"},          {"inputs", inputs},   {"targets", targets},
                       {"columns", table->columns()}, {"horizon", horizon}, {"period", period},
                       {"scaler", to_json(scaler)},   {"csv", csv_json(a)}};
  }
  csv.table = nullptr;
  task.about = {fmt::format("data   {}, {} × {}, {} series", a.path, counted(table->rows(), "row"),
                            counted(table->width(), "column"), csv.series.size())};
  if (o.targets == Targets::unwanted) {
    task.valid = std::make_shared<AllRows>(table, csv.series, input_places, scaler, layout);
    return task;
  }
  const auto whole = std::make_shared<Forecast>(table, csv.series,
                                                ForecastOptions{.inputs = input_places,
                                                                .targets = places(*table, targets, a.path),
                                                                .horizon = horizon,
                                                                .scaler = scaler});
  if (o.known) {
    task.valid = whole;
  } else if (o.fraction > 0) {
    const Split split = split_tail(whole, o.fraction, std::max({kLead, horizon, period}));
    task.train = split.train;
    task.valid = split.valid;
  } else {
    task.train = whole;
  }
  return task;
}

Task open_labelled_rows(const Opening& o, bool each_step) {
  const DataArguments a = o.known ? with_known_csv(o.arguments, *o.known) : o.arguments;
  const std::vector<std::string> targets = o.known ? known_names(*o.known, "targets") : a.targets;
  if (targets.size() != 1)
    throw UsageError("--target must name the one column of labels; got {} columns", targets.size());
  if (!each_step && a.group.empty())
    throw UsageError(
        "--group must name the column that tells the sequences apart, of which each has a label");
  const bool labelled = o.targets == Targets::needed;
  std::vector<std::string> inputs = o.known ? known_names(*o.known, "inputs") : a.inputs;
  DataArguments reading = a;
  CsvTableOptions options = csv_options(a);
  options.numbers = inputs;
  if (labelled) options.classes = targets;
  if (!labelled && inputs.empty()) options.ignored.push_back(targets[0]);
  CsvTable csv = open_csv_table(open_source(a.path), options);
  const std::size_t width = csv.table->width(), numbers = width - (labelled ? 1 : 0);
  if (inputs.empty())
    inputs.assign(csv.table->columns().begin(),
                  csv.table->columns().begin() + static_cast<std::ptrdiff_t>(numbers));

  std::vector<std::string> labels;
  if (o.known) {
    labels = known_names(*o.known, "labels");
  } else {
    labels = csv.classes.at(0);
    std::ranges::sort(labels);
  }
  std::vector<std::int32_t> label_of;  // the file's codes -> labels
  if (labelled)
    for (const std::string& text : csv.classes.at(0)) label_of.push_back(label_index(labels, text, a.path));

  Task task{.kind = each_step ? "label-steps" : "label",
            .layout = {.inputs = numbers,
                       .outputs = labels.size(),
                       .classes = true,
                       .at = each_step ? At::every : At::last},
            .loss = Loss::Kind::softmax_cross_entropy,
            .long_sequences = each_step && csv.series.size() == 1,
            .outputs = labels};
  auto raw = std::make_shared<Sequences>(task.layout);
  for (const SeriesRows& series : csv.series) {
    std::vector<double> rows(series.count * width);
    csv.table->read(series.first, series.count, rows);
    Sequence sequence;
    for (std::size_t t = 0; t < series.count; ++t) {
      sequence.x.insert(sequence.x.end(), rows.begin() + static_cast<std::ptrdiff_t>(t * width),
                        rows.begin() + static_cast<std::ptrdiff_t>(t * width + numbers));
      const std::int32_t label = labelled ? label_of[static_cast<std::size_t>(rows[(t + 1) * width - 1])] : 0;
      if (each_step || t == 0) sequence.classes.push_back(label);
      if (!each_step && labelled && label != sequence.classes[0])
        throw DataError(
            "{}: series \"{}\" has the labels {} and {}; a sequence has one. Use --task label-steps", a.path,
            series.name, labels[static_cast<std::size_t>(sequence.classes[0])],
            labels[static_cast<std::size_t>(label)]);
    }
    raw->add(std::move(sequence));
  }
  task.about = {describe_rows(a.path, csv) + fmt::format(", {} labels", labels.size())};
  if (o.known) {
    task.preprocess = *o.known;
    task.valid = std::make_shared<Scaled>(raw, scaler_from_json(known_item(*o.known, "scaler")));
    return task;
  }
  Split split{raw, nullptr};
  if (o.fraction > 0) {
    Random random = Random::named(o.seed, "split");
    split =
        task.long_sequences ? split_tail(raw, o.fraction, kLead) : split_sequences(raw, o.fraction, random);
  }
  const Scaler scaler = scaler_of_inputs(scaling_named(a.scale), *split.train);
  task.train = std::make_shared<Scaled>(split.train, scaler);
  if (split.valid) task.valid = std::make_shared<Scaled>(split.valid, scaler);
  task.preprocess = {{"task", task.kind}, {"inputs", inputs},          {"targets", targets},
                     {"labels", labels},  {"scaler", to_json(scaler)}, {"csv", csv_json(a)}};
  return task;
}

}  // namespace retrograde::cli::detail
