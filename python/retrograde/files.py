"""Model files: the same `.safetensors` files as the command line's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from . import _core
from .network import Network, wrapped


def save(network: Network, path: str | os.PathLike[str], preprocess: Mapping[str, Any] | None = None) -> None:
    """Writes the network to the file `path`, which replaces an older one at once and holds a self-test.

    `preprocess`: plain data for whoever loads it (`load_with_preprocess`): a scaler, a vocabulary. Without it the file
    says that the network takes arrays as they are, so that ``retrograde predict`` and ``eval`` read .npz files for it.

    Raises:
        FileError: it cannot be written. ValueError: a parameter is not finite. An older file then stays as it is.
    """
    _core.save(os.fspath(path), network._core, json.dumps(dict(preprocess or of_arrays(network))))


def of_arrays(network: Network) -> dict[str, Any]:
    """What the command line must know to run the network on arrays."""
    activation = network.config["activation"]
    layout = {
        "inputs": network.input_size, "tokens": network.config["tokens"], "outputs": network.output_size,
        "classes": activation == "softmax", "each_step": network.at == "every",
    }  # fmt: skip
    return {"task": "arrays", "layout": layout, "yes_or_no": activation == "sigmoid"}


def load(path: str | os.PathLike[str], *, batch_first: bool = True) -> Network:
    """Reads a network that `save`, `Network.fit(out=...)` or the command line wrote, in the precision of the file.

    Args:
        path: a `.safetensors` file.
        batch_first: how its arrays will lie, which files do not say.

    Raises:
        FileError: the file is missing, damaged, of another format, or its self-test fails. Nothing is half-loaded.
    """
    return load_with_preprocess(path, batch_first=batch_first)[0]


def load_with_preprocess(path: str | os.PathLike[str], *, batch_first: bool = True) -> tuple[Network, dict[str, Any]]:
    """Like `load` (path, batch_first), with what the file says about preprocessing: ``(network, preprocess)``."""
    core, preprocess = _core.load(os.fspath(path))
    return wrapped(core, batch_first), json.loads(preprocess)
