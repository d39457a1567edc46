"""Somebody's loss and gradient, whatever their conventions, as functions of named NumPy arrays.

A `Problem` knows the parameters and the batch as they were given, calls the user's functions with arrays of the kind
they were written for (NumPy, torch, JAX, plain numbers), and finds out which returned array is whose gradient.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._arrays import Array, Arrays, is_array, to_numpy
from ._assignment import Assignment, also_by, assign, cut, leaves, loss_among
from ._containers import is_numbers, names_of, places, rebuilt


def like(array: Array, original: Any) -> Any:
    """A fresh copy of `array` in the kind of `original`: NumPy, torch, JAX, list or number. Its dtype is `array`'s."""
    kind = type(original).__module__.split(".")[0]
    if kind == "torch":
        tensor = sys.modules["torch"].tensor(array, device=original.device)
        return tensor.requires_grad_(bool(original.requires_grad) and tensor.is_floating_point())
    if kind in ("jax", "jaxlib"):
        return sys.modules["jax"].numpy.asarray(array)
    if isinstance(original, (list, tuple)):
        return type(original)(array.tolist()) if type(original) in (list, tuple) else array.copy()
    if isinstance(original, (bool, int, float)):
        return type(original)(array.item())
    if isinstance(original, np.generic):
        return array.dtype.type(array.item())
    return array.copy()


def to_number(value: Any, what: str) -> float:
    """A loss: a number, or an array or tensor of one."""
    array = to_numpy(value, what)
    if array.size != 1 or array.dtype.kind not in "fiubc":
        raise TypeError(f"{what} must be one number; got {array.dtype} of shape {array.shape}")
    return array.reshape(()).item()  # type: ignore[no-any-return]


@dataclass
class Batch:
    """The arguments that a user's functions get beside the parameters: arrays by name, anything else as it is."""

    items: dict[str, Any]
    keywords: bool  # given as a mapping: passed by name

    @classmethod
    def of(
        cls, batch: Any, functions: Sequence[Callable[..., Any]], before: Sequence[int], params: Sequence[str]
    ) -> Batch:
        """Arrays are named as the functions' signatures name them, beside the parameters' names or after so many
        arguments as `before` allows."""
        if isinstance(batch, Mapping):
            return cls(dict(batch), True)
        values = list(batch) if isinstance(batch, (tuple, list)) else [batch]
        names = [f"data{i}" for i in range(len(values))]
        for function in functions:
            found = _positional_names(function)
            others = [name for name in found if name not in params]
            if len(others) == len(values) and len(found) - len(others) == len(params):
                names = others
                break
            if values and len(found) - len(values) in before:
                names = found[-len(values) :]
                break
        return cls(dict(zip(names, values, strict=True)), False)

    def arrays(self) -> Arrays:
        return {name: to_numpy(value, name) for name, value in self.items.items() if is_array(value)}

    def with_arrays(self, arrays: Mapping[str, Array]) -> dict[str, Any]:
        return {name: like(arrays[name], value) if name in arrays else value for name, value in self.items.items()}


def _positional_names(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]


