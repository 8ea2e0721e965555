"""Which crops to embed: those that motion cannot place, and those of tracks not embedded for a while."""

from __future__ import annotations

import numpy as np

from tracker.boxes import occluded_share
from tracker.structures import Floats, Ints, Mask

_OCCLUDED = 0.5  # where so much of an object is occluded, a crop shows mostly another one


def worth_embedding(similarity: Floats, stale: Mask, xyxy: Floats, sure: Mask, gate: float) -> Mask:
    """Which detections are to be embedded.

    Not those that are mostly occluded: no embedding is neutral, another object's would count against the match and
    stay in the memory.

    Args:
        similarity: (N, M) of confirmed tracks and detections, by motion. gate: least similarity of a pair.
        stale: (N,) tracks not embedded for a while.
        xyxy: (M, 4) the detections' boxes. sure: (M,) which of them can confirm a track.
    """
    unclear, best = ambiguous(similarity, gate)
    wanted = unclear & sure
    if len(stale):
        wanted |= ~unclear & stale[best]
    wanted &= occluded_share(xyxy) <= _OCCLUDED
    return wanted


def ambiguous(similarity: Floats, gate: float, margin: float = 0.3, poor: float = 0.5) -> tuple[Mask, Ints]:
    """Which detections motion alone cannot place.

    Args:
        similarity: (N, M) of confirmed tracks and detections. gate: least similarity of a pair.
        margin: a second choice that comes this close to the first makes a pair ambiguous.
        poor: so does a similarity below this: another object may have come out where the track is expected.

    Returns:
        (M,) True where a detection has no track that fits well, or where it or its track has a close second choice;
        and (M,) its best track's row (meaningless where there is none).
    """
    n, m = similarity.shape
    if not n or not m:
        return np.ones(m, bool), np.zeros(m, np.int64)
    best = similarity.argmax(axis=0)
    value = similarity[best, np.arange(m)]
    close = similarity > np.maximum(value - margin, gate)
    rivals = close.sum(axis=0) > 1
    wanted_twice = (similarity > np.maximum(similarity.max(axis=1, keepdims=True) - margin, gate)).sum(axis=1) > 1
    return (value <= max(gate, poor)) | rivals | wanted_twice[best], best
