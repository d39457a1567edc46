// oneDNN's LSTM and GRU (linear before reset) on the grid of grid.cpp, one thread: one JSON object a line.
//   onednn SECONDS_A_SHAPE
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <unordered_map>

#include "drawn.h"

namespace {

using dnnl::memory;
using Dims = memory::dims;
using Tag = memory::format_tag;

struct Bench {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  bool lstm;
  long batch, units, gates = lstm ? 4 : 3;
  double seconds;

  static memory::desc desc(Dims dims, Tag tag) { return {std::move(dims), memory::data_type::f32, tag}; }
  static float* data(const memory& m) { return static_cast<float*>(m.get_data_handle()); }
  memory zero(const memory::desc& d) {
    memory m(d, engine);
    std::fill_n(data(m), d.get_size() / sizeof(float), 0.0f);
    return m;
  }
  memory reordered(memory from, const memory::desc& to) {
    memory result(to, engine);
    dnnl::reorder(from, result).execute(stream, from, result);
    stream.wait();
    return result;
  }
  // PyTorch's block of our gate g: r, z, n stand for oneDNN's u (z), r, o (n).
  long torch_gate(long g) const { return lstm || g == 2 ? g : 1 - g; }
  Dims weight_dims() const { return {1, 1, units, gates, units}; }

  memory weights(std::uint64_t series, const memory::desc& wanted) {
    const auto w = bench::drawn_vector(static_cast<std::size_t>(gates * units * units), series,
                                       1 / std::sqrt(static_cast<double>(units)));
    memory plain = zero(desc(weight_dims(), Tag::ldigo));
    for (long i = 0; i < units; ++i)
      for (long g = 0; g < gates; ++g)
        for (long o = 0; o < units; ++o)
          data(plain)[(i * gates + g) * units + o] =
              w[static_cast<std::size_t>((torch_gate(g) * units + o) * units + i)];
    return reordered(plain, wanted);
  }
  std::vector<float> torch_layout(memory from) {
    memory plain = reordered(from, desc(weight_dims(), Tag::ldigo));
    std::vector<float> w(static_cast<std::size_t>(gates * units * units));
    for (long i = 0; i < units; ++i)
      for (long g = 0; g < gates; ++g)
        for (long o = 0; o < units; ++o)
          w[static_cast<std::size_t>((torch_gate(g) * units + o) * units + i)] =
              data(plain)[(i * gates + g) * units + o];
    return w;
  }
  memory bias(const memory::desc& d) {
    const auto size = static_cast<std::size_t>(gates * units);
    const double scale = 1 / std::sqrt(static_cast<double>(units));
    const auto ih = bench::drawn_vector(size, 3, scale), hh = bench::drawn_vector(size, 4, scale);
    memory m = zero(d);
    for (long g = 0; g < gates; ++g)
      for (long o = 0; o < units; ++o) {
        const auto at = static_cast<std::size_t>(torch_gate(g) * units + o);
        const bool apart = !lstm && g == 2;
        data(m)[g * units + o] = apart ? ih[at] : ih[at] + hh[at];
        if (apart) data(m)[3 * units + o] = hh[at];
      }
    return m;
  }
  memory sequence(std::uint64_t series) {
    memory m = zero(desc({static_cast<long>(bench::kSteps), batch, units}, Tag::tnc));
    for (std::size_t i = 0; i < bench::kSteps * static_cast<std::size_t>(batch * units); ++i)
      data(m)[i] = bench::drawn(i, series);
    return m;
  }