def call(
    function: Callable[..., Any], params: Any, names: Sequence[str], batch: Batch, values: Mapping[str, Any]
) -> Any:
    """`function` with the parameters and the batch in the first form that its signature takes:

    by the parameters' own names; `f(params, *batch)` with params as it was given (dict, tuple, list or one array);
    `f(*params, *batch)`; and both with the batch as one argument.
    """
    rest = list(values.values())
    by_name: dict[str, Any] = {}
    if batch.keywords:
        rest, by_name = [], dict(values)
    parts = _parts(params)
    forms: list[tuple[list[Any], dict[str, Any]]] = [
        ([params, *rest], by_name),
        ([*parts, *rest], by_name),
        ([params, tuple(values.values())], {}),
        ([*parts, tuple(values.values())], {}),
    ]
    if isinstance(params, Mapping) and all(name.isidentifier() for name in names):
        forms.insert(0, (rest, {**dict(params), **by_name}))
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return function(*forms[-4][0], **forms[-4][1])
    refused: Exception | None = None
    kinds = {p.kind for p in signature.parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds and len(forms) == 5:
        forms = forms[1:]  # f(*args, **kwargs) would take any names
    for positional, keywords in forms:
        try:
            signature.bind(*positional, **keywords)
        except TypeError:
            continue
        if inspect.Parameter.VAR_POSITIONAL not in kinds:
            return function(*positional, **keywords)
        try:  # f(*args) would take anything: what it passes the arguments on to decides
            return function(*positional, **keywords)
        except (TypeError, KeyError, IndexError) as error:
            refused = refused or error
    if refused:
        raise refused
    raise TypeError(
        f"{getattr(function, '__name__', 'the function')}{signature} takes neither (params, *batch) nor "
        f"(*params, *batch): there are {len(names)} parameters ({', '.join(names)}) and {len(values)} batch arguments"
    )


def _parts(params: Any) -> list[Any]:
    if isinstance(params, Mapping):
        return list(params.values())
    return list(params) if isinstance(params, (tuple, list)) and not is_numbers(params) else [params]


class Problem:
    """The user's parameters, batch, loss and gradient."""

    def __init__(
        self,
        gradient: Any,
        params: Any,
        batch: Any,
        loss: Callable[..., Any] | None = None,
        names: Callable[..., Any] | None = None,
    ):
        """`names`: a function of the batch alone whose signature names its arrays."""
        self.original = params
        functions = [f for f in (loss, gradient) if callable(f)]
        self._top = _names_of(params, functions)
        self._parts = dict(zip(self._top, _parts(params), strict=True))
        found = [place for top, part in self._parts.items() for place in places(part, (top,))]
        self.names = names_of(found)
        self._paths = dict(zip(self.names, [place.path for place in found], strict=True))
        self._kinds = dict(zip(self.names, [place.array for place in found], strict=True))
        self.arrays: Arrays = {name: _real(value, name).copy() for name, value in self._kinds.items()}
        self.batch = Batch.of(
            batch, [names] if names else functions[::-1], (0,) if names else (1, len(self._top)), self._top
        )
        self.batch_arrays = {name: array.copy() for name, array in self.batch.arrays().items()}
        self._loss = loss
        self._gradient = gradient if callable(gradient) else None
        self.assignment: Assignment | None = None
        # Other ways to order gates that come without names: parameter -> leaf.
        self.orders: list[dict[str, int]] = []
        self.leaves: list[Array] = []
        self._loss_leaf: int | None = None
        self._given = None if callable(gradient) else gradient

    @property
    def has_loss(self) -> bool:
        return self._loss is not None or self._loss_leaf is not None

    @property
    def returned_loss(self) -> float | None:
        """The loss at the point given, if the gradient's function returned it, too, and there is no other."""
        return None if self._loss_leaf is None else to_number(self.leaves[self._loss_leaf], "the loss")

    @property
    def has_gradient(self) -> bool:
        return self._gradient is not None

    def loss(self, params: Mapping[str, Array], batch: Mapping[str, Array]) -> Any:
        """The loss at other values. What the user's function changes in its arguments is changed in these arrays."""
        if self._loss is None:
            assert self._loss_leaf is not None and self._gradient is not None
            return to_number(self._found(self._call(self._gradient, params, batch))[self._loss_leaf][1], "the loss")
        result = self._call(self._loss, params, batch)
        if isinstance(result, (tuple, list)) and result:
            result = result[0]  # loss, cache
        return to_number(result, "the loss")

    def gradient(self, params: Mapping[str, Array], batch: Mapping[str, Array]) -> Arrays:
        """The claimed gradients by parameter at other values; changes of the arguments as in `loss`."""
        assert self._gradient is not None
        return self._claims(self._call(self._gradient, params, batch))

    def claims(self) -> Arrays:
        """The claimed gradients at the point given."""
        if self._gradient is None:
            return self._claims(self._given)
        return self.gradient(
            {n: a.copy() for n, a in self.arrays.items()}, {n: a.copy() for n, a in self.batch_arrays.items()}
        )

    def _claims(self, result: Any) -> Arrays:
        found = self._found(result)
        self.leaves = [array for _, array in found]
        if self.assignment is None:
            self.assignment = assign(found, self.arrays)
            further = also_by(found, self.assignment, self.batch_arrays)
            self.assignment = Assignment(self.assignment.leaf | further, self.assignment.open)
            if self._loss is None and self._gradient is not None:
                self._loss_leaf = loss_among(found, self.assignment)
        return self.picked()

    def _found(self, result: Any) -> list[tuple[str, Array]]:
        # What was returned may be the user's own memory: kept as it is now.
        copies = [(key, _real(value, "a gradient").copy()) for key, value in leaves(result)]
        return cut(copies, self.arrays)

    def picked(self) -> Arrays:
        """The claims among the arrays that the gradient returned last."""
        assert self.assignment is not None
        return {name: self.leaves[i] for name, i in self.assignment.leaf.items()}

    def _call(self, function: Callable[..., Any], params: Mapping[str, Array], batch: Mapping[str, Array]) -> Any:
        given = {name: like(params[name], kind) for name, kind in self._kinds.items()}
        values = self.batch.with_arrays(batch)
        by_path = {path: given[name] for name, path in self._paths.items()}
        parts = {top: rebuilt(part, (top,), by_path) for top, part in self._parts.items()}
        result = call(function, _shaped(parts, self.original), self._top, self.batch, values)
        for arrays, used in ((params, given), (batch, values)):
            for name, array in arrays.items():
                _copy_back(used[name], array)
        return result


def _names_of(params: Any, functions: Sequence[Callable[..., Any]]) -> list[str]:
    if isinstance(params, Mapping):
        return [str(name) for name in params]
    if hasattr(params, "_fields"):
        return list(params._fields)
    count = len(_parts(params))
    for function in functions:
        names = _positional_names(function)
        if len(names) > count:
            return names[:count]
    return [f"param{i}" for i in range(count)]


def _shaped(values: dict[str, Any], original: Any) -> Any:
    """The parameters in the container that they came in."""
    if isinstance(original, Mapping):
        return {key: values[str(key)] for key in original}
    if hasattr(original, "_fields"):
        return type(original)(*values.values())
    if isinstance(original, (tuple, list)) and not is_numbers(original):
        return type(original)(values.values())
    return next(iter(values.values()))


def _real(value: Any, name: str) -> Array:
    array = to_numpy(value, name)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} holds {array.dtype}; it must hold real numbers")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _copy_back(used: Any, array: Array) -> None:
    after = to_numpy(used, "an argument")
    if after.shape == array.shape:
        array[...] = after
