"""How far to follow the network: its corrections are compared with what came of them.

What a network has learned of one kind of object need not hold of another. So a predictor remembers from time to time
what the network says of all its tracks, and compares it with where they are 0.8 s later. By coordinate, what came is
regressed on what was said, both less the filter's forecast and in standard deviations: Bayesian linear regression
through the origin, with a slope of 1 before anything was seen (Bishop, "Pattern Recognition and Machine Learning",
2006, ch. 3.3). The part of later corrections that grows with time is multiplied by the slope, bounded to 0 (the filter
alone) and 1 (the network as trained). The constant part stays: it takes out what the detector errs by at the moment,
and whether it does so rightly is not seen 0.8 s later.

The same comparisons show how wide the forecasts' distribution is: the mean of the errors, in standard deviations, all
coordinates together, which for a Laplace distribution is its scale; so many errors of the size expected count before.
What the detector errs by is part of them, and is added to what is expected. About a second ahead the standard deviation
is multiplied by this. For the next frame, where nothing but the detector's error is seen, it stays; three seconds ahead
the factor is fixed, what sequences held out of a training ask for. Where things will be in some seconds is learned from
far fewer different scenes than there are windows, and a network is too sure of it elsewhere.
The width is for forecasts that are reported; gates are tuned with the standard deviation as trained.

Why not compare with the very next frame? A detector's error lasts for some frames: a network that rightly takes it out
would be told that it was wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.motion.head import OUTPUTS, corrected, turn_output
from tracker.motion.kalman import MEAN, KalmanParameters, forecast, measurement_unit, move, process_unit
from tracker.structures import Ints

AHEAD_S = 0.8  # between what is said and what it is compared with
LONGEST_S = 4.0  # nothing is learned from forecasts further ahead: frames this far apart are no stream
SETTLED = 5  # observations before a track counts
PRIOR = 30.0  # precision of the slope, and tracks compared for the width, before anything was seen
FARTHEST = 3.0  # standard deviations: beyond, it is hardly the same object
NARROWEST = 0.85  # width: a detector's error that lasts is in what was said and in what came, and so is not seen
WIDTH_S = (0.2, 1.0, 3.0)  # ahead: up to the first the factor is 1, at the second the stream's width
FAR = 1.3  # and from the third on this; linear between


def stretch(width: float, dt: NDArray[Any]) -> NDArray[Any]:
    """Factor on the standard deviation of a forecast `dt` seconds ahead."""
    return np.asarray(np.interp(dt, WIDTH_S, (1, width, FAR)))


class Trust:
    """The slope of one stream, (4,) by coordinate, its width, and what is being waited for.

    Attributes:
        shares: (20,) what the network's output is to be multiplied by.
        width: for `stretch`.
    """

    def __init__(self, parameters: KalmanParameters) -> None:
        self.shares = np.ones(OUTPUTS)
        self.width = 1.0
        self._parameters = parameters
        self._evidence = np.full((2, 4), PRIOR)  # sums of said x came and of said x said
        self._errors = np.full(2, PRIOR)  # sums of errors in expected ones and of tracks
        self._said_s = -np.inf
        self._slots: Ints = np.zeros(0, np.int64)
        self._state, self._output = np.zeros((5, 0, 4)), np.zeros((0, OUTPUTS))
        self._motion = np.eye(2, 3)  # of the camera since

    def due(self, time_s: float) -> bool:
        """Is it time to compare, and to remember anew?"""
        return time_s >= self._said_s + AHEAD_S - 1e-6

    def remember(self, slots: Ints, state: NDArray[Any], output: NDArray[Any], time_s: float) -> None:
        """Filter states (5, N, 4) and the network's outputs (N, 20), as they come from it, of tracks now."""
        self._slots, self._state, self._output, self._said_s = slots, state, output, time_s
        self._motion = np.eye(2, 3)

    def warp(self, affine: NDArray[np.float64]) -> None:
        """The camera has moved: (2, 3), previous frame to this one."""
        self._motion = affine[:, :2] @ self._motion
        self._motion[:, 2] += affine[:, 2]

    def compare(self, slots: Ints, observed: NDArray[Any], since_s: NDArray[Any], time_s: float) -> None:
        """Learn from where the tracks in `slots` (N,), which began at `since_s` (N,), are observed (N, 4) now."""
        elapsed = time_s - self._said_s
        _, then, now = np.intersect1d(self._slots, slots, assume_unique=True, return_indices=True)
        same = since_s[now] <= self._said_s  # else the slot has another track
        if elapsed > LONGEST_S or not same.any():
            return
        then, now = then[same], now[same]
        state, output = self._state[:, then], self._output[then]
        move(state, self._motion)
        turn_output(output, self._motion)
        dt = np.full((len(then), 1), elapsed)
        mean, std = forecast(state, dt, self._parameters)
        said, spread = corrected(mean, std, process_unit(state[MEAN]), output, dt)
        said = (said - mean) / spread
        came = np.clip((observed[now] - mean) / spread, -FARTHEST, FARTHEST)
        noise = self._parameters.measurement_noise * measurement_unit(mean)
        error = np.abs(came - self.shares[4:8] * said) * spread / np.hypot(spread, noise)
        self._errors += np.sqrt(2) * error.mean(1).sum(), len(error)
        self.width = max(self._errors[0] / self._errors[1], NARROWEST)
        self._evidence += (said * came).sum(0), (said * said).sum(0)
        slope = np.clip(self._evidence[0] / self._evidence[1], 0, 1)
        self.shares[4:12] = np.tile(slope, 2)  # of the terms of the mean that grow with time
