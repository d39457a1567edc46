from collections.abc import Callable, Mapping, Sequence
import os
from typing import Annotated, overload

import numpy
from numpy.typing import NDArray


version: str = '0.1.0'

class UsageError(ValueError):
    pass

class DataError(ValueError):
    pass

class FileError(OSError):
    pass

class Loss:
    """
    squared_error, absolute_error, huber, softmax_cross_entropy or binary_cross_entropy.

    The entropies look at the head's pre-activations, before softmax or sigmoid. `reduction`: "mean" over valid steps and outputs, "mean_batch" over sequences, or "sum". `class_weights`: one an output, for the entropies. `delta`: huber's.
    """

    def __init__(self, name: str, reduction: str = 'mean', class_weights: Sequence[float] = [], delta: float = 1.0) -> None: ...

    @property
    def name(self) -> str: ...

    @property
    def reduction(self) -> str: ...

class Bptt:
    """
    How far errors go back through time: full(), chunk(steps) or window(reach).
    """

    def __repr__(self) -> str: ...

    def __str__(self) -> str: ...

    def __eq__(self, other: object, /) -> bool: ...

    def __hash__(self) -> int: ...

def full() -> Bptt:
    """The exact gradient of the whole sequence's loss."""

def chunk(steps: int) -> Bptt:
    """
    The sequence is cut every `steps` steps: the state is carried across a cut, the gradient is not.
    """

def window(reach: int) -> Bptt:
    """
    Every output's error goes back through its own step and `reach` earlier ones, exactly.
    """

def parse_bptt(text: str) -> Bptt:
    """From "full", "chunk:96" or "window:40"."""

class Reading32:
    def __init__(self, x: Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)] | None, tokens: Annotated[NDArray[numpy.int32], dict(order='C', device='cpu', writable=False)] | None, lengths: Sequence[int], h: Sequence[Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)]] | None, c: Sequence[Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)]] | None, dropout_seed: int | None) -> None: ...

class Goal32:
    def __init__(self, values: Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)] | None, classes: Annotated[NDArray[numpy.int32], dict(order='C', device='cpu', writable=False)] | None, weights: Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)] | None) -> None: ...

class Tape32:
    def outputs(self) -> NDArray[numpy.float32]: ...

    def head_preactivations(self) -> NDArray[numpy.float32]: ...

    def states(self, layer: int, reverse: bool, which: int) -> NDArray[numpy.float32]: ...

    def preactivations(self, layer: int, reverse: bool) -> NDArray[numpy.float32]: ...

    def final_state(self) -> tuple[list[NDArray[numpy.float32]], list[NDArray[numpy.float32]]]: ...

class Network32:
    def __init__(self, config: str) -> None: ...

    def config(self) -> str: ...

    def blocks(self) -> list[tuple[str, list[int], int]]: ...

    def flat(self) -> Annotated[NDArray[numpy.float32], dict(shape=(None,))]:
        """All parameters, writable, in the order of blocks()."""

    def forward(self, reading: Reading32, keep_tape: bool, keep_preactivations: bool) -> Tape32: ...

    def backward(self, tape: Tape32, dy: Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)] | None, dz: Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)] | None, dh: Sequence[Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)]] | None, dc: Sequence[Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)]] | None, bptt: Bptt, want_dx: bool) -> tuple[NDArray[numpy.float32], NDArray[numpy.float32], list[NDArray[numpy.float32]], list[NDArray[numpy.float32]]]: ...

    def loss(self, reading: Reading32, loss: Loss, goal: Goal32) -> float: ...

    def loss_and_gradients(self, reading: Reading32, loss: Loss, goal: Goal32, bptt: Bptt) -> tuple[float, NDArray[numpy.float32]]: ...

@overload
def first_not_finite(array: Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)], lengths: Sequence[int]) -> int: ...

@overload
def first_not_finite(array: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)], lengths: Sequence[int]) -> int:
    """
    Index into the flattened array of the first entry that is NaN or infinite, else -1. With `lengths` the array is [B, T, ...] and steps past a sequence's end are not looked at.
    """

class Reading64:
    def __init__(self, x: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)] | None, tokens: Annotated[NDArray[numpy.int32], dict(order='C', device='cpu', writable=False)] | None, lengths: Sequence[int], h: Sequence[Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)]] | None, c: Sequence[Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)]] | None, dropout_seed: int | None) -> None: ...

