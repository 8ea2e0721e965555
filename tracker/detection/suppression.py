"""Non-maximum suppression: of candidates that overlap within a class the surest stays."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from tracker.structures import Floats, Ints

_BLOCK = 256  # oriented candidates that are compared with all surer ones at once
_TINY = np.float32(1e-7)


def suppress(rows: Floats, iou: float) -> list[int]:
    """Greedy non-maximum suppression within each class of (N, 6 + E) rows (box, score, class, ...).

    Returns the rows to keep, by falling score: of two boxes that overlap by more than `iou` the weaker goes.
    """
    tlwh: Any = np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2]], axis=1)
    scores: Any = rows[:, 4]
    classes: Any = rows[:, 5].astype(np.int64)
    return list(cv2.dnn.NMSBoxesBatched(tlwh, scores, classes, 0.0, iou))


def suppress_oriented(rows: Floats, iou: float) -> Ints:
    """The same of (N, 7) rows (centre and sides of an oriented box, score, class, angle), as Ultralytics does it.

    Overlap is that of two Gaussians as wide as the boxes (ProbIoU: Llerena et al., 2021), and one is suppressed also by
    those that are suppressed themselves (Fast NMS: Bolya et al., ICCV 2019).
    """
    order = np.argsort(-rows[:, 4], kind="stable")
    rows = rows[order]
    moments, classes = _moments(rows), rows[:, 5]
    stays = np.ones(len(rows), bool)
    for begin in range(0, len(rows), _BLOCK):
        end = min(begin + _BLOCK, len(rows))
        overlap = _gaussian_overlap(moments[:, begin:end, None], moments[:, None, :end])
        overlap[classes[begin:end, None] != classes[:end]] = 0
        stays[begin:end] = ~np.any(np.tril(overlap > iou, begin - 1), axis=1)
    return np.asarray(order[stays], np.int64)


def _moments(rows: Floats) -> Floats:
    """(5, N) centre x and y, variances along x and y and covariance of uniform oriented boxes."""
    across, down = (rows[:, 2:4] ** 2 / 12).T
    cos, sin = np.cos(rows[:, 6]), np.sin(rows[:, 6])
    mixed = across * cos**2 + down * sin**2, across * sin**2 + down * cos**2, (across - down) * cos * sin
    return np.stack([rows[:, 0], rows[:, 1], *mixed])


def _gaussian_overlap(one: Floats, other: Floats) -> Floats:
    """1 - Hellinger distance of Gaussians by their moments (5, ...), shapes broadcast, from Bhattacharyya's."""
    a, b, c = one[2:] + other[2:]
    dx, dy = one[0] - other[0], one[1] - other[1]
    spread = a * b - c**2
    apart = (a * dy**2 + b * dx**2) / (spread + _TINY) / 4 - c * dx * dy / (spread + _TINY) / 2
    own = [np.maximum(part[2] * part[3] - part[4] ** 2, 0) for part in (one, other)]
    sizes = np.log(spread / (4 * np.sqrt(own[0] * own[1]) + _TINY) + _TINY) / 2
    distance = np.clip(apart + sizes, _TINY, 100)
    overlap: Floats = 1 - np.sqrt(1 - np.exp(-distance) + _TINY)
    return overlap
