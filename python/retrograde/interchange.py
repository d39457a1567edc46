"""From and to PyTorch and Keras. Which gate stands where is one table; everything unknown or missing is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ._arrays import Floats, to_numpy
from .cells import GRU, LSTM, Elman
from .network import Network
from .pt_file import read_pt

# The order in which stacked blocks hold the gates. LSTM: input, forget, candidate g, output; GRU: reset, update z,
# candidate n. Ours is PyTorch's.
GATES = {
    "torch": {"elman": "h", "lstm": "ifgo", "gru": "rzn"},
    "keras": {"elman": "h", "lstm": "ifgo", "gru": "zrn"},
}
_CELL_OF_GATES = {1: "elman", 3: "gru", 4: "lstm"}


def _reorder(stacked: Floats, cell: str, source: str, target: str) -> Floats:
    """Blocks of gates along axis 0, from one order to another."""
    have, want = GATES[source][cell], GATES[target][cell]
    blocks = dict(zip(have, np.split(stacked, len(have)), strict=True))
    return np.concatenate([blocks[gate] for gate in want])


# --- PyTorch ------------------------------------------------------------------------------------------------------


def from_torch(
    source: Any,
    head: Any = None,
    *,
    nonlinearity: str = "tanh",
    activation: str = "identity",
    at: Literal["every", "last"] = "every",
    dtype: DTypeLike | None = None,
) -> Network:
    """A network with PyTorch's weights.

    Args:
        source: a ``torch.nn.RNN``, ``GRU`` or ``LSTM``; or a state dict with its tensors (and those of one linear
            layer after it) under any prefix; or the path of a ``.pt`` file of such a state dict, which is read
            without torch and without executing it.
        head: a ``torch.nn.Linear`` after it.
        nonlinearity: of an Elman network from a state dict, which does not say.
        activation, at: of the head, which PyTorch's modules do not say.
        dtype: float32 or float64; by default that of the weights.
    """
    if isinstance(source, (str, os.PathLike)):
        source = _state_in(read_pt(source), os.fspath(source))
    if isinstance(source, Mapping):
        if head is not None:
            raise TypeError("a head beside a state dict; put its tensors into the dict")
        return _from_state(source, nonlinearity, activation, at, dtype)
    if not hasattr(source, "mode") or not hasattr(source, "state_dict"):
        raise TypeError(f"{type(source).__name__} is not torch.nn.RNN, GRU or LSTM, nor a state dict, nor a path")
    if getattr(source, "proj_size", 0):
        raise ValueError("an LSTM with proj_size has no counterpart here")
    if source.mode.startswith("RNN_"):
        nonlinearity = source.mode[4:].lower()
    state = {f"rnn.{name}": value for name, value in source.state_dict().items()}
    if head is not None:
        state |= {f"head.{name}": value for name, value in head.state_dict().items()}
    network = _from_state(state, nonlinearity, activation, at, dtype)
    network.batch_first = bool(source.batch_first)
    if source.dropout:
        network = network._changed(network.dtype, dropout=float(source.dropout))
    return network


def _state_in(content: Any, path: str) -> Mapping[str, Any]:
    """The state dict in a file's content, which may be a checkpoint around it."""
    if isinstance(content, Mapping):
        for key in ("state_dict", "model_state_dict", "model"):
            if isinstance(content.get(key), Mapping):
                return content[key]  # type: ignore[no-any-return]
        return content
    raise ValueError(f"{path} holds a {type(content).__name__}; expected a state dict")


