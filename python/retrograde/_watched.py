"""Somebody's loss or gradient as the library calls it, and what the calls do to their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ._arrays import Array, Arrays
from ._problem import Problem


class Watched:
    """One of the user's functions, as the library calls it: with float64 arrays by name, which it may change.

    What the first call gave is kept and given again without a call: the audit counts calls.
    """

    def __init__(self, problem: Problem, function: Callable[[Arrays, Arrays], Any]):
        self._problem = problem
        self._function = function
        self._kept: tuple[Any, Arrays, Arrays] | None = None
        self._widens = any(a.dtype == np.float32 for a in problem.arrays.values())

    def first(self) -> Any:
        """The function at the point given, which is not changed."""
        params = {n: a.copy() for n, a in self._problem.arrays.items()}
        batch = {n: a.copy() for n, a in self._problem.batch_arrays.items()}
        result = self._function(params, batch)
        self._kept = result, params, batch
        return result

    def beside(self, function: Callable[[Arrays, Arrays], Any], result: Any) -> Watched:
        """Another function of the same call, whose `result` the first call gave, too."""
        other = Watched(self._problem, function)
        if self._kept is not None:
            other._kept = result, *self._kept[1:]
        return other

    def settled(self, result: Any) -> None:
        """The kept answer, once it is known what is what in it."""
        if self._kept is not None:
            self._kept = result, *self._kept[1:]

    def called(self, params: Arrays, batch: Arrays, renamed: Mapping[str, str]) -> Any:
        before, data = self._typed(params, batch, renamed, False)
        kept, self._kept = self._kept, None
        own = _equal(before, self._problem.arrays) and _equal(data, self._problem.batch_arrays)
        if kept is not None and own:
            result, after, data_after = kept
        else:
            if not own and self._widens:  # the better oracle, where the function works in float64 too
                before, data = self._typed(params, batch, renamed, True)
            after, data_after = ({n: a.copy() for n, a in arrays.items()} for arrays in (before, data))
            try:
                result = self._asked(after, data_after)
            except (TypeError, ValueError, RuntimeError):
                if own or not self._widens:
                    raise
                self._widens = False
                return self.called(params, batch, renamed)
        given = {**params, **batch}  # the library takes a learned start state for a part of the batch
        for old, new, names in ((before, after, {n: n for n in after}), (data, data_after, renamed)):
            for name, array in new.items():
                if names[name] in given and not _same(array, old[name]):
                    given[names[name]][...] = array.reshape(given[names[name]].shape)
        return result

    def _asked(self, params: Arrays, batch: Arrays) -> Any:
        """None where the function refuses a point of other shapes than the given one (a shorter sequence)."""
        own = all(a.shape == self._problem.batch_arrays[n].shape for n, a in batch.items())
        with np.errstate(all="ignore"):  # far from the given point
            if own:
                return self._function(params, batch)
            try:
                return self._function(params, batch)
            except Exception:
                return None

    def _typed(self, params: Arrays, batch: Arrays, renamed: Mapping[str, str], wide: bool) -> tuple[Arrays, Arrays]:
        """In the types that the user gave, or in float64; what the library does not vary is as it was."""
        given = {**params, **batch}
        return (
            {n: _typed(given.get(n), a, wide) for n, a in self._problem.arrays.items()},
            {n: _typed(given.get(renamed[n]), a, wide) for n, a in self._problem.batch_arrays.items()},
        )


def _typed(value: Array | None, own: Array, wide: bool) -> Array:
    dtype = np.dtype(np.float64) if wide and own.dtype.kind == "f" else own.dtype
    typed: Array = (own if value is None else value).astype(dtype)
    return typed.reshape(own.shape) if typed.size == own.size else typed  # a number crosses as an array of one


def _same(a: Array, b: Array) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _equal(some: Arrays, others: Arrays) -> bool:
    return all(_same(array, others[name]) for name, array in some.items())
