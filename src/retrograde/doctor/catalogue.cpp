// The catalogue's families put together for one network.
#include "retrograde/doctor/mistake.h"

namespace retrograde::doctor {

Mistakes sweep_mistakes(const Problem& problem, const Words& words, int layer) {
  Mistakes all, out;
  const bool top = layer + 1 == static_cast<int>(problem.layers.size());
  if (top)
    add_upstream_mistakes(problem, words, out);
  else
    add_layer_mistakes(problem, words, layer, out);
  add_derivative_mistakes(problem, words, all);
  add_carry_mistakes(problem, words, all);
  add_gate_mistakes(problem, words, all);
  add_time_mistakes(problem, words, all);
  for (Mistake& m : all)
    if (m.layer == layer) out.push_back(std::move(m));
  return out;
}

}  // namespace retrograde::doctor
