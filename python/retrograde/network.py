"""Elman, GRU and LSTM networks: PyTorch's names, shapes and meanings over the C++ library."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import _core
from ._arrays import Floats, require_finite, to_count, to_floats
from ._layout import Layout, State, StateShape
from ._reading import Reader
from .optim import Adam, Optimizer
from .reports import CheckReport
from .results import Gradients, Tape

if TYPE_CHECKING:
    from .history import History

N = TypeVar("N", bound="Network")


def as_bptt(value: _core.Bptt | str) -> _core.Bptt:
    """`rg.full()`, `rg.chunk(96)`, `rg.window(40)`, or the command line's "full", "chunk:96", "window:40"."""
    if isinstance(value, _core.Bptt):
        return value
    if isinstance(value, str):
        return _core.parse_bptt(value)
    raise TypeError(f"bptt is {value!r}; give rg.full(), rg.chunk(steps) or rg.window(reach)")


def as_loss(value: _core.Loss | str) -> _core.Loss:
    """A loss, or its name with the mean over valid steps and outputs."""
    if isinstance(value, _core.Loss):
        return value
    if isinstance(value, str):
        return _core.Loss(value)
    raise TypeError(f"loss is {value!r}; give a name such as 'squared_error', or rg.Loss(name, reduction=...)")


