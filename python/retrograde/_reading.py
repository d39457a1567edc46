"""What a caller hands to a network, checked, and in the library's own form: x, start states, targets, weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._arrays import Floats, describe, require_finite, to_floats, to_indices, to_lengths, to_numpy
from ._layout import Layout, State, StateShape

Counts = tuple[int, int, list[int]]  # sequences, steps, lengths


@dataclass(frozen=True)
class Reader:
    """Knows what one network takes."""

    dtype: np.dtype[Any]
    batch_first: bool
    inputs: int  # features, or symbols
    tokens: bool
    outputs: int
    every: bool  # outputs at every step; else at the last one
    states: StateShape

    def read(
        self, x: ArrayLike, state: State, lengths: Iterable[int] | None, dropout_seed: int | None = None
    ) -> tuple[Any, Layout, Counts]:
        """The library's reading of x, its layout, and (batch, steps, lengths)."""
        array, layout, counts = self.values(x, lengths)
        h, c = (None, None)
        if state is not None:
            h, c = self.states.enter(state, "state", counts[0], layout, self.dtype)
            for part in [*h, *(c or [])]:
                require_finite(part, "state")
        return self.reading(array, counts[2], h, c, dropout_seed), layout, counts

    def reading(
        self, array: Any, lengths: Sequence[int] = (), h: Any = None, c: Any = None, dropout_seed: int | None = None
    ) -> Any:
        """Of arrays that are in the library's form already."""
        kind = _core.Reading32 if self.dtype == np.float32 else _core.Reading64
        dense, tokens = (None, array) if self.tokens else (array, None)
        return kind(dense, tokens, list(lengths), h, c, dropout_seed)

    def values(self, x: ArrayLike, lengths: Iterable[int] | None) -> tuple[Any, Layout, Counts]:
        """x batch first and batched, in the network's type, and known to fit."""
        tokens = self.tokens
        values = to_indices(x, "x") if tokens else to_floats(x, "x", self.dtype)
        rank = 1 if tokens else 2
        layout = Layout(values.ndim == rank + 1, self.batch_first)
        axes = layout.axes([] if tokens else ["I"])
        first = "batch first" if self.batch_first else "time first"
        if values.ndim not in (rank, rank + 1):
            wanted = Layout(True, self.batch_first).axes([] if tokens else ["I"])
            raise ValueError(f"x is {values.shape}; it must be ({', '.join(wanted)}), {first}, or without B")
        if not tokens and values.shape[-1] != self.inputs:
            raise ValueError(
                f"x has {values.shape[-1]} features, the model wants {self.inputs}. "
                f"x: {describe(values, axes)}, {first}"
            )
        if values.size == 0:
            raise ValueError(f"x is empty: {describe(values, axes)}")
        array = layout.enter(values)
        batch, steps = array.shape[:2]
        counts = to_lengths(lengths, batch, steps)
        if not tokens:
            words = {"B": "batch", "T": "time", "I": "feature"}
            self._require_finite(array, "x", [words[a] for a in axes], counts, layout)
        return array, layout, (batch, steps, counts)

    def _require_finite(
        self, array: Floats, name: str, words: Sequence[str], counts: list[int], layout: Layout
    ) -> None:
        if layout.batched:
            require_finite(array, name, words, counts, layout.swap)
        else:
            require_finite(array[0, : counts[0] if counts else None], name, words)

    def goal(
        self,
        target: ArrayLike,
        sample_weight: ArrayLike | None,
        loss: _core.Loss,
        layout: Layout,
        counts: Counts,
        past: int = 0,
    ) -> Any:
        """Values or classes, and weights, in the library's layout. `past`: steps before them that weigh nothing."""
        batch, steps, lengths = counts
        head = ((steps, batch) if layout.swap else (batch, steps)) if self.every else (batch,)
        lead = head if layout.batched else head[1:]
        axes = layout.axes(["O"], self.every)
        words = [{"B": "batch", "T": "time", "O": "output"}[a] for a in axes]
        if not self.every:
            past, lengths = 0, []

        def enter(array: Any) -> Any:
            array = layout.enter(array, self.every)
            if not past:
                return array
            return np.concatenate([np.zeros((batch, past, *array.shape[2:]), array.dtype), array], axis=1)

        weights = None
        if sample_weight is not None or past:
            given = np.ones(lead) if sample_weight is None else sample_weight
            weights = to_floats(given, "sample_weight", self.dtype)
            if weights.shape != lead:
                raise ValueError(f"sample_weight is {weights.shape}; it must be {describe(np.empty(lead), axes[:-1])}")
            self._require_finite(layout.enter(weights, self.every), "sample_weight", words[:-1], lengths, layout)
            weights = enter(weights)

        goal = _core.Goal32 if self.dtype == np.float32 else _core.Goal64
        array = to_numpy(target, "target")
        if loss.name == "softmax_cross_entropy" and array.dtype.kind in "iu" and array.shape == lead:
            return goal(None, enter(to_indices(array, "target")), weights)
        width = self.outputs
        if array.shape == lead and width == 1:
            array = array[..., None]
        if array.shape != (*lead, width):
            raise ValueError(
                f"target is {describe(array, axes)}; the outputs are {describe(np.empty((*lead, width)), axes)}"
            )
        values = to_floats(array, "target", self.dtype)
        self._require_finite(layout.enter(values, self.every), "target", words, lengths, layout)
        return goal(enter(values), None, weights)
