"""Where a tracker lost an object: each identity switch and fragmentation that the scores only count.

An object is followed by CLEAR MOT's matching (Bernardin and Stiefelhagen, 2008) exactly as TrackEval does it, after the
same preprocessing, so that there are as many mistakes here as its IDSW and Frag say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import iou, tlwh_to_xyxy
from tracker.datasets.mot import CLASS, FLAG, FRAME, HEIGHT, ID, LEFT, Table

MATCHED = 0.5  # least overlap of a box with the object it stands for
_DISTRACTORS = (2, 7, 8, 12)  # MOT16/17/20: person on vehicle, static person, distractor, reflection
_EPSILON = np.finfo(float).eps


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
    """

    truth_id: int
    before: int
    after: int
    id_before: int
    id_after: int
    fragmentation: bool

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
    last_frame: dict[int, int] = {}
    last_id: dict[int, int] = {}
    continued: dict[int, int] = {}  # object -> track in the last frame that had both
    found: list[Mistake] = []
    for frame, objects, tracks, overlap in _frames(truth, result, preproc):
        gt_ids, ids = objects[:, ID].astype(int), tracks[:, ID].astype(int)
        same = ids[None] == np.array([continued.get(i, -1) for i in gt_ids])[:, None]
        worth = np.where(overlap < MATCHED - _EPSILON, 0, 1000 * same + overlap)
        rows, columns = _assign(worth)
        pairs = [(int(i), int(k)) for i, k in zip(gt_ids[rows], ids[columns], strict=True)]
        for thing, track in pairs:
            if thing in last_id:
                mistake = Mistake(thing, last_frame[thing], frame, last_id[thing], track, thing not in continued)
                if mistake.switch or mistake.fragmentation:
                    found.append(mistake)
            last_frame[thing], last_id[thing] = frame, track
        continued = dict(pairs)
    return found


def _frames(truth: Table, result: Table, preproc: bool) -> Iterator[tuple[int, Table, Table, NDArray[np.float64]]]:
    """Frames in which there are objects to find and tracks, without what the preprocessing takes away."""
    for frame in np.intersect1d(truth[:, FRAME], result[:, FRAME]):
        objects, tracks = (_rows(table, frame) for table in (truth, result))
        overlap = iou(*(tlwh_to_xyxy(table[:, LEFT : HEIGHT + 1]) for table in (objects, tracks)))
        wanted = objects[:, FLAG] != 0
        if preproc:
            rows, columns = _assign(np.where(overlap < MATCHED - _EPSILON, 0, overlap))
            keep = np.ones(len(tracks), bool)
            keep[columns[np.isin(objects[rows, CLASS], _DISTRACTORS)]] = False
            tracks, overlap = tracks[keep], overlap[:, keep]
            wanted &= objects[:, CLASS] == 1
        if wanted.any() and len(tracks):
            yield int(frame), objects[wanted], tracks, overlap[wanted]


def _rows(table: Table, frame: float) -> Table:
    """The rows of one frame of a table that is ordered by frame."""
    first, last = np.searchsorted(table[:, FRAME], [frame, frame + 1])
    return table[first:last]


def _assign(worth: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the best assignment, without pairs that are worth nothing."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-worth)
    real = worth[rows, columns] > _EPSILON
    return rows[real], columns[real]
