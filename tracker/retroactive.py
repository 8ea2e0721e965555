"""The first frames of a track, reported once it is believed.

A tracker needs a few detections before it believes a track. What is written to files can wait that long: frames are
held back until each tentative track in them is decided, then its rows are reported as confirmed, or dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np

from tracker.structures import Ints, Status, Tracks

F = TypeVar("F")  # whatever the caller calls a frame


class Confirmation(Generic[F]):
    """Holds frames back, in order, while they show tentative tracks that later frames still show as tentative.

    Args:
        limit_s: no frame is held longer; rows still tentative by then are left out.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._held: deque[tuple[F, Tracks]] = deque()

    def push(self, frame: F, tracks: Tracks) -> list[tuple[F, Tracks]]:
        """Take the next frame; return those that are decided now, oldest first."""
        confirmed = tracks.ids[tracks.status == Status.CONFIRMED]
        undecided = tracks.ids[tracks.status == Status.TENTATIVE]
        self._held = deque((f, _promote(_rename(t, tracks.renamed), confirmed)) for f, t in self._held)
        self._held.append((frame, tracks))
        decided = []
        while self._held and not (
            tracks.time_s - self._held[0][1].time_s < self._limit_s
            and np.isin(_tentative(self._held[0][1]), undecided).any()
        ):
            held_frame, held = self._held.popleft()
            decided.append((held_frame, held.confirmed))
        return decided

    def flush(self) -> list[tuple[F, Tracks]]:
        """The frames still held at the end of the stream; tracks that were never believed are left out."""
        rest = [(frame, tracks.confirmed) for frame, tracks in self._held]
        self._held.clear()
        return rest


def _tentative(tracks: Tracks) -> Ints:
    ids: Ints = tracks.ids[tracks.status == Status.TENTATIVE]
    return ids


def _rename(tracks: Tracks, renamed: Mapping[int, int]) -> Tracks:
    """The rows of a track that was recognised since, under the id it turned out to have."""
    for provisional, known in renamed.items():
        row = tracks.ids == provisional
        if row.any():
            tracks = tracks[tracks.ids != known]  # while it went by another id, its own box was only predicted
            ids = np.where(tracks.ids == provisional, known, tracks.ids)
            tracks = replace(tracks, ids=ids)[np.argsort(ids)]
    return tracks


def _promote(tracks: Tracks, confirmed: np.ndarray) -> Tracks:
    rows = (tracks.status == Status.TENTATIVE) & np.isin(tracks.ids, confirmed)
    if not rows.any():
        return tracks
    return replace(tracks, status=np.where(rows, np.int64(Status.CONFIRMED), tracks.status))
