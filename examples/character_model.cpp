// A character model: learns a text letter by letter, states carried from chunk to chunk, and writes some of
// its own.
#include <retrograde/retrograde.h>

#include <cmath>
#include <cstdio>

namespace rg = retrograde;

// A token drawn by the probabilities exp(z / temperature).
std::int32_t draw(std::span<const float> z, double temperature, rg::Random& random) {
  std::vector<double> weights;
  double sum = 0;
  for (const float value : z) weights.push_back(sum += std::exp((value - z[0]) / temperature));
  const double at = random.uniform() * sum;
  return static_cast<std::int32_t>(std::ranges::upper_bound(weights, at) - weights.begin());
}

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "docs/design.md";
  const std::u32string text = rg::read_characters(*rg::open_file(path));
  const rg::Vocabulary vocabulary(text);
  const std::vector<std::int32_t> tokens = vocabulary.tokens(text);

  const auto data = std::make_shared<rg::Sequences>(
      rg::Layout{.inputs = vocabulary.size(), .tokens = true, .outputs = vocabulary.size(), .classes = true});
  data->add({.tokens = {tokens.begin(), tokens.end() - 1}, .classes = {tokens.begin() + 1, tokens.end()}});
  const auto batches = rg::stream_batches(data, 16, 25);

  rg::Network<float> net({.cell = rg::Gru{},
                          .inputs = vocabulary.size(),
                          .tokens = true,
                          .hidden = {64},
                          .outputs = vocabulary.size()});
  rg::Trainer trainer(net, rg::Adam{.rate = 0.01},
                      {.loss = rg::Loss("softmax_cross_entropy"), .bptt = rg::chunk(25), .clip_norm = 1});
  double first = 0, last = 0;
  rg::fit<float>(trainer, *batches, {.epochs = 40}, {.on_epoch = [&](const rg::EpochReport& epoch) {
                   if (epoch.epoch == 1) first = epoch.train_loss;
                   last = epoch.train_loss;
                   if (epoch.epoch % 10 == 0)
                     std::printf("epoch %2zu  %.3f nats a character\n", epoch.epoch, last);
                 }});

  rg::Stream<float> stream(net);
  rg::Random random(1);
  std::int32_t token = tokens[0];
  for (int i = 0; i < 300; ++i) {
    std::fputs(vocabulary.text(token).c_str(), stdout);
    stream.step(std::span(&token, 1));
    token = draw(stream.head_preactivations(), 0.7, random);
  }
  std::puts("");
  return last < 0.6 * first ? 0 : 1;
}
