// Sequences whose values say where they stand: step t of sequence s reads (1000 s + t, its negative) and
// wants twice the first.
#pragma once

#include <memory>
#include <vector>

#include "retrograde/data/dataset.h"

namespace retrograde::testing {

inline std::shared_ptr<const Dataset> numbered(const std::vector<std::size_t>& lengths) {
  auto data = std::make_shared<Sequences>(Layout{.inputs = 2, .outputs = 1});
  for (std::size_t s = 0; s < lengths.size(); ++s) {
    Sequence sequence;
    for (std::size_t t = 0; t < lengths[s]; ++t) {
      const auto number = static_cast<double>(1000 * s + t);
      sequence.x.insert(sequence.x.end(), {number, -number});
      sequence.values.push_back(2 * number);
    }
    data->add(std::move(sequence));
  }
  return data;
}

inline Sequence read_piece(const Dataset& data, std::size_t sequence, std::size_t first, std::size_t count) {
  const Layout& layout = data.layout();
  const std::size_t targets = layout.at == At::every ? count : 1;
  Sequence piece;
  piece.x.resize(layout.tokens ? 0 : count * layout.inputs);
  piece.tokens.resize(layout.tokens ? count : 0);
  piece.values.resize(layout.classes ? 0 : targets * layout.outputs);
  piece.classes.resize(layout.classes ? targets : 0);
  piece.weights.resize(targets);
  data.read(sequence, first, count, {piece.x, piece.tokens, piece.values, piece.classes, piece.weights});
  return piece;
}

}  // namespace retrograde::testing
