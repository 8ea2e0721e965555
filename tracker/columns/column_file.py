"""The columns of many frames, put aside until a video has ended: an hour's masks are gigabytes."""

from __future__ import annotations

import json
import math
from array import array
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.system.files import writing

_PLAIN = "biufcmMSU"  # kinds of arrays whose bytes say everything; those of objects stay in memory


class ColumnFile:
    """Takes the columns of frame after frame, and gives those of any frame as they were.

    They lie in a file without a name, which ends with the process; where there are none, there is no file. Memory is 8
    bytes a frame.

    Args:
        folder: of the file, on a disk that has room for it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._places = array("q")  # where each frame's begin; -1: it has none
        self._objects: dict[int, dict[str, NDArray[Any]]] = {}

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
        if not columns:
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
                self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the others
            place = self._file.seek(0, 2)
            self._file.write(json.dumps(about).encode() + b"\n")
            for _, _, values in parts:
                self._file.write(values.tobytes())
        self._places.append(place)

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
                dtype = np.dtype(kind)
                content = self._file.read(dtype.itemsize * math.prod(shape))
                (data if given else own)[name] = np.frombuffer(content, dtype).reshape(shape)
        masks = None
        if about["size"] is not None:
            masks = Masks(own["edges"], own["first"], own["last"], tuple(about["size"]))
        return Columns(masks, own.get("keypoints"), own.get("corners"), {name: data[name] for name in about["data"]})
