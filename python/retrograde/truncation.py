"""What truncating back-propagation costs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._layout import State
from .network import Network, as_loss


@dataclass(frozen=True)
class Bias:
    """Of one block's truncated gradient against the full one."""

    relative_norm: float  # |truncated − full| / |full|
    cosine: float
    sign_agreement: float  # share of entries with the same sign
    added: float  # what this reach adds to the one before, over |full|: how much comes from these lags


@dataclass(frozen=True)
class BiasAt:
    """One truncation's bias: of all parameters as one vector, and block by block."""

    truncation: str  # "window:5", "chunk:20"
    whole: Bias
    blocks: dict[str, Bias]


@dataclass(frozen=True, repr=False)
class BiasReport:
    """What each truncation costs: one entry of ``at`` for each, and the table as ``text``; `print` it.

    Whether truncated gradients are right is `Network.check`'s business.
    """

    at: list[BiasAt]
    text: str

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"BiasReport({', '.join(f'{a.truncation}: {a.whole.relative_norm:.1e}' for a in self.at)})"

    def smallest_reach(self, bound: float) -> int | None:
        """The least window among those measured from which on the relative norm of the whole stays within `bound`."""
        reach = None
        for entry in self.at:
            kind, _, length = entry.truncation.partition(":")
            if kind == "window":
                within = entry.whole.relative_norm <= bound
                reach = None if not within else int(length) if reach is None else reach
        return reach

    def to_dict(self) -> dict[str, Any]:
        """Plain data, by truncation."""
        return {
            a.truncation: {"whole": vars(a.whole).copy(), "blocks": {n: vars(b).copy() for n, b in a.blocks.items()}}
            for a in self.at
        }

    @classmethod
    def _of(cls, report: str, text: str) -> BiasReport:
        def bias(row: dict[str, Any]) -> Bias:
            values = (row[k] for k in ("relative_norm", "cosine", "sign_agreement", "added"))
            return Bias(*(float("nan") if v is None else v for v in values))

        return cls(
            [
                BiasAt(row["truncation"], bias(row["whole"]), {b["block"]: bias(b) for b in row["blocks"]})
                for row in json.loads(report)
            ],
            text,
        )


def truncation_bias(
    network: Network,
    x: ArrayLike,
    target: ArrayLike,
    reaches: Iterable[int] = (),
    *,
    chunks: Sequence[int] = (),
    loss: _core.Loss | str = "squared_error",
    state: State = None,
    lengths: Iterable[int] | None = None,
    sample_weight: ArrayLike | None = None,
) -> BiasReport:
    """Compares truncated gradients with the full one: how much is lost at which reach, for each parameter.

    Args:
        network, x, target, loss, state, lengths, sample_weight: as in `Network.loss_and_gradients`.
        reaches: windows to measure; by default 0, 1, 2, 3, 5, 8, ... up to the whole sequence.
        chunks: chunk lengths to measure, too.
    """
    criterion = as_loss(loss)
    double: Any = network.astype(np.float64)
    reading, layout, counts = double._reader.read(x, state, lengths)
    goal = double._reader.goal(target, sample_weight, criterion, layout, counts)
    asked = [_core.window(r) for r in reaches] + [_core.chunk(n) for n in chunks]
    report, text = _core.truncation_bias(network._core, reading, criterion, goal, asked)
    return BiasReport._of(report, text)