def _from_state(
    state: Mapping[str, Any],
    nonlinearity: str,
    activation: str,
    at: Literal["every", "last"],
    dtype: DTypeLike | None,
) -> Network:
    tensors = {name: to_numpy(value, name) for name, value in state.items()}
    prefixes = [name[: -len("weight_ih_l0")] for name in tensors if name.endswith("weight_ih_l0")]
    if len(prefixes) != 1:
        raise ValueError(
            f"{len(prefixes)} recurrent modules (tensors named weight_ih_l0) in the state dict; expected one. "
            f"It holds {', '.join(tensors)}"
        )
    prefix = prefixes[0]
    recurrent = {
        n[len(prefix) :]: a
        for n, a in tensors.items()
        if n.startswith(prefix + "weight_") or n.startswith(prefix + "bias_")
    }
    recurrent = {n: a for n, a in recurrent.items() if re.fullmatch(r"(weight|bias)_[ih]h_l\d+(_reverse)?", n)}
    others = {n: a for n, a in tensors.items() if n[: len(prefix)] != prefix or n[len(prefix) :] not in recurrent}
    gates = (
        recurrent["weight_ih_l0"].shape[0] / recurrent["weight_hh_l0"].shape[1] if "weight_hh_l0" in recurrent else 0
    )
    cell = _CELL_OF_GATES.get(gates)
    if cell is None:
        raise ValueError(f"weight_ih_l0 {list(recurrent['weight_ih_l0'].shape)} fits no cell; a projection, perhaps")
    hidden = recurrent["weight_hh_l0"].shape[1]
    layers = 1 + max(int(re.findall(r"_l(\d+)", name)[0]) for name in recurrent)
    options: dict[str, Any] = {
        "bias": "bias_ih_l0" in recurrent,
        "bidirectional": "weight_ih_l0_reverse" in recurrent,
        "dtype": dtype or (np.float64 if recurrent["weight_ih_l0"].dtype == np.float64 else np.float32),
    }
    if cell == "elman":
        options["nonlinearity"] = nonlinearity
    network: Network = {"elman": Elman, "gru": GRU, "lstm": LSTM}[cell](
        recurrent["weight_ih_l0"].shape[1], hidden, layers, **options
    )
    values: dict[str, ArrayLike] = dict(recurrent)
    if others:
        weight, bias = _head_of(others, network.output_size)
        network = network.with_head(weight.shape[0], activation, at)
        values["head.weight"] = weight
        if "head.bias" in network.parameters:
            values["head.bias"] = np.zeros(len(weight)) if bias is None else bias
        elif bias is not None:
            raise ValueError("the head has a bias and the layers have none; networks here have both or neither")
    network.load_state_dict(values)
    return network


def _head_of(others: Mapping[str, Floats], width: int) -> tuple[Floats, Floats | None]:
    weights = [n for n in others if others[n].ndim == 2 and n.endswith("weight")]
    if len(weights) != 1 or not set(others) <= {weights[0], weights[0][: -len("weight")] + "bias"}:
        raise ValueError(f"beside the recurrent layers there is more than one linear layer: {', '.join(others)}")
    weight = others[weights[0]]
    if weight.shape[1] != width:
        raise ValueError(f"{weights[0]} is {list(weight.shape)}; the layer before it has {width} outputs")
    return weight, others.get(weights[0][: -len("weight")] + "bias")


def to_torch(network: Network) -> tuple[Any, Any]:
    """``(rnn, linear)``: a ``torch.nn.RNN``, ``GRU`` or ``LSTM`` with these weights, and its head or None.

    The head's activation is not part of ``linear``. Needs torch.

    Raises:
        ValueError: PyTorch cannot be told of such a `network` (layers of different widths, reset before the product,
            token inputs, learned start states, other activations).
    """
    import torch

    config = network.config
    cell = config["cell"]
    problems = [
        ("layers of different widths", len(set(config["hidden"])) > 1),
        ("a GRU that resets before the product", cell == "gru" and not config["reset_after"]),
        ("token inputs", config["tokens"]),
        ("learned start states", config["learned_start"]),
        (
            f"activation {config.get('nonlinearity')}",
            cell == "elman" and config["nonlinearity"] not in ("tanh", "relu"),
        ),
    ]
    for what, present in problems:
        if present:
            raise ValueError(f"PyTorch's recurrent layers have no {what}")
    kind = {"elman": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]
    dtype = torch.float64 if network.dtype == np.float64 else torch.float32
    extra = {"nonlinearity": config["nonlinearity"]} if cell == "elman" else {}
    layers = len(config["hidden"])
    rnn = kind(
        config["inputs"], config["hidden"][0], layers, bias=config["bias"], batch_first=network.batch_first,
        dropout=config["dropout"] if layers > 1 else 0.0, bidirectional=config["bidirectional"], dtype=dtype, **extra,
    )  # fmt: skip
    state = {name: torch.from_numpy(values) for name, values in network.state_dict().items()}
    rnn.load_state_dict({n: v for n, v in state.items() if not n.startswith("head.")})
    linear = None
    if config["outputs"]:
        linear = torch.nn.Linear(
            network.parameters["head.weight"].shape[1], config["outputs"], config["bias"], dtype=dtype
        )
        linear.load_state_dict({n[5:]: v for n, v in state.items() if n.startswith("head.")})
    return rnn, linear


