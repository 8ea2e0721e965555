"""What a similarity of looks means in this stream: cars look more alike than people, and features of one's own differ.

Two detections in one frame that do not overlap are two objects. Their similarities show, class by class, how alike
different objects look here; similarities are shifted and scaled so that this spread comes to lie where it lay when the
calibration of `appearance.py` was fitted. A likeness that is common in this stream is then no evidence.
"""

from __future__ import annotations

import numpy as np

from tracker.boxes import iou
from tracker.structures import Detections, Floats, Ints

_PRIOR_MEAN_WEIGHT = 10.0  # the calibration's own mean counts as much as this many pairs,
_PRIOR_DEVIATION_WEIGHT = 50.0  # and its deviation as much as this many
_MEMORY = 20_000.0  # pairs that the estimate looks back on
_APART = 0.05  # boxes that overlap more may be two detections of one object


class LookScale:
    """Mean and standard deviation of the similarity of different objects, class by class.

    Args:
        mean, deviation: of the data that the calibration was fitted on.
    """

    def __init__(self, mean: float, deviation: float) -> None:
        self._mean, self._deviation = mean, deviation
        self._spreads: dict[int, tuple[float, float, float]] = {}  # class -> pairs seen, their mean and variance

    def learn(self, found: Detections) -> None:
        """Take in the looks of one frame; rows without a feature say nothing."""
        if found.features is None:
            return
        seen = found[~np.isnan(found.features[:, 0])]
        if len(seen) < 2:
            return
        assert seen.features is not None
        different = np.triu(iou(seen.xyxy, seen.xyxy) < _APART, 1) & (seen.classes[:, None] == seen.classes)
        similarity = seen.features @ seen.features.T
        for label in np.unique(seen.classes).tolist():
            values = similarity[different & (seen.classes == label)]
            if len(values):
                self._add(label, values)

    def __call__(self, similarity: Floats, classes: Ints) -> Floats:
        """(N, M) similarities to M detections of these classes (M,) -> the same in the calibration's terms."""
        if not len(classes):
            return similarity
        mean, deviation = np.array([self._spread(label) for label in classes.tolist()]).T
        return np.asarray(self._mean + (similarity - mean) * (self._deviation / deviation), np.float32)

    def _spread(self, label: int) -> tuple[float, float]:
        """Mean and deviation of a class; the deviation is around the stream's own mean, however far that has moved."""
        pairs, mean, variance = self._spreads.get(label, (0.0, 0.0, 0.0))
        blended = (pairs * mean + _PRIOR_MEAN_WEIGHT * self._mean) / (pairs + _PRIOR_MEAN_WEIGHT)
        prior = _PRIOR_DEVIATION_WEIGHT * self._deviation**2
        return blended, float(np.sqrt((pairs * variance + prior) / (pairs + _PRIOR_DEVIATION_WEIGHT)))

    def _add(self, label: int, values: Floats) -> None:
        """Merge the mean and variance of more pairs into the class's (Chan, Golub & LeVeque, 1979)."""
        pairs, mean, variance = self._spreads.get(label, (0.0, 0.0, 0.0))
        total = pairs + len(values)
        share = len(values) / total
        step = float(values.mean()) - mean
        variance = (1 - share) * variance + share * float(values.var()) + share * (1 - share) * step**2
        self._spreads[label] = (min(total, _MEMORY), mean + share * step, variance)
