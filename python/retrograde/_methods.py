"""Somebody's object, whose parameters are attributes, as a loss and a gradient of named parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ._assignment import leaves
from ._containers import Place, contents, got, names_of, places, put, restore


class Methods:
    """A user's object as a loss and a gradient of named parameters.

    Other values are written into the object's own arrays where they have the same type, so that whatever else in the
    object refers to them (its layers, a list of parameters) sees them too.
    """

    def __init__(self, obj: Any, method: str, params: list[str], loss: Callable[..., Any] | str | None):
        self._obj = obj
        if not hasattr(obj, method):
            raise AttributeError(f"{type(obj).__name__} has no attribute {method!r}")
        self._own = [(*_found(obj, path), path) for path in params]
        self._tops = [got(holder, key) for holder, key, _ in self._own]
        self._places = [
            place
            for top, (holder, key, path) in zip(self._tops, self._own, strict=True)
            for place in places(top, tuple(path.split(".")), holder, key)
        ]
        self._gradient = getattr(obj, method)
        self._loss = getattr(obj, loss) if isinstance(loss, str) else loss

    def params(self) -> dict[str, Any]:
        return dict(zip(names_of(self._places), [place.array for place in self._places], strict=True))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The object as it was, afterwards: its attributes, and the contents of their arrays."""
        seen: dict[int, tuple[Any, Any]] = {}
        contents(self._obj, seen)
        try:
            yield
        finally:
            restore(seen)

    def _with(self, params: dict[str, Any], function: Callable[[], Any]) -> Any:
        for top, (holder, key, _) in zip(self._tops, self._own, strict=True):
            put(holder, key, top)
        for place, value in zip(self._places, params.values(), strict=True):
            _fill(place, value)
        result = function()
        for place, value in zip(self._places, params.values(), strict=True):
            # What the method made of its parameters is for the doctor to see.
            after = got(place.holder, place.key)
            if after is not value and isinstance(value, np.ndarray) and np.shape(after) == value.shape:
                value[...] = after
        return result

    def gradient(self, params: dict[str, Any], *batch: Any) -> Any:
        def run() -> Any:
            result = self._gradient(*batch)
            if len(list(leaves(result))) >= len(self._places) or self._is_flat(result):
                return result
            # None, or the loss: the gradients are left in attributes.
            own = {id(place.array) for place in self._places}
            own |= {id(got(place.holder, place.key)) for place in self._places}
            return result, [{key: value} for key, value in leaves(vars(self._obj)) if id(value) not in own]

        return self._with(params, run)

    def _is_flat(self, result: Any) -> bool:
        total = sum(np.size(place.array) for place in self._places)
        return total > 1 and any(np.size(value) == total for _, value in leaves(result))

    def loss(self, params: dict[str, Any], *batch: Any) -> Any:
        assert callable(self._loss)
        function = self._loss
        if isinstance(getattr(function, "__self__", None), type(self._obj)):
            return self._with(params, lambda: function(*batch))
        return self._with(params, lambda: _first_that_fits(function, (self._obj, *batch), batch))


def _found(obj: Any, path: str) -> tuple[Any, Any]:
    """What holds the end of a path such as "W", "cell.W" or "layers.0.W", and its key there."""
    holder: Any = obj
    *before, last = path.split(".")
    for step in [*before, last]:
        key: Any = int(step) if isinstance(holder, (list, tuple)) and step.isdigit() else step
        try:
            inner = got(holder, key)
        except (AttributeError, KeyError, IndexError, TypeError):
            raise AttributeError(f"{type(obj).__name__} has no attribute {path!r}") from None
        found, holder = (holder, key), inner
    return found


def _fill(place: Place, value: Any) -> None:
    """A value in its place: in the object's own array if it has the value's type, else instead of it."""
    own = place.array
    fits = isinstance(own, np.ndarray) and isinstance(value, np.ndarray) and own.dtype == value.dtype
    if fits and own.shape == value.shape and own.flags.writeable:
        own[...] = value
        put(place.holder, place.key, own)
    else:
        put(place.holder, place.key, value)


def _first_that_fits(function: Callable[..., Any], *forms: tuple[Any, ...]) -> Any:
    signature = inspect.signature(function)
    for arguments in forms:
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return function(*arguments)
    raise TypeError(f"the loss {signature} takes neither (obj, *batch) nor (*batch)")
