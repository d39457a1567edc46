"""Model files: the same `.safetensors` files as the command line's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from . import _core
from .network import Network, wrapped


def save(network: Network, path: str | os.PathLike[str], preprocess: Mapping[str, Any] | None = None) -> None:
    """Writes the network to one file, which replaces an older one at once and holds a self-test.

    `preprocess`: plain data for whoever loads it (`load_with_preprocess`): a scaler, a vocabulary.
    """
    _core.save(os.fspath(path), network._core, json.dumps(dict(preprocess or {})))


def load(path: str | os.PathLike[str], *, batch_first: bool = True) -> Network:
    """Reads a network that `save`, `Network.fit(out=...)` or the command line wrote, in the precision of the file.

    Raises:
        FileError: the file is missing, damaged, of another format, or its self-test fails. Nothing is half-loaded.
    """
    return load_with_preprocess(path, batch_first=batch_first)[0]


def load_with_preprocess(path: str | os.PathLike[str], *, batch_first: bool = True) -> tuple[Network, dict[str, Any]]:
    """Like `load`, with what the file says about preprocessing."""
    core, preprocess = _core.load(os.fspath(path))
    return wrapped(core, batch_first), json.loads(preprocess)
