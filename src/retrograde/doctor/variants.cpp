#include "retrograde/doctor/variants.h"

#include <algorithm>

namespace retrograde::doctor {

std::vector<Variant> variants(const Problem& p) {
  std::vector<Variant> out;
  auto add = [&](const char* name, const char* sentence, const char* fix, auto&& change) {
    Variant v{name, sentence, fix, p};
    change(v.problem);
    out.push_back(std::move(v));
  };
  const auto nonzero = [](const Real& v) {
    return std::any_of(v.begin(), v.end(), [](double x) { return x != 0; });
  };
  bool h0 = false, c0 = false;
  for (const Layer& l : p.layers) h0 |= nonzero(l.h0), c0 |= nonzero(l.c0);
  const auto zero_h = [](Problem& q) {
    for (Layer& l : q.layers) std::fill(l.h0.begin(), l.h0.end(), 0.0);
  };
  const auto zero_c = [](Problem& q) {
    for (Layer& l : q.layers) std::fill(l.c0.begin(), l.c0.end(), 0.0);
  };
  if (h0)
    add("initial-state-ignored", "the gradient is that of a network which starts from zero instead of h0",
        "start the backward's forward from h0 too", zero_h);
  if (c0)
    add("initial-state-ignored",
        "the gradient is that of a network whose cell starts from zero instead of c0", "start from c0 too",
        zero_c);
  if (h0 && c0)
    add("initial-state-ignored",
        "the gradient is that of a network which starts from zero instead of h0 and c0",
        "start from h0 and c0 too", [&](Problem& q) { zero_h(q), zero_c(q); });
  if (p.net.cell == Cell::lstm)
    for (double shift : {1.0, -1.0})
      add("forget-bias",
          shift > 0 ? "the gradient is that of a forget gate with 1 added to its bias, which the forward "
                      "does not add"
                    : "the gradient lacks the 1 that the forward adds to the forget gate's bias",
          "use the forward's own gates in the backward", [shift](Problem& q) {
            for (Layer& l : q.layers) {
              if (l.b.empty()) l.b.assign(static_cast<std::size_t>(4 * l.hidden), 0);
              for (int k = 0; k < l.hidden; ++k) l.b[static_cast<std::size_t>(l.hidden + k)] += shift;
            }
          });
  if (p.net.cell == Cell::gru) {
    add("reset-gate-before-or-after", "the gradient is that of the other form of the reset gate",
        "differentiate the forward that is run", [](Problem& q) { q.net.reset_after = !q.net.reset_after; });
    add("update-gate-complemented", "the gradient is that of a cell with z and 1 - z exchanged",
        "differentiate the forward that is run",
        [](Problem& q) { q.net.update_keeps = !q.net.update_keeps; });
  }
  if (p.ragged())
    add("padding-leaks", "the gradient is that of sequences without padding: the lengths are ignored",
        "stop each row at its own length",
        [](Problem& q) { q.end.assign(q.end.size(), q.T), q.mask.clear(); });
  return out;
}

}  // namespace retrograde::doctor
