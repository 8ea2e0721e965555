"""What trackers without a filter predict with, behind the same protocol; with one: see `frame_kalman.py`.

- `LastBox`: nothing moves.
- `ConstantVelocity`: the mean velocity over the last ten observations, as OC-SORT and many others extrapolate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import cxcywh_to_xyxy
from tracker.motion.kalman import to_coordinates, warp
from tracker.motion.kalman_predictor import mean_in_pixels
from tracker.motion.predictor import Observations, Prediction, Predictor
from tracker.structures import Floats, Forecaster, Ints, Mask
from tracker.system.state import Stateful

HISTORY = 10


class ConstantVelocity(Stateful):
    """The mean velocity of the last `history` observations goes on; no uncertainty (NaN)."""

    saved = ("_boxes", "_times")
    rebuilt = ("history",)

    def __init__(self, history: int = HISTORY) -> None:
        self.history = history
        self._boxes = np.zeros((history, 0, 4))  # newest first
        self._times = np.zeros((history, 0))

    def fresh(self) -> ConstantVelocity:
        return ConstantVelocity(self.history)

    def predict(self, slots: Ints, time_s: float) -> Prediction:
        box, times = self._boxes[:, slots], self._times[:, slots]
        span = times[0] - times[-1]
        velocity = (box[0] - box[-1]) / np.where(span > 0, span, np.inf)[:, None]
        mean = box[0] + velocity * (time_s - times[0])[:, None]
        mean[:, 2:] = np.exp(np.clip(mean[:, 2:], box[0, :, 2:] - 2, box[0, :, 2:] + 2))
        return Prediction(mean.astype(np.float32), np.full(mean.shape, np.nan, np.float32))

    def forecast(self, slots: Ints, time_s: float) -> Prediction:
        return self.predict(slots, time_s)

    def estimate(self, slots: Ints) -> Floats:
        return mean_in_pixels(self._boxes[0, slots])

    def update(self, slots: Ints, seen: Observations, new: Mask) -> None:
        more = int(slots.max(initial=-1)) + 1 - self._times.shape[1]
        if more > 0:
            self._boxes = np.pad(self._boxes, ((0, 0), (0, more), (0, 0)))
            self._times = np.pad(self._times, ((0, 0), (0, more)))
        observed = to_coordinates(seen.xyxy.astype(np.float64))
        self._boxes[1:, slots] = np.where(new[:, None], observed, self._boxes[:-1, slots])
        self._times[1:, slots] = np.where(new, seen.time_s, self._times[:-1, slots])
        self._boxes[0, slots] = observed
        self._times[0, slots] = seen.time_s

    def warp(self, slots: Ints, affine: NDArray[np.float64]) -> None:
        boxes = self._boxes[:, slots]
        warp(boxes, affine)
        self._boxes[:, slots] = boxes

    def snapshot(self, slots: Ints, time_s: float) -> Forecaster:
        frozen = self.fresh()
        frozen._boxes, frozen._times = self._boxes[:, slots], self._times[:, slots]
        return Frozen(frozen, time_s, len(slots))


class LastBox(ConstantVelocity):
    """The last observation stays; no uncertainty (NaN)."""

    def __init__(self) -> None:
        super().__init__(history=1)


@dataclass(frozen=True, eq=False)
class Frozen:
    """What a predictor that no longer changes says of its first `tracks` slots, from `time_s` on."""

    predictor: Predictor
    time_s: float
    tracks: int

    def __call__(self, seconds: Floats) -> tuple[Floats, Floats]:
        slots = np.arange(self.tracks)
        steps = [self.predictor.predict(slots, self.time_s + float(s)) for s in seconds]
        boxes, std = (np.stack(x, axis=1) for x in zip(*((p.cxcywh, p.std) for p in steps), strict=True))
        edge = np.sqrt(std[..., :2] ** 2 + std[..., 2:] ** 2 / 4)
        return cxcywh_to_xyxy(boxes), np.concatenate([edge, edge], axis=-1)
