"""Similarity calibration to the stream: cars look more alike than people, and features of one's own differ.

Two detections in one frame that do not overlap are two objects. Their similarities show, class by class, how alike
different objects look here; similarities are shifted and scaled so that this spread comes to lie where it lay when the
calibration of `embedder.py` was fitted. A similarity that is common in this stream is then no evidence. Nor is one that
falls short of what embeddings of one object have in common here, which tracks that motion follows show.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.appearance.similarity import Calibration
from tracker.boxes import iou, occluded_share
from tracker.columns.classes import distinct
from tracker.structures import Detections, Floats, Ints
from tracker.system.state import State, Stateful, fits

_PRIOR_MEAN_WEIGHT = 10.0  # the calibration's own mean counts as much as this many pairs,
_PRIOR_DEVIATION_WEIGHT = 50.0  # and its deviation as much as this many
_LEAST_CONTRAST = 0.05  # similarity of one object less that of two: no network in use is worse
_MEMORY = 20_000.0  # pairs that the estimate looks back on
_CLASSES = 2000  # of which something is known at most; then that of the class first seen is forgotten
_SAMPLE = 128  # detections of a frame that are compared with each other, at most
_LARGE = 128.0  # pixels of height from which a picture gains little by being larger
_NO_SEPARATION, _SEPARATION = 1.0, 2.0  # deviations between the means of one object's and of two; see `SimilarityScale`
_APART = 0.05  # boxes that overlap more may be two detections of one object

Spread = tuple[float, float, float]  # how many pairs, mean and variance of their similarities
_NOTHING: Spread = (0.0, 0.0, 0.0)


class SimilarityScale(Stateful):
    """Mean and deviation of the similarity of different objects, and mean of that of one object, class by class.

    An embedding that does not tell the objects of a class apart abstains: where the two means are no more than one
    deviation apart (fish of one kind: .96; two Gaussians then share 62 %), a similarity is no evidence either way, and
    from two deviations on (cars: 2.5, people: 3.9 to 4.4) it counts in full; linear in between.

    Args:
        mean, deviation: of different objects in the data that the calibration was fitted on.
        same: mean similarity of one object, there, to what it looked like until a moment ago.
    """

    saved = ("_different", "_alike")
    rebuilt = ("_mean", "_deviation", "_same")

    def __init__(self, mean: float, deviation: float, same: float) -> None:
        self._mean, self._deviation, self._same = mean, deviation, same
        self._different: dict[int, Spread] = {}
        self._alike: dict[int, Spread] = {}

    @classmethod
    def before_any(cls, calibration: Calibration) -> Self:
        """As the calibration has it: of a stream of which nothing was seen yet."""
        return cls(calibration.different_mean, calibration.different_deviation, calibration.same_mean)

    def log_odds(self, calibration: Calibration, similarity: Floats, seconds: ArrayLike, classes: Ints) -> Floats:
        """(..., M) log-odds that embeddings are of one object, by their similarity to M detections of these classes."""
        scaled, sharpness = self(similarity, classes)
        return calibration.log_odds(scaled, seconds) * sharpness

    def state_dict(self, without: Collection[str] = ()) -> State:
        """Class numbers and what is known of each, (C,) and (C, 3), in the place of a dictionary."""
        state: State = {}
        for name in set(self.saved).difference(without):
            spreads: dict[int, Spread] = getattr(self, name)
            key = name.removeprefix("_")
            state[f"{key}.classes"] = np.array(list(spreads), np.int64)
            state[f"{key}.spreads"] = np.array(list(spreads.values()), np.float64).reshape(-1, 3)
        return state

    def load_state_dict(self, state: Mapping[str, NDArray[Any]], without: Collection[str] = ()) -> None:
        for name in set(self.saved).difference(without):
            key = name.removeprefix("_")
            classes, spreads = (state.get(f"{key}.{part}", np.zeros(0)) for part in ("classes", "spreads"))
            fits(classes.dtype == np.int64 and spreads.dtype == np.float64, f"{key}'s type")
            fits(classes.ndim == 1 and spreads.shape == (len(classes), 3), f"{key}'s shape")
            fits(bool(np.isfinite(spreads).all() and (spreads >= [0, -1.1, 0]).all()), f"what is known of {key}")
            rows = (tuple(row) for row in spreads.tolist())
            setattr(self, name, dict(zip(classes.tolist(), rows, strict=True)))

    def learn(self, found: Detections) -> None:
        """Take in the embeddings of one frame; rows without one say nothing, and of a crowd a subset says enough."""
        if found.features is None:
            return
        given = np.flatnonzero(~np.isnan(found.features[:, 0]))
        if len(given) < 2:
            return
        seen = found[given[:: math.ceil(len(given) / _SAMPLE)]]
        assert seen.features is not None
        similarity = seen.features @ seen.features.T
        apart = iou(seen.xyxy, seen.xyxy) < _APART  # each pair twice, none of a detection with itself
        labels = distinct(seen.classes)
        for label in labels.tolist():
            of_class = seen.classes == label
            values = similarity[apart if len(labels) == 1 else apart & of_class & of_class[:, None]]
            _add(self._different, label, values, len(values) // 2)

    def learn_different(self, similarity: Floats, classes: Ints) -> None:
        """Take in how similar (N,) pairs of different objects of these classes are."""
        for label in distinct(classes).tolist():
            values = similarity[classes == label]
            _add(self._different, label, values, len(values))

    def learn_same(self, similarity: Floats, classes: Ints) -> None:
        """Take in how similar (N,) tracks of these classes were to what they looked like a moment ago; NaN: unknown."""
        known = ~np.isnan(similarity)
        similarity, classes = similarity[known], classes[known]
        for label in distinct(classes).tolist():
            values = similarity[classes == label]
            _add(self._alike, label, values, len(values))

    def __call__(self, similarity: Floats, classes: Ints) -> tuple[Floats, Floats]:
        """What similarities (..., M) to M detections of these classes (M,) mean here.

        Returns:
            (..., M) the same in the calibration's terms, and (M,), or (1,) where all are of one class, how much more,
            from 1, log-odds say of these classes here, where different objects vary less; below 1, down to 0, where
            embeddings hardly tell them apart.
        """
        labels = distinct(classes)
        shifts = np.array([self._shift(label) for label in labels.tolist()], np.float32).reshape(-1, 3)
        if len(labels) > 1:
            shifts = shifts[np.searchsorted(labels, classes)]
        mean, factor, sharpness = shifts.T
        scaled = similarity - mean
        scaled *= factor
        scaled += np.float32(self._mean)
        return scaled, sharpness

    def _shift(self, label: int) -> tuple[float, float, float]:
        """Mean of different objects of a class, the factor on what is above it, and its sharpness, 0 to abstain.

        The factor is the more careful of two: it brings the deviation of different objects, or the mean of one object,
        to where it was. The deviation is around the stream's own mean, however far that has moved.
        """
        pairs, mean, variance = self._different.get(label, _NOTHING)
        mean = _blend(mean, pairs, self._mean, _PRIOR_MEAN_WEIGHT)
        deviation = math.sqrt(_blend(variance, pairs, self._deviation**2, _PRIOR_DEVIATION_WEIGHT))
        pairs, same, _ = self._alike.get(label, _NOTHING)
        contrast = _blend(same - mean, pairs, self._same - self._mean, _PRIOR_MEAN_WEIGHT)
        wide, far = self._deviation / deviation, (self._same - self._mean) / max(contrast, _LEAST_CONTRAST)
        separation = (contrast / deviation - _NO_SEPARATION) / (_SEPARATION - _NO_SEPARATION)
        return mean, min(wide, far), wide / min(wide, far) * min(max(separation, 0.0), 1.0)


def _blend(value: float, weight: float, prior: float, prior_weight: float) -> float:
    return (weight * value + prior_weight * prior) / (weight + prior_weight)


def _add(spreads: dict[int, Spread], label: int, values: Floats, pairs: int) -> None:
    """Merge the mean and variance of more pairs into the class's (Chan, Golub & LeVeque, 1979)."""
    if not pairs:
        return
    if label not in spreads and len(spreads) >= _CLASSES:
        del spreads[next(iter(spreads))]
    before, mean, variance = spreads.get(label, _NOTHING)
    total = before + pairs
    share = pairs / total
    middle = float(values.sum()) / len(values)
    off = values - np.float32(middle)
    step = middle - mean
    variance = (1 - share) * variance + share * float(off @ off) / len(values) + share * (1 - share) * step**2
    spreads[label] = (min(total, _MEMORY), mean + share * step, variance)


def crop_quality(xyxy: Floats, scores: Floats) -> Floats:
    """How good a crop a frame gives of each of its detections, (N,) from 0 to 1: large, sure, not occluded."""
    large = 1 - np.exp(-(xyxy[:, 3] - xyxy[:, 1]) / _LARGE)
    quality: Floats = (scores * (1 - occluded_share(xyxy)) * large).astype(np.float32)
    return quality
