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


def packed_masks(rows: Annotations) -> bytes:
    """The masks of a frame's rows: their runs, numbered down the frame's columns (`tracker/columns/masks.py`)."""
    masks = rows.columns.masks
    known = np.zeros(0, np.int64) if masks is None else np.flatnonzero(masks.known)
    runs = [] if masks is None else [masks.edges[masks.first[row] : masks.last[row]] for row in known.tolist()]
    return packed(
        {"height": rows.size[1]},
        {
            "id": rows.ids[known].astype("<u4"),
            "runs": np.array([len(part) for part in runs], "<u4"),
            "edges": np.concatenate([np.zeros(0, np.int32), *runs]).astype("<u4"),
        },
    )
