"""Which detection belongs to which object of the ground truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import iou, tlwh_to_xyxy
from tracker.datasets.mot import FRAME, HEIGHT, LEFT, SCORE, Table

MATCH_IOU = 0.5  # a detection is an object's if they overlap at least this much


def match_detections(truth: Table, found: Table) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The detection of each true box: (R, 4) xyxy and (R,) scores, NaN and 0 where none overlaps by `MATCH_IOU`.

    One to one in each frame, the assignment with the largest total overlap.
    """
    import lap

    box, score = np.full((len(truth), 4), np.nan, np.float32), np.zeros(len(truth), np.float32)
    found = found[np.argsort(found[:, FRAME], kind="stable")]
    frames, groups = by_frame(truth[:, FRAME])
    low, high = np.searchsorted(found[:, FRAME], frames), np.searchsorted(found[:, FRAME], frames, side="right")
    true_xyxy, found_xyxy = (tlwh_to_xyxy(t[:, LEFT : HEIGHT + 1]) for t in (truth, found))
    for rows, a, b in zip(groups, low, high, strict=True):
        if a == b:
            continue
        overlap = iou(true_xyxy[rows], found_xyxy[a:b])
        _, match, _ = lap.lapjv(1 - overlap, extend_cost=True, cost_limit=1 - MATCH_IOU)
        hit = np.flatnonzero(match >= 0)
        box[rows[hit]] = found_xyxy[a + match[hit]]
        score[rows[hit]] = np.clip(found[a + match[hit], SCORE], 0, 1)
    return box, score


def by_frame(frames: NDArray[Any]) -> tuple[NDArray[Any], list[NDArray[np.int64]]]:
    """The different numbers in `frames` (M,), ascending, and the rows of each."""
    order = np.argsort(frames, kind="stable")
    numbers, begins = np.unique(frames[order], return_index=True)
    return numbers, np.split(order, begins)[1:]
