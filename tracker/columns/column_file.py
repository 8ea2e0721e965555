"""The columns of many frames, put aside until a video has ended: an hour's masks are gigabytes."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.system.files import writing
from tracker.system.snapshots.resumable import Resumable

_PLAIN = "biufcmMSU"  # kinds of arrays whose bytes say everything; those of objects stay in memory


class ColumnFile(Resumable):
    """Takes the columns of frame after frame, and gives those of any frame as they were.

    They lie in a file without a name, which ends with the process; where there are none, there is no file. With a name
    it stays, and can be gone on with. Memory is 8 bytes a frame.

    Args:
        folder: of the file, on a disk that has room for it.
        name: of the file.
    """

    saved = ("_size", "_frames")
    rebuilt = ("_folder", "_path", "_file", "_places", "_objects")

    def __init__(self, folder: Path, name: str = "") -> None:
        self._folder = folder
        self._path = folder / name if name else None
        self._file: IO[bytes] | None = None
        self._places = array("q")  # where each frame's begin; -1: it has none
        self._objects: dict[int, dict[str, NDArray[Any]]] = {}
        self._size = 0  # bytes of the file, ...
        self._frames = 0  # ... and frames that have their columns in it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def append(self, columns: Columns) -> None:
        """Take the next frame's.

        Raises:
            OutputError: the disk is full.
        """
        if not columns and self._path is None:
            self._places.append(-1)
            return
        arrays, masks = dict(columns.data), columns.masks
        about: dict[str, Any] = {"size": None if masks is None else masks.size, "data": list(arrays)}
        objects = {name: arrays.pop(name) for name in about["data"] if arrays[name].dtype.kind not in _PLAIN}
        if objects:
            self._objects[len(self)] = objects
        own: dict[str, NDArray[Any] | None] = {"keypoints": columns.keypoints, "corners": columns.corners}
        if masks is not None:
            own |= {"edges": masks.edges, "first": masks.first, "last": masks.last}
        parts = [(True, name, values) for name, values in arrays.items()]
        parts += [(False, name, values) for name, values in own.items() if values is not None]
        about["parts"] = [(given, name, values.dtype.str, values.shape) for given, name, values in parts]
        with writing(self._folder):
            if self._file is None:
                self._file = self._path.open("w+b") if self._path else TemporaryFile(dir=self._folder)  # noqa: SIM115
            place = self._file.seek(0, 2)
            self._file.write(json.dumps(about).encode() + b"\n")
            for _, _, values in parts:
                self._file.write(values.tobytes())
            self._size = self._file.tell()
        self._places.append(place)
        self._frames += 1

    def flush(self) -> None:
        """Give what was written to the system, which a killed process has to have done; errors as of `append`."""
        if self._file is not None:
            with writing(self._folder):
                self._file.flush()

    def _taken_over(self) -> None:
        assert self._path is not None
        with writing(self._folder):
            self._file = self._path.open("r+b" if self._path.exists() else "w+b")
            self._file.truncate(self._size)
            for _ in range(self._frames):
                self._places.append(self._file.tell())
                about = json.loads(self._file.readline())
                self._file.seek(sum(_length(kind, shape) for _, _, kind, shape in about["parts"]), 1)

    def __getitem__(self, frame: int) -> Columns:
        """A frame's, by its number from 0."""
        if self._places[frame] < 0:
            return Columns()
        assert self._file is not None
        own: dict[str, Any] = {}
        data = dict(self._objects.get(frame, {}))
        with writing(self._folder):  # what was still buffered
            self._file.seek(self._places[frame])
            about = json.loads(self._file.readline())
            for given, name, kind, shape in about["parts"]:
                content = self._file.read(_length(kind, shape))
                (data if given else own)[name] = np.frombuffer(content, np.dtype(kind)).reshape(shape)
        masks = None
        if about["size"] is not None:
            masks = Masks(own["edges"], own["first"], own["last"], tuple(about["size"]))
        return Columns(masks, own.get("keypoints"), own.get("corners"), {name: data[name] for name in about["data"]})


def _length(kind: str, shape: Sequence[int]) -> int:
    """Bytes of an array."""
    return np.dtype(kind).itemsize * math.prod(shape)
