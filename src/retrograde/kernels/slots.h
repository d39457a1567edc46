// How a cell's pre-activations are fed by the two matrix products, as plain data.
//
// A *gate* is a block of H rows of weight_ih and weight_hh, in PyTorch's order. A *slot* is a pre-activation
// that the cell's map receives. For most gates they are one: slot = W x + U h + b. A gate whose two products
// the map needs apart (the candidate of a GRU with reset after) has two slots. Slots are ordered so that
// those which take the input product are one range, and those which take a recurrent product are one range a
// stage.
//
// A cell of two stages multiplies by U twice: the first stage's slots take U h, the second stage's take U v,
// where v is what the cell makes of the first (r ∘ h in Cho's GRU).
#pragma once

#include <array>
#include <cstddef>

namespace retrograde {

inline constexpr std::size_t kMaxSlots = 8;

struct SlotRange {
  std::size_t first = 0, count = 0;
  constexpr bool contains(std::size_t slot) const { return slot >= first && slot < first + count; }
};

struct Slots {
  std::size_t gates = 0;                      // blocks of weight_ih and weight_hh
  std::size_t slots = 0;                      // pre-activations of a unit
  std::size_t states = 1;                     // h, or h and c
  std::size_t tape = 0;                       // values kept for the backward, of a unit and step
  std::array<std::size_t, kMaxSlots> gate{};  // slot -> gate
  SlotRange input;                            // slots that take W x
  std::size_t stages = 1;
  std::array<SlotRange, 2> recurrent{};  // stage -> slots that take its recurrent product

  // The stage whose recurrent product a slot takes; `stages` if none.
  constexpr std::size_t stage_of(std::size_t slot) const {
    for (std::size_t s = 0; s < stages; ++s)
      if (recurrent[s].contains(slot)) return s;
    return stages;
  }
};

}  // namespace retrograde