class Network:
    """Layers of recurrent cells and, if wanted, a head. Made by `Elman`, `GRU`, `LSTM`, `load` and `from_torch`."""

    _cell = ""
    _classes: dict[str, type[Network]] = {}  # noqa: RUF012 - a registry

    def __init_subclass__(cls) -> None:
        Network._classes[cls._cell] = cls

    def __init__(self, *args: Any, **kwargs: Any):
        raise TypeError("make networks with rg.Elman, rg.GRU or rg.LSTM, or read one with rg.load")

    # --- making ------------------------------------------------------------------------------------------

    def _set_up(self, config: Mapping[str, Any], dtype: DTypeLike, batch_first: bool) -> None:
        self._adopt(_core_class(dtype)(json.dumps(dict(config))), batch_first)

    def _adopt(self, core: Any, batch_first: bool = True) -> None:
        self._core = core
        self._config: dict[str, Any] = json.loads(core.config())
        self._dtype = np.dtype(np.float32 if isinstance(core, _core.Network32) else np.float64)
        self._parameters = MappingProxyType(self._named(core.flat()))
        c = self._config
        states = StateShape(tuple(c["hidden"]), 2 if c["bidirectional"] else 1, c["cell"] == "lstm")
        outputs = c["outputs"] or states.hidden[-1] * states.directions
        self._reader = Reader(
            self._dtype, bool(batch_first), c["inputs"], bool(c["tokens"]), outputs, c["at"] == "every", states
        )

    def _named(self, flat: Floats) -> dict[str, Floats]:
        return {
            name: flat[offset : offset + int(np.prod(shape))].reshape(shape)
            for name, shape, offset in self._core.blocks()
        }

    def _changed(self: N, dtype: DTypeLike, **changes: Any) -> N:
        """The same network with another configuration; parameters that still fit are kept."""
        other = object.__new__(type(self))
        other._set_up({**self._config, **changes}, dtype, self.batch_first)
        for name, values in self._parameters.items():
            if name in other._parameters and other._parameters[name].shape == values.shape:
                other._parameters[name][...] = values
        return other

    def with_head(self: N, output_size: int, activation: str = "identity", at: Literal["every", "last"] = "every") -> N:
        """A copy with an affine head y = activation(W h + b): [.., output_size].

        `activation`: identity, sigmoid, softmax, tanh, relu, ... ; losses that are entropies look before it.
        `at`: "every" step, or only the "last" (each sequence's own), where y has no time axis.
        """
        if at not in ("every", "last"):
            raise ValueError(f"at is {at!r}; it may be 'every' or 'last'")
        return self._changed(self._dtype, outputs=to_count(output_size, "output_size"), activation=activation, at=at)

    def astype(self: N, dtype: DTypeLike) -> N:
        """A copy whose `dtype` is float32 or float64."""
        return self._changed(dtype)

    def copy(self: N) -> N:
        """An independent copy."""
        return self._changed(self._dtype)

    __copy__ = copy

    def __deepcopy__(self: N, memo: Any) -> N:
        return self._changed(self._dtype)

    def __reduce__(self) -> Any:
        return _rebuilt, (self._config, self._dtype.str, self.batch_first, np.array(self._core.flat()))

    # --- what it is --------------------------------------------------------------------------------------

    @property
    def config(self) -> dict[str, Any]:
        """Everything that a file must say to build the network again."""
        return dict(self._config)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._dtype

    @property
    def batch_first(self) -> bool:
        """Whether arrays are [B, T, ...], else [T, B, ...]. It may be set."""
        return self._reader.batch_first

    @batch_first.setter
    def batch_first(self, value: bool) -> None:
        self._reader = replace(self._reader, batch_first=bool(value))

    @property
    def input_size(self) -> int:
        """Features of x; for a network that reads tokens the number of symbols."""
        return self._reader.inputs

    @property
    def hidden_size(self) -> int | list[int]:
        """Units of a layer; a list where the layers differ."""
        hidden = self._config["hidden"]
        return int(hidden[0]) if self._reader.states.uniform else list(hidden)

    @property
    def num_layers(self) -> int:
        """Layers, of one or two directions each."""
        return len(self._config["hidden"])

    @property
    def bidirectional(self) -> bool:
        """Whether every layer also reads the sequence from its end."""
        return bool(self._config["bidirectional"])

    @property
    def output_size(self) -> int:
        """Width of y: the head's, or the last layer's states of all directions."""
        return self._reader.outputs

    @property
    def at(self) -> str:
        """Whether y is there at "every" step or at the "last"."""
        return str(self._config["at"])

    @property
    def parameters(self) -> Mapping[str, Floats]:
        """Writable views by PyTorch's names: ``net.parameters["weight_hh_l0"][...] = u``."""
        return self._parameters

    @property
    def num_parameters(self) -> int:
        """Entries of all parameters together."""
        return int(self._core.flat().size)

    def __repr__(self) -> str:
        c = self._config
        hidden = "-".join(map(str, c["hidden"]))
        extra = ", bidirectional" if c["bidirectional"] else ""
        head = f", head {c['outputs']} ({c['activation']}, {c['at']})" if c["outputs"] else ""
        what = f"{c['inputs']} → {hidden}{extra}{head}; {self.num_parameters} parameters, {self._dtype}"
        return f"{type(self).__name__}({what})"

    def state_dict(self) -> dict[str, Floats]:
        """Copies of all parameters by PyTorch's names."""
        return {name: values.copy() for name, values in self._parameters.items()}

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Takes all parameters from `state` (arrays or tensors). Unknown, missing and misshapen ones are refused
        together, and then nothing is taken."""
        unknown = [name for name in state if name not in self._parameters]
        missing = [name for name in self._parameters if name not in state]
        problems = []
        if missing:
            problems.append(f"missing: {', '.join(missing)}")
        if unknown:
            problems.append(f"unknown: {', '.join(unknown)}")
        new: dict[str, Floats] = {}
        for name, old in self._parameters.items():
            if name in state:
                new[name] = to_floats(state[name], name, self._dtype)
                if new[name].shape != old.shape:
                    problems.append(f"{name} is {list(new[name].shape)}, the network wants {list(old.shape)}")
        if problems:
            raise ValueError(f"the state does not fit {self!r}. " + "; ".join(problems))
        for name, values in new.items():
            require_finite(values, name)
        for name, values in new.items():
            self._parameters[name][...] = values

    # --- running -----------------------------------------------------------------------------------------

    def __call__(self, x: ArrayLike, state: State = None, lengths: Iterable[int] | None = None) -> tuple[Floats, State]:
        """``y, state = net(x)``: runs the network, without dropout.

        x is [B, T, input_size] ([T, B, input_size] if not batch_first, [T, input_size] for one sequence without a
        batch); for a network that reads tokens, integers without the last axis. `state` is h, or (h, c) for an LSTM,
        [layers · directions, B, hidden]; zero by default. `lengths`, one a sequence in any order: steps past a
        sequence's own end are not read and their outputs are 0.
        """
        reading, layout, _ = self._reader.read(x, state, lengths)
        tape = self._tape(self._core.forward(reading, False, False), layout)
        return tape.outputs, tape.final_state

    def forward(
        self,
        x: ArrayLike,
        state: State = None,
        lengths: Iterable[int] | None = None,
        *,
        training: bool = False,
        seed: int = 0,
    ) -> Tape:
        """Like a call, but keeps what `backward` needs and what one may want to look at.

        Args:
            x, state, lengths: as in a call, ``net(x, state, lengths)``.
            training: turns dropout on, with masks drawn from `seed`.

        Returns:
            The tape: outputs, states and pre-activations of every layer and step.
        """
        reading, layout, _ = self._reader.read(x, state, lengths, seed if training else None)
        return self._tape(self._core.forward(reading, True, True), layout)

    def backward(
        self,
        tape: Tape,
        dy: ArrayLike | None = None,
        dstate: State = None,
        *,
        dz: ArrayLike | None = None,
        bptt: _core.Bptt | str = "full",
    ) -> Gradients:
        """The gradients of ⟨dy, outputs⟩ + ⟨dstate, final state⟩ by all parameters, x and the start state.

        Args:
            tape: of this network's `forward`, with the parameters as they were then.
            dy: the gradient by the outputs, in their shape.
            dstate: the one by the final state, in its form.
            dz: the one by the head's pre-activations, beside or instead of dy.
            bptt: how far errors go back through time.

        Raises:
            ValueError: a shape does not fit, or a number is not finite; the message says which.
        """
        layout = tape._layout
        outputs = tape.outputs

        def cotangent(value: ArrayLike | None, name: str) -> Floats | None:
            if value is None:
                return None
            array = to_floats(value, name, self._dtype)
            if array.shape != outputs.shape:
                raise ValueError(f"{name} is {array.shape}; the outputs are {outputs.shape}")
            array = layout.enter(array, self.at == "every")
            require_finite(array, name)
            return array

        batch = 1 if not layout.batched else outputs.shape[1 if layout.swap and self.at == "every" else 0]
        dh, dc = (None, None)
        if dstate is not None:
            dh, dc = self._reader.states.enter(dstate, "dstate", batch, layout, self._dtype)
        dense = not self._config["tokens"]
        flat, dx, h, c = self._core.backward(
            tape._core, cotangent(dy, "dy"), cotangent(dz, "dz"), dh, dc, as_bptt(bptt), dense
        )
        return Gradients(
            self._named(flat),
            flat,
            layout.leave(dx) if dense else None,
            self._reader.states.leave(h, c, layout),
        )

    def loss(
        self,
        x: ArrayLike,
        target: ArrayLike,
        *,
        loss: _core.Loss | str = "squared_error",
        state: State = None,
        lengths: Iterable[int] | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """The loss of the outputs at valid steps, without dropout.

        Arguments as in `loss_and_gradients`: x, target, loss, state, lengths, sample_weight.
        """
        criterion = as_loss(loss)
        reading, layout, counts = self._reader.read(x, state, lengths)
        goal = self._reader.goal(target, sample_weight, criterion, layout, counts)
        return float(self._core.loss(reading, criterion, goal))

    def loss_and_gradients(
        self,
        x: ArrayLike,
        target: ArrayLike,
        *,
        loss: _core.Loss | str = "squared_error",
        bptt: _core.Bptt | str = "full",
        state: State = None,
        lengths: Iterable[int] | None = None,
        sample_weight: ArrayLike | None = None,
        training: bool = False,
        seed: int = 0,
    ) -> tuple[float, Gradients]:
        """The loss and its gradients by all parameters.

        Args:
            x, state, lengths: as in a call, ``net(x, state, lengths)``.
            target: in the outputs' shape, [B, T, output_size] ([B, output_size] at "last"; for one output the last
                axis may be left out); for softmax_cross_entropy also integer classes, [B, T].
            loss: "squared_error", "absolute_error", "huber", "softmax_cross_entropy", "binary_cross_entropy", each the
                mean over valid steps and outputs; or `rg.Loss`, which says more.
            bptt: how far errors go back: `rg.full()`, `rg.chunk(steps)`, `rg.window(reach)`, or "window:20".
            sample_weight: of sequences and steps, [B, T] ([B] at "last").
            training: turns dropout on, with masks drawn from `seed`.

        Raises:
            ValueError: a shape does not fit (it is said which and what is wanted), or a number is not finite (its
                index is named). TypeError: not numbers.
        """
        criterion = as_loss(loss)
        reading, layout, counts = self._reader.read(x, state, lengths, seed if training else None)
        goal = self._reader.goal(target, sample_weight, criterion, layout, counts)
        value, flat = self._core.loss_and_gradients(reading, criterion, goal, as_bptt(bptt))
        return value, Gradients(self._named(flat), flat)

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        lengths: Iterable[int] | None = None,
        *,
        loss: _core.Loss | str = "squared_error",
        optimizer: Optimizer | str = Adam(1e-3),  # noqa: B008 - frozen
        epochs: int = 50,
        batch_size: int = 32,
        bptt: _core.Bptt | str = "full",
        clip_grad_norm: float = 0.0,
        clip_grad_value: float = 0.0,
        valid: float | Sequence[Any] | None = None,
        patience: int = 0,
        schedule: str = "constant",
        warmup: int = 0,
        sample_weight: ArrayLike | None = None,
        shuffle: bool = True,
        update_each_chunk: bool = True,
        checkpoint: bool = False,
        restore_best: bool = True,
        out: str | os.PathLike[str] | None = None,
        resume: bool = False,
        callbacks: Sequence[Callable[[dict[str, Any]], object]] = (),
        verbose: bool | None = None,
        seed: int = 1,
    ) -> History:
        """Trains this network on sequences x [N, T, input_size] and targets y, in place.

        Args:
            x, y, lengths: as x, target and lengths of `loss_and_gradients`. One long series is x [T, input_size], with
                a chunk or window.
            loss: a name or `rg.Loss`.
            optimizer: `rg.Adam(1e-3)`, or another.
            epochs: rounds through the data. batch_size: sequences a step. shuffle: a new order every epoch.
            bptt: `rg.full()`, `rg.chunk(steps)`, `rg.window(reach)`. With chunks there is one update a chunk, or one a
                batch with update_each_chunk=False.
            checkpoint: True trains long sequences in little memory: the tape is made twice, a stretch at a time.
            clip_grad_norm, clip_grad_value: limits of the gradient; 0 for none.
            valid: what is kept back: a fraction of the sequences (of one long series, its end), or (x, y) or
                (x, y, lengths).
            patience: epochs without a better loss before it ends; 0 for never.
            restore_best: with `valid`, the parameters of the best epoch are kept at the end.
            schedule: "constant" or "cosine"; warmup: updates at the start in which the rate rises.
            sample_weight: [N, T], or [N] for a head at the last step.
            out: a folder for the run: `best.safetensors`, `last.safetensors`, `metrics.jsonl`, `report.html`. With
                resume=True a run that is there goes on, to the same bits as if it had never stopped.
            callbacks: called with each epoch's dict; one that returns False ends the training.
            verbose: True for a table of epochs on stderr, False for nothing; by default on a terminal and in notebooks.
            seed: of the order, the split and dropout.

        Returns:
            The history: losses by epoch, how it ended, and a plot.

        Raises:
            ValueError, TypeError: as in `loss_and_gradients`, before anything is trained.
            FileError: `out` cannot be written, or what is to be resumed is damaged.

        Ctrl-C ends the training after the batch; what was learned stays, and the history says "interrupted".
        """
        from .training import fit

        return fit(
            self, x, y, lengths, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=batch_size, bptt=bptt,
            clip_grad_norm=clip_grad_norm, clip_grad_value=clip_grad_value, valid=valid, patience=patience,
            schedule=schedule, warmup=warmup, sample_weight=sample_weight, shuffle=shuffle,
            update_each_chunk=update_each_chunk, checkpoint=checkpoint, restore_best=restore_best, out=out,
            resume=resume, callbacks=callbacks, verbose=verbose, seed=seed,
        )  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes one `.safetensors` file to `path`, which `rg.load`, the command line and C++ read.

        Raises:
            FileError: the file cannot be written; an older one stays as it is.
        """
        from .files import save

        save(self, path)

    def check(
        self,
        x: ArrayLike,
        target: ArrayLike,
        *,
        loss: _core.Loss | str = "squared_error",
        bptt: _core.Bptt | str = "full",
        state: State = None,
        lengths: Iterable[int] | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> CheckReport:
        """Proves this network's own gradients right on this batch: by parameters, x and start state, for any
        truncation, against complex steps of the forward in float64.

        Arguments as in `loss_and_gradients`: x, target, loss, bptt, state, lengths, sample_weight.
        """
        criterion = as_loss(loss)
        double = self.astype(np.float64)
        reading, layout, counts = double._reader.read(x, state, lengths)
        goal = double._reader.goal(target, sample_weight, criterion, layout, counts)
        return CheckReport.of(_core.check_network(self._core, reading, criterion, goal, as_bptt(bptt)))

    def _tape(self, core_tape: Any, layout: Layout) -> Tape:
        return Tape(core_tape, layout, self._reader.states, self._reader.every)


def _core_class(dtype: DTypeLike) -> Any:
    kind = np.dtype(dtype)
    if kind == np.float32:
        return _core.Network32
    if kind == np.float64:
        return _core.Network64
    raise TypeError(f"dtype is {kind}; networks compute in float32 or float64")


def _rebuilt(config: dict[str, Any], dtype: str, batch_first: bool, flat: Floats) -> Network:
    network = object.__new__(Network._classes[config["cell"]])
    network._set_up(config, np.dtype(dtype), batch_first)
    network._core.flat()[...] = flat
    return network


def wrapped(core: Any, batch_first: bool = True) -> Network:
    """The Python network of a C++ one."""
    network = object.__new__(Network._classes[json.loads(core.config())["cell"]])
    network._adopt(core, batch_first)
    return network
