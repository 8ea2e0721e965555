"""A finished table of tracks in one direction of time: from the past into the future, or back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tracker.affine import Array, inverse
from tracker.smoothing.track_table import TrackTable
from tracker.structures import Ints


@dataclass(frozen=True, eq=False)
class Ends:
    """Seen rows in order of track and frame, and where each of T tracks begins and ends in them."""

    track: Ints  # (R,) number of the row's track, 0 to T - 1
    first: Ints  # (T,) first row
    last: Ints  # (T,) last row

    @classmethod
    def of(cls, table: TrackTable) -> Ends:
        """Of a table ordered by id and frame."""
        new = np.flatnonzero(np.diff(table.ids, prepend=-1))
        track = np.repeat(np.arange(len(new)), np.diff(new, append=len(table)))
        return cls(track, new, np.append(new[1:], len(table)) - 1 if len(new) else new)


@dataclass(frozen=True, eq=False)
class Direction:
    """A table of R rows, T tracks and F frames in one direction of time."""

    frames: Ints  # (R,) position of the row's frame
    ends: Ends
    times_s: Array  # (F,) increasing
    camera: Array  # (F, 2, 3) from the frame before to each frame

    @property
    def begin(self) -> Ints:
        """(T,) frame in which each track begins."""
        return self.frames[self.ends.first]

    @property
    def end(self) -> Ints:
        """(T,) frame in which each track ends."""
        return self.frames[self.ends.last]

    @classmethod
    def both(cls, table: TrackTable) -> tuple[Direction, Direction]:
        """Forwards and backwards, from the future into the past, of a table ordered by id and frame."""
        ends = Ends.of(table)
        backwards = np.concatenate([np.eye(2, 3)[None], inverse(table.camera[:0:-1])])
        return (
            cls(table.frames, ends, table.times_s, table.camera),
            cls(
                len(table.times_s) - 1 - table.frames,
                Ends(ends.track, ends.last, ends.first),
                -table.times_s[::-1],
                backwards,
            ),
        )

    def steps(self, last: int) -> Iterator[tuple[int, float, Ints, Array | None]]:
        """Frame, time, rows, and how the camera moved into it (None: not): from the first row's frame to `last`."""
        order = np.argsort(self.frames, kind="stable")
        cuts = np.searchsorted(self.frames[order], np.arange(len(self.times_s) + 1))
        moved = ~(self.camera == np.eye(2, 3)).all(axis=(1, 2))
        for frame in range(int(self.frames.min()), last + 1):
            rows = order[cuts[frame] : cuts[frame + 1]]
            yield frame, float(self.times_s[frame]), rows, self.camera[frame] if moved[frame] else None
