"""`net.fit` and `rg.Trainer`: the C++ loop and step with Python's callbacks."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._arrays import to_count
from ._layout import State
from .files import of_arrays
from .history import Epoch, History, Table, in_notebook
from .network import Network, as_bptt, as_loss
from .optim import Adam, Optimizer, as_method

Callback = Callable[[Epoch], object]


def fit(
    network: Network,
    x: ArrayLike,
    y: ArrayLike,
    lengths: Iterable[int] | None,
    *,
    loss: _core.Loss | str,
    optimizer: Optimizer | str,
    epochs: int,
    batch_size: int,
    bptt: _core.Bptt | str,
    clip_grad_norm: float,
    clip_grad_value: float,
    valid: float | Sequence[Any] | None,
    patience: int,
    schedule: str,
    warmup: int,
    sample_weight: ArrayLike | None,
    shuffle: bool,
    update_each_chunk: bool,
    checkpoint: bool,
    restore_best: bool,
    out: str | os.PathLike[str] | None,
    resume: bool,
    callbacks: Sequence[Callback],
    verbose: bool | None,
    seed: int,
) -> History:
    """`Network.fit`, which has the defaults and the words."""
    criterion = as_loss(loss)
    reading, layout, counts = network._reader.read(x, None, lengths)
    goal = network._reader.goal(y, sample_weight, criterion, layout, counts)
    kept, fraction = _validation(network, valid, criterion)
    has_valid = kept is not None or fraction > 0
    if resume and out is None:
        raise ValueError("resume=True without out; name the run's folder")
    settings = {
        "loss": criterion.name, "optimizer": str(optimizer), "epochs": epochs, "batch_size": batch_size,
        "bptt": str(as_bptt(bptt)), "clip_grad_norm": clip_grad_norm, "clip_grad_value": clip_grad_value,
        "patience": patience, "schedule": schedule, "warmup": warmup, "seed": seed, "network": network.config,
        "preprocess": of_arrays(network) | {"loss": criterion.name},
    }  # fmt: skip
    request = _core.FitRequest(
        as_method(optimizer), criterion, as_bptt(bptt), update_each_chunk, checkpoint, clip_grad_norm,
        clip_grad_value, seed,
        to_count(epochs, "epochs"), patience, schedule, warmup, to_count(batch_size, "batch_size"), shuffle,
        restore_best and has_valid, "" if out is None else os.fspath(out), json.dumps(settings), resume,
    )  # fmt: skip
    history = History()
    table = None
    if verbose or (verbose is None and _watched()):
        table = Table(epochs)

    def on_step(step: Any) -> bool:
        if table:
            table.on_step(step)
        return True

    def on_epoch(line: Any) -> bool:
        epoch = json.loads(line)
        history.epochs.append(epoch)
        if table:
            table.on_epoch(epoch)
        answers = [callback(epoch) for callback in callbacks]
        return all(answer is not False for answer in answers)

    result = _core.fit(network._core, reading, goal, kept, fraction, request, on_step, on_epoch)
    history.epochs[:0] = map(json.loads, result["earlier"])
    history.ending = result["ending"]
    history.best_epoch = result["best_epoch"]
    history.best_loss = result["best_loss"]
    history.failure = result["failure"]
    if history.failure:
        warnings.warn(f"training diverged: {history.failure}", RuntimeWarning, stacklevel=3)
    return history


def _watched() -> bool:
    return sys.stderr.isatty() or in_notebook()


def _validation(network: Network, valid: Any, loss: _core.Loss) -> tuple[Any, float]:
    """Arrays that are kept back, or the fraction to keep."""
    if valid is None:
        return None, 0.0
    if isinstance(valid, (int, float)):
        if not 0 < valid < 1:
            raise ValueError(f"valid is {valid}; a fraction must be between 0 and 1")
        return None, float(valid)
    if len(valid) not in (2, 3):
        raise ValueError(f"valid has {len(valid)} parts; give (x, y), (x, y, lengths) or a fraction")
    reading, layout, counts = network._reader.read(valid[0], None, valid[2] if len(valid) == 3 else None)
    return (reading, network._reader.goal(valid[1], None, loss, layout, counts)), 0.0


@dataclass(frozen=True)
class Step:
    """What one `Trainer.step` did.

    ``loss``, of the batch before the update; ``gradient_norm``, before clipping; ``updates`` that were made, and how
    many of them were ``clipped``; ``steps``, the valid time steps; ``failure``, where a number stopped being finite
    (the parameters are then as before), else None.
    """

    loss: float
    gradient_norm: float
    updates: int
    clipped: int
    steps: int
    failure: str | None


class Trainer:
    """One step of training at a time, for those who own the loop; the library owns the truncation::

        trainer = rg.Trainer(net, rg.SGD(0.1), bptt=rg.window(reach=40))
        for xt, yt in sensor:
            trainer.step(xt, yt)

    With ``bptt=full()`` every step's sequences begin anew. With ``chunk`` and ``window`` a step goes on where the one
    before ended, as a stream without end: a chunk's gradient stops at the cut, a window's goes `reach` steps back from
    every output, whichever call brought them. `reset` begins anew.

    Args:
        network: is trained in place.
        optimizer, loss, bptt, clip_grad_norm, clip_grad_value, update_each_chunk, checkpoint: as in `Network.fit`.
        seed: of the dropout masks.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer | str = Adam(1e-3),  # noqa: B008 - frozen
        *,
        loss: _core.Loss | str = "squared_error",
        bptt: _core.Bptt | str = "full",
        clip_grad_norm: float = 0.0,
        clip_grad_value: float = 0.0,
        update_each_chunk: bool = True,
        checkpoint: bool = False,
        seed: int = 1,
    ):
        self.network = network
        self._loss = as_loss(loss)
        self._bptt = as_bptt(bptt)
        kind = _core.Trainer32 if network.dtype == np.float32 else _core.Trainer64
        self._core = kind(
            network._core, as_method(optimizer), self._loss, self._bptt, update_each_chunk, checkpoint,
            clip_grad_norm, clip_grad_value, seed,
        )  # fmt: skip
        text, _, length = str(self._bptt).partition(":")
        self._streams = text != "full"
        self._reach = int(length) if text == "window" else 0
        self.reset()

    def reset(self) -> None:
        """The next step begins with the start state."""
        self._begins = True
        self._past: Any = None  # the steps before, as far as windows reach
        self._before: State = None  # the state before them

    @property
    def updates(self) -> int:
        """Made so far."""
        return int(self._core.updates)

    def step(
        self,
        x: ArrayLike,
        y: ArrayLike,
        lengths: Iterable[int] | None = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Step:
        """Forward, loss, backward, clipping, update.

        x is [B, T, I], or [T, I] for one sequence; y, lengths and sample_weight as target, lengths and sample_weight
        of `Network.loss_and_gradients`. The sequences of a stream go on where they ended, so a stream of windows takes
        no lengths.
        """
        if self._reach:
            return self._window_step(x, y, lengths, sample_weight)
        reading, layout, counts = self.network._reader.read(x, None, lengths)
        goal = self.network._reader.goal(y, sample_weight, self._loss, layout, counts)
        result = self._core.step(reading, goal, self._begins or not self._streams)
        self._begins = False
        return Step(**result)

    def _window_step(
        self, x: ArrayLike, y: ArrayLike, lengths: Iterable[int] | None, sample_weight: ArrayLike | None
    ) -> Step:
        """The steps before are run again, as far as this call's outputs reach, but their outputs weigh nothing."""
        if lengths is not None:
            raise ValueError("a stream of windows has no lengths: every step of x goes on with its stream")
        net = self.network
        values, layout, (batch, steps, _) = net._reader.values(x, None)
        past, joined = 0, values
        if self._past is not None:
            streams, past = self._past.shape[:2]
            if streams != batch:
                raise ValueError(f"x holds {batch} sequences; the stream has {streams}. Call reset() to begin anew")
            joined = np.concatenate([self._past, values], axis=1)
        goal = net._reader.goal(y, sample_weight, self._loss, layout, (batch, steps, []), past)
        if self._before is not None:
            self._core.carry(*self._before)
        result = self._core.step(net._reader.reading(joined), goal, self._before is None)
        first = max(0, past + steps - self._reach)
        if first > 0 or self._before is not None:
            self._before = self._states_at(first)
        self._past = joined[:, first:].copy()
        return Step(**result)

    def _states_at(self, step: int) -> tuple[list[Any], list[Any]]:
        """h and c of every layer before `step` of what was run last."""
        tape = self._core.tape()
        layers = range(self.network.num_layers)

        def at(which: int) -> list[Any]:
            return [np.ascontiguousarray(tape.states(k, False, which)[:, step]) for k in layers]

        return at(0), at(1) if self.network._reader.states.pair else []
