"""`rg.check` and `rg.doctor`: is this gradient right, and which line is wrong? For code that anybody wrote."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import require_finite, to_numpy
from ._matching import orders, settle
from ._problem import Array, Arrays, Assignment, Problem
from .reports import CheckReport, Diagnosis

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
        gradient: called in the same ways; returns a dict, or (nested) tuples of arrays in any order. Or the arrays
            themselves.
        params: a dict, tuple or list of arrays (NumPy, torch, JAX, ...), or one array.
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
    flat = _Flat(problem)
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


class _Flat:
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


class Doctor:
    """``rg.doctor(gradient, params, batch, loss=loss)``, ``rg.doctor.method(obj, "backward", X, Y, params=[...])`` and
    ``rg.doctor.arrays(W=W, dW=dW, ...)``: names the mistakes in a hand-written BPTT gradient."""

    def __call__(
        self,
        gradient: Any,
        params: Any,
        batch: Any = (),
        *,
        loss: Callable[..., Any] | None = None,
        outputs: Any = None,
        numeric: Any = None,
        step: float | None = None,
        hints: Mapping[str, str] | None = None,
        seconds: float = 4.0,
        progress: Callable[[str], None] | None = None,
    ) -> Diagnosis:
        """Finds out which network this is the gradient of, whether it is right, and what is wrong with it.

        Args:
            gradient, params, batch, loss: as in `rg.check`; a loss makes the diagnosis surer.
            outputs: the network's outputs at this point, if there are any.
            numeric: your own numeric gradient (arrays as `gradient` returns them), if your check fails: where the claim
                is right, the report says what is wrong with the check. `step`: the step of its differences.
            hints: where the doctor should not have to guess: "cell" (elman, lstm, gru, gru-reset-before),
                "activation", "head_activation", "loss" (squared, softmax_cross_entropy, ...), "truncation" ("full",
                "window 4", "chunk 5": what the author meant), or an array's name with its role ("input", "target",
                "h0", "c0", "lengths", "ignore", ...).
            seconds: for the search; the report says if that was not enough.
            progress: called with what is being done.

        Returns:
            A diagnosis: ``.verdict``, ``.findings``, ``.blocks``, ``.power``; ``print`` it.
        """
        problem = Problem(gradient, params, batch, loss)
        return self._diagnose(problem, outputs, hints, seconds, progress, _numbers(problem, numeric, step))

    def _diagnose(
        self,
        problem: Problem,
        outputs: Any,
        hints: Mapping[str, str] | None,
        seconds: float,
        progress: Callable[[str], None] | None,
        numbers: Arrays,
    ) -> Diagnosis:
        # In the order in which the audit asks, and before anything else: what a function keeps from one call to the
        # next is then seen.
        loss = _Watched(problem, problem.loss) if problem.has_loss else None
        gradient = _Watched(problem, problem.gradient) if problem.has_gradient else None
        value = loss.first() if loss else None
        claims = gradient.first() if gradient else problem.claims()
        if problem.assignment and problem.assignment.open:
            problem.orders = orders(problem.assignment, {})
        if loss:
            claims = settle(problem, claims, _Flat(problem).real)
        given = {name: f"d{name}" for name in claims}
        roles = {given[name]: f"gradient of {name}" for name in claims}
        known = [*problem.arrays.items(), *((given[name], claim) for name, claim in claims.items())]
        renamed = {name: _plain(name, known) for name in problem.batch_arrays}
        rest: list[tuple[str, Array]] = [(renamed[name], array) for name, array in problem.batch_arrays.items()]
        if value is not None:
            rest.append(("loss", np.asarray(value, dtype=np.float64)))
        if outputs is not None:
            rest.append(("outputs", to_numpy(outputs, "outputs")))
        rest += numbers.items()
        roles |= {f"numeric_{n}": f"numeric gradient of {n}" for n in problem.arrays if f"numeric_{n}" in numbers}
        named, general = _sorted_hints(hints or {}, {n: n for n in problem.arrays} | renamed | {"outputs": "outputs"})

        def arrays(claims: Arrays) -> list[tuple[str, NDArray[np.float64], str]]:
            all_of_them = [*problem.arrays.items(), *((given[n], claim) for n, claim in claims.items()), *rest]
            return [_crossing(name, array) for name, array in all_of_them]

        if len(problem.orders) > 1:
            claims = _likeliest(problem, lambda c: _core.diagnose(
                arrays(c), roles | named, general, None, None, 2.0 / len(problem.orders), None
            ))  # fmt: skip

        def call_loss(params: Arrays, data: Arrays) -> Any:
            value = loss.called(params, data, renamed) if loss else None
            return float("nan") if value is None else value

        def call_gradient(params: Arrays, data: Arrays) -> Any:
            answer = gradient.called(params, data, renamed) if gradient else None
            return [_crossing(given[name], array) for name, array in (answer or {}).items()]

        if gradient:
            gradient.settled(claims)
        report, text = _core.diagnose(
            arrays(claims), roles | named, general,
            call_loss if loss else None, call_gradient if gradient else None, seconds, progress,
        )  # fmt: skip
        return Diagnosis.of(report, text)

    def arrays(
        self, arrays: Mapping[str, Any] | None = None, *, hints: Mapping[str, str] | None = None, seconds: float = 4.0,
        **more: Any,
    ) -> Diagnosis:  # fmt: skip
        """From arrays alone, under any names: parameters, their gradients (dW, W_grad, ...), input, target and, if
        there, the loss and the outputs. A dict, or more by keyword; hints and seconds as in a call."""
        values = {name: to_numpy(value, name) for name, value in {**(arrays or {}), **more}.items()}
        named, general = _sorted_hints(hints or {}, {n: n for n in values})
        report, text = _core.diagnose(
            [_crossing(n, a) for n, a in values.items()], named, general, None, None, seconds, None
        )
        return Diagnosis.of(report, text)

    def method(
        self,
        obj: Any,
        method: str,
        *batch: Any,
        params: Sequence[str],
        loss: Callable[..., Any] | str | None = None,
        outputs: Any = None,
        hints: Mapping[str, str] | None = None,
        seconds: float = 4.0,
        progress: Callable[[str], None] | None = None,
    ) -> Diagnosis:
        """For a class whose parameters are attributes and whose gradient is a method.

        Args:
            obj: the user's object. It is used as it is, and left as it was.
            method: the gradient's name; called as ``obj.method(*batch)``. It returns gradients in (nested) tuples or a
                dict; or None, if it leaves them in attributes named like the parameters (dW, W_grad, grad_W, ...).
            params: the attributes that hold the parameters.
            loss: a method's name, or a function of ``(obj, *batch)`` or of ``(*batch)``.
            outputs, hints, seconds, progress: as in a call, ``rg.doctor(...)``.
        """
        functions = _Methods(obj, method, list(params), loss)
        with functions.kept():
            problem = Problem(
                functions.gradient, functions.params(), batch, functions.loss if loss is not None else None,
                names=getattr(obj, method),
            )  # fmt: skip
            return self._diagnose(problem, outputs, hints, seconds, progress, {})


class _Methods:
    """A user's object as a loss and a gradient of named parameters."""

    def __init__(self, obj: Any, method: str, params: list[str], loss: Callable[..., Any] | str | None):
        self._obj = obj
        self._params = params
        for name in [method, *params]:
            if not hasattr(obj, name):
                raise AttributeError(f"{type(obj).__name__} has no attribute {name!r}")
        self._gradient = getattr(obj, method)
        self._loss = getattr(obj, loss) if isinstance(loss, str) else loss

    def params(self) -> dict[str, Any]:
        return {name: getattr(self._obj, name) for name in self._params}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The object as it was, afterwards: its attributes, and the contents of their arrays."""
        attributes = dict(vars(self._obj))
        contents = {name: value.copy() for name, value in attributes.items() if isinstance(value, np.ndarray)}
        try:
            yield
        finally:
            vars(self._obj).clear()
            vars(self._obj).update(attributes)
            for name, values in contents.items():
                if attributes[name].flags.writeable:
                    attributes[name][...] = values

    def _with(self, params: dict[str, Any], function: Callable[[], Any]) -> Any:
        for name, value in params.items():
            setattr(self._obj, name, value)
        result = function()
        for name, value in params.items():  # what the method made of its parameters is for the doctor to see
            after = getattr(self._obj, name)
            if after is not value and isinstance(value, np.ndarray) and np.shape(after) == value.shape:
                value[...] = after
        return result

    def gradient(self, params: dict[str, Any], *batch: Any) -> Any:
        def run() -> Any:
            result = self._gradient(*batch)
            if result is not None:
                return result
            others = {k: v for k, v in vars(self._obj).items() if k not in self._params}
            return others

        return self._with(params, run)

    def loss(self, params: dict[str, Any], *batch: Any) -> Any:
        assert callable(self._loss)
        function = self._loss
        if isinstance(getattr(function, "__self__", None), type(self._obj)):
            return self._with(params, lambda: function(*batch))
        return self._with(params, lambda: _first_that_fits(function, (self._obj, *batch), batch))


def _numbers(problem: Problem, numeric: Any, step: float | None) -> Arrays:
    """The author's own numeric gradient and its step, as arrays of the case."""
    found: Arrays = {}
    if numeric is not None:
        theirs = Problem(numeric, problem.original, ()).claims()
        found = {f"numeric_{name}": array for name, array in theirs.items()}
    if step is not None:
        found["eps"] = np.asarray(step, dtype=np.float64)
    return found


