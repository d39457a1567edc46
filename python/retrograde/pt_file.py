"""PyTorch's `.pt` files of tensors, read without torch and without executing anything that is in them.

The pickle inside is run by an unpickler that knows a dozen names (tensors, storages, ordered dictionaries) and refuses
every other, so a malicious file raises instead of running. Format: the zip archive of torch.save since 1.6.
"""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._core import FileError

if TYPE_CHECKING:
    import zipfile

_STORAGES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


class _Storage:
    """Stands for a storage's type in the pickle."""

    def __init__(self, code: str):
        self.code = code


def read_pt(path: str | os.PathLike[str]) -> Any:
    """What `torch.save` wrote to `path`: usually a dict of arrays by name (`state_dict`), possibly inside another dict.

    Raises:
        FileError: the file is missing, truncated, of the format before torch 1.6, or holds anything but tensors,
            numbers, strings and containers of them.
    """
    import zipfile  # here, since it is a third of the package's import time

    path = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            pickles = [n for n in names if n.endswith("/data.pkl") or n == "data.pkl"]
            if len(pickles) != 1:
                raise FileError(f"{path} is a zip archive without data.pkl; torch.save did not write it")
            root = pickles[0][: -len("data.pkl")]
            order = archive.read(root + "byteorder").decode() if root + "byteorder" in names else "little"
            if order not in ("little", "big"):
                raise FileError(f"{path}: byteorder is {order!r}; expected little or big")
            with archive.open(pickles[0]) as stream:
                return _TensorUnpickler(stream, archive, root, order, path).load()
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from None
    except zipfile.BadZipFile as error:
        raise FileError(
            f"{path} is no zip archive of torch.save ({error}); files of torch before 1.6 must be saved again"
        ) from None
    except Exception as error:  # a pickle that is no pickle fails in any way it likes
        raise FileError(f"{path} cannot be read: {type(error).__name__}: {error}") from None


class _TensorUnpickler(pickle.Unpickler):
    def __init__(self, stream: Any, archive: zipfile.ZipFile, root: str, order: str, path: str):
        super().__init__(stream, encoding="utf-8")
        self._archive = archive
        self._root = root
        self._order = order
        self._path = path
        self._storages: dict[str, NDArray[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) in (("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor")):
            return _rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, requires_grad=True, hooks=None: data
        if (module, name) == ("torch", "Size"):
            return tuple
        if module == "torch" and name in _STORAGES:
            return _Storage(_STORAGES[name])
        raise FileError(
            f"{self._path} holds {module}.{name}, which is not a tensor; nothing was executed. "
            "Save the state dict alone: torch.save(model.state_dict(), path)"
        )

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        kind, storage, key, _location, count = pid
        if kind != "storage" or not isinstance(storage, _Storage) or not isinstance(key, str):
            raise FileError(f"{self._path} refers to {kind!r}; expected a storage")
        if key not in self._storages:
            code = "u2" if storage.code == "bf16" else storage.code
            dtype = np.dtype(code).newbyteorder("<" if self._order == "little" else ">")
            try:
                content = self._archive.read(f"{self._root}data/{key}")
            except KeyError:
                raise FileError(f"{self._path}: storage {key} is missing") from None
            if len(content) != int(count) * dtype.itemsize:
                raise FileError(
                    f"{self._path}: storage {key} has {len(content)} bytes; {count} values of {dtype} "
                    f"need {int(count) * dtype.itemsize}"
                )
            values = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))
            if storage.code == "bf16":  # the upper half of a float32
                values = (values.astype(np.uint32) << 16).view(np.float32)
            self._storages[key] = values
        return self._storages[key]


def _rebuild_tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Any:
    if not isinstance(storage, np.ndarray) or len(size) != len(stride) or any(n < 0 for n in (offset, *size, *stride)):
        raise FileError("a tensor without storage, or with negative sizes")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if np.prod(size) > 0 and last >= storage.size:
        raise FileError(f"a tensor reaches entry {last} of a storage of {storage.size}")
    bytes_of = [s * storage.itemsize for s in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, bytes_of, writeable=False).copy()
