"""The networks by cell: Elman, GRU, LSTM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from ._arrays import to_count
from .network import Network


def _configuration(
    cell: str,
    input_size: int,
    hidden_size: int | Sequence[int],
    num_layers: int,
    bias: bool,
    dropout: float,
    recurrent_dropout: float,
    bidirectional: bool,
    init: str,
    tokens: bool,
    embedding: int,
    learned_start: bool,
    seed: int,
    **extra: Any,
) -> dict[str, Any]:
    if isinstance(hidden_size, Sequence):
        hidden = [to_count(n, "hidden_size") for n in hidden_size]
        if num_layers not in (1, len(hidden)):
            raise ValueError(f"hidden_size gives {len(hidden)} layers, num_layers {num_layers}")
    else:
        hidden = [to_count(hidden_size, "hidden_size")] * to_count(num_layers, "num_layers")
    return {
        "cell": cell,
        "inputs": to_count(input_size, "input_size"),
        "tokens": bool(tokens),
        "embedding": int(embedding),
        "hidden": hidden,
        "outputs": 0,
        "activation": "identity",
        "at": "every",
        "bidirectional": bool(bidirectional),
        "bias": bool(bias),
        "dropout": float(dropout),
        "recurrent_dropout": float(recurrent_dropout),
        "learned_start": bool(learned_start),
        "initialisation": init,
        "seed": int(seed),
        **extra,
    }


_ARGUMENTS = """
    Args:
        input_size: features of x; with ``tokens=True`` the number of symbols.
        hidden_size: units of each layer; a list gives each layer its own number.
        num_layers: layers, each reading the states of the one below.
        bias: whether there are the parameters bias_ih and bias_hh.
        batch_first: arrays are [B, T, ...], else [T, B, ...].
        dropout: between layers; recurrent_dropout: on the state that meets U, one mask a sequence. Only in training.
        bidirectional: every layer also reads the sequence from its end; y is then [..., 2 · hidden_size].
        init: "keras" (Glorot, orthogonal, forget bias 1) or "torch" (U(±1/√H)), drawn from `seed`.
        tokens, embedding: x is integers below input_size, [B, T]; one-hot, or embedded with the given width.
        learned_start: the start states are parameters.
        dtype: float32 or float64.

    Raises:
        ValueError: a size, a probability or a name is out of its range. TypeError: of the wrong kind.
"""



class Elman(Network):
    """A simple recurrent network, h' = f(W x + b + U h + b), like ``torch.nn.RNN`` (Elman 1990).

    ``nonlinearity`` is f: "tanh", "relu", "sigmoid", ...; an unknown name is answered with the list.
    """

    _cell = "elman"

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        bidirectional: bool = False,
        init: Literal["keras", "torch"] = "keras",
        tokens: bool = False,
        embedding: int = 0,
        learned_start: bool = False,
        dtype: DTypeLike = np.float32,
        seed: int = 1,
    ):
        config = _configuration(
            "elman", input_size, hidden_size, num_layers, bias, dropout, recurrent_dropout, bidirectional, init,
            tokens, embedding, learned_start, seed, nonlinearity=nonlinearity,
        )  # fmt: skip
        self._set_up(config, dtype, batch_first)


class GRU(Network):
    """A gated recurrent unit, like ``torch.nn.GRU`` (Cho et al. 2014).

    ``reset_after=False`` is the original form, in which the reset gate meets the state before the product (Keras 1).
    """

    _cell = "gru"

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        *,
        reset_after: bool = True,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        bidirectional: bool = False,
        init: Literal["keras", "torch"] = "keras",
        tokens: bool = False,
        embedding: int = 0,
        learned_start: bool = False,
        dtype: DTypeLike = np.float32,
        seed: int = 1,
    ):
        config = _configuration(
            "gru", input_size, hidden_size, num_layers, bias, dropout, recurrent_dropout, bidirectional, init,
            tokens, embedding, learned_start, seed, reset_after=bool(reset_after),
        )  # fmt: skip
        self._set_up(config, dtype, batch_first)


class LSTM(Network):
    """A long short-term memory with forget gate, like ``torch.nn.LSTM`` (Hochreiter & Schmidhuber 1997)."""

    _cell = "lstm"

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        bidirectional: bool = False,
        init: Literal["keras", "torch"] = "keras",
        tokens: bool = False,
        embedding: int = 0,
        learned_start: bool = False,
        dtype: DTypeLike = np.float32,
        seed: int = 1,
    ):
        config = _configuration(
            "lstm", input_size, hidden_size, num_layers, bias, dropout, recurrent_dropout, bidirectional, init,
            tokens, embedding, learned_start, seed,
        )  # fmt: skip
        self._set_up(config, dtype, batch_first)


for _class in (Elman, GRU, LSTM):
    _class.__doc__ = f"{(_class.__doc__ or '').rstrip()}\n{_ARGUMENTS}"
