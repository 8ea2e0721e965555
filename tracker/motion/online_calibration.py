"""How far to follow the network: its corrections are compared with what came of them.

What a network has learned of one kind of object need not hold of another. So a predictor remembers from time to time
what the network says of all its tracks, and compares it with where they are 0.8 s later. By coordinate, what came is
regressed on what was said, both less the filter's forecast and in standard deviations: Bayesian linear regression
through the origin, with a slope of 1 before anything was seen (Bishop, "Pattern Recognition and Machine Learning",
2006, ch. 3.3). The part of later corrections that grows with time is multiplied by the slope, bounded to 0 (the filter
alone) and 1 (the network as trained). The constant part stays: it takes out what the detector errs by at the moment,
and whether it does so rightly is not seen 0.8 s later.

The same comparisons show how far things go of the way that was said. The whole move is regressed alike, with a slope
before anything was seen a little below 1, which is what scenes that were not trained on ask for; a forecast 0.8 s ahead
and more goes this share of its way, a nearer one more.

And they show how wide the forecasts' distribution is: the mean of the errors, in standard deviations, all coordinates
together, which for a Laplace distribution is its scale; so many errors of the size expected count before. What the
detector errs by is part of them, and is added to what is expected. So far ahead the standard deviation is multiplied by
this; three seconds ahead the factor is fixed, what sequences held out of a training ask for. Where things
will be in some seconds is learned from far fewer different scenes than there are windows, and a network is too sure of
it elsewhere. Of the next frame's distribution the width cannot be told from the detector's own error, but the shape
can: where what is seen errs as a normal distribution does, of white noise, its tails are shorter than Laplace's.

Way and widths are for forecasts that are reported; gates are tuned with mean and standard deviation as trained.

Why not compare with the very next frame? A detector's error lasts for some frames: a network that rightly takes it out
would be told that it was wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tracker.motion.head import OUTPUTS, corrected, turn_output
from tracker.motion.kalman import MEAN, VARIANCE, KalmanParameters, forecast, measurement_unit, move, process_unit
from tracker.structures import Ints
from tracker.system.state import Names, Stateful, fits

AHEAD_S = 0.8  # between what is said and what it is compared with
SOON_S = 0.1  # the next frames, of whose errors the shape is looked at
LONGEST_S = 4.0  # nothing is learned from forecasts further ahead: frames this far apart are no stream
SETTLED = 5  # observations before a track counts
PRIOR = 30.0  # precision of the slopes, tracks compared for the width, errors for the shape, before anything was seen
WAY, WAY_BOUNDS = 0.94, (0.5, 1.1)  # the slope of the whole move before anything was seen, and its bounds
FARTHEST = 3.0  # standard deviations: beyond, it is hardly the same object
NARROWEST = 0.85  # width: a detector's error that lasts is in what was said and in what came, and so is not seen
WIDTH_S = (0.05, 0.2, AHEAD_S, 3.0)  # ahead: up to the first the shape's factor, then 1, the stream's width, and ...
FAR = 1.3  # ... this; in between, linear in the square of the time, as errors of an acceleration grow
SHAPES = (math.sqrt(1 / 2), math.sqrt(2 / math.pi))  # mean size of an error in standard deviations: Laplace, normal
SHORTEST = 0.895  # 90 % of a normal distribution, as a share of Laplace's of the same mean size of an error


@dataclass(frozen=True, eq=False)
class Experience:
    """What a stream has shown of forecasts, at one moment: see `Trust`."""

    way: NDArray[np.float64]
    near: float
    width: float

    def __call__(
        self, begin: NDArray[Any], mean: NDArray[Any], std: NDArray[Any], dt: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Mean and standard deviation (..., 4) to report, `dt` (..., 1) seconds after the track was at `begin`."""
        share = 1 + (self.way - 1) * np.minimum(dt / AHEAD_S, 1)
        factor = np.interp(dt**2, np.square(WIDTH_S), (self.near, 1, self.width, FAR))
        return begin + share * (mean - begin), std * factor


