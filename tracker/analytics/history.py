"""Where objects were lately: the frames of the last moments, looked up by track."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.structures import Floats, Ints, Tracks

FRAMES = 300  # that are remembered

_COLUMNS = ("xyxy", "scores", "status", "detection_index")


@dataclass(frozen=True, eq=False)
class TrackHistory:
    """The frames of a track, the newest last.

    Attributes:
        time_s: (T,) float64 time of each in seconds.
        xyxy: (T, 4) float32 boxes in pixels of that frame, as they were reported. scores: (T,) float32.
        status: (T,) int64 of `Status`.
        detection_index: (T,) int64 row of the detection in its frame, -1 where predicted.
    """

    time_s: NDArray[np.float64]
    xyxy: Floats
    scores: Floats
    status: Ints
    detection_index: Ints

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True, eq=False)
class _Remembered:
    """What is remembered of a frame: rows of tracks, none of what their detections carry."""

    time_s: float
    ids: Ints
    columns: tuple[NDArray[np.generic], ...]
    renamed: Mapping[int, int]


class History:
    """What was reported in the last `FRAMES` frames; it is not saved with a tracker."""

    def __init__(self) -> None:
        self._frames: deque[_Remembered] = deque(maxlen=FRAMES)

    def added(self, tracks: Tracks) -> Tracks:
        """Remember a frame, whose tracks are returned."""
        columns = tuple(getattr(tracks, name) for name in _COLUMNS)
        self._frames.append(_Remembered(tracks.time_s, tracks.ids, columns, tracks.renamed))
        return tracks

    def of(self, track: int) -> TrackHistory:
        """The frames of a track, also those in which it went by a provisional id; none where it is not known."""
        names = [track]  # by which it went, the earliest last: its own box was a prediction then, or wrong
        found: list[tuple[_Remembered, int]] = []
        for frame in reversed(self._frames):
            ids = frame.ids.tolist()
            row = next((ids.index(name) for name in reversed(names) if name in ids), None)
            if row is not None:
                found.append((frame, row))
            names += [provisional for provisional, known in frame.renamed.items() if known in names]
        found.reverse()
        empty = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))
        columns: list[Any] = [
            np.stack([frame.columns[number][row] for frame, row in found]) if found else none
            for number, none in enumerate(empty)
        ]
        return TrackHistory(np.array([frame.time_s for frame, _ in found], np.float64), *columns)
