"""What a style of writing recurrent networks by hand hands over: parameters, a batch, and loss and gradient.

A recipe is a string of words joined by "+": words that choose a correct variant of the style ("relu", "mean") and
words that plant a mistake ("no transpose"). A style's `build(rng, words)` makes the Program; its FAULTS say which
catalogue names the doctor should find: a list with one entry a mistake, "a|b" where two names are equally right,
and no entry where the mistake is in no catalogue and must be left unnamed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass
class Program:
    parameters: Arrays
    batch: Arrays
    run: Callable[[Arrays, Arrays], tuple[float, Arrays]]  # loss and gradients
    hints: dict[str, str] = field(default_factory=dict)
    tells_loss: bool = True  # else the loss is not handed over
    truth: Callable | None = None  # the same in double precision, for differences
    extra: Arrays = field(default_factory=dict)  # more that the author would store: outputs, numeric gradients


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * z))


def softmax(z: np.ndarray, axis: int = -1) -> np.ndarray:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def one_hot(indices: np.ndarray, size: int) -> np.ndarray:
    return np.eye(size)[indices]
