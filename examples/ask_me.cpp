// A C++ program that `retrograde doctor --run` can ask: docs/doctor_protocol.md.
//
//   retrograde doctor --run build/release/examples/example_ask_me
//
// y_t = V h_t, h_t = tanh(W x_t + U h_{t-1}): one number each, half the squared error. The mistake: dU is
// made from h_t, where h_{t-1} is due.
#include <cmath>
#include <cstdio>

#include "retrograde/data/npz.h"

int main(int argc, char** argv) {
  using retrograde::Array;
  if (argc != 3) {
    std::puts("Asked by: retrograde doctor --run build/release/examples/example_ask_me");
    return 0;
  }
  auto at = retrograde::read_npz(argv[1]).arrays;  // what the doctor wants to know the gradient at
  at.try_emplace("W", Array{{1, 1}, {0.7}});       // at first it does not know our arrays
  at.try_emplace("U", Array{{1, 1}, {-0.6}});
  at.try_emplace("V", Array{{1, 1}, {1.3}});
  at.try_emplace("h0", Array{{1}, {0.4}});
  at.try_emplace("x", Array{{5, 1}, {0.5, -1.1, 0.3, 0.8, -0.2}});
  at.try_emplace("y", Array{{5, 1}, {0.2, 0.1, -0.4, 0.6, 0.3}});
  const double w = at["W"].values[0], u = at["U"].values[0], v = at["V"].values[0];
  const auto &x = at["x"].values, &y = at["y"].values;

  std::vector<double> h = {at["h0"].values[0]};
  for (const double now : x) h.push_back(std::tanh(w * now + u * h.back()));
  double loss = 0, dw = 0, du = 0, dv = 0, carry = 0;
  for (std::size_t t = x.size(); t-- > 0;) {
    const double error = v * h[t + 1] - y[t], dz = (v * error + carry) * (1 - h[t + 1] * h[t + 1]);
    loss += error * error / 2;
    dv += error * h[t + 1];
    dw += dz * x[t];
    du += dz * h[t + 1];
    carry = dz * u;
  }
  at["loss"] = {{}, {loss}};
  at["dW"] = {{1, 1}, {dw}};
  at["dU"] = {{1, 1}, {du}};
  at["dV"] = {{1, 1}, {dv}};
  retrograde::write_npz(argv[2], {at, {}});
}
