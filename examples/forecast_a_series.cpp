// Forecasts a series, from the file to the next value: read, scale, train with validation, compare with the
// forecast that anybody can make (the last value), save, load, predict.
#include <retrograde/retrograde.h>

#include <cmath>
#include <cstdio>
#include <filesystem>

namespace rg = retrograde;

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "examples/data/monthly-sunspots.csv";
  rg::CsvTable csv = rg::open_csv_table(rg::open_file(path), {.numbers = {"Sunspots"}});
  const std::shared_ptr<const rg::Table> table = std::move(csv.table);
  const double fraction = 0.2;  // the tail, for validation
  const rg::Scaler scaler = rg::fit_scaler(rg::Scaling::standard, *table, csv.series, fraction, 1);
  const rg::ForecastOptions options{.inputs = {0}, .targets = {0}, .horizon = 1, .scaler = scaler};
  const auto split = rg::split_tail(std::make_shared<rg::Forecast>(table, csv.series, options), fraction, 48);

  rg::Network<float> net({.cell = rg::Lstm{}, .inputs = 1, .hidden = {16}, .outputs = 1});
  rg::Trainer trainer(net, rg::Adam{.rate = 0.01}, {.bptt = rg::chunk(48), .clip_norm = 1});
  const auto train = rg::stream_batches(split.train, 8, 48);
  const auto valid = rg::whole_batches(split.valid, {.shuffled = false});
  rg::Network<float> best = net;
  double rmse = 0;
  rg::fit<float>(trainer, *train, {.epochs = 60, .patience = 10},
                 {.validate =
                      [&] {
                        const auto metrics = rg::regression_metrics({scaler.scale[0]});
                        return rg::evaluate(net, *valid, rg::Loss{}, *metrics);
                      },
                  .on_epoch =
                      [&](const rg::EpochReport& epoch) {
                        if (!epoch.best) return;
                        best = net;
                        rmse = epoch.valid->metrics[0].second;
                        std::printf("epoch %2zu  train %.4f  valid %.4f  rmse %.2f\n", epoch.epoch,
                                    epoch.train_loss, epoch.valid->loss, rmse);
                      }});

  std::vector<double> raw(table->rows());
  table->read(0, raw.size(), raw);
  double squares = 0;
  const std::size_t tail = rg::tail_of(raw.size() - 1, fraction);
  for (std::size_t t = raw.size() - tail; t < raw.size(); ++t) squares += std::pow(raw[t] - raw[t - 1], 2);
  const double naive = std::sqrt(squares / static_cast<double>(tail));
  std::printf("rmse %.2f; the last value as forecast: %.2f\n", rmse, naive);

  const auto file = std::filesystem::temp_directory_path() / "forecast_a_series.safetensors";
  rg::save_model(file, best, {{"scaler", rg::to_json(scaler)}});
  const auto model = rg::load_model<float>(file);
  rg::Stream<float> stream(model.network);
  float next = 0;
  for (const double value : raw) {
    const float x = static_cast<float>((value - scaler.offset[0]) / scaler.scale[0]);
    next = stream.step(std::span(&x, 1))[0];
  }
  std::printf("the month after the last: %.1f\n", next * scaler.scale[0] + scaler.offset[0]);
  std::filesystem::remove(file);
  return rmse < naive ? 0 : 1;
}
