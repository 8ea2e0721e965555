"""Which track stands for which object, frame by frame: CLEAR MOT's matching (Bernardin and Stiefelhagen, 2008).

It is done exactly as TrackEval does it, after the same preprocessing, so that what is told of the matches (mistakes,
whose identity a track has) is told of those that IDSW and Frag count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import iou, tlwh_to_xyxy
from tracker.datasets.mot import CLASS, FLAG, FRAME, HEIGHT, ID, LEFT, Table
from tracker.structures import Ints

MATCHED = 0.5  # least overlap of a box with the object it stands for
_DISTRACTORS = (2, 7, 8, 12)  # MOT16/17/20: person on vehicle, static person, distractor, reflection
_EPSILON = np.finfo(float).eps


@dataclass(frozen=True, eq=False)
class MatchTable:
    """The (M,) matches of a sequence, ordered by object and frame.

    Attributes:
        objects: the object's id in the ground truth.
        frames: from 1.
        tracks: the id of the track that stands for it there.
        steps: the frame's number among those with both objects and tracks; the others are passed over.
    """

    objects: Ints
    frames: Ints
    tracks: Ints
    steps: Ints

    def same_object(self) -> NDArray[np.bool_]:
        """(M - 1,) whether a match and the one after it are of one object."""
        return np.asarray(self.objects[1:] == self.objects[:-1])


def match(truth: Table, result: Table, preproc: bool = True) -> MatchTable:
    """The matches of one sequence; an object keeps its track of the frame before while that overlaps by half.

    Args:
        truth: as `tracker.datasets.mot.ground_truth` gives it.
        result: as `tracker.datasets.mot.results` gives it.
        preproc: as in `tracker.evaluation.tracking.score`.
    """
    continued: dict[int, int] = {}  # object -> track in the last frame that had both
    found = [np.zeros((0, 4), np.int64)]
    for step, (frame, objects, tracks, overlap) in enumerate(_frames(truth, result, preproc)):
        gt_ids, ids = objects[:, ID].astype(int), tracks[:, ID].astype(int)
        same = ids[None] == np.array([continued.get(i, -1) for i in gt_ids])[:, None]
        worth = np.where(overlap < MATCHED - _EPSILON, 0, 1000 * same + overlap)
        rows, columns = _assign(worth)
        gt_ids, ids = gt_ids[rows], ids[columns]
        continued = dict(zip(gt_ids.tolist(), ids.tolist(), strict=True))
        found.append(np.column_stack([gt_ids, np.full(len(rows), frame), ids, np.full(len(rows), step)]))
    table = np.concatenate(found)
    return MatchTable(*table[np.argsort(table[:, 0], kind="stable")].T)


def _frames(truth: Table, result: Table, preproc: bool) -> Iterator[tuple[int, Table, Table, NDArray[np.float64]]]:
    """Frames in which there are objects to find and tracks, without what the preprocessing takes away."""
    for frame in np.intersect1d(truth[:, FRAME], result[:, FRAME]):
        objects, tracks = (_rows(table, frame) for table in (truth, result))
        overlap = iou(*(tlwh_to_xyxy(table[:, LEFT : HEIGHT + 1]) for table in (objects, tracks)))
        wanted = objects[:, FLAG] != 0
        if preproc:
            keep = ~of_distractors(objects, overlap)
            tracks, overlap = tracks[keep], overlap[:, keep]
            wanted &= objects[:, CLASS] == 1
        if wanted.any() and len(tracks):
            yield int(frame), objects[wanted], tracks, overlap[wanted]


def of_distractors(objects: Table, overlap: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(K,) which tracks of a frame stand for a distractor, by their overlap (N, K) with all N objects of its truth."""
    rows, columns = _assign(np.where(overlap < MATCHED - _EPSILON, 0, overlap))
    found = np.zeros(overlap.shape[1], bool)
    found[columns[np.isin(objects[rows, CLASS], _DISTRACTORS)]] = True
    return found


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
