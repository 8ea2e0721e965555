"""Which row of a run became which of the corrected ones: what was said of a track is said of what it is called now."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.datasets.annotations import Annotations

Ids = NDArray[np.int64]


class Origins:
    """Rows before and after corrections.

    Args:
        before: the run's rows. after: the corrected ones. rows: (R,) which of the run's rows each corrected one is; -1
            where it is none of them.
    """

    def __init__(self, before: Annotations, after: Annotations, rows: Ids) -> None:
        self._after = after
        self._rows = rows
        self._before = before

    def now(self, track: int, frame: int) -> int | None:
        """What a track of the run is called now, at the row nearest to a frame; None where nothing is left of it."""
        kept = self._of(track)
        return _nearest(self._after.frames[kept], self._after.ids[kept], frame)

    def then(self, current: int, frame: int) -> int | None:
        """What the run called the object that is called so now; None where it is a new one."""
        kept = np.flatnonzero((self._after.ids == current) & (self._rows >= 0))
        return _nearest(self._after.frames[kept], self._before.ids[self._rows[kept]], frame)

    def changes(self, track: int, frame: int) -> bool:
        """Whether a track of the run is called otherwise from a frame on than just before it."""
        kept = self._of(track)
        kept = kept[self._after.frames[kept].argsort(kind="stable")]
        first = int(np.searchsorted(self._after.frames[kept], frame))
        return 0 < first < len(kept) and bool(self._after.ids[kept[first - 1]] != self._after.ids[kept[first]])

    def drawn(self, current: int, first: int, last: int) -> bool:
        """Whether the object that is called so now has boxes between two frames that are none of the run's."""
        frames = self._after.frames[(self._after.ids == current) & (self._rows < 0)]
        return bool(((first < frames) & (frames < last)).any())

    def whole(self, current: int) -> int | None:
        """The track of the run that lies in this object, whole and alone; None where there is none."""
        kept = self._rows[(self._after.ids == current) & (self._rows >= 0)]
        tracks = np.unique(self._before.ids[kept])
        if len(tracks) != 1 or np.count_nonzero(self._before.ids == tracks[0]) != len(kept):
            return None
        return int(tracks[0])

    def _of(self, track: int) -> Ids:
        """The corrected rows that a track of the run became."""
        kept: Ids = np.flatnonzero(self._rows >= 0)
        of_track: Ids = kept[self._before.ids[self._rows[kept]] == track]
        return of_track


def _nearest(frames: Ids, ids: Ids, frame: int) -> int | None:
    return int(ids[np.abs(frames - frame).argmin()]) if len(frames) else None
