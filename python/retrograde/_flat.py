"""Somebody's loss as a function of one flat vector, for differences and the complex step."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._arrays import Array, Arrays
from ._problem import Problem


class Flat:
    """A problem's loss as a function of one flat float64 vector."""

    def __init__(self, problem: Problem):
        self._problem = problem
        self._shapes = {name: array.shape for name, array in problem.arrays.items()}
        self.theta = np.concatenate([a.reshape(-1) for a in problem.arrays.values()]).astype(np.float64)
        self._batch = _widened(problem.batch_arrays)
        self._single = False
        self._single = self._needs_single()

    def _split(self, flat: Array) -> Arrays:
        parts: Arrays = {}
        at = 0
        for name, shape in self._shapes.items():
            size = int(np.prod(shape))
            part = flat[at : at + size].reshape(shape)
            dtype = self._problem.arrays[name].dtype if self._single else part.dtype
            parts[name] = part.astype(dtype)
            at += size
        return parts

    def _call(self, flat: Array) -> Any:
        batch = self._problem.batch_arrays if self._single else self._batch
        return self._problem.loss(self._split(flat), {n: a.copy() for n, a in batch.items()})

    def real(self, flat: Array) -> float:
        value = self._call(flat)
        if isinstance(value, complex):
            raise TypeError(f"the loss is complex: {value}")
        return float(value)

    def complex(self, flat: Array) -> complex:
        return complex(self._call(flat))

    def _needs_single(self) -> bool:
        """Whether the loss works in the given (single) precision alone; float64 is the better oracle where it works."""
        if all(a.dtype == np.float64 for a in self._problem.arrays.values()):
            return False
        try:
            self.real(self.theta)
        except (TypeError, ValueError, RuntimeError):
            return True
        return False

    def takes_complex(self) -> bool:
        """Whether the loss carries an imaginary part through: then the complex step is exact to rounding. The judge
        compares it with differences before it believes it."""
        if self._single:
            return False
        probe = self.theta + 1e-30j * np.cos(np.arange(self.theta.size))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # NumPy warns where an imaginary part is thrown away
                value = self._call(probe)
            return isinstance(value, complex) and abs(value.real - self.real(self.theta)) <= 1e-12 * abs(value.real)
        except Exception:
            return False


def _widened(arrays: Mapping[str, Array]) -> Arrays:
    return {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in arrays.items()}
