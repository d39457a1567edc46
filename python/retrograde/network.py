"""Elman, GRU and LSTM networks: PyTorch's names, shapes and meanings over the C++ library."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import _core
from ._arrays import Floats, describe, require_finite, to_count, to_floats, to_indices, to_lengths, to_numpy
from ._layout import Layout, State, StateShape
from .reports import CheckReport
from .results import Gradients, Tape

if TYPE_CHECKING:
    from .history import History

N = TypeVar("N", bound="Network")
Counts = tuple[int, int, list[int]]  # sequences, steps, lengths


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
        self.batch_first = bool(batch_first)
        self._config: dict[str, Any] = json.loads(core.config())
        self._dtype = np.dtype(np.float32 if isinstance(core, _core.Network32) else np.float64)
        self._parameters = MappingProxyType(self._named(core.flat()))
        hidden = tuple(self._config["hidden"])
        directions = 2 if self._config["bidirectional"] else 1
        self._state_shape = StateShape(hidden, directions, self._config["cell"] == "lstm")

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
        """A copy in float32 or float64."""
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
    def input_size(self) -> int:
        return int(self._config["inputs"])

    @property
    def hidden_size(self) -> int | list[int]:
        hidden = self._config["hidden"]
        return int(hidden[0]) if self._state_shape.uniform else list(hidden)

    @property
    def num_layers(self) -> int:
        return len(self._config["hidden"])

    @property
    def bidirectional(self) -> bool:
        return bool(self._config["bidirectional"])

    @property
    def output_size(self) -> int:
        """Width of y: the head's, or the last layer's states of all directions."""
        return int(self._config["outputs"]) or self._config["hidden"][-1] * self._state_shape.directions

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
        reading, layout, _ = self._read(x, state, lengths)
        return self._results(self._core.forward(reading, False, False), layout)

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

        `training` turns dropout on, with masks drawn from `seed`.
        """
        reading, layout, _ = self._read(x, state, lengths, seed if training else None)
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

        `dy` has the outputs' shape. `dz`, the gradient by the head's pre-activations, may be given beside or instead
        of it. The network's parameters must be those of the forward.
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
            dh, dc = self._state_shape.enter(dstate, "dstate", batch, layout, self._dtype)
        dense = not self._config["tokens"]
        flat, dx, h, c = self._core.backward(
            tape._core, cotangent(dy, "dy"), cotangent(dz, "dz"), dh, dc, as_bptt(bptt), dense
        )
        return Gradients(
            self._named(flat),
            flat,
            layout.leave(dx) if dense else None,
            self._state_shape.leave(h, c, layout),
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
        """The loss of the outputs at valid steps, without dropout."""
        criterion = as_loss(loss)
        reading, layout, counts = self._read(x, state, lengths)
        return float(self._core.loss(reading, criterion, self._goal(target, sample_weight, criterion, layout, counts)))

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

        `target` has the outputs' shape (for one output its axis may be left out); for softmax_cross_entropy it may be
        integer classes without the last axis. `sample_weight` weighs sequences and steps, [B, T] ([B] at "last").
        `bptt`: how far errors go back through time.
        """
        criterion = as_loss(loss)
        reading, layout, counts = self._read(x, state, lengths, seed if training else None)
        value, flat = self._core.loss_and_gradients(
            reading, criterion, self._goal(target, sample_weight, criterion, layout, counts), as_bptt(bptt)
        )
        return value, Gradients(self._named(flat), flat)

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        lengths: Iterable[int] | None = None,
        **options: Any,
    ) -> History:
        """Trains this network on sequences x [N, T, input_size] and targets y, in place.

        Args:
            x, y, lengths: as in `loss_and_gradients`. One long series is x [T, input_size], with a chunk or window.
            loss: a name or `rg.Loss`; "squared_error".
            optimizer: `rg.Adam(1e-3)`, or another.
            epochs: 50. batch_size: sequences a step, 32. shuffle: a new order every epoch.
            bptt: `rg.full()`, `rg.chunk(steps)`, `rg.window(reach)`. With chunks there is one update a chunk, or one a
                batch with update_each_chunk=False.
            clip_grad_norm, clip_grad_value: limits of the gradient; 0 for none.
            valid: what is kept back: a fraction of the sequences (of one long series, its end), or (x, y) or
                (x, y, lengths).
            patience: epochs without a better loss before it ends; 0 for never.
            restore_best: with `valid`, the parameters of the best epoch are kept at the end. True.
            schedule: "constant" or "cosine"; warmup: updates at the start in which the rate rises.
            sample_weight: [N, T], or [N] for a head at the last step.
            out: a folder for the run: `best.safetensors`, `last.safetensors`, `metrics.jsonl`, `report.html`. With
                resume=True a run that is there goes on, to the same bits as if it had never stopped.
            callbacks: called with each epoch's dict; one that returns False ends the training.
            verbose: True for a table of epochs on stderr, False for nothing; by default on a terminal and in notebooks.
            seed: of the order, the split and dropout.

        Ctrl-C ends the training after the batch; what was learned stays, and the history says "interrupted".
        """
        from .training import fit

        return fit(self, x, y, lengths, **options)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes one `.safetensors` file, which `rg.load`, the command line and C++ read."""
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
        truncation, against complex steps of the forward in float64."""
        criterion = as_loss(loss)
        double = self.astype(np.float64)
        reading, layout, counts = double._read(x, state, lengths)
        goal = double._goal(target, sample_weight, criterion, layout, counts)
        return CheckReport.of(_core.check_network(self._core, reading, criterion, goal, as_bptt(bptt)))

    # --- between the caller's arrays and the library's -----------------------------------------------------

    def _results(self, core_tape: Any, layout: Layout) -> tuple[Floats, State]:
        tape = self._tape(core_tape, layout)
        return tape.outputs, tape.final_state

    def _tape(self, core_tape: Any, layout: Layout) -> Tape:
        return Tape(core_tape, layout, self._state_shape, self.at == "every")

    def _read(
        self, x: ArrayLike, state: State, lengths: Iterable[int] | None, dropout_seed: int | None = None
    ) -> tuple[Any, Layout, Counts]:
        """The library's reading of x, its layout, and (batch, steps, lengths)."""
        array, layout, counts = self._values(x, lengths)
        h, c = (None, None)
        if state is not None:
            h, c = self._state_shape.enter(state, "state", counts[0], layout, self._dtype)
            for part in [*h, *(c or [])]:
                require_finite(part, "state")
        return self._reading(array, counts[2], h, c, dropout_seed), layout, counts

    def _reading(
        self, array: Any, lengths: Sequence[int] = (), h: Any = None, c: Any = None, dropout_seed: int | None = None
    ) -> Any:
        kind = _core.Reading32 if self._dtype == np.float32 else _core.Reading64
        dense, tokens = (None, array) if self._config["tokens"] else (array, None)
        return kind(dense, tokens, list(lengths), h, c, dropout_seed)

    def _values(self, x: ArrayLike, lengths: Iterable[int] | None) -> tuple[Any, Layout, Counts]:
        """x batch first and batched, in the network's type, and known to fit."""
        tokens = bool(self._config["tokens"])
        values = to_indices(x, "x") if tokens else to_floats(x, "x", self._dtype)
        rank = 1 if tokens else 2
        layout = Layout(values.ndim == rank + 1, self.batch_first)
        axes = layout.axes([] if tokens else ["I"])
        first = "batch first" if self.batch_first else "time first"
        if values.ndim not in (rank, rank + 1):
            wanted = Layout(True, self.batch_first).axes([] if tokens else ["I"])
            raise ValueError(f"x is {values.shape}; it must be ({', '.join(wanted)}), {first}, or without B")
        if not tokens and values.shape[-1] != self.input_size:
            raise ValueError(
                f"x has {values.shape[-1]} features, the model wants {self.input_size}. "
                f"x: {describe(values, axes)}, {first}"
            )
        if values.size == 0:
            raise ValueError(f"x is empty: {describe(values, axes)}")
        array = layout.enter(values)
        batch, steps = array.shape[:2]
        counts = to_lengths(lengths, batch, steps)
        if not tokens:
            words = {"B": "batch", "T": "time", "I": "feature"}
            self._require_finite(array, "x", [words[a] for a in axes], counts, layout)
        return array, layout, (batch, steps, counts)

    def _require_finite(
        self, array: Floats, name: str, words: Sequence[str], counts: list[int], layout: Layout
    ) -> None:
        if layout.batched:
            require_finite(array, name, words, counts, layout.swap)
        else:
            require_finite(array[0, : counts[0] if counts else None], name, words)

    def _goal(
        self,
        target: ArrayLike,
        sample_weight: ArrayLike | None,
        loss: _core.Loss,
        layout: Layout,
        counts: Counts,
        past: int = 0,
    ) -> Any:
        """Values or classes, and weights, in the library's layout. `past`: steps before them that weigh nothing."""
        batch, steps, lengths = counts
        every = self.at == "every"
        head = ((steps, batch) if layout.swap else (batch, steps)) if every else (batch,)
        lead = head if layout.batched else head[1:]
        axes = layout.axes(["O"], every)
        words = [{"B": "batch", "T": "time", "O": "output"}[a] for a in axes]
        if not every:
            past, lengths = 0, []

        def enter(array: Any) -> Any:
            array = layout.enter(array, every)
            if not past:
                return array
            return np.concatenate([np.zeros((batch, past, *array.shape[2:]), array.dtype), array], axis=1)

        weights = None
        if sample_weight is not None or past:
            given = np.ones(lead) if sample_weight is None else sample_weight
            weights = to_floats(given, "sample_weight", self._dtype)
            if weights.shape != lead:
                raise ValueError(f"sample_weight is {weights.shape}; it must be {describe(np.empty(lead), axes[:-1])}")
            self._require_finite(layout.enter(weights, every), "sample_weight", words[:-1], lengths, layout)
            weights = enter(weights)

        goal = _core.Goal32 if self._dtype == np.float32 else _core.Goal64
        array = to_numpy(target, "target")
        if loss.name == "softmax_cross_entropy" and array.dtype.kind in "iu" and array.shape == lead:
            return goal(None, enter(to_indices(array, "target")), weights)
        width = self.output_size
        if array.shape == lead and width == 1:
            array = array[..., None]
        if array.shape != (*lead, width):
            raise ValueError(
                f"target is {describe(array, axes)}; the outputs are {describe(np.empty((*lead, width)), axes)}"
            )
        values = to_floats(array, "target", self._dtype)
        self._require_finite(layout.enter(values, every), "target", words, lengths, layout)
        return goal(enter(values), None, weights)


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
