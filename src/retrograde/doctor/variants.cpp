#include "retrograde/doctor/variants.h"

#include <fmt/format.h>

#include <algorithm>

namespace retrograde::doctor {

namespace {

// [T,B,...] as T/k pieces of k steps beside each other: [k, B T/k, ...], starting from zero.
void cut(Problem& p, int k) {
  const int pieces = p.T / k, B = p.B;
  const auto rearrange = [&](Real& v) {
    const std::size_t row = v.size() / static_cast<std::size_t>(p.T),
                      wide = row * static_cast<std::size_t>(pieces);
    Real out(v.size());
    for (int t = 0; t < p.T; ++t)
      std::copy_n(v.begin() + static_cast<long>(static_cast<std::size_t>(t) * row), row,
                  out.begin() + static_cast<long>(static_cast<std::size_t>(t % k) * wide +
                                                  static_cast<std::size_t>(t / k) * row));
    v = std::move(out);
  };
  rearrange(p.x), rearrange(p.target);
  for (Layer& l : p.layers)
    for (Real* state : {&l.h0, &l.c0}) {
      if (state->empty()) continue;
      state->resize(state->size() * static_cast<std::size_t>(pieces), 0);  // the first piece starts as it did
    }
  p.T = k, p.B = B * pieces, p.net.chunk = 0;
  p.end.assign(static_cast<std::size_t>(p.B), k);
}

}  // namespace

std::vector<Variant> variants(const Problem& p) {
  std::vector<Variant> out;
  auto add = [&](std::string name, std::string sentence, std::string fix, auto&& change) {
    Variant v{std::move(name), std::move(sentence), std::move(fix), p};
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
        "differentiate the forward that is run",
        [](Problem& q) { q.net.reset_after = !q.net.reset_after, q.net.no_reset = false; });
    add("update-gate-complemented", "the gradient is that of a cell with z and 1 - z exchanged",
        "differentiate the forward that is run",
        [](Problem& q) { q.net.update_keeps = !q.net.update_keeps; });
  }
  if (p.ragged())
    add("padding-leaks", "the gradient is that of sequences without padding: the lengths are ignored",
        "stop each row at its own length",
        [](Problem& q) { q.end.assign(q.end.size(), q.T), q.mask.clear(); });
  // Every piece starts from zero: the pieces are rows of a larger batch.
  if (!p.ragged() && !p.net.last_output && p.tokens.empty() && p.final_gradient.empty())
    for (int k = 1; k < p.T; ++k)
      if (p.T % k == 0 && (p.net.chunk == 0 || p.net.chunk == k))
        add("chunk-not-carried",
            fmt::format(
                "the gradient is that of pieces of {} steps which each start from zero: the state is not "
                "carried across the cut",
                k),
            "start a piece from the state that the one before ended with", [k](Problem& q) { cut(q, k); });
  return out;
}

}  // namespace retrograde::doctor
