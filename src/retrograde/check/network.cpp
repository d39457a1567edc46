#include "retrograde/check/network.h"

#include <algorithm>
#include <memory>

#include "retrograde/check/surrogate.h"

namespace retrograde {
namespace {

using Complex = std::complex<double>;

template <class T, class S>
std::vector<T> cast(std::span<const S> values) {
  std::vector<T> result(values.size());
  std::transform(values.begin(), values.end(), result.begin(), [](S v) { return static_cast<T>(v); });
  return result;
}

// A start state with the shape of `like`, filled from a flat vector.
template <class T, class S>
State<T> state_from(const State<double>& like, std::span<const S> flat) {
  State<T> state;
  for (const auto* from : {&like.h, &like.c})
    for (const auto& block : *from) {
      (from == &like.h ? state.h : state.c).push_back(cast<T>(flat.first(block.size())));
      flat = flat.subspan(block.size());
    }
  return state;
}

// The user's own activation or loss is differentiated numerically in the complex forward, to about eight
// digits.
bool has_numeric_slope(const Config& config, const Loss& loss) {
  const auto custom = [](const Nonlinearity& f) { return f.kind() == Nonlinearity::Kind::custom; };
  const Nonlinearity* hidden = config.cell.nonlinearity();
  return loss.kind() == Loss::Kind::custom || (hidden && custom(*hidden)) ||
         custom(config.activation.elementwise());
}

constexpr double kNumericSlope = 1e-7;

void add_numeric_slope(const std::vector<Block>& blocks, const std::vector<double>& claimed,
                       std::vector<double>& noise) {
  for (std::size_t offset = 0; const auto& block : blocks) {
    double largest = 0;
    for (std::size_t i = 0; i < block.size(); ++i) largest = std::max(largest, std::abs(claimed[offset + i]));
    for (std::size_t i = 0; i < block.size(); ++i) noise[offset + i] += kNumericSlope * largest;
    offset += block.size();
  }
}

// What rounding really does to the claim at this point: how it moves when the last bits of everything that it
// depends on do. A wrong backward is as wrong there, so this excuses no mistake.
template <class T>
std::vector<double> rounding_of_claim(const Network<T>& network, const LossProblem& problem,
                                      const std::vector<double>& claimed) {
  constexpr int kDraws = 4;
  Random random = Random::named(1, "rounding");
  const auto shake = [&]<class S>(std::span<S> values) {
    for (S& v : values)
      v *= static_cast<S>(1 + random.uniform(-1, 1) * static_cast<double>(std::numeric_limits<T>::epsilon()));
  };
  std::vector<double> noise(claimed.size());
  for (int draw = 0; draw < kDraws; ++draw) {
    auto shaken = network;
    auto near = problem;
    std::vector<double> x(problem.input.x.begin(), problem.input.x.end());
    State<double> start = problem.start ? *problem.start : State<double>{};
    shake(shaken.parameters().flat());
    shake(std::span(x));
    for (auto* states : {&start.h, &start.c})
      for (auto& block : *states) shake(std::span(block));
    near.input.x = x;
    if (problem.start) near.start = &start;
    const auto other = own_gradient(shaken, near);
    for (std::size_t i = 0; i < noise.size(); ++i)
      noise[i] = std::max(noise[i], std::abs(other[i] - claimed[i]));
  }
  for (double& n : noise) n *= tolerance::kMeasuredRounding;
  return noise;
}

}  // namespace

std::vector<Block> parameter_blocks(const Config& config) {
  std::vector<std::string> gates;
  for (const auto gate : config.cell.gate_names()) gates.emplace_back(gate);
  if (gates.size() == 1) gates.clear();
  std::vector<Block> blocks;
  for (const ParamBlock& p : retrograde::blocks_of(config)) {
    Block block{p.name, p.shape};
    const bool input = p.name.starts_with("weight_ih"), recurrent = p.name.starts_with("weight_hh"),
               bias = p.name.starts_with("bias_");
    if (input) block.axes = {"unit", p.name.starts_with("weight_ih_l0") ? "input" : "from"};
    if (recurrent) block.axes = {"unit", "from"};
    if (bias) block.axes = {"unit"};
    if (input || recurrent || bias) block.gates = gates;
    if (p.name == "embedding.weight") block.axes = {"token", "feature"};
    if (p.name == "head.weight") block.axes = {"output", "from"};
    if (p.name == "head.bias") block.axes = {"output"};
    if (block.axes.empty()) block.axes = {"unit"};
    blocks.push_back(std::move(block));
  }
  return blocks;
}

std::vector<Block> blocks_of(const Network<double>& network, const LossProblem& problem) {
  const Config& config = network.config();
  auto blocks = parameter_blocks(config);
  const auto& input = problem.input;
  if (!config.tokens)
    blocks.push_back({"x", {input.batch, input.steps, config.inputs}, {"sequence", "step", "input"}});
  if (!problem.start) return blocks;
  for (const auto* states : {&problem.start->h, &problem.start->c})
    for (std::size_t i = 0; i < states->size(); ++i) {
      const std::size_t layer = i / config.directions();
      blocks.push_back({block_name(states == &problem.start->h ? "start_h" : "start_c", layer,
                                   i % config.directions() == 1),
                        {input.batch, config.hidden[layer]},
                        {"sequence", "unit"}});
    }
  return blocks;
}

std::vector<double> point_of(const Network<double>& network, const LossProblem& problem) {
  const auto parameters = network.parameters().flat();
  std::vector<double> point(parameters.begin(), parameters.end());
  point.insert(point.end(), problem.input.x.begin(), problem.input.x.end());
  if (problem.start)
    for (const auto* states : {&problem.start->h, &problem.start->c})
      for (const auto& block : *states) point.insert(point.end(), block.begin(), block.end());
  return point;
}

ComplexFunction loss_function(const Network<double>& network, const LossProblem& problem) {
  struct Work {
    Network<Complex> network;
    Tape<Complex> tape;
  };
  const auto work = std::make_shared<Work>(Work{network.cast<Complex>(), {}});
  return [work, problem](std::span<const Complex> theta) {
    const auto parameters = work->network.parameters().flat();
    std::copy_n(theta.begin(), parameters.size(), parameters.begin());
    const auto x = theta.subspan(parameters.size(), problem.input.x.size());
    State<Complex> start;
    if (problem.start)
      start = state_from<Complex>(*problem.start, theta.subspan(parameters.size() + x.size()));
    auto dropout = problem.dropout;
    forward<Complex>(
        work->network,
        {problem.input.batch, problem.input.steps, x, problem.input.tokens, problem.input.lengths},
        work->tape,
        {.start = problem.start ? &start : nullptr,
         .dropout = dropout ? &*dropout : nullptr,
         .keep_tape = false});
    return loss_of(work->tape, problem.loss, problem.target);
  };
}

template <class T>
std::vector<double> own_gradient(const Network<T>& network, const LossProblem& problem) {
  const auto x = cast<T>(problem.input.x), values = cast<T>(problem.target.values),
             weights = cast<T>(problem.target.weights);
  State<T> start;
  if (problem.start)
    for (const auto* from : {&problem.start->h, &problem.start->c})
      for (const auto& block : *from)
        (from == &problem.start->h ? start.h : start.c).push_back(cast<T>(std::span<const double>(block)));
  auto dropout = problem.dropout;
  Tape<T> tape;
  forward<T>(network,
             {problem.input.batch, problem.input.steps, x, problem.input.tokens, problem.input.lengths}, tape,
             {.start = problem.start ? &start : nullptr, .dropout = dropout ? &*dropout : nullptr});
  Gradients<T> gradients(network);
  gradients.want_dx = !network.config().tokens;
  gradients.want_start = problem.start != nullptr;
  loss_and_gradients<T>(network, tape, problem.loss, {values, problem.target.classes, weights}, problem.bptt,
                        gradients);

  const auto flat = gradients.parameters.flat();
  std::vector<double> result(flat.begin(), flat.end());
  result.insert(result.end(), gradients.dx.begin(), gradients.dx.end());
  for (const auto* states : {&gradients.start.h, &gradients.start.c})
    for (const auto& block : *states) result.insert(result.end(), block.begin(), block.end());
  return result;
}

template <class T>
CheckReport check_network(const Network<T>& network, const LossProblem& problem, CheckOptions options) {
  const Network<double> exact = network.template cast<double>();
  const auto claimed = own_gradient(network, problem);
  options.blocks = blocks_of(exact, problem);
  options.claim = std::is_same_v<T, float> ? Precision::float32 : Precision::float64;
  auto theta = point_of(exact, problem);
  if (std::is_same_v<T, float>)
    for (double& v : theta) v = static_cast<double>(static_cast<float>(v));
  options.claim_noise = rounding_of_claim(network, problem, claimed);
  if (has_numeric_slope(network.config(), problem.loss))
    add_numeric_slope(options.blocks, claimed, options.claim_noise);
  const auto f = problem.bptt.kind == Bptt::Kind::full ? loss_function(exact, problem)
                                                       : surrogate_function(exact, problem);
  return check_gradient(Objective{{}, f}, theta, claimed, options);
}

template std::vector<double> own_gradient(const Network<float>&, const LossProblem&);
template std::vector<double> own_gradient(const Network<double>&, const LossProblem&);
template CheckReport check_network(const Network<float>&, const LossProblem&, CheckOptions);
template CheckReport check_network(const Network<double>&, const LossProblem&, CheckOptions);

}  // namespace retrograde
