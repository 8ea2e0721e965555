"""A step that all objects share beyond what was expected of them: the camera turns, faster than its motion is known.

Between two frames far apart, or where there is no picture to see the camera's motion in, a pan takes all detections off
their tracks at once, but not apart from each other: one step leads from most tracks to a detection of their size. It is
voted for by all pairs, as in a Hough transform (Ballard, Pattern Recognition 1981).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import xyxy_to_cxcywh
from tracker.structures import Floats

_LEAST = 4  # tracks that share it, at least
_NEAR, _ALIKE = 0.25, 0.3  # sizes off its place, and log of sizes' ratio, within which a detection may be a track's
_HELD, _SHARE = 0.6, 0.6  # share of tracks near a detection as they are: no step; share of all that goes by one
_BETTER = 1.5  # times as many are near a detection after the step
_MOST = 200  # tracks and detections that are asked


def common_step(expected: Floats, detected: Floats) -> NDArray[np.float64] | None:
    """(2,) pixels by which the objects are from where they were expected, where most of them share that.

    Args:
        expected: (N, 4) cxcywh in pixels, of tracks whose motion is known. detected: (M, 4) xyxy in pixels.
    """
    fewer = min(len(expected), len(detected), _MOST)
    if fewer < _LEAST:
        return None
    start, end = expected[:_MOST, None], xyxy_to_cxcywh(detected[:_MOST])
    reach = _NEAR * np.sqrt(start[..., 2:3] * start[..., 3:])
    step = end[..., :2] - start[..., :2]  # (N, M, 2)
    held = np.count_nonzero((np.abs(step) < reach).all(axis=2).any(axis=1))
    if held >= _HELD * fewer:  # so it is in most frames
        return None
    alike = np.abs(np.log(end[..., 2:] / start[..., 2:])).max(axis=2) <= _ALIKE
    fewest, best = max(_SHARE * fewer, _LEAST, _BETTER * held), None
    cell = 2 * float(np.median(reach))
    votes = step[alike]
    for offset in np.array([(0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)]) if len(votes) else ():
        places = np.floor(votes / cell + offset)
        _, of, count = np.unique(places, axis=0, return_inverse=True, return_counts=True)
        guess = votes[of.ravel() == count.argmax()].mean(axis=0)
        if np.abs(guess).max() < cell / 2:  # shorter steps take nobody off
            continue
        near = (np.abs(step - guess) < reach).all(axis=2) & alike
        common = int(min(near.any(axis=1).sum(), near.any(axis=0).sum()))
        if common >= fewest:
            fewest, best = common + 1, np.median(step[near], axis=0)
    return best
