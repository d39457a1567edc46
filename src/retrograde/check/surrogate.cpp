#include "retrograde/check/surrogate.h"

#include <algorithm>
#include <map>
#include <memory>

namespace retrograde {
namespace {

using Complex = std::complex<double>;

// The forward over pieces of single sequences, layer by layer and direction by direction, each as a network
// of its own on the production forward. Dropout masks and states are those of one whole forward.
class Surrogate {
 public:
  Surrogate(const Network<double>& network, const LossProblem& problem, bool untied)
      : config_(network.config()),
        problem_(problem),
        start_(problem.start ? *problem.start : State<double>{}),
        untied_(untied),
        size_(network.size()) {
    if (problem.start) problem_.start = &start_;
    auto dropout = problem.dropout;
    forward(network, problem.input, whole_,
            {.start = problem_.start, .dropout = dropout ? &*dropout : nullptr});
    for (const ParamBlock& block : network.parameters().blocks()) offsets_[block.name] = block.offset;
    x_offset_ = size_ * (untied ? problem.input.steps : 1);
    start_offset_ = x_offset_ + problem.input.x.size();
    position_.resize(problem.input.batch);
    for (std::size_t b = 0; b < position_.size(); ++b) position_[whole_.rows().order(b)] = b;
    for (std::size_t k = 0; k < config_.layers(); ++k)
      for (std::size_t d = 0; d < config_.directions(); ++d) {
        layers_.emplace_back(Config{.cell = config_.cell,
                                    .inputs = config_.inputs_of(k),
                                    .hidden = {config_.hidden[k]},
                                    .outputs = 0,
                                    .bias = config_.bias});
        for (std::size_t s = 0; s < config_.states(); ++s) recorded_.push_back(whole_.states(k, d == 1, s));
      }
  }

  Complex loss(std::span<const Complex> theta) {
    theta_ = theta;
    const std::size_t width = config_.output_width();
    rows_.clear();
    index_.clear();
    for (std::size_t b = 0; b < problem_.input.batch; ++b) each_piece(b);
    return problem_.loss.evaluate<Complex>(
        {index_.size(), width, width, problem_.input.batch, rows_.data(), index_, softmax_kernel<Complex>()},
        problem_.target, nullptr);
  }

 private:
  struct Piece {
    std::size_t b, from, to;  // steps from .. to of sequence b
  };

  const Complex* parameter(std::string_view block, std::size_t step) const {
    return theta_.data() + (untied_ ? step * size_ : 0) + offsets_.find(block)->second;
  }
  std::size_t length(std::size_t b) const { return whole_.rows().length(position_[b]); }

  void each_piece(std::size_t b) {
    const std::size_t steps = length(b), limit = problem_.bptt.length;
    const bool last_only = config_.at == At::last;
    if (problem_.bptt.kind == Bptt::Kind::window) {
      for (std::size_t t = last_only ? steps - 1 : 0; t < steps; ++t)
        run({b, t > limit ? t - limit : 0, config_.bidirectional ? std::min(t + limit, steps - 1) : t}, t, t);
      return;
    }
    const std::size_t piece = problem_.bptt.kind == Bptt::Kind::chunk ? limit : steps;
    for (std::size_t t = 0; t < steps; t += piece) {
      const std::size_t to = std::min(t + piece, steps) - 1;
      if (!last_only)
        run({b, t, to}, t, to);
      else if (to + 1 == steps)
        run({b, t, to}, to, to);
    }
  }

  // Runs a piece and keeps the outputs of its steps first .. last.
  void run(Piece piece, std::size_t first, std::size_t last) {
    std::vector<Complex> rows = input(piece);
    for (std::size_t k = 0; k < config_.layers(); ++k) rows = layer(piece, k, rows);
    for (std::size_t t = first; t <= last; ++t) {
      head(rows.data() + (t - piece.from) * config_.features(), t);
      index_.push_back(config_.at == At::last ? piece.b : piece.b * problem_.input.steps + t);
    }
  }

  std::vector<Complex> input(Piece piece) const {
    const std::size_t width = config_.inputs_of(0);
    std::vector<Complex> rows;
    for (std::size_t t = piece.from; t <= piece.to; ++t) {
      const std::size_t at = piece.b * problem_.input.steps + t;
      const Complex* from = theta_.data() + x_offset_ + at * width;
      if (config_.tokens) {
        const auto token = static_cast<std::size_t>(problem_.input.tokens[at]);
        if (!config_.embedding) {
          rows.resize(rows.size() + width);
          rows[rows.size() - width + token] = 1;
          continue;
        }
        from = parameter("embedding.weight", t) + token * width;
      }
      rows.insert(rows.end(), from, from + width);
    }
    return rows;
  }

  // [steps][H D] from [steps][inputs], times the dropout mask between layers.
  std::vector<Complex> layer(Piece piece, std::size_t k, const std::vector<Complex>& x) {
    const std::size_t steps = piece.to - piece.from + 1, units = config_.hidden[k],
                      inputs = config_.inputs_of(k);
    const std::size_t width = units * config_.directions();
    std::vector<Complex> out(steps * width);
    for (std::size_t d = 0; d < config_.directions(); ++d) {
      const auto moment = [&](std::size_t i) {
        return d == 1 ? steps - 1 - i : i;
      };  // own time <-> input time
      std::vector<Complex> own(x.size());
      for (std::size_t i = 0; i < steps; ++i)
        std::copy_n(x.begin() + at(moment(i) * inputs), inputs, own.begin() + at(i * inputs));
      auto state = entering(piece, k, d);
      const std::size_t together = untied_ ? 1 : steps;  // steps that share their weights
      for (std::size_t first = 0; first < steps; first += together) {
        forward<Complex>(weights(piece, k, d, piece.from + moment(first)),
                         {1, together, std::span(own).subspan(first * inputs, together * inputs), {}, {}},
                         tape_, {.start = &state, .keep_tape = false});
        const auto h = tape_.outputs();
        for (std::size_t i = 0; i < together; ++i)
          std::copy_n(h.begin() + at(i * units), units,
                      out.begin() + at(moment(first + i) * width + d * units));
        state = tape_.final_state();
      }
    }
    const auto& mask = whole_.dropout_[k];
    if (!mask.empty())
      for (std::size_t i = 0; i < steps; ++i)
        for (std::size_t u = 0; u < width; ++u)
          out[i * width + u] *=
              mask[whole_.rows().row(position_[piece.b], piece.from + i) * whole_.output_stride(k) + u];
    return out;
  }

