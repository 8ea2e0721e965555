"""How much weight a detector's box gets: what is reported lies between it and the motion model's own estimate.

A detector's error lasts for some frames, in widths above all (a swinging arm, an occluded half), so a filter with a
detector's noise as its only idea of it relies on it too much. The network knows such errors: asked, once it has seen
the detection, where the object is now, it takes a part of them out. By coordinate, the share of its answer that comes
nearest to the truth differs little from one detector to another.

But the network has hardly met a precise one, such as a person with a pencil. That shows in heights, which change
slowly: where they mostly are as predicted, there is nothing to take out, and boxes are reported as they are.

And what looks like an error may be a turn: dancers, players and balls do what was not foreseen, and the detection was
right. The next detection shows it: what it takes back of the step from detection to estimate was no error.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tracker.boxes import area, cxcywh_to_xyxy, paired_intersection, xyxy_to_cxcywh
from tracker.structures import Floats
from tracker.system.state import Names, Stateful, fits

# Least squares of the true centre x, centre y, width and height on estimate and detection, mean of the five kinds of
# data to tune on (YOLOX, R-CNN and Faster R-CNN detections, degraded ground truth of players and of vehicles).
_SHARE = np.array([0.7, 1.0, 0.6, 0.9], np.float32)
# Median share by which heights differ from predictions: no part of the estimate up to the first, all from the second.
_PRECISE, _USUAL = 0.01, 0.02
# How much of that step the next detection takes back where it was an error, as errors last, and where there was none.
_LASTS, _TURN = np.array([0.6, 0.8, 0.8, 0.9]), np.array([1.0, 1.3, 1.3, 1.3])
_TOLD_BY = np.array([0, 1, 1, 3])  # the coordinate that tells; widths do not: what a limb does lasts like an error
_STEPS = 0.004  # squared sizes, the sum of squared steps that this begins with
_EVERY = 6  # frames, of which two are learned from
_MOST = 0.5  # share of what is known that one frame replaces: thousands of new tracks have taken no step yet
_FAR = 0.5  # sizes: a step, or a surprise, so long is another thing
_SAME = 0.5  # least IoU of what is reported with the detection, that of one object in every benchmark
_SMALL = 0.09  # steps of centre and size, in sizes, that move no edge by .14: after those IoU is above .5
_START, _START_WEIGHT = 0.01, 20.0  # the prior, worth this many detections: precise until it shows otherwise
_MEMORY = 3000.0  # detections that the estimate looks back on


def fused(detected: Floats, estimated: Floats, strength: Floats | float = 1.0, smooth: Floats | None = None) -> Floats:
    """Where objects most likely are that were just seen.

    Args:
        detected: (N, 4) xyxy in pixels. estimated: (N, 4) cxcywh in pixels, of the motion model after it has seen them.
        strength: one, or by coordinate: 0 for boxes as they were detected, 1 for the best share of the estimate.
        smooth: (N,) from 0 to 1, how much of that each box gets; None: all.

    Returns:
        (N, 4) xyxy between the two, or the detection where what lies between is hardly the same box: then the estimate
        has not caught up, as behind a cut, and is not an estimate of where the object is now.
    """
    if not np.count_nonzero(strength):
        return detected
    seen = xyxy_to_cxcywh(detected)
    step = np.asarray(strength, np.float32) * _SHARE * (estimated - seen)
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
            self.error += min(len(off) / self._weight, 1.0) * (median - self.error)


class Mending(Stateful):
    """How much of what is mended in boxes was an error, by what the next detections take back of it.

    Attributes:
        sums: (2, 4) of centre x, centre y, width, height, what is long ago counting less: what was taken back of steps
            from detections to estimates, times these, and their squares, in squared sizes.
        shares: (4,) from 0 to 1, how much of the best share of the estimate each of them gets. mean: of these.
    """

    saved: ClassVar[Names] = ("sums", "_frames")
    rebuilt: ClassVar[Names] = ("shares", "mean")

    def __init__(self) -> None:
        self.sums = _STEPS * np.stack([_LASTS, np.ones(4)])
        self._frames = 0
        self._judge()

    def due(self) -> bool:
        """Count a frame: is it to be learned from, as one of two in a row?"""
        self._frames = (self._frames + 1) % _EVERY
        return self._frames < 2

    def learn(self, steps: Floats, expected: Floats, detected: Floats, estimated: Floats) -> Floats:
        """From N matched boxes: in one frame what is mended, in the next what is taken back of that; where it is `due`.

        Args:
            steps: (N, 4) as returned in the last frame; 0 for those not seen in it.
            expected: (N, 4) cxcywh in pixels, as predicted before. detected: (N, 4) xyxy in pixels.
            estimated: (N, 4) cxcywh in pixels, after the detections were seen.

        Returns:
            (N, 4) steps from these detections to their estimates, in sizes; 0 where those before were learned from.
        """
        seen = xyxy_to_cxcywh(detected)
        size = seen[:, [2, 3, 2, 3]]
        if not self._frames:
            return ((estimated - seen) / size).astype(np.float32, copy=False)
        surprise = (seen - expected) / size
        usual = np.maximum(np.abs(surprise), np.abs(steps)).max(axis=1) < _FAR
        steps, surprise = steps[usual], surprise[usual]
        self.sums *= 1 - min(len(steps) / _MEMORY, _MOST)
        self.sums += -(steps * surprise).sum(axis=0), (steps * steps).sum(axis=0)
        self._judge()
        return np.zeros_like(steps, shape=seen.shape)

    def _judge(self) -> None:
        taken_back = (self.sums[0] / self.sums[1])[_TOLD_BY]
        self.shares: Floats = np.clip((_TURN - taken_back) / (_TURN - _LASTS), 0, 1).astype(np.float32)
        self.mean = float(self.shares.mean())

    def _check_state(self) -> None:
        fits(bool(np.isfinite(self.sums).all() and (self.sums[1] > 0).all()), "what is known of mended boxes")
        self._judge()
