"""Which tracks are of another object by now: their embeddings contradict, look after look, what they remember.

Motion does not see it. A detector that takes two people for one, where one comes out from behind the other, lets a box
slide from this one to that one without a gap, and two tracks that swap objects go on smoothly. What is cut off by the
picture's border, or occluded, looks like another object without being one: with that no contradiction begins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import occluded_share
from tracker.structures import Detections, Floats, Ints, Mask

Seconds = NDArray[np.float64]

CONTRARY = -2.0  # log-odds, one to seven, below which embeddings are hardly of one object
_WELL_KNOWN, _WELL_KNOWN_S = 4, 1.5  # embeddings, and age, of a memory that can be contradicted
_LASTING_S = 0.3  # an arm, a turn or a lamp post contradicts for a moment
_BORDER = 0.01  # of the picture's size: a box so near to its border is cut off
_OCCLUDED = 0.1  # share of an object that leaves it recognisable


def well_known(embeddings: Ints, age_s: Seconds) -> Mask:
    """(N,) tracks that were looked at so often, for so long, that what they look like is known.

    A car that comes near looks new at first; and what similarities mean in this stream is not known at its beginning.
    """
    known: Mask = (embeddings >= _WELL_KNOWN) & (age_s >= _WELL_KNOWN_S)
    return known


def contrary_since(
    odds: Floats, since_s: Seconds, found: Detections, rows: Ints, frame_size: tuple[float, float], time_s: float
) -> tuple[Seconds, Mask]:
    """Since when tracks are contradicted, and which of them for so long that they are of another object.

    Args:
        odds: (K,) log-odds of appearance that tracks and the detections they took are of one object; NaN: not known.
        since_s: (K,) seconds since when they are contradicted; inf: they are not.
        found: M detections with embeddings, NaN where none was taken. rows: (K,) those that were taken.

    Returns:
        (K,) seconds as `since_s`, (K,) bool.
    """
    assert found.features is not None
    looked = ~np.isnan(odds) & ~np.isnan(found.features[rows, 0])
    against = looked & (odds < CONTRARY)
    if not np.count_nonzero(against):  # so it is in nearly all frames
        return np.where(looked, np.inf, since_s), against
    whole = recognisable(found.xyxy, frame_size).take(rows)
    against &= whole | np.isfinite(since_s)
    since_s = np.where(looked, np.where(against, np.minimum(since_s, time_s), np.inf), since_s)
    return since_s, against & whole & (time_s - since_s >= _LASTING_S)


def recognisable(xyxy: Floats, frame_size: tuple[float, float]) -> Mask:
    """(M,) which detections, xyxy in pixels, are whole: neither cut off by the picture's border nor occluded."""
    whole: Mask = ~cut_off(xyxy, frame_size) & (occluded_share(xyxy) <= _OCCLUDED)
    return whole


def cut_off(xyxy: Floats, frame_size: tuple[float, float]) -> Mask:
    """(M,) which detections the picture's border may cut off."""
    size = np.array(frame_size, np.float32)
    beyond: Mask = np.any((xyxy[:, :2] <= _BORDER * size) | (xyxy[:, 2:] >= (1 - _BORDER) * size), axis=1)
    return beyond
