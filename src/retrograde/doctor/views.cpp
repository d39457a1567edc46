#include "retrograde/doctor/views.h"

#include <algorithm>
#include <functional>

namespace retrograde::doctor {

std::vector<View> views(const std::vector<std::size_t>& shape) {
  std::vector<std::size_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  std::vector<View> out;
  std::function<void(std::size_t, View)> descend = [&](std::size_t axis, View v) {
    if (axis == shape.size()) {
      // Habits: features last; a pair of axes is (time, features) or (batch, features).
      const auto f = v.axes.find('f');
      if (f != std::string::npos && f + 1 != v.axes.size()) v.doubt += 0.1;
      if (v.axes.find('b') < v.axes.find('t')) v.doubt -= 0.01;
      out.push_back(v);
      return;
    }
    const int n = static_cast<int>(shape[axis]);
    auto with = [&](int View::*size, std::size_t View::*stride, char letter) {
      if (v.*size) return;
      View w = v;
      w.*size = n;
      w.*stride = strides[axis];
      w.axes += letter;
      descend(axis + 1, w);
    };
    with(&View::T, &View::t, 't');
    with(&View::B, &View::b, 'b');
    with(&View::F, &View::f, 'f');
    if (n == 1) {
      View w = v;
      w.axes += '1';
      w.doubt += 0.05;
      descend(axis + 1, w);
    }
  };
  descend(0, {});
  std::stable_sort(out.begin(), out.end(), [](const View& a, const View& b) { return a.doubt < b.doubt; });
  return out;
}

std::vector<double> read(const View& v, const std::vector<double>& values, int T, int B, int F) {
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(T * B * F));
  for (int t = 0; t < T; ++t)
    for (int b = 0; b < B; ++b)
      for (int f = 0; f < F; ++f)
        out.push_back(v.spread && f != t
                          ? 0
                          : values[(v.T ? static_cast<std::size_t>(t) * v.t : 0) +
                                   (v.B ? static_cast<std::size_t>(b) * v.b : 0) +
                                   (v.F && !v.spread ? static_cast<std::size_t>(f) * v.f : 0)]);
  return out;
}

}  // namespace retrograde::doctor
