#include <retrograde/retrograde.h>

#include <cstdio>

int main() {
  namespace rg = retrograde;
  const rg::Network<float> net({.cell = rg::Gru{}, .inputs = 2, .hidden = {5}, .outputs = 1});
  const std::vector<float> x(3 * 2, 0.5f);
  rg::Tape<float> tape;
  rg::forward(net, {.batch = 1, .steps = 3, .x = x, .tokens = {}, .lengths = {}}, tape);
  std::printf("%zu outputs\n", tape.outputs().size());
  return tape.outputs().size() == 3 ? 0 : 1;
}