def _likeliest(problem: Problem, diagnose: Callable[[Arrays], tuple[str, str]]) -> Arrays:
    """Gates that come without names, in the order that needs the fewest mistakes to explain."""
    least, best = 1000.0, problem.orders[0]
    for order in problem.orders:
        assert problem.assignment is not None
        problem.assignment = Assignment(problem.assignment.leaf | order, [])
        report = json.loads(diagnose(problem.picked())[0])
        found = len(report["findings"]) if report["verdict"] != "agrees" else 0
        cost = found if found or report["verdict"] == "agrees" else 100
        if cost < least:
            least, best = cost, order
        if least <= 1:
            break
    assert problem.assignment is not None
    problem.assignment = Assignment(problem.assignment.leaf | best, [])
    return problem.picked()


def _first_that_fits(function: Callable[..., Any], *forms: tuple[Any, ...]) -> Any:
    import inspect

    signature = inspect.signature(function)
    for arguments in forms:
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return function(*arguments)
    raise TypeError(f"the loss {signature} takes neither (obj, *batch) nor (*batch)")


def _plain(name: str, taken: list[tuple[str, Array]]) -> str:
    """A name for an array of the batch that cannot be mistaken for a parameter's or for one that is there."""
    if name[:1].lower() in "wuvb" or name in {n for n, _ in taken}:
        return f"data_{name}"
    return name


def _crossing(name: str, array: Any) -> tuple[str, NDArray[np.float64], str]:
    values = to_numpy(array, name)
    if values.dtype.kind not in "fiub":
        raise TypeError(f"{name} holds {values.dtype}; it must hold real numbers")
    dtype = {"f": "float32" if values.dtype.itemsize <= 4 else "float64"}.get(values.dtype.kind, "int64")
    return name, np.ascontiguousarray(values, dtype=np.float64), dtype


class _Watched:
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


_GENERAL = ("cell", "activation", "head_activation", "loss", "truncation")


def _sorted_hints(hints: Mapping[str, str], names: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Roles of arrays, and what concerns the network."""
    roles: dict[str, str] = {}
    general: dict[str, str] = {}
    for key, value in hints.items():
        if key in names:
            roles[names[key]] = value
        elif key in _GENERAL:
            general[key] = value
        else:
            raise ValueError(f"hint {key!r} is neither an array ({', '.join(names)}) nor one of {', '.join(_GENERAL)}")
    return roles, general


doctor = Doctor()