class Trust(Stateful):
    """The slopes of one stream, by coordinate, its width, and what is being waited for.

    Attributes:
        shares: (20,) what the network's output is to be multiplied by.
        way: (4,) share of its move that a forecast goes, `AHEAD_S` and more ahead.
        width, near: factors on its standard deviation `AHEAD_S` ahead and in the next frame.
    """

    saved: ClassVar[Names] = ("shares", "way", "width", "near", "_evidence", "_moves", "_errors", "_shape")
    saved += ("_said_s", "_slots", "_state", "_output", "_motion")
    rebuilt: ClassVar[Names] = ("_parameters",)

    def __init__(self, parameters: KalmanParameters) -> None:
        self.shares = np.ones(OUTPUTS)
        self.way = np.full(4, WAY)
        self.width = self.near = 1.0
        self._parameters = parameters
        self._evidence = np.full((2, 4), PRIOR)  # sums of said x came and of said x said
        self._moves = np.array([[WAY * PRIOR], [PRIOR]]).repeat(4, 1)  # the same of moves
        self._errors = np.full(2, PRIOR)  # sums of errors in expected ones and of tracks
        # sums of errors' sizes and squares, and their number; four coordinates share what is expected
        self._shape = PRIOR / 4 * np.array([[SHAPES[0]], [1], [1]]).repeat(4, 1)
        self._said_s = -np.inf
        self._slots: Ints = np.zeros(0, np.int64)
        self._state, self._output = np.zeros((5, 0, 4)), np.zeros((0, OUTPUTS), np.float32)
        self._motion = np.eye(2, 3)  # of the camera since

    @property
    def experience(self) -> Experience:
        """What has been learned by now; later comparisons do not change it."""
        return Experience(self.way, self.near, self.width)

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

    def _check_state(self) -> None:
        fits(self._state.shape[1] == len(self._output) == len(self._slots), "number of remembered forecasts")
        fits(len(np.unique(self._slots)) == len(self._slots), "slots of remembered forecasts")

    def look(self, slots: Ints, observed: NDArray[Any], since_s: NDArray[Any], time_s: float) -> None:
        """Learn the shape of the next frames' errors; arguments as for `compare`."""
        if not 0 < time_s - self._said_s <= SOON_S + 1e-6:
            return
        now, state, output, dt = self._said(slots, since_s, time_s)
        mean, std = forecast(state, dt, self._parameters)
        mean, std = corrected(mean, std, process_unit(state[MEAN]), output * self.shares, dt)
        noise = self._parameters.measurement_noise * measurement_unit(mean)
        error = np.clip((observed[now] - mean) / np.hypot(std, noise), -FARTHEST, FARTHEST)
        self._shape += np.stack([np.abs(error), error * error, np.ones_like(error)]).sum(1)
        size, square, count = self._shape
        self.near = float(np.interp((size / np.sqrt(square * count)).mean(), SHAPES, (1, SHORTEST)))

    def _said(self, slots: Ints, since_s: NDArray[Any], time_s: float) -> tuple[NDArray[Any], ...]:
        """Which of `slots` (N,) are remembered (M,), their states (5, M, 4) and outputs (M, 20) in this frame's
        coordinates, and the seconds (M, 1) that have passed."""
        _, then, now = np.intersect1d(self._slots, slots, assume_unique=True, return_indices=True)
        same = since_s[now] <= self._said_s  # else the slot has another track
        then, now = then[same], now[same]
        state, output = self._state[:, then], self._output[then]
        move(state, self._motion)
        turn_output(output, self._motion)
        return now, state, output, np.full((len(then), 1), time_s - self._said_s)

    def compare(self, slots: Ints, observed: NDArray[Any], since_s: NDArray[Any], time_s: float) -> None:
        """Learn from where the tracks in `slots` (N,), which began at `since_s` (N,), are observed (N, 4) now."""
        now, state, output, dt = self._said(slots, since_s, time_s)
        if time_s - self._said_s > LONGEST_S or not len(now):
            return
        unit = process_unit(state[MEAN])
        mean, std = forecast(state, dt, self._parameters)
        said, spread = corrected(mean, std, unit, output, dt)
        said = (said - mean) / spread
        came = np.clip((observed[now] - mean) / spread, -FARTHEST, FARTHEST)
        trusted = output * self.shares
        begin = corrected(state[MEAN], np.sqrt(state[VARIANCE]), unit, trusted, np.zeros_like(dt))[0]
        way = (corrected(mean, std, unit, trusted, dt)[0] - begin) / spread
        surprise = np.clip((observed[now] - begin) / spread - way, -FARTHEST, FARTHEST)
        noise = self._parameters.measurement_noise * measurement_unit(mean)
        error = np.abs(surprise + (1 - self.way) * way) * spread / np.hypot(spread, noise)
        self._errors += np.sqrt(2) * error.mean(1).sum(), len(error)
        self.width = max(self._errors[0] / self._errors[1], NARROWEST)
        self._moves += (way * (way + surprise)).sum(0), (way * way).sum(0)
        self.way = np.clip(self._moves[0] / self._moves[1], *WAY_BOUNDS)
        self._evidence += (said * came).sum(0), (said * said).sum(0)
        slope = np.clip(self._evidence[0] / self._evidence[1], 0, 1)
        self.shares[4:12] = np.tile(slope, 2)  # of the terms of the mean that grow with time
