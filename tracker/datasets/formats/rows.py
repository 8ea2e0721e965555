"""What a file of annotations says, gathered row by row in little memory, and believed only after a look at it."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.columns.carried import Columns
from tracker.datasets.annotations import Annotations
from tracker.errors import DataError

MOST_FRAMES = 10_000_000  # of a video: four days and a half at 25 frames/s; a file can claim more in a few bytes
MOST_ROWS = 20_000_000  # that may come of what a file says
DECIMALS = 6  # of pixels: what shares, widths and lines between boxes add beyond is rounding

Table = NDArray[np.float64]


class Gathered:
    """Rows of so many numbers each, 8 bytes a number."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._values = array("d")

    def add(self, row: Iterable[float]) -> None:
        """Take a row.

        Raises:
            TypeError: what is no number. OverflowError: what is too large for one.
        """
        self._values.extend(row)

    def __len__(self) -> int:
        return len(self._values) // self._columns

    @property
    def table(self) -> Table:
        """(R, columns) all of them."""
        return np.array(self._values, np.float64).reshape(-1, self._columns)


@dataclass
class Said:
    """What a file says of one video; letters as of `Annotations`, whose fields these are.

    Attributes:
        where: the file, and of which video in it, for errors.
        xyxy: in pixels, or in parts of the frame's width and height; so are keypoints.
        parts: how many parts these have: 1 or 100; 0: they are pixels.
        frames_per_s: None: it tells none.
        size: None: it tells none.
    """

    where: str
    frames: NDArray[Any]
    ids: NDArray[Any]
    xyxy: Table
    classes: NDArray[Any]
    names: Mapping[int, str]
    name: str
    size: tuple[int, int] | None = None
    frame_count: int = 0
    frames_per_s: float | None = None
    times_s: Table | None = None
    scores: Table | None = None
    occluded: NDArray[np.bool_] | None = None
    keyframes: NDArray[np.bool_] | None = None
    columns: Columns = field(default_factory=Columns)
    step: int = 1
    parts: int = 0

    def annotations(self, frames_per_s: float | None = None, size: tuple[int, int] | None = None) -> Annotations:
        """It as rows ordered by frame and id, with ids from 1, pixels to a millionth.

        Args:
            frames_per_s, size: of the video, which count more than what the file says.

        Raises:
            DataError: what cannot be of a video, in one sentence that names the object and the frame.
        """
        size = size or self.size
        if size is None:
            raise DataError(f"{self.where} does not say how large the frames are; give the video with --video")
        frames, ids = (_whole(values, self.where, what) for values, what in ((self.frames, "frame"), (self.ids, "id")))
        rows = len(ids)
        if rows and (frames.min() < 1 or ids.min() < 0):
            raise DataError(f"{self.where} has a frame or an id below the first one; mend it")
        count = max(int(self.frame_count), int(frames.max(initial=0)))
        if count > MOST_FRAMES:
            raise DataError(f"{self.where} tells of {count} frames, more than {MOST_FRAMES}; split it")
        ids = ids + int(rows > 0 and ids.min() == 0)
        boxes = np.asarray(self.xyxy, np.float64).reshape(rows, 4)
        if self.parts:
            boxes = boxes / self.parts * [*size, *size]
        columns = self.columns
        if self.parts and columns.keypoints is not None:
            pixels = columns.keypoints / np.array([self.parts, self.parts, 1]) * [*size, 1]
            columns = replace(columns, keypoints=pixels.astype(np.float32))
        boxes = np.round(boxes, DECIMALS)
        bad = np.flatnonzero(~(np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] >= boxes[:, :2]).all(axis=1)))
        if len(bad):
            box = ", ".join(f"{edge:g}" for edge in boxes[bad[0]])
            raise DataError(
                f"{self.where}: id {ids[bad[0]]} has the box {box} in frame {frames[bad[0]]}; give left, top, right, "
                "bottom as numbers, right and bottom not below left and top"
            )
        order = np.lexsort((ids, frames))
        again = np.flatnonzero((np.diff(frames[order]) == 0) & (np.diff(ids[order]) == 0))
        if len(again):
            row = order[again[0]]
            raise DataError(
                f"{self.where}: id {ids[row]} is twice in frame {frames[row]}; an object can be in one place only"
            )
        rate = frames_per_s or self.frames_per_s or 25.0
        if self.times_s is not None and frames_per_s is None and len(self.times_s) == count:
            times = self.times_s
        else:
            times = np.arange(count) / rate
        return Annotations(
            frames=frames,
            ids=ids,
            xyxy=boxes,
            classes=np.asarray(self.classes, np.int64),
            scores=np.ones(rows) if self.scores is None else self.scores,
            occluded=np.zeros(rows, bool) if self.occluded is None else self.occluded,
            keyframes=np.ones(rows, bool) if self.keyframes is None else self.keyframes,
            times_s=times,
            size=size,
            names=self.names,
            columns=columns,
            name=self.name,
            step=self.step,
        )[order]


def _whole(values: NDArray[Any], where: str, what: str) -> NDArray[np.int64]:
    """Numbers (R,) as whole ones."""
    values = np.asarray(values)
    if values.dtype.kind == "f":
        odd = np.flatnonzero(~(np.abs(values) < 2**53) | (values != np.round(values)))
        if len(odd):
            raise DataError(f"{where} has the {what} {values[odd[0]]:g}; give whole numbers")
    return values.astype(np.int64)


def common_step(frames: NDArray[np.int64]) -> int:
    """Every which frame there is, by the numbers (F,) of all that there are; 1 of a single one."""
    gaps = np.diff(np.unique(frames))
    return int(np.gcd.reduce(gaps)) if len(gaps) else 1


def from_one(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of frames that count from 0 or from 1, which their smallest tells, as such from 1."""
    return numbers + int(len(numbers) > 0 and numbers.min() == 0)


def file_name(text: str, default: str = "video") -> str:
    """A name for a file or folder from one in a file that may come from anybody: it leads nowhere else.

    >>> file_name("../../etc/pass wd.mp4"), file_name(".."), file_name("C:\\\\a\\\\b.mp4")
    ('pass-wd.mp4', 'video', 'b.mp4')
    """
    last = re.split(r"[/\\]", text.strip().rstrip("/\\"))[-1]
    return re.sub(r"[^\w.+-]+", "-", last).strip(".-")[:100] or default


def stem(text: str, default: str = "video") -> str:
    """`file_name` without what a video's name ends with."""
    name = file_name(text, default)
    return re.sub(r"\.(?=[a-z])[a-z0-9]{2,4}$", "", name, flags=re.I) or name
