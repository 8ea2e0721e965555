"""How much weight a detector's box gets: what is reported lies between it and the motion model's own estimate.

A detector's error lasts for some frames, in widths above all (a swinging arm, an occluded half), so a filter with a
detector's noise as its only idea of it relies on it too much. The network knows such errors: asked, once it has seen
the detection, where the object is now, it takes a part of them out. By coordinate, the share of its answer that comes
nearest to the truth differs little from one detector to another.

But the network has hardly met a precise one, such as a person with a pencil. That shows in heights, which change
slowly: where they mostly are as predicted, there is nothing to take out, and boxes are reported as they are.
"""

from __future__ import annotations

import numpy as np

from tracker.boxes import area, cxcywh_to_xyxy, paired_intersection, xyxy_to_cxcywh
from tracker.structures import Floats
from tracker.system.state import Stateful

# Least squares of the true centre x, centre y, width and height on estimate and detection, mean of the five kinds of
# data to tune on (YOLOX, R-CNN and Faster R-CNN detections, degraded ground truth of players and of vehicles).
_SHARE = np.array([0.7, 1.0, 0.6, 0.9], np.float32)
# Median share by which heights differ from predictions: no part of the estimate up to the first, all from the second.
_PRECISE, _USUAL = 0.01, 0.02
_SAME = 0.5  # least IoU of what is reported with the detection, that of one object in every benchmark
_SMALL = 0.09  # steps of centre and size, in sizes, that move no edge by .14: after those IoU is above .5
_START, _START_WEIGHT = 0.01, 20.0  # the prior, worth this many detections: precise until it shows otherwise
_MEMORY = 3000.0  # detections that the estimate looks back on


def fused(detected: Floats, estimated: Floats, strength: float = 1.0, smooth: Floats | None = None) -> Floats:
    """Where objects most likely are that were just seen.

    Args:
        detected: (N, 4) xyxy in pixels. estimated: (N, 4) cxcywh in pixels, of the motion model after it has seen them.
        strength: 0 for boxes as they were detected, 1 for the best share of the estimate.
        smooth: (N,) from 0 to 1, how much of that each box gets; None: all.

    Returns:
        (N, 4) xyxy between the two, or the detection where what lies between is hardly the same box: then the estimate
        has not caught up, as behind a cut, and is not an estimate of where the object is now.
    """
    if not strength:
        return detected
    seen = xyxy_to_cxcywh(detected)
    step = np.float32(strength) * _SHARE * (estimated - seen)
    if smooth is not None:
        step *= smooth[:, None]
    between = cxcywh_to_xyxy(seen + step)
    if np.abs(step.reshape(-1, 2, 2) / seen[:, None, 2:]).max(initial=0) < _SMALL:  # spares the areas in most frames
        return between
    common = paired_intersection(detected, between)
    near = common >= _SAME * (area(detected) + area(between) - common)
    return np.where(near[:, None], between, detected)


class Precision(Stateful):
    """How far a stream's detector is from a precise one.

    Attributes:
        error: median share by which detected heights differ from predicted ones, mean over the frames so far.
    """

    saved = ("error", "_weight")

    def __init__(self) -> None:
        self.error = _START
        self._weight = _START_WEIGHT

    @property
    def jitter(self) -> float:
        """0 for a precise detector, 1 for a usual one: how much there is to mend in its boxes."""
        return min(max((self.error - _PRECISE) / (_USUAL - _PRECISE), 0.0), 1.0)

    def learn(self, detected: Floats, expected: Floats) -> None:
        """From matched boxes: (N, 4) xyxy in pixels as detected, (N, 4) cxcywh in pixels as predicted before."""
        if len(detected):
            off = np.abs(detected[:, 3] - detected[:, 1] - expected[:, 3]) / expected[:, 3]
            self._weight = min(self._weight + len(off), _MEMORY)
            median = float(np.partition(off, len(off) // 2)[len(off) // 2])  # several times quicker than NumPy's
            self.error += len(off) / self._weight * (median - self.error)
