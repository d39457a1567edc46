// Parameters at the start.
//   keras   weight_ih and the head Glorot uniform (Glorot & Bengio 2010), weight_hh orthonormal columns (Saxe
//   et al.
//           2014), biases 0 but the LSTM's forget gate 1 (Jozefowicz et al. 2015), embedding U(±0.05)
//   torch   everything U(±1/√H), the head U(±1/√its inputs), embedding N(0, 1)
// Learned start states are 0.
#pragma once

#include "retrograde/model/config.h"
#include "retrograde/tensor/params.h"

namespace retrograde {

// The blocks that a configuration asks for, in file order: embedding, layers (each direction), start states,
// head.
Blocks blocks_of(const Config& config);

// Drawn in double from the configuration's seed, so that float and double networks start alike.
Params<double> initialise(const Config& config);

}  // namespace retrograde