  template <class ForwardDesc, class BackwardDesc, class Forward, class Backward>
  void run(const ForwardDesc& fd, const BackwardDesc& bd, Forward forward, Backward backward) {
    std::unordered_map<int, memory> in{{DNNL_ARG_SRC_LAYER, sequence(5)},
                                       {DNNL_ARG_SRC_ITER, zero(fd.src_iter_desc())},
                                       {DNNL_ARG_WEIGHTS_LAYER, weights(1, fd.weights_layer_desc())},
                                       {DNNL_ARG_WEIGHTS_ITER, weights(2, fd.weights_iter_desc())},
                                       {DNNL_ARG_BIAS, bias(fd.bias_desc())},
                                       {DNNL_ARG_DST_LAYER, zero(fd.dst_layer_desc())},
                                       {DNNL_ARG_DST_ITER, zero(fd.dst_iter_desc())},
                                       {DNNL_ARG_WORKSPACE, memory(fd.workspace_desc(), engine)}};
    if (lstm) {
      in[DNNL_ARG_SRC_ITER_C] = zero(fd.src_iter_desc());
      in[DNNL_ARG_DST_ITER_C] = zero(fd.dst_iter_desc());
    }
    auto back = in;
    back[DNNL_ARG_WEIGHTS_LAYER] = weights(1, bd.weights_layer_desc());
    back[DNNL_ARG_WEIGHTS_ITER] = weights(2, bd.weights_iter_desc());
    back[DNNL_ARG_DIFF_SRC_LAYER] = zero(bd.diff_src_layer_desc());
    back[DNNL_ARG_DIFF_SRC_ITER] = zero(bd.diff_src_iter_desc());
    back[DNNL_ARG_DIFF_WEIGHTS_LAYER] = zero(bd.diff_weights_layer_desc());
    back[DNNL_ARG_DIFF_WEIGHTS_ITER] = zero(bd.diff_weights_iter_desc());
    back[DNNL_ARG_DIFF_BIAS] = zero(bd.diff_bias_desc());
    back[DNNL_ARG_DIFF_DST_LAYER] = sequence(6);
    back[DNNL_ARG_DIFF_DST_ITER] = zero(bd.diff_dst_iter_desc());
    if (lstm) {
      back[DNNL_ARG_DIFF_SRC_ITER_C] = zero(bd.diff_src_iter_desc());
      back[DNNL_ARG_DIFF_DST_ITER_C] = zero(bd.diff_dst_iter_desc());
    }
    double best_forward = 1e9, best_backward = 1e9;
    const double end = bench::now(true) + seconds;
    bool wall = true;
    for (int n = 0; n < 4 || bench::now(true) < end; ++n) {
      for (const int what : {DNNL_ARG_DIFF_WEIGHTS_LAYER, DNNL_ARG_DIFF_WEIGHTS_ITER, DNNL_ARG_DIFF_BIAS})
        std::fill_n(data(back[what]), back[what].get_desc().get_size() / sizeof(float), 0.0f);
      const double start = bench::now(wall);
      forward.execute(stream, in);
      stream.wait();
      const double middle = bench::now(wall);
      backward.execute(stream, back);
      stream.wait();
      const double done = bench::now(wall);
      if (n > 0) {
        best_forward = std::min(best_forward, middle - start);
        best_backward = std::min(best_backward, done - middle);
      }
      wall = best_forward < bench::kShort;
    }
    const auto w_ih = torch_layout(back[DNNL_ARG_DIFF_WEIGHTS_LAYER]),
               w_hh = torch_layout(back[DNNL_ARG_DIFF_WEIGHTS_ITER]);
    const float* const y = data(in[DNNL_ARG_DST_LAYER]);
    const std::size_t size = bench::kSteps * static_cast<std::size_t>(batch * units);
    std::printf(
        "{\"who\":\"onednn\",\"cell\":\"%s\",\"batch\":%ld,\"units\":%ld,\"forward\":%.4f,\"backward\":%.4f,"
        "\"checks\":[%.8g,%.8g,%.8g,%.8g,%.8g,%.8g]}\n",
        lstm ? "lstm" : "gru", batch, units, best_forward / bench::kSteps * 1e6,
        best_backward / bench::kSteps * 1e6, bench::norm(y, size), bench::projection(y, size, 7),
        bench::norm(w_ih.data(), w_ih.size()), bench::projection(w_ih.data(), w_ih.size(), 8),
        bench::norm(w_hh.data(), w_hh.size()), bench::projection(w_hh.data(), w_hh.size(), 9));
    std::fflush(stdout);
  }

  void run() {
    const auto x = desc({static_cast<long>(bench::kSteps), batch, units}, Tag::tnc);
    const auto h = desc({1, 1, batch, units}, Tag::ldnc), w = desc(weight_dims(), Tag::any),
               b = desc({1, 1, 4, units}, Tag::ldgo);
    const auto training = dnnl::prop_kind::forward_training;
    const auto back = dnnl::prop_kind::backward;
    const auto ahead = dnnl::rnn_direction::unidirectional_left2right;
    if (lstm) {
      const dnnl::lstm_forward::primitive_desc fd({training, ahead, x, h, h, w, w, b, x, h, h}, engine);
      const dnnl::lstm_backward::primitive_desc bd(
          {back, ahead, x, h, h, w, w, b, x, h, h, x, h, h, w, w, b, x, h, h}, engine, fd);
      run(fd, bd, dnnl::lstm_forward(fd), dnnl::lstm_backward(bd));
    } else {
      const dnnl::lbr_gru_forward::primitive_desc fd({training, ahead, x, h, w, w, b, x, h}, engine);
      const dnnl::lbr_gru_backward::primitive_desc bd({back, ahead, x, h, w, w, b, x, h, x, h, w, w, b, x, h},
                                                      engine, fd);
      run(fd, bd, dnnl::lbr_gru_forward(fd), dnnl::lbr_gru_backward(bd));
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 0.2;
  for (const auto shape : bench::kGrid)
    for (const bool lstm : {true, false}) {
      Bench bench{.lstm = lstm,
                  .batch = static_cast<long>(shape.batch),
                  .units = static_cast<long>(shape.units),
                  .seconds = seconds};
      bench.run();
    }
}
