"""How far what two devices make of the same video is apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracker.boxes import iou
from tracker.structures import Detections

NEAR_PX = 0.1  # edges of the same tracks are no further apart


def detections_beside(ours: Sequence[Detections], theirs: Sequence[Detections]) -> dict[str, Any]:
    """How many objects two detectors find in the same frames, and the largest distance of an edge of those in both."""
    apart = [np.zeros(0)]
    for a, b in zip(ours, theirs, strict=True):
        if len(a) and len(b):
            overlap = iou(a.xyxy, b.xyxy)
            edges = np.abs(a.xyxy - b.xyxy[overlap.argmax(1)]).max(1)
            apart.append(edges[overlap.max(1) > 0.5])
    off = np.concatenate(apart)
    counts = {"detections_cpu": sum(map(len, ours)), "detections": sum(map(len, theirs)), "in_both": len(off)}
    return counts | {"detections_px": round(float(off.max(initial=0)), 3)}


def tracks_beside(ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """Of two tables (frame, id, left, top, width, height, ...): the share of rows that both have, by frame and id; the
    largest distance of an edge in those; and whether the tracks are the same, as the tables' two decimals say it."""
    first, second = ({(row[0], row[1]): row[2:6] for row in table} for table in (ours, theirs))
    both = sorted(first.keys() & second.keys())
    apart = np.array([first[key] - second[key] for key in both]).reshape(-1, 4)
    off = np.abs(np.concatenate([apart[:, :2], apart[:, :2] + apart[:, 2:]], axis=1)).max(initial=0)
    share = len(both) / max(1, len(first.keys() | second.keys()))
    same = share == 1 and bool(off < NEAR_PX + 0.005)
    return {"rows_in_both": round(share, 4), "tracks_px": round(float(off), 3), "same": same}
