"""What trackers predict with elsewhere, behind the same protocol: the motion models ours has to beat.

- `LastBox`: nothing moves.
- `ConstantVelocity`: the mean velocity over the last ten observations, as OC-SORT and many others extrapolate.
- `FrameKalman`: the constant-velocity filters of DeepSORT (centre, aspect, height) and BoT-SORT (centre, width,
  height), with the noise that SORT's descendants and Ultralytics use: fixed shares of the box a frame, whatever the
  frame rate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from tracker.motion.kalman import to_coordinates, warp
from tracker.motion.predictor import Observations, Prediction
from tracker.structures import Floats, Forecaster, Ints, Mask

HISTORY = 10
POSITION_SHARE, VELOCITY_SHARE = 1 / 20, 1 / 160  # of the box's size (DeepSORT, Wojke et al., 2017)
ASPECT_STD, ASPECT_VELOCITY_STD, ASPECT_MEASURED_STD = 1e-2, 1e-5, 1e-1


class ConstantVelocity:
    """The mean velocity of the last `history` observations goes on; no uncertainty (NaN)."""

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
        return _forecaster(frozen, time_s, len(slots))


class LastBox(ConstantVelocity):
    """The last observation stays; no uncertainty (NaN)."""

    def __init__(self) -> None:
        super().__init__(history=1)


class FrameKalman:
    """The Kalman filters of SORT's descendants, a step a frame, in closed form over several frames.

    Args:
        interval_s: seconds a frame; their noise is set for frames, not for seconds.
        aspect: filter width / height and height (DeepSORT's "xyah") instead of width and height (BoT-SORT's "xywh").
    """

    def __init__(self, interval_s: float, aspect: bool) -> None:
        self.interval_s, self.aspect = interval_s, aspect
        self._state = np.zeros((5, 0, 4))  # mean, velocity, their variances and covariance: var, cov, velocity var
        self._time_s = np.zeros(0)

    def fresh(self) -> FrameKalman:
        return FrameKalman(self.interval_s, self.aspect)

    def predict(self, slots: Ints, time_s: float) -> Prediction:
        mean, _, variance, _, _ = self._propagated(slots, time_s)
        std = np.sqrt(variance)
        if self.aspect:
            width = mean[:, 2] * mean[:, 3]
            std[:, 2] = np.hypot(std[:, 2] * mean[:, 3], mean[:, 2] * std[:, 3])
            mean[:, 2] = width
        mean[:, 2:] = np.maximum(mean[:, 2:], 1e-3)
        return Prediction(mean.astype(np.float32), std.astype(np.float32))

    def update(self, slots: Ints, seen: Observations, new: Mask) -> None:
        more = int(slots.max(initial=-1)) + 1 - len(self._time_s)
        if more > 0:
            self._state = np.pad(self._state, ((0, 0), (0, more), (0, 0)))
            self._time_s = np.pad(self._time_s, (0, more))
        observed = self._measured(seen.xyxy)
        self._time_s[slots[new]] = seen.time_s
        self._state[:, slots[new]] = self._started(observed[new])
        mean, velocity, variance, covariance, velocity_variance = self._propagated(slots, seen.time_s)
        _, _, measured = self._noise(mean)
        total = variance + measured**2
        innovation, gain, velocity_gain = observed - mean, variance / total, covariance / total
        corrected = np.stack(
            [
                mean + gain * innovation,
                velocity + velocity_gain * innovation,
                (1 - gain) * variance,
                (1 - gain) * covariance,
                velocity_variance - velocity_gain * covariance,
            ]
        )
        self._state[:, slots[~new]] = corrected[:, ~new]
        self._time_s[slots] = seen.time_s

    def _started(self, box: NDArray[np.float64]) -> NDArray[np.float64]:
        position, velocity, _ = self._noise(box)
        if self.aspect:
            position[:, 2] /= 2
            velocity[:, 2] /= 10
        zero = np.zeros_like(box)
        return np.stack([box, zero, (2 * position) ** 2, zero, (10 * velocity) ** 2])

    def warp(self, slots: Ints, affine: NDArray[np.float64]) -> None:
        linear = affine[:, :2]
        scale = np.sqrt(abs(np.linalg.det(linear)))
        state = self._state[:, slots]
        state[:2, :, :2] = state[:2, :, :2] @ linear.T
        state[0, :, :2] += affine[:, 2]
        sizes = slice(3 if self.aspect else 2, 4)
        state[:2, :, sizes] *= scale
        for part in (slice(0, 2), sizes):
            state[2:, :, part] *= scale**2
        self._state[:, slots] = state

    def snapshot(self, slots: Ints, time_s: float) -> Forecaster:
        frozen = self.fresh()
        frozen._state, frozen._time_s = self._state[:, slots], self._time_s[slots]
        return _forecaster(frozen, time_s, len(slots))

    def _measured(self, xyxy: Floats) -> NDArray[np.float64]:
        box = xyxy_to_cxcywh(xyxy.astype(np.float64))
        if self.aspect:
            box[:, 2] /= box[:, 3]
        return box

    def _noise(self, mean: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """(N, 4) standard deviations a frame: of position, of velocity, of a measurement."""
        if self.aspect:
            share = np.repeat(mean[:, 3:], 4, axis=1)
        else:
            share = np.concatenate([mean[:, 2:], mean[:, 2:]], axis=1)
        position, velocity, measured = share * POSITION_SHARE, share * VELOCITY_SHARE, share * POSITION_SHARE
        if self.aspect:
            position[:, 2], velocity[:, 2], measured[:, 2] = ASPECT_STD, ASPECT_VELOCITY_STD, ASPECT_MEASURED_STD
        return position, velocity, measured

    def _propagated(self, slots: Ints, time_s: float) -> tuple[NDArray[np.float64], ...]:
        mean, velocity, variance, covariance, velocity_variance = self._state[:, slots]
        n = np.rint((time_s - self._time_s[slots]) / self.interval_s)[:, None]
        position, drift, _ = self._noise(mean)
        q, r = position**2, drift**2
        return (
            mean + n * velocity,
            velocity,
            variance + 2 * n * covariance + n**2 * velocity_variance + n * q + r * n * (n - 1) * (2 * n - 1) / 6,
            covariance + n * velocity_variance + r * n * (n - 1) / 2,
            velocity_variance + n * r,
        )


def _forecaster(frozen: ConstantVelocity | FrameKalman, time_s: float, tracks: int) -> Forecaster:
    slots = np.arange(tracks)

    def forecaster(seconds: Floats) -> tuple[Floats, Floats]:
        steps = [frozen.predict(slots, time_s + float(s)) for s in seconds]
        boxes, std = (np.stack(x, axis=1) for x in zip(*((p.cxcywh, p.std) for p in steps), strict=True))
        edge = np.sqrt(std[..., :2] ** 2 + std[..., 2:] ** 2 / 4)
        return cxcywh_to_xyxy(boxes), np.concatenate([edge, edge], axis=-1)

    return forecaster
