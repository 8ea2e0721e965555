"""How far a detector's boxes are off, learned from the stream, and how much of a box to believe therefore.

A detection differs from its prediction because the prediction errs and because the detector does. The motion model
says how much it errs; what the differences exceed that by is the detector's own noise. With both known, the box to
report is the usual precision-weighted mean of the two (Kalman, 1960): a shaky detector's boxes are smoothed, a precise
one's are reported as they are, with no constant per detector.
"""

from __future__ import annotations

import numpy as np

from tracker.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from tracker.structures import Floats

_START = 0.01**2  # believed at first: variance in shares of the box's size ...
_START_WEIGHT = 50.0  # ... worth this many detections
_MEMORY = 3000.0  # detections that the estimate looks back on
_SURE = 0.3  # only predictions whose standard deviation is a smaller share of the size say something
_OUTLIER = 9.0  # squared differences count up to this multiple of what is expected


class DetectorNoise:
    """Variance of a detector's centre x, centre y, width and height, in shares of the box's width and height.

    Args:
        strength: factor on the variance; higher smooths more, 0 reports boxes as they were detected.
    """

    def __init__(self, strength: float) -> None:
        self._strength = np.float32(strength)
        self._variance = np.full(4, _START, np.float32)
        self._weight = _START_WEIGHT

    def settle(self, detected: Floats, expected: Floats, std: Floats) -> Floats:
        """Learn from matched boxes and say where the objects most likely are.

        Args:
            detected: (N, 4) xyxy in pixels. expected, std: (N, 4) of the predicted cxcywh in pixels.

        Returns:
            (N, 4) xyxy between the two.
        """
        if not len(detected) or not self._strength:
            return detected
        seen = xyxy_to_cxcywh(detected)
        size = expected.take([2, 3, 2, 3], axis=1)
        doubt = (std / size) ** 2
        off = expected - seen
        self._learn((off / size) ** 2, doubt)
        noise = self._strength * self._variance
        return cxcywh_to_xyxy(seen + noise / (doubt + noise) * off)

    def _learn(self, squared: Floats, doubt: Floats) -> None:
        sure = doubt[:, 0] < _SURE**2
        count = np.count_nonzero(sure)
        if not count:
            return
        excess = np.minimum(squared, _OUTLIER * (doubt + self._variance)) - doubt
        self._weight = min(self._weight + count, _MEMORY)
        mean = excess[sure].sum(axis=0) / count
        self._variance = np.maximum(self._variance + np.float32(count / self._weight) * (mean - self._variance), 1e-6)
