"""The rows of a run as a page reads them: columns of numbers, not text, so that 100,000 of them are there at once.

4 bytes     length of the head, little-endian
the head    JSON: what the page needs beside numbers, and `columns`: [name, type, first byte, how many]
columns     each from a multiple of 8 bytes on, counted from the first; types are NumPy's: <u4, <f4, <f8, |u1
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.datasets.annotations import Annotations

PREDICTED, KEYFRAME, MASK = 1, 2, 4  # bits of `flags`


def columns_of(rows: Annotations) -> dict[str, NDArray[Any]]:
    """The columns of R rows and F frames, in the types that a page reads; rows by object, then by frame."""
    flags = PREDICTED * rows.occluded.astype(np.uint8) + KEYFRAME * rows.keyframes.astype(np.uint8)
    if rows.columns.masks is not None:
        flags += MASK * rows.columns.masks.known.astype(np.uint8)
    return {
        "frame": rows.frames.astype("<u4"),
        "id": rows.ids.astype("<u4"),
        "box": rows.xyxy.astype("<f4").reshape(-1),
        "class": rows.classes.astype("<u4"),
        "score": rows.scores.astype("<f4"),
        "flags": flags,
        "time": rows.times_s.astype("<f8"),
    }


def packed(head: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> bytes:
    """All of it in one piece."""
    directory, parts, at = [], [], 0
    for name, values in columns.items():
        data = values.tobytes()
        directory.append([name, values.dtype.str, at, values.size])
        parts += [data, bytes(-len(data) % 8)]
        at += len(data) + -len(data) % 8
    words = json.dumps({**head, "columns": directory}).encode()
    words += b" " * (-(4 + len(words)) % 8)
    return b"".join([len(words).to_bytes(4, "little"), words, *parts])


def packed_shapes(rows: Annotations) -> bytes:
    """What a frame's rows carry beside their boxes, each column with the ids of those rows that have it.

    Masks are runs, numbered down the frame's columns (`tracker/columns/masks.py`): `masked`, how many edges each of
    them has in `runs`, and `edges`. Skeletons are `jointed` and `points`, x, y and confidence of each. Corners of
    oriented boxes are `turned` and `corners`. What is not known is NaN.
    """
    masks, points, corners = rows.columns.masks, rows.columns.keypoints, rows.columns.corners
    points = np.zeros((len(rows), 0, 3), np.float32) if points is None else points
    corners = np.zeros((len(rows), 0, 2), np.float32) if corners is None else corners
    masked = np.zeros(0, np.int64) if masks is None else np.flatnonzero(masks.known)
    runs = [] if masks is None else [masks.edges[masks.first[row] : masks.last[row]] for row in masked.tolist()]
    known = np.asarray(np.isfinite(points).all(axis=2))
    jointed = np.flatnonzero(known.any(axis=1))
    turned = np.flatnonzero(np.isfinite(corners).all(axis=(1, 2)) & (corners.shape[1] > 0))
    return packed(
        {"height": rows.size[1]},
        {
            "masked": rows.ids[masked].astype("<u4"),
            "runs": np.array([len(part) for part in runs], "<u4"),
            "edges": np.concatenate([np.zeros(0, np.int32), *runs]).astype("<u4"),
            "jointed": rows.ids[jointed].astype("<u4"),
            "points": points[jointed].astype("<f4").reshape(-1),
            "turned": rows.ids[turned].astype("<u4"),
            "corners": corners[turned].astype("<f4").reshape(-1),
        },
    )
