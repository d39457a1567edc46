"""Somebody's loss and gradient, whatever their conventions, as functions of named NumPy arrays.

A `Problem` knows the parameters and the batch as they were given, calls the user's functions with arrays of the kind
they were written for (NumPy, torch, JAX, plain numbers), and finds out which returned array is whose gradient.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import to_numpy

Array = NDArray[Any]
Arrays = dict[str, Array]


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


def is_array(value: Any) -> bool:
    """Whether it can be handed over as numbers (a mapping, a string or None cannot)."""
    if value is None or isinstance(value, (str, bytes, Mapping)):
        return False
    try:
        return to_numpy(value, "").dtype.kind in "fiub"
    except (TypeError, ValueError):
        return False


@dataclass
class Batch:
    """The arguments that a user's functions get beside the parameters: arrays by name, anything else as it is."""

    items: dict[str, Any]
    keywords: bool  # given as a mapping: passed by name

    @classmethod
    def of(cls, batch: Any, functions: Sequence[Callable[..., Any]], before: Sequence[int]) -> Batch:
        """Arrays are named as the functions' signatures name them, after so many arguments as `before` allows."""
        if isinstance(batch, Mapping):
            return cls(dict(batch), True)
        values = list(batch) if isinstance(batch, (tuple, list)) else [batch]
        names = [f"data{i}" for i in range(len(values))]
        for function in functions:
            found = _positional_names(function)
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
    parts = [params[name] for name in names] if isinstance(params, Mapping) else list(_sequence(params))
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


def _sequence(params: Any) -> Sequence[Any]:
    return params if isinstance(params, (tuple, list)) else [params]


# --- which array is whose gradient ------------------------------------------------------------------------------


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The arrays of nested dicts, tuples, lists and plain objects, with the key that each was found under."""
    if value is None or isinstance(value, (str, bytes)):
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, str(key))
    elif isinstance(value, (tuple, list)) and not _is_numbers(value):
        for item in value:
            yield from leaves(item, name)
    elif hasattr(value, "__dict__") and not hasattr(value, "__array__") and not hasattr(value, "__dlpack__"):
        yield from leaves(vars(value), name)
    elif not isinstance(value, bool) and is_array(value):
        yield name, value


def _is_numbers(value: Sequence[Any]) -> bool:
    """A list of numbers, or of lists of them, is one array."""
    return len(value) > 0 and all(
        isinstance(v, (int, float)) or (isinstance(v, list) and len(v) > 0 and _is_numbers(v)) for v in value
    )


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


def assign(result: Any, params: Mapping[str, Array]) -> Assignment:
    """Finds every parameter's gradient in whatever a gradient function returned, in any order.

    Names decide where there are any, then shapes, then the order.
    """
    found = [(name, to_numpy(value, "a gradient")) for name, value in leaves(result)]
    shapes = [array.shape for _, array in found]
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


# --- the problem ------------------------------------------------------------------------------------------------


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
        self.names = _names_of(params, [f for f in (loss, gradient) if callable(f)])
        parts = [params[n] for n in params] if isinstance(params, Mapping) else _sequence(params)
        self._kinds = dict(zip(self.names, parts, strict=True))
        self.arrays: Arrays = {name: _real(value, name) for name, value in self._kinds.items()}
        functions = [f for f in (gradient, loss) if callable(f)]
        self.batch = Batch.of(batch, [names] if names else functions, (0,) if names else (1, len(self.names)))
        self.batch_arrays = self.batch.arrays()
        self._loss = loss
        self._gradient = gradient if callable(gradient) else None
        self.assignment: Assignment | None = None
        # Other ways to order gates that come without names: parameter -> leaf.
        self.orders: list[dict[str, int]] = []
        self.leaves: list[Array] = []
        self._given = None if callable(gradient) else gradient

    @property
    def has_loss(self) -> bool:
        return self._loss is not None

    @property
    def has_gradient(self) -> bool:
        return self._gradient is not None

    def loss(self, params: Mapping[str, Array], batch: Mapping[str, Array]) -> Any:
        """The loss at other values. What the user's function changes in its arguments is changed in these arrays."""
        assert self._loss is not None
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
        # What was returned may be the user's own memory: kept as it is now.
        self.leaves = [_real(value, "a gradient").copy() for _, value in leaves(result)]
        if self.assignment is None:
            self.assignment = assign(result, self.arrays)
        return self.picked()

    def picked(self) -> Arrays:
        """The claims among the arrays that the gradient returned last."""
        assert self.assignment is not None
        return {name: self.leaves[i] for name, i in self.assignment.leaf.items()}

    def _call(self, function: Callable[..., Any], params: Mapping[str, Array], batch: Mapping[str, Array]) -> Any:
        given = {name: like(params[name], kind) for name, kind in self._kinds.items()}
        values = self.batch.with_arrays(batch)
        result = call(function, _shaped(given, self.original), self.names, self.batch, values)
        for arrays, used in ((params, given), (batch, values)):
            for name, array in arrays.items():
                _copy_back(used[name], array)
        return result


def _names_of(params: Any, functions: Sequence[Callable[..., Any]]) -> list[str]:
    if isinstance(params, Mapping):
        return [str(name) for name in params]
    if hasattr(params, "_fields"):
        return list(params._fields)
    if not isinstance(params, (tuple, list)):
        params = [params]
    for function in functions:
        names = _positional_names(function)
        if len(names) > len(params):
            return names[: len(params)]
    return [f"param{i}" for i in range(len(params))]


def _shaped(values: dict[str, Any], original: Any) -> Any:
    """The parameters in the container that they came in."""
    if isinstance(original, Mapping):
        return {key: values[str(key)] for key in original}
    if hasattr(original, "_fields"):
        return type(original)(*values.values())
    if isinstance(original, (tuple, list)):
        return type(original)(values.values())
    return next(iter(values.values()))


def _real(value: Any, name: str) -> Array:
    array = to_numpy(value, name)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} holds {array.dtype}; it must hold real numbers")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _copy_back(used: Any, array: Array) -> None:
    after = to_numpy(used, "an argument")
    if after.shape == array.shape:
        array[...] = after
