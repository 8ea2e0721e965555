"""Where a tracker lost an object: each identity switch and fragmentation that the scores only count.

An object is followed by CLEAR MOT's matching (`matching.py`), so there are as many mistakes here as TrackEval's IDSW
and Frag say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker.datasets.mot import Table
from tracker.evaluation.identity import wrong_frames
from tracker.evaluation.matching import match


@dataclass(frozen=True)
class Mistake:
    """One moment in which an object is taken up again under another id, after a gap, or both.

    Attributes:
        truth_id: the object.
        before: the last frame in which it was matched.
        after: the frame in which it is matched again.
        id_before: the track it was then.
        id_after: the track it is now.
        fragmentation: it was not matched in the frame before `after`.
        wrong_frames: from `after` on, for how many frames it goes under another id than its own
            (`identity.wrong_frames`); 0: it is under its own.
    """

    truth_id: int
    before: int
    after: int
    id_before: int
    id_after: int
    fragmentation: bool
    wrong_frames: int

    @property
    def switch(self) -> bool:
        return self.id_before != self.id_after


def find_mistakes(truth: Table, result: Table, preproc: bool = True) -> list[Mistake]:
    """Every identity switch and fragmentation, in order of frames.

    Args:
        truth: as `tracker.datasets.mot.ground_truth` gives it.
        result: as `tracker.datasets.mot.results` gives it.
        preproc: as in `tracker.evaluation.tracking.score`.
    """
    matches = match(truth, result, preproc)
    gap = np.diff(matches.steps) > 1
    before = np.flatnonzero(matches.same_object() & (gap | (np.diff(matches.tracks) != 0)))
    before = before[np.lexsort((matches.objects[before], matches.frames[before + 1]))]
    columns = (
        matches.objects[before],
        matches.frames[before],
        matches.frames[before + 1],
        matches.tracks[before],
        matches.tracks[before + 1],
        gap[before],
        wrong_frames(matches)[before + 1],
    )
    return [Mistake(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