class Goal64:
    def __init__(self, values: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)] | None, classes: Annotated[NDArray[numpy.int32], dict(order='C', device='cpu', writable=False)] | None, weights: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)] | None) -> None: ...

class Tape64:
    def outputs(self) -> NDArray[numpy.float64]: ...

    def head_preactivations(self) -> NDArray[numpy.float64]: ...

    def states(self, layer: int, reverse: bool, which: int) -> NDArray[numpy.float64]: ...

    def preactivations(self, layer: int, reverse: bool) -> NDArray[numpy.float64]: ...

    def final_state(self) -> tuple[list[NDArray[numpy.float64]], list[NDArray[numpy.float64]]]: ...

class Network64:
    def __init__(self, config: str) -> None: ...

    def config(self) -> str: ...

    def blocks(self) -> list[tuple[str, list[int], int]]: ...

    def flat(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]:
        """All parameters, writable, in the order of blocks()."""

    def forward(self, reading: Reading64, keep_tape: bool, keep_preactivations: bool) -> Tape64: ...

    def backward(self, tape: Tape64, dy: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)] | None, dz: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)] | None, dh: Sequence[Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)]] | None, dc: Sequence[Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)]] | None, bptt: Bptt, want_dx: bool) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64], list[NDArray[numpy.float64]], list[NDArray[numpy.float64]]]: ...

    def loss(self, reading: Reading64, loss: Loss, goal: Goal64) -> float: ...

    def loss_and_gradients(self, reading: Reading64, loss: Loss, goal: Goal64, bptt: Bptt) -> tuple[float, NDArray[numpy.float64]]: ...

class Method:
    """
    An optimiser's formula and options; see retrograde.Adam and the others.
    """

    @property
    def name(self) -> str: ...

def sgd(lr: float, momentum: float, dampening: float, nesterov: bool, weight_decay: float) -> Method: ...

def rmsprop(lr: float, alpha: float, eps: float, momentum: float, centered: bool, weight_decay: float) -> Method: ...

def adam(lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Method: ...

def adamw(lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Method: ...

class Optimizer32:
    def __init__(self, method: Method, size: int) -> None: ...

    def step(self, parameters: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')], gradients: Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)]) -> None: ...

@overload
def clip_norm(gradients: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')], limit: float) -> float: ...

@overload
def clip_norm(gradients: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')], limit: float) -> float:
    """
    Shortens the gradient, in place, to the limit; returns its norm before.
    """

class Optimizer64:
    def __init__(self, method: Method, size: int) -> None: ...

    def step(self, parameters: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')], gradients: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)]) -> None: ...

class BlockResult:
    """The verdict on one block of parameters."""

    @property
    def name(self) -> str: ...

    @property
    def verdict(self) -> str: ...

    @property
    def entries(self) -> int:
        """of the block"""

    @property
    def checked(self) -> int:
        """entries or directions that were compared"""

    @property
    def bad(self) -> int:
        """entries that differ"""

    @property
    def not_finite(self) -> int:
        """of the bad: NaN or infinite"""

    @property
    def unresolved(self) -> int:
        """entries that nobody can tell"""

    @property
    def kinks(self) -> int:
        """entries with a kink within the finite difference's step"""

    @property
    def worst_at(self) -> str:
        """index of the worst entry, in words"""

    @property
    def claimed(self) -> float: ...

    @property
    def true(self) -> float: ...

    @property
    def gap(self) -> float: ...

    @property
    def allowed(self) -> float: ...

    @property
    def relative_gap(self) -> float: ...

    @property
    def scale(self) -> float:
        """largest |true|"""

    @property
    def cosine(self) -> float: ...

    @property
    def norm_ratio(self) -> float:
        """|claimed| / |true|"""

    @property
    def note(self) -> str: ...

class CheckResult:
    """What the judge says; see retrograde.CheckReport."""

    @property
    def verdict(self) -> str: ...

    @property
    def blocks(self) -> list[BlockResult]: ...

    @property
    def mode(self) -> str: ...

    @property
    def oracle(self) -> str: ...

    @property
    def entries(self) -> int: ...

    @property
    def checked(self) -> int: ...

    @property
    def evaluations(self) -> int: ...

    @property
    def seconds(self) -> float: ...

    @property
    def power(self) -> str: ...

    @property
    def notes(self) -> list[str]: ...

    def line(self) -> str: ...

    def text(self) -> str: ...

    def json(self) -> str: ...

def check(real: Callable, complex: Callable | None, theta: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)], claimed: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)], blocks: Sequence[tuple[str, Sequence[int], Sequence[str]]], single_precision: bool, mode: str, entries: int, miss: float, seconds: float, seed: int, progress: Callable | None) -> CheckResult: ...

def slope(f: Callable, theta: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)], direction: Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)]) -> tuple[float, float]:
    """The slope of f along the direction by differences, and its error bar."""

