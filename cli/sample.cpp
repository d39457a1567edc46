// retrograde sample: text from a model of characters.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_file.h"
#include "retrograde/base/error.h"
#include "retrograde/base/random.h"
#include "retrograde/data/text.h"
#include "retrograde/stream/stream.h"

namespace retrograde::cli {
namespace {

struct SampleArguments {
  std::string model, prompt = "\n";
  std::size_t length = 500;
  double temperature = 0.8;
  std::uint64_t seed = 1;
};

// Draws from softmax(z / temperature), of the first `count` entries; temperature 0 takes the largest.
template <class T>
std::size_t draw(std::span<const T> z, std::size_t count, double temperature, Random& random) {
  const auto largest = std::max_element(z.begin(), z.begin() + static_cast<std::ptrdiff_t>(count));
  if (temperature == 0) return static_cast<std::size_t>(largest - z.begin());
  std::vector<double> weight(count);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i)
    sum += weight[i] = std::exp(static_cast<double>(z[i] - *largest) / temperature);
  double left = random.uniform() * sum;
  for (std::size_t i = 0; i + 1 < count; ++i)
    if ((left -= weight[i]) < 0) return i;
  return count - 1;
}

template <class T>
Exit sample_from(const SampleArguments& a, const Model<T>& model) {
  if (model.preprocess.at("task") != "characters")
    throw UsageError("{} is a model for the task {}; only one of characters can be sampled", a.model,
                     model.preprocess.at("task").dump());
  const Vocabulary vocabulary = vocabulary_from_json(model.preprocess.at("vocabulary"));
  const std::size_t known = vocabulary.size() - 1;  // never the token for unknown characters
  Stream<T> stream(model.network);
  Random random = Random::named(a.seed, "sample");
  const std::u32string prompt = characters_of(a.prompt, "--prompt");
  if (prompt.empty()) throw UsageError("--prompt is empty; the model needs a first character");
  for (const std::int32_t token : vocabulary.tokens(prompt)) stream.step(std::span(&token, 1));
  if (a.prompt != "\n") fmt::print("{}", a.prompt);
  catch_interrupts();
  for (std::size_t i = 0; i < a.length && !interrupted(); ++i) {
    const auto token =
        static_cast<std::int32_t>(draw(stream.head_preactivations(), known, a.temperature, random));
    fmt::print("{}", vocabulary.text(token));
    stream.step(std::span(&token, 1));
  }
  fmt::print("\n");
  return interrupted() ? Exit::interrupted : Exit::fine;
}

}  // namespace

Command add_sample(CLI::App& app) {
  CLI::App* sub = app.add_subcommand(
      "sample",
      "Write text with a model of characters\n\n"
      "Examples:\n"
      "  retrograde sample run/best.safetensors\n"
      "  retrograde sample run/best.safetensors --prompt \"ROMEO:\" --length 1000 --temperature 0.6\n");
  auto a = std::make_shared<SampleArguments>();
  sub->add_option("model", a->model, "the model file")->required();
  sub->add_option("--prompt", a->prompt, "text to go on from; by default the start of a line");
  sub->add_option("--length", a->length, "characters to write");
  sub->add_option("--temperature", a->temperature,
                  "above 1 is bolder, below is safer, 0 always takes the likeliest")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--seed", a->seed, "another seed, another text");
  return {sub,
          [a] { return with_model(a->model, [&](const auto& model) { return sample_from(*a, model); }); }};
}

}  // namespace retrograde::cli
