"""What a tracker knows by now, on disk: saved between two frames, loaded later, gone on with bit for bit.

Each part that changes from frame to frame is `Stateful`: in one place it names the attributes that are saved and those
that are built anew. A file is one safetensors file: arrays by names such as `bank.predictor.time_s`, and as JSON what
the state is of (format, version, configuration, hashes of the weights) with a digest of everything. Nothing in it is
ever run: what is taken over are the attributes that the classes name, with the types and shapes that these have.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tracker.errors import DataError
from tracker.system.files import replacing

State = dict[str, NDArray[Any]]
"""Attributes by name, those of a part behind its own: `precision.error`."""

Names = tuple[str, ...]

VERSION = 10
"""Of what is saved; raised with every change of a class's `saved` or of what one of those attributes means."""

_FORMAT = "tracker state"


class Stateful:
    """A part that changes from frame to frame. Every attribute is in one of two lists.

    Attributes:
        saved: attributes that the next frame depends on: arrays, numbers, lists of integers, arrays by name, and other
            `Stateful` parts (None: not there yet).
        rebuilt: all others: what the configuration makes, or the next frame writes before it reads.

    An array's length that is 0 before anything was seen may be any in a state; other lengths are fixed.
    """

    saved: ClassVar[Names] = ()
    rebuilt: ClassVar[Names] = ()

    def state_dict(self, without: Collection[str] = ()) -> State:
        """What is saved, except the attributes `without`. The arrays are this object's own: copy or write them."""
        state: State = {}
        for name in self.saved:
            value, key = getattr(self, name), name.removeprefix("_")
            if name in without or value is None:
                continue
            parts = value.state_dict() if isinstance(value, Stateful) else value
            if isinstance(parts, Mapping):
                state |= {f"{key}.{part}": array for part, array in parts.items()}
            else:
                state[key] = _as_array(value)
        return state

    def load_state_dict(self, state: Mapping[str, NDArray[Any]], without: Collection[str] = ()) -> None:
        """Take over what `state_dict` gave of an object that was made alike. Only for an object just made.

        Raises:
            ValueError: something is missing, of another type or shape, or cannot be.
        """
        for name in self.saved:
            value, key = getattr(self, name), name.removeprefix("_")
            if name in without or value is None:
                continue
            if isinstance(value, Stateful):
                start = f"{key}."
                value.load_state_dict({k.removeprefix(start): v for k, v in state.items() if k.startswith(start)})
            elif isinstance(value, dict):
                setattr(self, name, {part: _alike(f"{key}.{part}", value[part], state) for part in value})
            else:
                setattr(self, name, _alike(key, value, state))
        extra = state.keys() - self.state_dict(without).keys()
        fits(not extra, f"{min(extra, default='')}, which is no part of it,")
        self._check_state()

    def _check_state(self) -> None:
        """Raise ValueError where the attributes do not fit together."""


def fits(condition: bool, what: str) -> None:
    """Raise ValueError with `what` does not fit where the condition does not hold."""
    if not condition:
        raise ValueError(f"{what} does not fit")


def _as_array(value: Any) -> NDArray[Any]:
    """An array, a number or a list of integers as an array."""
    return np.asarray(value, np.int64 if isinstance(value, list) else None)


def _alike(name: str, before: Any, state: Mapping[str, NDArray[Any]]) -> Any:
    """What the state holds of an attribute, as what it was before: an array, a number or a list of integers."""
    if name not in state:
        raise ValueError(f"{name} is missing")
    array, model = state[name], _as_array(before)
    fits(array.dtype == model.dtype and array.ndim == model.ndim, f"{name}, {array.dtype} of shape {array.shape},")
    lengths = zip(model.shape, array.shape, strict=True)
    fits(all(fixed in (0, length) for fixed, length in lengths), f"{name}, of shape {array.shape},")
    if isinstance(before, np.ndarray):
        return array
    return array.tolist()


@contextmanager
def loading(path: str | Path) -> Iterator[None]:
    """Within it a state that does not fit what its own file says of it is a DataError.

    Such a file is none that `write` left.
    """
    try:
        yield
    except ValueError as error:
        raise DataError(f"{path} cannot be gone on with ({error}); give a file that save() left") from error


def write(path: str | Path, kind: str, about: Mapping[str, Any], state: State, durable: bool = False) -> None:
    """Replace `path` by a state, at once: a reader, or a kill in the middle, finds either the old file or the new.

    The arrays are written from where they are: a site saves a gallery in the thread of each camera, and copies of 5 MB
    would stay in the heap of each. The library makes such copies, or writes to a file of its own that nobody else may
    read and that a kill leaves behind, so what is around the arrays is written here.

    Args:
        kind: what it is a state of. about: what has to be known to make that, for JSON. durable: as of `replace_file`.

    Raises:
        OutputError: it cannot be written; what was there stays.
    """
    head = {"format": _FORMAT, "version": VERSION, "kind": kind, "about": about}
    entries: dict[str, Any] = {
        "__metadata__": {_FORMAT: json.dumps(head | {"sha256": _digest(head, state)}, sort_keys=True)}
    }
    arrays, end = [], 0
    for name, array in sorted(state.items(), key=lambda item: -item[1].dtype.itemsize):  # so each lies aligned
        arrays.append(np.array(array, array.dtype.newbyteorder("<"), order="C", copy=None))
        begin, end = end, end + array.nbytes
        entries[name] = {"dtype": _type(array), "shape": array.shape, "data_offsets": (begin, end)}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    with replacing(Path(path), durable) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays:
            file.write(array.data)


def _type(array: NDArray[Any]) -> str:
    """What safetensors calls its type."""
    kind, bits = array.dtype.kind, 8 * array.dtype.itemsize
    return "BOOL" if kind == "b" else f"{kind.upper()}{bits}"


def read(path: str | Path, kind: str) -> tuple[dict[str, Any], State]:
    """What `write` was given: `about` and the state.

    Raises:
        DataError: no such file, no state of this kind and version, or a damaged one.
    """
    from safetensors import safe_open

    if not Path(path).is_file():
        raise DataError(f"no state at {path}; give a file that save() left")
    try:
        with safe_open(path, "np") as file:
            head = json.loads((file.metadata() or {})[_FORMAT])
            digest, version = head.pop("sha256"), head["version"]
            state = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
            about = dict(head["about"])
            whole = version != VERSION or digest == _digest(head, state)
    except Exception as error:  # whatever a damaged file makes the readers raise, the user's remedy is one
        raise DataError(f"{path} is not a tracker's state, or is damaged; give a file that save() left") from error
    if version != VERSION:
        raise DataError(
            f"{path} is a state of version {version!r}, this tracker goes on with version {VERSION}; "
            "load it with the tracker that saved it, or start anew"
        )
    if not whole:
        raise DataError(f"{path} is damaged: its contents are not what was saved; take an earlier one, or start anew")
    if head["kind"] != kind:
        raise DataError(f"{path} is the state of a {head['kind']}, not of a {kind}; load it as what it is")
    return about, state


def _digest(head: Mapping[str, Any], state: State) -> str:
    """SHA-256 of everything that a file holds."""
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for name in sorted(state):
        array = np.array(state[name], order="C", copy=None)
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
