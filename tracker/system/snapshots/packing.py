"""Plain data as JSON and arrays, and back: exactly the same, and nothing of it is ever run.

Numbers, texts, collections (with their order and, of queues, their length) and arrays of any type are themselves; a
dataclass is its name and its fields, and is made again only where its class is among those that are expected. An array
that is held twice is so afterwards, too.
"""

from __future__ import annotations

import io
import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PLAIN = "biuf"  # kinds of arrays that a file of tensors holds as they are
_TREE = "tree"


class Packer:
    """Packs values, arrays as copies.

    Attributes:
        arrays: by the names that the packed values call them.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self._names: dict[int, tuple[str, Any]] = {}  # of arrays that were packed, which live as long as this

    def __call__(self, value: Any) -> Any:
        """The value as JSON has it.

        Raises:
            TypeError: it holds something that is no data.
        """
        if value is None or isinstance(value, bool | int | float | str):
            return value.item() if isinstance(value, np.generic) else value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            return {"array": self._array(value)}
        if isinstance(value, bytes):
            return {"bytes": self._array(np.frombuffer(value, np.uint8))}
        if isinstance(value, Mapping):
            return {"mapping": [[self(key), self(part)] for key, part in value.items()]}
        if isinstance(value, deque):
            return {"queue": [self(part) for part in value], "longest": value.maxlen}
        for kind, name in ((list, "list"), (tuple, "tuple"), (set, "set")):
            if isinstance(value, kind):
                return {name: [self(part) for part in value]}
        if is_dataclass(value) and not isinstance(value, type):
            return {"of": type(value).__name__, "fields": [self(getattr(value, f.name)) for f in fields(value)]}
        raise TypeError(f"{type(value).__name__} is no data that can be saved")

    def _array(self, array: NDArray[Any]) -> str:
        if id(array) not in self._names:
            name = f"{len(self._names)}"
            self._names[id(array)] = name, array
            if array.dtype.kind in _PLAIN:
                self.arrays[name] = np.array(array, order="C")
            else:  # columns by name, texts, times: as NumPy writes them
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, array, allow_pickle=False)
                name += ".npy"
                self.arrays[name] = np.frombuffer(buffer.getvalue(), np.uint8)
                self._names[id(array)] = name, array
        return self._names[id(array)][0]


def packed(value: Any) -> dict[str, NDArray[Any]]:
    """A value as arrays alone.

    Raises:
        TypeError: as of `Packer`.
    """
    pack = Packer()
    tree = json.dumps(pack(value)).encode()
    return {**pack.arrays, _TREE: np.frombuffer(tree, np.uint8)}


def unpacked(arrays: Mapping[str, NDArray[Any]], kinds: Iterable[type]) -> Any:
    """What `packed` was given.

    Args:
        kinds: the dataclasses that may be in it.

    Raises:
        ValueError: it is not what `packed` makes, or of other dataclasses.
    """
    try:
        return _Unpacker(arrays, kinds)(json.loads(arrays[_TREE].tobytes()))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"what was saved is not as expected: {error}") from error


class _Unpacker:
    def __init__(self, arrays: Mapping[str, NDArray[Any]], kinds: Iterable[type]) -> None:
        self._arrays = arrays
        self._read: dict[str, NDArray[Any]] = {}
        self._kinds: dict[str, Any] = {kind.__name__: kind for kind in kinds}

    def __call__(self, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        (name, value), *more = tree.items()
        if name == "array":
            return self._array(value)
        if name == "bytes":
            return self._arrays[value].tobytes()
        if name == "mapping":
            return {self(key): self(part) for key, part in value}
        parts = [self(part) for part in (value if name != "of" else tree["fields"])]
        if name == "queue":
            return deque(parts, maxlen=dict(more)["longest"])
        if name == "of":
            return _made(self._kinds[value], parts)
        return {"list": list, "tuple": tuple, "set": set}[name](parts)

    def _array(self, name: str) -> NDArray[Any]:
        if name not in self._read:
            array = self._arrays[name]
            if name.endswith(".npy"):
                array = np.lib.format.read_array(io.BytesIO(array.tobytes()), allow_pickle=False)
            self._read[name] = array
        return self._read[name]


def _made(kind: Any, values: list[Any]) -> Any:
    """A dataclass with these fields, as they were: checked when it was made first."""
    made = object.__new__(kind)
    for field, value in zip(fields(kind), values, strict=True):
        object.__setattr__(made, field.name, value)
    return made