# --- Keras --------------------------------------------------------------------------------------------------------


def from_keras(
    layers: Sequence[Any],
    cell: Literal["elman", "gru", "lstm"] | None = None,
    *,
    nonlinearity: str = "tanh",
    activation: str = "identity",
    at: Literal["every", "last"] = "every",
    dtype: DTypeLike = np.float32,
) -> Network:
    """A network with Keras's weights.

    Args:
        layers: Keras layers in order (SimpleRNN, GRU, LSTM, Bidirectional ones, and a Dense at the end), which say
            everything; or what their ``get_weights()`` returns, one list a layer, with `cell`.
        nonlinearity, activation, at: only with lists of weights, which do not say.
        dtype: float32 or float64.
    """
    described = None
    if all(hasattr(layer, "get_weights") for layer in layers):
        described = [_describe_keras(layer) for layer in layers]
        recurrent = [d for d in described if d["cell"]]
        if not recurrent or any(d["cell"] is None for d in described[:-1]):
            raise ValueError("expected recurrent layers and at most a Dense layer after them")
        cells = {(d["cell"], d["nonlinearity"]) for d in recurrent}
        if len(cells) > 1:
            raise ValueError(f"layers of different kinds: {sorted(map(str, cells))}")
        cell, nonlinearity = recurrent[0]["cell"], recurrent[0]["nonlinearity"]
        at = "every" if recurrent[-1]["return_sequences"] else "last"
        if at == "last" and recurrent[-1]["bidirectional"]:
            raise ValueError(
                "a Bidirectional layer without return_sequences joins the two directions' final states; "
                'at="last" takes both at the last step. There is no counterpart'
            )
        if described[-1]["cell"] is None:
            activation = described[-1]["nonlinearity"]
        elif at == "last":
            raise ValueError("a last recurrent layer without return_sequences needs a Dense layer after it")
    if cell not in GATES["keras"]:
        raise ValueError(f"cell is {cell!r}; it may be elman (SimpleRNN), gru or lstm")
    weights = [
        [to_numpy(w, "a weight") for w in (layer.get_weights() if hasattr(layer, "get_weights") else layer)]
        for layer in layers
    ]
    gates = len(GATES["keras"][cell])
    head = weights.pop() if _is_dense(weights, gates) else None
    if not weights:
        raise ValueError("no recurrent layer among the weights")
    values: dict[str, Floats] = {}
    hidden: list[int] = []
    shapes = {len(layer) for layer in weights}
    bidirectional = min(shapes) >= 4
    size = min(shapes) // (2 if bidirectional else 1)
    reset_after = True
    for k, layer in enumerate(weights):
        if len(layer) != min(shapes) or size not in (2, 3):
            raise ValueError(
                f"layer {k} has {len(layer)} arrays; expected kernel, recurrent kernel, bias (twice if bidirectional)"
            )
        for d, part in enumerate([layer[:size], layer[size:]] if bidirectional else [layer]):
            reset_after = _take_keras(part, cell, f"l{k}" + ("_reverse" if d else ""), values)
        hidden.append(layer[1].shape[0])
    options: dict[str, Any] = {"bias": size == 3, "bidirectional": bidirectional, "dtype": dtype}
    if cell == "elman":
        options["nonlinearity"] = nonlinearity
    if cell == "gru":
        options["reset_after"] = reset_after
    network: Network = {"elman": Elman, "gru": GRU, "lstm": LSTM}[cell](weights[0][0].shape[0], hidden, **options)
    if head is not None:
        network = network.with_head(head[0].shape[1], activation, at)
        values["head.weight"] = head[0].T
        if "head.bias" in network.parameters:
            values["head.bias"] = head[1] if len(head) > 1 else np.zeros(head[0].shape[1])
        elif len(head) > 1:
            raise ValueError("the Dense layer has a bias and the recurrent ones have none; here both or neither have")
    network.load_state_dict(values)
    return network


def _is_dense(weights: list[list[Floats]], gates: int) -> bool:
    """kernel [in, out] and bias, where a recurrent layer has a recurrent kernel as its second array."""
    last = weights[-1]
    return len(weights) > 1 and (len(last) == 1 or (len(last) == 2 and last[1].ndim == 1))


