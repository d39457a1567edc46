"""Between the caller's layout and the library's, which is batch first and batched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._arrays import Floats, describe, to_floats

# A start or final state: h, or (h, c) for an LSTM. h is [layers · directions, batch, hidden], without the batch for
# an unbatched sequence; where layers differ in width it is a tuple of one [directions, batch, hidden] a layer.
State = Any


@dataclass(frozen=True)
class Layout:
    """How one call's arrays lie: `[B, T, ...]`, `[T, B, ...]`, or `[T, ...]` for one unbatched sequence."""

    batched: bool
    batch_first: bool

    @property
    def swap(self) -> bool:
        return self.batched and not self.batch_first

    def axes(self, last: Sequence[str], steps: bool = True) -> list[str]:
        names = ["B"] if self.batched else []
        if steps:
            names.insert(1 if self.batch_first else 0, "T")
        return names + list(last)

    def enter(self, array: NDArray[Any], steps: bool = True) -> NDArray[Any]:
        """To [B, T, ...] (or [B, ...] without steps), C-contiguous."""
        if not self.batched:
            return np.ascontiguousarray(array[None])
        return np.ascontiguousarray(array.swapaxes(0, 1)) if self.swap and steps else array

    def leave(self, array: Floats, steps: bool = True) -> Floats:
        """Back from [B, T, ...]: a view."""
        if not self.batched:
            return np.asarray(array[0])
        return array.swapaxes(0, 1) if self.swap and steps else array


@dataclass(frozen=True)
class StateShape:
    """What a network's states look like."""

    hidden: tuple[int, ...]
    directions: int
    pair: bool  # h and c

    @property
    def uniform(self) -> bool:
        return len(set(self.hidden)) == 1

    def enter(self, state: State, name: str, batch: int, layout: Layout, dtype: Any) -> tuple[Any, Any]:
        """To (h, c): lists of one [B, H] a layer and direction; c is None where there is none."""
        if not self.pair:
            return self._blocks(state, name, batch, layout, dtype), None
        if not isinstance(state, (tuple, list)) or len(state) != 2:
            raise TypeError(f"{name} of an LSTM is a pair (h, c); got {type(state).__name__}")
        return (
            self._blocks(state[0], f"{name} h", batch, layout, dtype),
            self._blocks(state[1], f"{name} c", batch, layout, dtype),
        )

    def _blocks(self, value: ArrayLike, name: str, batch: int, layout: Layout, dtype: Any) -> list[Floats]:
        if self.uniform:
            return list(
                self._layers(value, name, len(self.hidden) * self.directions, self.hidden[0], batch, layout, dtype)
            )
        if not isinstance(value, (tuple, list)) or len(value) != len(self.hidden):
            raise ValueError(
                f"{name} must be a tuple of one array a layer: the {len(self.hidden)} layers differ in width"
            )
        blocks: list[Floats] = []
        for k, (part, units) in enumerate(zip(value, self.hidden, strict=True)):
            blocks += list(self._layers(part, f"{name} of layer {k}", self.directions, units, batch, layout, dtype))
        return blocks

    def _layers(
        self, value: ArrayLike, name: str, count: int, units: int, batch: int, layout: Layout, dtype: Any
    ) -> Floats:
        array = to_floats(value, name, dtype)
        wanted = (count, batch, units) if layout.batched else (count, units)
        if array.shape != wanted:
            axes = ("layers·directions", "B", "H") if layout.batched else ("layers·directions", "H")
            raise ValueError(f"{name} is {describe(array, axes)}; the network wants {describe(np.empty(wanted), axes)}")
        blocks: Floats = array.reshape(count, batch, units)
        return blocks

    def leave(self, h: list[Floats], c: list[Floats], layout: Layout) -> State:
        """From lists of [B, H] to the caller's form."""
        if not h:
            return None
        return (self._join(h, layout), self._join(c, layout)) if self.pair else self._join(h, layout)

    def _join(self, blocks: list[Floats], layout: Layout) -> Any:
        def stacked(part: list[Floats]) -> Floats:
            array = np.stack(part)
            return array if layout.batched else array[:, 0]

        if self.uniform:
            return stacked(blocks)
        step = self.directions
        return tuple(stacked(blocks[k : k + step]) for k in range(0, len(blocks), step))
