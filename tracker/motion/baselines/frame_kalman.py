"""The constant-velocity Kalman filters of SORT's descendants: what ours has to beat.

Centre, and either aspect (width / height) and height, as DeepSORT filters them ("xyah"), or width and height, as
BoT-SORT does ("xywh"). Each coordinate is filtered on its own, a step a frame; noise is a share of the box, that of an
aspect is what it is. There are two sets of constants: `CLASSIC`, chosen by DeepSORT's authors (Wojke et al., 2017) and
used by Ultralytics at any frame rate, and `FITTED`, by likelihood on the windows that our own filter is fitted on. The
latter are for one second and so fit any frame rate; `scripts/studies/fit_frame_kalman.py` finds them.

As in `kalman.py`, the functions work on NumPy arrays in use and on PyTorch tensors in the fit. A state is (5, ..., 4):
mean, velocity a frame, variance, covariance and variance of the velocity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.affine import affine_scale
from tracker.boxes import xyxy_to_cxcywh
from tracker.motion.baselines.constant_velocity import Frozen
from tracker.motion.kalman import MEAN, namespace, observe
from tracker.motion.predictor import Observations, Prediction
from tracker.structures import Floats, Forecaster, Ints, Mask
from tracker.system.state import Stateful

Array = Any  # NDArray or torch.Tensor


@dataclass(frozen=True, eq=False)
class FrameNoise:
    """The filter's constants: standard deviations, (4,) each, one a coordinate, in shares of the box.

    Attributes:
        position, velocity: of their random walks, in a frame.
        measurement: of a detection.
        start, start_velocity: of a new track.
    """

    position: Array
    velocity: Array
    measurement: Array
    start: Array
    start_velocity: Array

    def per_frame(self, interval_s: Array) -> FrameNoise:
        """From the constants for one second to those for a frame of `interval_s`, a number or (B, 1)."""
        return FrameNoise(
            self.position * interval_s**0.5,
            self.velocity * interval_s**1.5,
            self.measurement,
            self.start,
            self.start_velocity * interval_s,
        )


def _shares(*rows: list[float]) -> FrameNoise:
    return FrameNoise(*np.array(rows))


CLASSIC = {  # for a frame
    "xyah": _shares(
        [1 / 20, 1 / 20, 1e-2, 1 / 20],
        [1 / 160, 1 / 160, 1e-5, 1 / 160],
        [1 / 20, 1 / 20, 1e-1, 1 / 20],
        [1 / 10, 1 / 10, 1e-2, 1 / 10],
        [1 / 16, 1 / 16, 1e-5, 1 / 16],
    ),
    "xywh": _shares([1 / 20] * 4, [1 / 160] * 4, [1 / 20] * 4, [1 / 10] * 4, [1 / 16] * 4),
}

FITTED = {  # for one second
    "xyah": _shares(
        [0.172, 0.184, 0.0733, 0.196],
        [0.949, 0.183, 7.87e-05, 0.0301],
        [0.027, 0.0317, 0.0329, 0.0524],
        [0.0366, 0.049, 0.0549, 0.0804],
        [1.3, 0.474, 3.64e-05, 0.279],
    ),
    "xywh": _shares(
        [0.317, 0.184, 0.329, 0.178],
        [1.61, 0.183, 0.0197, 0.0283],
        [0.0315, 0.0317, 0.0829, 0.0484],
        [0.0478, 0.049, 0.132, 0.072],
        [1.8, 0.474, 0.112, 0.246],
    ),
}


def unit(mean: Array, aspect: bool) -> Array:
    """(..., 4) what the shares are of: width, height, width, height, or the height and, for an aspect, 1."""
    xp = namespace(mean)
    width, height = mean[..., 2:3], mean[..., 3:]
    return xp.concatenate([height, height, xp.ones_like(height), height] if aspect else [width, height] * 2, -1)


def start(box: Array, noise: FrameNoise, aspect: bool) -> Array:
    """State of tracks first seen at `box` (..., 4)."""
    xp = namespace(box)
    share, zero = unit(box, aspect), xp.zeros_like(box)
    return xp.stack([box, zero, (share * noise.start) ** 2, zero, (share * noise.start_velocity) ** 2])


def propagate(state: Array, frames: Array, noise: FrameNoise, aspect: bool) -> Array:
    """State `frames` (..., 1) later: so many steps of F P F^T + Q at once."""
    mean, velocity, variance, covariance, velocity_variance = state
    share, n = unit(mean, aspect), frames
    q, r = (share * noise.position) ** 2, (share * noise.velocity) ** 2
    return namespace(state).stack(
        [
            mean + n * velocity,
            velocity,
            variance + 2 * n * covariance + n**2 * velocity_variance + n * q + r * n * (n - 1) * (2 * n - 1) / 6,
            covariance + n * velocity_variance + r * n * (n - 1) / 2,
            velocity_variance + n * r,
        ]
    )


def correct(predicted: Array, observed: Array, noise: FrameNoise, aspect: bool) -> Array:
    """State after the predicted state was observed at (..., 4)."""
    return observe(predicted, observed, unit(predicted[MEAN], aspect) * noise.measurement)


def to_aspect(cxcywh: Array) -> Array:
    """(..., 4) centre, width, height -> centre, aspect, height."""
    ratio = cxcywh[..., 2:3] / cxcywh[..., 3:]
    return namespace(cxcywh).concatenate([cxcywh[..., :2], ratio, cxcywh[..., 3:]], -1)


def from_aspect(mean: Array, std: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (..., 4) of centre, aspect, height -> of centre, width, height."""
    xp = namespace(mean)
    ratio, height = mean[..., 2:3], mean[..., 3:]
    width_std = xp.hypot(std[..., 2:3] * height, ratio * std[..., 3:])
    return (
        xp.concatenate([mean[..., :2], ratio * height, height], -1),
        xp.concatenate([std[..., :2], width_std, std[..., 3:]], -1),
    )


