"""Arrays in and out: whatever a caller has, as NumPy sees it, without a copy where dtype and layout allow."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import _core

Floats = NDArray[Any]
Array = NDArray[Any]
Arrays = dict[str, Array]


def to_numpy(value: Any, name: str) -> NDArray[Any]:
    """`value` as a NumPy array: NumPy's own, torch's, JAX's (``__array__`` or DLPack), or nested lists."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach"):  # torch: one that wants gradients refuses __array__
        value = value.detach().cpu()
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is no array: {error}. Pad sequences of unequal length and give lengths") from None
    if array.dtype == object:
        raise TypeError(f"{name} is a {type(value).__name__}, not an array of numbers")
    return array


def is_array(value: Any) -> bool:
    """Whether it can be handed over as numbers (a mapping, a string or None cannot)."""
    if value is None or isinstance(value, (str, bytes, Mapping)):
        return False
    try:
        return to_numpy(value, "").dtype.kind in "fiub"
    except (TypeError, ValueError):
        return False


def to_floats(value: ArrayLike, name: str, dtype: DTypeLike) -> Floats:
    """`value` as C-contiguous numbers of `dtype`: itself if it is that already, else one copy."""
    array = to_numpy(value, name)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} holds {array.dtype}; it must hold real numbers")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=dtype)


def to_indices(value: ArrayLike, name: str) -> NDArray[np.int32]:
    """`value` (symbols or classes) as C-contiguous int32."""
    array = to_numpy(value, name)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} holds {array.dtype}; it must hold integers")
    limits = np.iinfo(np.int32)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise ValueError(f"{name} holds integers that do not fit 32 bits")
    return np.ascontiguousarray(array, dtype=np.int32)


def to_lengths(lengths: Iterable[Any] | None, batch: int, steps: int) -> list[int]:
    """`lengths` as a list of integers in 1 .. steps, one a sequence; empty if there are none."""
    if lengths is None:
        return []
    try:
        result = [operator.index(n) for n in np.asarray(lengths).reshape(-1).tolist()]
    except TypeError:
        raise TypeError(f"lengths must be integers, one a sequence; got {lengths!r}") from None
    if len(result) != batch:
        raise ValueError(f"there are {len(result)} lengths for {batch} sequences")
    for index, length in enumerate(result):
        if not 1 <= length <= steps:
            raise ValueError(f"lengths[{index}] is {length}; it must be in 1 .. {steps}")
    return result


def describe(array: NDArray[Any], axes: Sequence[str]) -> str:
    """ "(B=16, T=96, I=38)", or the bare shape where the axes do not fit."""
    if len(axes) != array.ndim:
        return str(array.shape)
    return "(" + ", ".join(f"{axis}={size}" for axis, size in zip(axes, array.shape, strict=True)) + ")"


def require_finite(
    array: Floats, name: str, words: Sequence[str] = (), lengths: Sequence[int] = (), swap: bool = False
) -> None:
    """ValueError that names the first NaN or infinity. `array` is [B, T, ...] if there are `lengths`; `swap`: the
    caller's own array has its first two axes the other way round."""
    flat = _core.first_not_finite(array, list(lengths))
    if flat < 0:
        return
    index = [int(i) for i in np.unravel_index(flat, array.shape)]
    bad = array[tuple(index)]
    if swap:
        index[:2] = index[1::-1]
    where = ", ".join(map(str, index))
    meaning = f" ({', '.join(words)})" if len(words) == len(index) else ""
    raise ValueError(f"{name}[{where}]{meaning} is {bad}; every value must be finite")


def to_count(value: Any, name: str) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {value!r}; it must be an integer")
    if value < 1:
        raise ValueError(f"{name} is {value}; it must be 1 or more")
    return int(value)