def _take_keras(part: list[Floats], cell: str, suffix: str, values: dict[str, Floats]) -> bool:
    """One direction of one layer into `values`, in our names and order. Returns whether a GRU resets after."""
    gates = len(GATES["keras"][cell])
    kernel, recurrent = part[0], part[1]
    if recurrent.ndim != 2 or kernel.ndim != 2 or recurrent.shape[1] != gates * recurrent.shape[0]:
        raise ValueError(
            f"{suffix}: kernel {list(kernel.shape)}, recurrent kernel {list(recurrent.shape)} are no {cell}'s"
        )
    if kernel.shape[1] != recurrent.shape[1]:
        raise ValueError(f"{suffix}: kernel {list(kernel.shape)} and recurrent kernel {list(recurrent.shape)} disagree")
    values[f"weight_ih_{suffix}"] = _reorder(kernel.T, cell, "keras", "torch")
    values[f"weight_hh_{suffix}"] = _reorder(recurrent.T, cell, "keras", "torch")
    if len(part) < 3:
        return True
    bias = part[2]
    pair = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    if pair.shape != (2, recurrent.shape[1]):
        raise ValueError(f"{suffix}: bias {list(bias.shape)} fits no {cell} with {recurrent.shape[0]} units")
    values[f"bias_ih_{suffix}"] = _reorder(pair[0], cell, "keras", "torch")
    values[f"bias_hh_{suffix}"] = _reorder(pair[1], cell, "keras", "torch")
    return bias.ndim == 2


_KERAS_CELLS = {"SimpleRNN": "elman", "GRU": "gru", "LSTM": "lstm"}


def _describe_keras(layer: Any) -> dict[str, Any]:
    kind = type(layer).__name__
    if kind == "Dense":
        return {"cell": None, "nonlinearity": _keras_activation(layer.activation), "return_sequences": True}
    if kind == "Bidirectional":
        if layer.merge_mode != "concat":
            raise ValueError(f"Bidirectional with merge_mode {layer.merge_mode!r}; only 'concat' has a counterpart")
        return {**_describe_keras(layer.forward_layer), "bidirectional": True}
    if kind not in _KERAS_CELLS:
        raise ValueError(f"a {kind} layer has no counterpart; there are SimpleRNN, GRU, LSTM, Bidirectional and Dense")
    cell = _KERAS_CELLS[kind]
    activation = _keras_activation(layer.activation)
    if cell != "elman":
        gates = _keras_activation(layer.recurrent_activation)
        if (activation, gates) != ("tanh", "sigmoid"):
            raise ValueError(
                f"{kind} with activation {activation} and gates {gates}; only tanh and sigmoid have a counterpart"
            )
    if layer.go_backwards:
        raise ValueError(f"{kind} with go_backwards has no counterpart; use Bidirectional")
    return {
        "cell": cell,
        "nonlinearity": activation,
        "return_sequences": layer.return_sequences,
        "bidirectional": False,
    }


def _keras_activation(function: Any) -> str:
    name = getattr(function, "__name__", str(function))
    return {"linear": "identity"}.get(name, name)


def to_keras(network: Network) -> list[list[Floats]]:
    """The network's weights as Keras layers take them: ``layer.set_weights(w)``, one list a layer, the head's last.

    Keras has one bias a gate but for a GRU with reset after; the sum of ours is what it gets.
    """
    config = network.config
    cell = config["cell"]
    if config["tokens"] or config["learned_start"]:
        raise ValueError("token inputs and learned start states have no counterpart in Keras's recurrent layers")
    p = network.state_dict()
    layers = []
    for k in range(len(config["hidden"])):
        layer: list[Floats] = []
        for end in [f"l{k}", f"l{k}_reverse"][: 2 if config["bidirectional"] else 1]:
            layer += [_reorder(p[f"weight_{m}_{end}"], cell, "torch", "keras").T for m in ("ih", "hh")]
            if config["bias"]:
                pair = np.stack([_reorder(p[f"bias_{m}_{end}"], cell, "torch", "keras") for m in ("ih", "hh")])
                layer.append(pair if cell == "gru" and config["reset_after"] else pair.sum(0))
        layers.append(layer)
    if config["outputs"]:
        layers.append([p["head.weight"].T, *([p["head.bias"]] if config["bias"] else [])])
    return layers
