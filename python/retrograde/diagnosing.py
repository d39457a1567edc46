"""`rg.doctor`: which line of this gradient is wrong? For code that anybody wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import Array, Arrays, to_numpy
from ._assignment import Assignment
from ._flat import Flat
from ._matching import orders, settle
from ._methods import Methods
from ._problem import Problem
from ._watched import Watched
from .reports import Diagnosis


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
        seconds: float = 3.0,
        progress: Callable[[str], None] | None = None,
    ) -> Diagnosis:
        """Finds out which network this is the gradient of, whether it is right, and what is wrong with it.

        Args:
            gradient, params, batch, loss: as in `rg.check`; a loss makes the diagnosis surer. A gradient function may
                return the loss before the gradients instead.
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
        loss = Watched(problem, problem.loss) if problem.has_loss else None
        gradient = Watched(problem, problem.gradient) if problem.has_gradient else None
        value = loss.first() if loss else None
        claims = gradient.first() if gradient else problem.claims()
        if gradient and problem.returned_loss is not None:
            value = problem.returned_loss
            loss = gradient.beside(problem.loss, value)
        if problem.assignment and problem.assignment.open:
            problem.orders = orders(problem.assignment, {})
        if loss:
            claims = settle(problem, claims, Flat(problem).real)
        given = {name: f"d{name}" for name in claims}
        taken = {*problem.arrays, *given.values()}
        renamed = {name: _plain(name, taken) for name in problem.batch_arrays}
        roles = {g: f"gradient of {n if n in problem.arrays else renamed[n]}" for n, g in given.items()}
        roles |= dict.fromkeys(problem.arrays, "parameter")
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
        self, arrays: Mapping[str, Any] | None = None, *, hints: Mapping[str, str] | None = None, seconds: float = 3.0,
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
        seconds: float = 3.0,
        progress: Callable[[str], None] | None = None,
    ) -> Diagnosis:
        """For a class whose parameters are attributes and whose gradient is a method.

        Args:
            obj: the user's object. It is used as it is, and left as it was.
            method: the gradient's name; called as ``obj.method(*batch)``. It returns gradients in (nested) tuples or a
                dict; or None or the loss, if it leaves them in attributes named like the parameters (dW, W_grad, ...).
            params: the attributes that hold the parameters, or paths to them ("cell.W"); a dict or an object stands for
                all arrays that it holds.
            loss: a method's name, or a function of ``(obj, *batch)`` or of ``(*batch)``.
            outputs, hints, seconds, progress: as in a call, ``rg.doctor(...)``.
        """
        functions = Methods(obj, method, list(params), loss)
        with functions.kept():
            problem = Problem(
                functions.gradient, functions.params(), batch, functions.loss if loss is not None else None,
                names=getattr(obj, method),
            )  # fmt: skip
            return self._diagnose(problem, outputs, hints, seconds, progress, {})


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


def _plain(name: str, taken: set[str]) -> str:
    """A name for an array of the batch that cannot be mistaken for a parameter's or for one that is there."""
    if name[:1].lower() in "wuvb" or name in taken:
        return f"data_{name}"
    return name


def _crossing(name: str, array: Any) -> tuple[str, NDArray[np.float64], str]:
    values = to_numpy(array, name)
    if values.dtype.kind not in "fiub":
        raise TypeError(f"{name} holds {values.dtype}; it must hold real numbers")
    dtype = {"f": "float32" if values.dtype.itemsize <= 4 else "float64"}.get(values.dtype.kind, "int64")
    return name, np.ascontiguousarray(values, dtype=np.float64), dtype


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
