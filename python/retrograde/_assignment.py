"""Which of the arrays that a gradient function returned is whose gradient, by names, shapes and order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._arrays import Array, is_array
from ._containers import parts_of


def leaves(value: Any, name: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """The arrays of nested containers, with the key that each was found under (none for positions). A container that
    is met again (nodes that know their neighbours) is not entered again."""
    seen = set() if seen is None else seen
    parts = parts_of(value)
    if parts is None:
        if not isinstance(value, bool) and is_array(value):
            yield name, value
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    by_position = isinstance(value, (list, tuple)) and not hasattr(value, "_fields")
    for key, item in parts:
        yield from leaves(item, name if by_position else key, seen)


def bare(name: str) -> str:
    """A gradient's name without what says that it is one: dW, W_grad, grad_W, dL_dW, W.grad -> w."""
    text = name.lower().strip("_").replace(".", "_")
    text = re.sub(r"^(gradients?_?|grads?_?|d[a-z]_?d_?|delta_?|nabla_?|d_|d|g_)", "", text) or text
    return re.sub(r"(_?gradients?|_?grads?|_delta)$", "", text).strip("_") or text


@dataclass(frozen=True)
class Assignment:
    """Parameter -> the position of its gradient among the leaves of a result."""

    leaf: dict[str, int]
    # Parameters of one shape that nothing but their order tells apart, and the leaves that may be theirs.
    open: list[tuple[list[str], list[int]]]


def cut(found: list[tuple[str, Array]], params: Mapping[str, Array]) -> list[tuple[str, Array]]:
    """Where one array has as many numbers as all parameters together, and no others are there for them, it is their
    gradients one after the other."""
    total = sum(array.size for array in params.values())
    whole = [i for i, (_, array) in enumerate(found) if array.size == total]
    if len(params) < 2 or len(whole) != 1 or len(found) > len(params):
        return found
    ends = np.cumsum([array.size for array in params.values()])[:-1]
    pieces = np.split(found[whole[0]][1].reshape(-1), ends)
    single = [(n, piece.reshape(params[n].shape)) for n, piece in zip(params, pieces, strict=True)]
    return found[: whole[0]] + single + found[whole[0] + 1 :]


_LOSS = {"loss", "cost", "error", "objective", "nll", "mse", "l", "j", "total_loss"}


def loss_among(found: list[tuple[str, Array]], assignment: Assignment) -> int | None:
    """The loss in what a gradient function returned: a number that is no gradient, first of all or called so."""
    rest = [i for i, (_, array) in enumerate(found) if array.size == 1 and i not in assignment.leaf.values()]
    named = [i for i in rest if found[i][0].lower() in _LOSS]
    return named[0] if named else 0 if 0 in rest and not found[0][0] else None


def also_by(found: list[tuple[str, Array]], taken: Assignment, batch: Mapping[str, Array]) -> dict[str, int]:
    """Arrays of the batch whose gradients came back, too, and said so: dx, dh0."""
    leaf: dict[str, int] = {}
    for i, (key, array) in enumerate(found):
        if key and i not in taken.leaf.values():
            leaf |= {n: i for n, a in batch.items() if bare(key) == n.lower() != key.lower() and a.shape == array.shape}
    return leaf


def assign(found: list[tuple[str, Array]], params: Mapping[str, Array]) -> Assignment:
    """Finds every parameter's gradient in whatever a gradient function returned (`leaves`), in any order.

    Names decide where there are any, then shapes, then the order.
    """
    shapes = [array.shape for _, array in found]
    if [(key, shape) for (key, _), shape in zip(found, shapes, strict=True)] == [
        (name.rpartition(".")[2], array.shape) for name, array in params.items()
    ]:
        return Assignment({name: i for i, name in enumerate(params)}, [])  # in the parameters' own containers
    leaf: dict[str, int] = {}
    for same in (lambda a, b: a == b, lambda a, b: bare(a) == b.lower(), lambda a, b: bare(a) == bare(b)):
        for i, (key, array) in enumerate(found):
            owners = [
                n for n in params if n not in leaf and same(key, n) and _fit(array.shape, params[n].shape) is not None
            ]
            if i not in leaf.values() and len(owners) == 1:
                leaf[owners[0]] = i
    free = [n for n in params if n not in leaf]
    groups = list({params[n].shape: [m for m in free if params[m].shape == params[n].shape] for n in free}.values())
    unsettled: list[tuple[list[str], list[int]]] = []
    for quality in (0, 1, 2):
        for group in groups:
            mates = [n for n in group if n not in leaf]
            fitting = [
                i
                for i, shape in enumerate(shapes)
                if i not in leaf.values() and _fit(shape, params[group[0]].shape) == quality
            ]
            if mates and len(fitting) > 1:
                unsettled.append((mates, fitting))
            leaf.update(zip(mates, fitting, strict=False))
    missing = [f"{n} {list(params[n].shape)}" for n in params if n not in leaf]
    if missing:
        got = ", ".join(str(list(shape)) for shape in shapes) or "nothing"
        raise ValueError(f"found no gradient of {', '.join(missing)}; the gradient function returned arrays {got}")
    return Assignment({n: leaf[n] for n in params}, unsettled)


def _fit(shape: tuple[int, ...], wanted: tuple[int, ...]) -> int | None:
    """0 the same shape, 1 the same but for axes of length 1, 2 transposed, None: no."""
    if shape == wanted:
        return 0
    if [n for n in shape if n != 1] == [n for n in wanted if n != 1]:
        return 1
    return 2 if shape == wanted[::-1] else None
