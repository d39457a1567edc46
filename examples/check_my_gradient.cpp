// A gradient written by hand, checked: the loss of a small recurrent network and its back-propagation through
// time, with no class of ours in it. Two versions of the backward: one right, one with a classic slip, the
// derivative of tanh taken at the wrong place.
//   s_t = u s_{t-1} + w x_t,  h_t = tanh(s_t),  y = v h_T,  loss = ½ (y − 1)²     (u meets h, everything a
//   number)
#include <retrograde/retrograde.h>

#include <cmath>
#include <cstdio>
#include <vector>

namespace rg = retrograde;

namespace {

const std::vector<double> kInput{0.5, -1.2, 0.8, 0.3, -0.7};

// The forward, for double and for complex<double>: that is all the exact check needs.
template <class T>
T loss(std::span<const T> p) {  // p = u, w, v
  T h = 0.4;
  for (const double x : kInput) h = std::tanh(p[0] * h + p[1] * x);
  const T miss = p[2] * h - 1.0;
  return 0.5 * miss * miss;
}

std::vector<double> gradient(const std::vector<double>& p, bool slip) {
  const double u = p[0], w = p[1], v = p[2];
  std::vector<double> s{0}, h{0.4};
  for (const double x : kInput) {
    s.push_back(u * h.back() + w * x);
    h.push_back(std::tanh(s.back()));
  }
  double du = 0, dw = 0;
  const double dy = v * h.back() - 1;
  double dh = dy * v;
  for (std::size_t t = kInput.size(); t > 0; --t) {
    const double at = slip ? std::tanh(h[t]) : h[t];  // the slip: f'(h) where f'(s) is due
    const double ds = dh * (1 - at * at);
    du += ds * h[t - 1];
    dw += ds * kInput[t - 1];
    dh = ds * u;
  }
  return {du, dw, dy * h.back()};
}

}  // namespace

int main() {
  const std::vector<double> p{0.9, -0.6, 1.3};
  const rg::CheckOptions names{.blocks = {{.name = "u"}, {.name = "w"}, {.name = "v"}}};
  const auto f = []<class T>(std::span<const T> at) { return loss<T>(at); };

  const auto right = rg::check_gradient(f, p, gradient(p, false), names);
  const auto wrong = rg::check_gradient(f, p, gradient(p, true), names);
  std::printf("%s\n\n%s\n", right.text().c_str(), wrong.text().c_str());
  return right.agrees() && wrong.verdict == rg::Verdict::differs ? 0 : 1;
}