class FrameKalman(Stateful):
    """One of these filters behind the protocol of `predictor.py`.

    Args:
        interval_s: seconds a frame.
        noise: the constants, for a frame.
        aspect: filter aspect and height instead of width and height.
    """

    saved = ("_state", "_time_s")
    rebuilt = ("interval_s", "noise", "aspect")

    def __init__(self, interval_s: float, noise: FrameNoise, aspect: bool) -> None:
        self.interval_s, self.noise, self.aspect = interval_s, noise, aspect
        self._state = np.zeros((5, 0, 4))
        self._time_s = np.zeros(0)

    def fresh(self) -> FrameKalman:
        return FrameKalman(self.interval_s, self.noise, self.aspect)

    def predict(self, slots: Ints, time_s: float) -> Prediction:
        return self._in_pixels(self._propagated(slots, time_s))

    def forecast(self, slots: Ints, time_s: float) -> Prediction:
        return self.predict(slots, time_s)

    def estimate(self, slots: Ints) -> Floats:
        return self._in_pixels(self._state[:, slots]).cxcywh

    def update(self, slots: Ints, seen: Observations, new: Mask) -> None:
        more = int(slots.max(initial=-1)) + 1 - len(self._time_s)
        if more > 0:
            self._state = np.pad(self._state, ((0, 0), (0, more), (0, 0)))
            self._time_s = np.pad(self._time_s, (0, more))
        observed = xyxy_to_cxcywh(seen.xyxy.astype(np.float64))
        if self.aspect:
            observed = to_aspect(observed)
        self._state[:, slots[new]] = start(observed[new], self.noise, self.aspect)
        old = slots[~new]
        predicted = self._propagated(old, seen.time_s)
        self._state[:, old] = correct(predicted, observed[~new], self.noise, self.aspect)
        self._time_s[slots] = seen.time_s

    def warp(self, slots: Ints, affine: NDArray[np.float64]) -> None:
        linear, scale = affine[:, :2], affine_scale(affine)
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
        return Frozen(frozen, time_s, len(slots))

    def _in_pixels(self, state: NDArray[np.float64]) -> Prediction:
        mean, _, variance, _, _ = state
        std = np.sqrt(variance)
        if self.aspect:
            mean, std = from_aspect(mean, std)
        mean[:, 2:] = np.maximum(mean[:, 2:], 1e-3)
        return Prediction(mean.astype(np.float32), std.astype(np.float32))

    def _propagated(self, slots: Ints, time_s: float) -> NDArray[np.float64]:
        frames = np.rint((time_s - self._time_s[slots]) / self.interval_s)[:, None]
        return np.asarray(propagate(self._state[:, slots], frames, self.noise, self.aspect))
