"""What a similarity of looks means in this stream: cars look more alike than people, and features of one's own differ.

Two detections in one frame that do not overlap are two objects. Their similarities show, class by class, how alike
different objects look here; similarities are shifted and scaled so that this spread comes to lie where it lay when the
calibration of `appearance.py` was fitted. A likeness that is common in this stream is then no evidence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import iou
from tracker.structures import Detections, Floats, Ints

_PRIOR_WEIGHT = 50.0  # the calibration's own spread counts as much as this many pairs
_MEMORY = 20_000.0  # pairs that the estimate looks back on
_APART = 0.05  # boxes that overlap more may be two detections of one object
_LEAST_DEVIATION = 0.02


class LookScale:
    """Mean and standard deviation of the similarity of different objects, class by class.

    Args:
        mean, deviation: of the data that the calibration was fitted on.
    """

    def __init__(self, mean: float, deviation: float) -> None:
        self._mean, self._deviation = mean, deviation
        self._moments: dict[int, NDArray[np.float64]] = {}  # class -> weight, mean and mean square

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
        moments = np.array([self._moment(label) for label in classes.tolist()])
        deviation = np.sqrt(np.maximum(moments[:, 2] - moments[:, 1] ** 2, _LEAST_DEVIATION**2))
        scaled = self._mean + (similarity - moments[:, 1]) * (self._deviation / deviation)
        return np.asarray(scaled, np.float32)

    def _moment(self, label: int) -> NDArray[np.float64]:
        prior = np.array([_PRIOR_WEIGHT, self._mean, self._mean**2 + self._deviation**2])
        return self._moments.get(label, prior)

    def _add(self, label: int, values: Floats) -> None:
        weight, mean, square = self._moment(label)
        weight = min(weight + len(values), _MEMORY)
        share = len(values) / weight
        self._moments[label] = np.array(
            [weight, mean + share * (values.mean() - mean), square + share * ((values**2).mean() - square)]
        )
