// A cell of one's own: the minimal gated unit (Zhou, Wu, Zhang & Zhou 2016, arXiv:1603.09420), defined in
// this file alone. It is trained under every truncation, in float and in double, and its gradient is checked.
//   f  = σ(W_f x + U_f h + b_f)             [B,H]  forget gate
//   n  = rg::tanh(W_n x + U_n (f ∘ h) + b_n)    [B,H]  candidate
//   h' = (1 − f) ∘ h + f ∘ n                [B,H]
#include <retrograde/retrograde.h>

#include <cstdio>

namespace rg = retrograde;

// Slots: f, n. Two stages, since U_n meets what the gate has made of h.
struct MinimalGatedUnit {
  static constexpr std::string_view kName = "mgu";
  static constexpr std::string_view kGateNames[] = {"forget", "candidate"};
  static constexpr rg::Slots kSlots{.gates = 2,
                                    .slots = 2,
                                    .tape = 2,
                                    .gate = {0, 1},
                                    .input = {0, 2},
                                    .stages = 2,
                                    .recurrent = {{{0, 1}, {1, 1}}}};
  template <class V>
  void inner_forward(const V* a, const V* h, V& v, V* tape) const {
    tape[0] = rg::sigmoid(a[0]);
    v = tape[0] * h[0];
  }
  template <class V>
  void forward(const V* a, const V* h, V* next, V* tape) const {
    tape[1] = rg::tanh(a[1]);
    next[0] = h[0] + tape[0] * (tape[1] - h[0]);
  }
  template <class V>
  void backward(const V* tape, const V* h, const V*, const V* dh, V* da, V* d_state) const {
    const V one(1), f = tape[0], n = tape[1];
    da[0] = dh[0] * (n - h[0]) * f * (one - f);  // h' = h + f ∘ (n − h)
    da[1] = dh[0] * f * (one - n * n);
    d_state[0] = dh[0] * (one - f);
  }
  template <class V>
  void inner_backward(const V* tape, const V* h, V dv, V* da, V* d_state) const {
    const V f = tape[0];
    da[0] = da[0] + dv * h[0] * f * (V(1) - f);  // v = f ∘ h
    d_state[0] = d_state[0] + dv * f;
  }
};

// Trains for 300 updates and gives the last loss.
template <class T>
double train(const rg::Config& config, const rg::Bptt& bptt, const rg::Batch<T>& batch) {
  rg::Network<T> net(config);
  rg::Trainer<T> trainer(net, rg::Adam{.rate = 0.02}, {.bptt = bptt});
  double loss = 0;
  for (int update = 0; update < 300; ++update) loss = trainer.step(batch).loss;
  return loss;
}

// The task: say what the input was three steps ago.
int main() {
  rg::Batch<double> batch{.batch = 16, .steps = 12};
  rg::Random random(1);
  for (std::size_t i = 0; i < 16 * 12; ++i) {
    batch.x.push_back(random.normal());
    batch.values.push_back(i % 12 < 3 ? 0 : batch.x[i - 3]);
  }
  const rg::Config config{.cell = MinimalGatedUnit{}, .inputs = 1, .hidden = {13}, .outputs = 1};
  bool fine = true;
  for (const rg::Bptt& bptt : {rg::full(), rg::chunk(4), rg::window(3)}) {
    const auto report = rg::check_network(rg::Network<double>(config),
                                          {.input = batch.input(), .target = batch.target(), .bptt = bptt});
    const double loss = train(config, bptt, batch), loss_f = train(config, bptt, batch.cast<float>());
    std::printf("%s: loss %.4f, in float %.4f; %s\n", rg::to_string(bptt).c_str(), loss, loss_f,
                report.line().c_str());
    fine = fine && report.agrees() && loss < 0.9 && loss_f < 0.9;
  }
  return fine ? 0 : 1;
}
