"""`rg.check`: is this gradient right? For code that anybody wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from . import _core
from ._arrays import Array, require_finite
from ._flat import Flat
from ._matching import settle
from ._problem import Problem
from .reports import CheckReport

Mode = Literal["automatic", "full", "sampled", "directional"]


def check(
    loss: Callable[..., Any],
    gradient: Any,
    params: Any,
    batch: Any = (),
    *,
    mode: Mode = "automatic",
    precision: Literal["float32", "float64"] | None = None,
    entries: int = 32,
    miss: float = 1e-3,
    seconds: float = 0.0,
    seed: int = 1,
    progress: Callable[[str, int, int], bool] | None = None,
) -> CheckReport:
    """Judges a claimed gradient by numeric derivatives of the loss, each with an error bar.

    Args:
        loss: called as ``loss(params, *batch)``, ``loss(*params, *batch)`` or with the parameters by name, whichever
            its signature takes; returns one number.
        gradient: called in the same ways; returns a dict, (nested) tuples of arrays in any order, the parameters' own
            containers, or one flat vector. Or the arrays themselves.
        params: a dict, tuple, list or object of arrays (NumPy, torch, JAX, ...), nested or not, or one array.
        batch: the further arguments: a tuple, a dict (passed by name), or one array.
        mode: "full" differentiates by every entry, "sampled" by `entries` of each block, "directional" along random
            directions (`miss`: the probability of missing a block's error). "automatic": full up to 2,000 entries.
        precision: in which the claim was computed; by default its dtype.
        seconds: time budget; 0 for none. What was not reached is said.
        seed: of what is drawn at random.
        progress: called with (what, done, total); returns False to stop.

    Returns:
        A report: ``.verdict`` is "agrees", "differs" or "cannot tell"; ``print`` it.
    """
    if not callable(loss):
        raise TypeError(f"loss is a {type(loss).__name__}; it must be a function of the parameters and the batch")
    problem = Problem(gradient, params, batch, loss)
    for name, array in problem.arrays.items():
        require_finite(np.ascontiguousarray(array, dtype=np.float64), f"parameter {name}")
    flat = Flat(problem)
    claims = settle(problem, problem.claims(), flat.real)
    claimed = np.concatenate([_in_shape(claims[n], problem.arrays[n]).reshape(-1) for n in problem.names])
    if precision is None:
        precision = "float32" if any(c.dtype == np.float32 for c in claims.values()) else "float64"
    elif precision not in ("float32", "float64"):
        raise ValueError(f"precision is {precision!r}; it may be 'float32' or 'float64'")
    blocks: list[tuple[str, list[int], list[str]]] = [
        (name, list(array.shape), []) for name, array in problem.arrays.items()
    ]
    result = _core.check(
        flat.real, flat.complex if flat.takes_complex() else None, flat.theta, claimed.astype(np.float64), blocks,
        precision == "float32", mode, entries, miss, seconds, seed, progress,
    )  # fmt: skip
    return CheckReport.of(result)


def _in_shape(claim: Array, param: Array) -> Array:
    """A claim whose shape is the parameter's but for axes of length 1, or its transpose."""
    if claim.size == param.size and [n for n in claim.shape if n != 1] == [n for n in param.shape if n != 1]:
        return claim.reshape(param.shape)
    raise ValueError(
        f"a gradient is {list(claim.shape)}, its parameter {list(param.shape)}; rg.doctor takes transposed ones too"
    )
