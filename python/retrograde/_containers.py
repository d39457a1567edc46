"""Arrays in nested containers: dicts, lists, tuples, named tuples and plain objects, taken apart and put together."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from ._arrays import is_array


def is_numbers(value: Any) -> bool:
    """A list of numbers, or of lists of them, is one array."""
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(v, (int, float)) or (isinstance(v, list) and is_numbers(v)) for v in value)
    )


def is_object(value: Any) -> bool:
    """Something with attributes of its own that is no array, function, class or module."""
    if isinstance(value, (type, FunctionType, MethodType, ModuleType)) or not hasattr(value, "__dict__"):
        return False
    return not hasattr(value, "__array__") and not hasattr(value, "__dlpack__")


def parts_of(value: Any) -> list[tuple[Any, Any]] | None:
    """What a container holds, by key, position or attribute; None if it is none."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, (list, tuple)) and not is_numbers(value):
        return list(zip(getattr(value, "_fields", range(len(value))), value, strict=True))
    return list(vars(value).items()) if is_object(value) else None


class Place(NamedTuple):
    """Where an array is: the path to it ("layers", "0", "W"), and the container that holds it under `key`."""

    path: tuple[str, ...]
    holder: Any
    key: Any
    array: Any


def places(value: Any, path: tuple[str, ...], holder: Any = None, key: Any = None) -> Iterator[Place]:
    """Every array in a container. `path` leads to `value` itself, which `holder` may hold under `key`."""
    parts = parts_of(value)
    if parts is None:
        yield Place(path, holder, key, value)
        return
    for k, item in parts:
        # What else an object or a dict keeps is nobody's parameter.
        if is_array(item) or parts_of(item) is not None:
            yield from places(item, (*path, str(k)), value, k)


def names_of(found: list[Place]) -> list[str]:
    """The ends of the paths, if they tell the arrays apart, else the whole paths: "layers.0.W"."""
    ends = [place.path[-1] for place in found]
    clear = len({end.lower() for end in ends}) == len(ends) and not any(end[:1].isdigit() for end in ends)
    return ends if clear else [".".join(place.path) for place in found]


def rebuilt(value: Any, path: tuple[str, ...], arrays: Mapping[tuple[str, ...], Any]) -> Any:
    """The container with other arrays in its places, by path."""
    parts = parts_of(value)
    if parts is None:
        return arrays.get(path, value)
    made = {k: rebuilt(item, (*path, str(k)), arrays) for k, item in parts}
    if isinstance(value, Mapping):
        return made
    if isinstance(value, (list, tuple)):
        return type(value)(*made.values()) if hasattr(value, "_fields") else type(value)(made.values())
    other = copy.copy(value)
    vars(other).update(made)
    return other


def put(holder: Any, key: Any, value: Any) -> None:
    """`value` in a place of a container that can be changed."""
    if isinstance(holder, (list, dict)):
        holder[key] = value
    elif not isinstance(holder, tuple):
        setattr(holder, key, value)


def got(holder: Any, key: Any) -> Any:
    if isinstance(holder, tuple) and not isinstance(key, int):
        return getattr(holder, key)
    return holder[key] if isinstance(holder, (list, tuple, Mapping)) else getattr(holder, key)


def contents(value: Any, seen: dict[int, tuple[Any, Any]]) -> None:
    """Notes what every container and array within `value` holds now, by identity: `restore` puts it back."""
    parts = parts_of(value)
    if id(value) in seen:
        return
    if parts is not None:
        seen[id(value)] = value, parts
        for _, item in parts:
            contents(item, seen)
    elif hasattr(value, "flags") and hasattr(value, "copy"):
        seen[id(value)] = value, value.copy()


def restore(seen: dict[int, tuple[Any, Any]]) -> None:
    for value, before in seen.values():
        if isinstance(value, dict):
            value.clear()
            value.update(before)
        elif isinstance(value, list):
            value[:] = [item for _, item in before]
        elif is_object(value):
            vars(value).clear()
            vars(value).update(before)
        elif hasattr(value, "flags") and value.flags.writeable:
            value[...] = before