def diagnose(arrays: Sequence[tuple[str, Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)], str]], roles: Mapping[str, str], hints: Mapping[str, str], loss: Callable | None, gradient: Callable | None, seconds: float, progress: Callable | None) -> tuple[str, str]:
    """
    The report as JSON and as text. `arrays`: (name, float64 values, dtype it had).
    """

class SelfTestError(FileError):
    pass

@overload
def save(path: str | os.PathLike, network: Network32, preprocess: str) -> None: ...

@overload
def save(path: str | os.PathLike, network: Network64, preprocess: str) -> None: ...

def load(path: str | os.PathLike) -> tuple[object, str]:
    """The network and what the file says about preprocessing (JSON)."""

@overload
def check_network(network: Network32, reading: Reading64, loss: Loss, goal: Goal64, bptt: Bptt) -> CheckResult: ...

@overload
def check_network(network: Network64, reading: Reading64, loss: Loss, goal: Goal64, bptt: Bptt) -> CheckResult: ...

@overload
def truncation_bias(network: Network32, reading: Reading64, loss: Loss, goal: Goal64, truncations: Sequence[Bptt]) -> tuple[str, str]: ...

@overload
def truncation_bias(network: Network64, reading: Reading64, loss: Loss, goal: Goal64, truncations: Sequence[Bptt]) -> tuple[str, str]:
    """As JSON and as text."""

class FitRequest:
    def __init__(self, method: Method, loss: Loss, bptt: Bptt, update_each_chunk: bool, checkpoint: bool, clip_norm: float, clip_value: float, seed: int, epochs: int, patience: int, schedule: str, warmup: int, batch_size: int, shuffle: bool, restore_best: bool, out: str, settings: str, resume: bool) -> None: ...

class Trainer32:
    def __init__(self, network: Network32, method: Method, loss: Loss, bptt: Bptt, update_each_chunk: bool, checkpoint: bool, clip_norm: float, clip_value: float, seed: int) -> None: ...

    def step(self, reading: Reading32, goal: Goal32, begins: bool) -> dict: ...

    @property
    def updates(self) -> int: ...

    @property
    def rate(self) -> float: ...

    def tape(self) -> Tape32: ...

    def carry(self, h: Sequence[Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)]], c: Sequence[Annotated[NDArray[numpy.float32], dict(order='C', device='cpu', writable=False)]]) -> None:
        """The states with which the next step goes on."""

@overload
def fit(network: Network32, x: Reading32, y: Goal32, valid: tuple[Reading32, Goal32] | None, valid_fraction: float, request: FitRequest, on_step: Callable[[object], bool], on_epoch: Callable[[object], bool]) -> dict: ...

@overload
def fit(network: Network64, x: Reading64, y: Goal64, valid: tuple[Reading64, Goal64] | None, valid_fraction: float, request: FitRequest, on_step: Callable[[object], bool], on_epoch: Callable[[object], bool]) -> dict: ...

class Trainer64:
    def __init__(self, network: Network64, method: Method, loss: Loss, bptt: Bptt, update_each_chunk: bool, checkpoint: bool, clip_norm: float, clip_value: float, seed: int) -> None: ...

    def step(self, reading: Reading64, goal: Goal64, begins: bool) -> dict: ...

    @property
    def updates(self) -> int: ...

    @property
    def rate(self) -> float: ...

    def tape(self) -> Tape64: ...

    def carry(self, h: Sequence[Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)]], c: Sequence[Annotated[NDArray[numpy.float64], dict(order='C', device='cpu', writable=False)]]) -> None:
        """The states with which the next step goes on."""