  // A layer's weights in one direction. A mask m on the state that meets U is a mask on U's columns: U (m h)
  // = (U m) h.
  const Network<Complex>& weights(Piece piece, std::size_t k, std::size_t d, std::size_t step) {
    auto& network = layers_[k * config_.directions() + d];
    for (const ParamBlock& block : network.parameters().blocks()) {
      const std::string what = block.name.substr(0, block.name.rfind("_l0"));
      const auto to = network.parameters().slice(block);
      std::copy_n(parameter(block_name(what, k, d == 1), step), to.size(), to.begin());
      const auto& from = whole_.layer(k, d);
      if (what != "weight_hh" || !from.view.mask) continue;
      for (std::size_t i = 0; i < to.size(); ++i)
        to[i] *= from.mask[position_[piece.b] * from.stride + i % config_.hidden[k]];
    }
    return network;
  }

  // The states that enter a piece: the sequence's own start where it begins there, else what was recorded.
  State<Complex> entering(Piece piece, std::size_t k, std::size_t d) const {
    const std::size_t units = config_.hidden[k], directions = config_.directions();
    const bool own = d == 0 ? piece.from == 0 : piece.to + 1 == length(piece.b);
    const std::size_t entry = d == 0 ? piece.from : piece.to + 2;  // of recorded states [B, T + 1, H]
    State<Complex> state;
    std::size_t given = start_offset_;
    for (std::size_t s = 0; s < config_.states(); ++s) {
      auto& block = (s == 0 ? state.h : state.c).emplace_back(units);
      const auto& states = s == 0 ? start_.h : start_.c;
      const Complex* from = nullptr;
      if (own && problem_.start) {
        std::size_t offset = given;
        for (std::size_t i = 0; i < k * directions + d; ++i) offset += states[i].size();
        from = theta_.data() + offset + piece.b * units;
      } else if (own && config_.learned_start) {
        from = parameter(block_name(s == 0 ? "h0" : "c0", k, d == 1), d == 0 ? 0 : piece.to);
      }
      for (const auto& other : states) given += other.size();
      if (from)
        std::copy_n(from, units, block.begin());
      else if (!own)
        std::copy_n(recorded_[(k * directions + d) * config_.states() + s].begin() +
                        at((piece.b * (problem_.input.steps + 1) + entry) * units),
                    units, block.begin());
    }
    return state;
  }

  // y = g(V h + b), or z where the loss is taken from it.
  void head(const Complex* h, std::size_t step) {
    const std::size_t width = config_.output_width(), inputs = config_.features(), first = rows_.size();
    if (!config_.outputs) {
      rows_.insert(rows_.end(), h, h + width);
      return;
    }
    const Complex* const v = parameter("head.weight", step);
    const Complex* const b = config_.bias ? parameter("head.bias", step) : nullptr;
    for (std::size_t o = 0; o < width; ++o) {
      Complex z = b ? b[o] : Complex{};
      for (std::size_t i = 0; i < inputs; ++i) z += v[o * inputs + i] * h[i];
      rows_.push_back(z);
    }
    if (problem_.loss.on_preactivations()) return;
    const auto z = std::span(rows_).subspan(first);
    if (!config_.activation.is_softmax()) {
      for (Complex& value : z) value = config_.activation.elementwise().value(value);
      return;
    }
    double largest = z[0].real();
    for (const Complex& value : z) largest = std::max(largest, value.real());
    Complex sum{};
    for (Complex& value : z) sum += value = std::exp(value - largest);
    for (Complex& value : z) value /= sum;
  }

  static std::ptrdiff_t at(std::size_t i) { return static_cast<std::ptrdiff_t>(i); }

  Config config_;
  LossProblem problem_;
  State<double> start_;
  Tape<double> whole_;
  bool untied_;
  std::size_t size_;  // of the parameters
  std::map<std::string, std::size_t, std::less<>> offsets_;
  std::size_t x_offset_ = 0, start_offset_ = 0;
  std::vector<std::size_t> position_;          // of sequence b among those sorted by length
  std::vector<Network<Complex>> layers_;       // layer · D + direction
  std::vector<std::vector<double>> recorded_;  // (layer · D + direction) · states + which: [B, T + 1, H]
  Tape<Complex> tape_;
  std::span<const Complex> theta_;
  std::vector<Complex> rows_;  // of outputs
  std::vector<std::size_t> index_;
};

}  // namespace

ComplexFunction surrogate_function(const Network<double>& network, const LossProblem& problem) {
  const auto surrogate = std::make_shared<Surrogate>(network, problem, false);
  return [surrogate](std::span<const Complex> theta) { return surrogate->loss(theta); };
}

ComplexFunction untied_function(const Network<double>& network, const LossProblem& problem) {
  const auto surrogate = std::make_shared<Surrogate>(network, problem, true);
  return [surrogate](std::span<const Complex> theta) { return surrogate->loss(theta); };
}

}  // namespace retrograde
