"""How far to follow the network: its forecasts are compared with what came of them, stream by stream.

What a network has learned of one kind of object need not hold of another. So from time to time `OnlineCalibration`
remembers what the network forecasts of all its tracks, and compares it with where they are 0.8 s later. Three small
estimators, each begun with what is known before anything was seen, learn from that:

- `Slope`, of the corrections: how much of what the network adds to the filter's forecast comes true. The part of later
  corrections that grows with time is multiplied by it, from 0 (the filter alone) to 1 (the network as trained). The
  constant part stays: it takes out what the detector errs by at the moment, and whether it does so rightly is not seen
  0.8 s later.
- `Slope`, of the moves: how far objects go of the way that was forecast. A forecast 0.8 s ahead and more goes this
  share of its way, a nearer one more.
- `Width`: how large errors are against the standard deviation that was forecast. Where things will be in some seconds
  is learned from far fewer different scenes than there are windows, and a network is too sure of it elsewhere.
- `TailShape`, in the next frames: whether errors are distributed as Laplace's or as a normal distribution's. How wide
  they are cannot be told there from the detector's own error.

The last three are for forecasts that are reported; gates are tuned with mean and standard deviation as trained.

Why not compare with the very next frame? A detector's error lasts for some frames: a network that rightly takes it out
would be told that it was wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tracker.affine import composed, is_identity
from tracker.motion.head import OUTPUTS, corrected, corrected_now, turn_output
from tracker.motion.kalman import MEAN, VARIANCE, KalmanParameters, forecast, measurement_unit, move, process_unit
from tracker.structures import Ints
from tracker.system.state import Names, Stateful, fits

AHEAD_S = 0.8  # between what is forecast and what it is compared with
SOON_S = 0.1  # the next frames, of whose errors the shape is looked at
LONGEST_S = 4.0  # nothing is learned from forecasts further ahead: frames this far apart are no stream
SETTLED = 5  # observations before a track counts
FARTHEST = 3.0  # standard deviations: beyond, it is hardly the same object
PRIOR = 30.0  # tracks compared that what is known before anything was seen counts as much as


@dataclass(eq=False)
class Slope(Stateful):
    """By coordinate, the share of what is said that comes: Bayesian linear regression through the origin.

    Both are in standard deviations, which is the noise's (Bishop, "Pattern Recognition and Machine Learning", 2006,
    ch. 3.3).

    Attributes:
        prior: the slope before anything was seen. low, high: its bounds. precision: of the prior.
        value: (4,) the slope by now.
    """

    prior: float
    low: float
    high: float
    precision: float = PRIOR

    saved: ClassVar[Names] = ("value", "_sums")
    rebuilt: ClassVar[Names] = ("prior", "low", "high", "precision")

    def __post_init__(self) -> None:
        self.value = np.full(4, self.prior)
        self._sums = np.array([[self.precision * self.prior], [self.precision]]).repeat(4, 1)

    def learn(self, said: NDArray[Any], came: NDArray[Any]) -> None:
        """(N, 4) what was said of N tracks and what came, in standard deviations."""
        self._sums += (said * came).sum(0), (said * said).sum(0)
        self.value = np.clip(self._sums[0] / self._sums[1], self.low, self.high)


@dataclass(eq=False)
class Width(Stateful):
    """The factor on all standard deviations, all coordinates together, under which errors are as large as forecast.

    One factor for a regression's standard deviations (Levi et al., "Evaluating and calibrating uncertainty prediction
    in regression tasks", Sensors 22, 2022), here by the likelihood of a Laplace distribution, whose scale is the
    errors' mean size.

    Attributes:
        narrowest: least factor: a detector's error that lasts is in what was said and in what came, so is not seen.
        tracks: so many errors of the size forecast count before anything was seen.
        value: the factor by now.
    """

    narrowest: float = 0.85
    tracks: float = PRIOR

    saved: ClassVar[Names] = ("value", "_sums")
    rebuilt: ClassVar[Names] = ("narrowest", "tracks")

    def __post_init__(self) -> None:
        self.value = 1.0
        self._sums = np.full(2, self.tracks)  # of errors in forecast ones, and of tracks

    def learn(self, size: NDArray[Any]) -> None:
        """(N, 4) sizes of N tracks' errors, in standard deviations of forecast and detector together."""
        self._sums += np.sqrt(2) * size.mean(1).sum(), len(size)
        self.value = max(self._sums[0] / self._sums[1], self.narrowest)


@dataclass(eq=False)
class TailShape(Stateful):
    """The factor on the next frames' standard deviations under which 90 % of errors lie where 90 % are forecast.

    Where what is seen errs as a normal distribution does, of white noise, its tails are shorter than Laplace's. Which
    of them it is, or how far in between, is told by the ratio of the errors' mean size to their standard deviation
    (Geary, "The ratio of the mean deviation to the standard deviation as a test of normality", Biometrika 27, 1935).

    Attributes:
        laplace, normal: that ratio of the two distributions.
        shortest: the factor of a normal one: its 90 % in those of Laplace's of the same mean size.
        errors: so many of a Laplace distribution count before anything was seen, all coordinates together.
        value: the factor by now.
    """

    laplace: float = math.sqrt(1 / 2)
    normal: float = math.sqrt(2 / math.pi)
    shortest: float = 0.895
    errors: float = PRIOR

    saved: ClassVar[Names] = ("value", "_sums")
    rebuilt: ClassVar[Names] = ("laplace", "normal", "shortest", "errors")

    def __post_init__(self) -> None:
        self.value = 1.0
        # of errors' sizes and squares, and their number
        self._sums = self.errors / 4 * np.array([[self.laplace], [1], [1]]).repeat(4, 1)

    def learn(self, error: NDArray[Any]) -> None:
        """(N, 4) errors of N tracks, in standard deviations of forecast and detector together."""
        self._sums += np.stack([np.abs(error), error * error, np.ones_like(error)]).sum(1)
        size, square, count = self._sums
        ratio = (size / np.sqrt(square * count)).mean()
        self.value = float(np.interp(ratio, (self.laplace, self.normal), (1, self.shortest)))


@dataclass(frozen=True, eq=False)
class ForecastCalibration:
    """What a stream has shown of forecasts, at one moment.

    Attributes:
        move: (4,) share of its move that a forecast goes, `AHEAD_S` and more ahead.
        near, width: factors on its standard deviation in the next frame and `AHEAD_S` ahead.
        seconds: ahead, where the factor is `near`, 1, `width` and `far`; in between it is linear in the square of the
            time, as errors of an acceleration grow.
        far: the factor some seconds ahead: fixed, what sequences held out of a training ask for.
    """

    move: NDArray[np.float64]
    near: float
    width: float
    seconds: tuple[float, ...] = (0.05, 0.2, AHEAD_S, 3.0)
    far: float = 1.3

    def __call__(
        self, begin: NDArray[Any], mean: NDArray[Any], std: NDArray[Any], dt: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Mean and standard deviation (..., 4) to report, `dt` (..., 1) seconds after the track was at `begin`."""
        share = 1 + (self.move - 1) * np.minimum(dt / AHEAD_S, 1)
        factor = np.interp(dt**2, np.square(self.seconds), (self.near, 1, self.width, self.far))
        return begin + share * (mean - begin), std * factor


class OnlineCalibration(Stateful):
    """The estimators of one stream, and the forecasts that wait to be compared.

    Attributes:
        correction, move, width, tails: see the top of this file. The scenes that were not trained on ask for moves a
            little shorter than forecast.
        shares: (20,) what the network's output is to be multiplied by.
    """

    saved: ClassVar[Names] = ("correction", "move", "width", "tails", "_said_s", "_slots", "_state", "_output")
    saved += ("_motion",)
    rebuilt: ClassVar[Names] = ("shares", "_parameters")

    def __init__(self, parameters: KalmanParameters) -> None:
        self.correction = Slope(prior=1.0, low=0, high=1)
        self.move = Slope(prior=0.94, low=0.5, high=1.1)
        self.width = Width()
        self.tails = TailShape()
        self.shares = np.ones(OUTPUTS)
        self._parameters = parameters
        self._said_s = -np.inf
        self._slots: Ints = np.zeros(0, np.int64)
        self._state, self._output = np.zeros((5, 0, 4)), np.zeros((0, OUTPUTS), np.float32)
        self._motion = np.eye(2, 3)  # of the camera since

    def snapshot(self) -> ForecastCalibration:
        """What has been learned by now; later comparisons do not change it."""
        return ForecastCalibration(self.move.value, self.tails.value, self.width.value)

    def due(self, time_s: float) -> bool:
        """Is it time to compare, and to remember anew?"""
        return time_s >= self._said_s + AHEAD_S - 1e-6

    def remember(self, slots: Ints, state: NDArray[Any], output: NDArray[Any], time_s: float) -> None:
        """Filter states (5, N, 4) and the network's outputs (N, 20), as they come from it, of tracks now."""
        self._slots, self._state, self._output, self._said_s = slots, state, output, time_s
        self._motion = np.eye(2, 3)

    def warp(self, affine: NDArray[np.float64]) -> None:
        """The camera has moved: (2, 3), previous frame to this one."""
        self._motion = composed(self._motion, affine)

    def learn_shape(self, slots: Ints, observed: NDArray[Any], since_s: NDArray[Any], time_s: float) -> None:
        """Learn the shape of the next frames' errors; arguments as for `compare`."""
        if not 0 < time_s - self._said_s <= SOON_S + 1e-6:
            return
        now, state, output, dt = self._said(slots, since_s, time_s)
        mean, std = forecast(state, dt, self._parameters)
        mean, std = corrected(mean, std, process_unit(state[MEAN]), output * self.shares, dt)
        noise = self._parameters.measurement_noise * measurement_unit(mean)
        self.tails.learn(np.clip((observed[now] - mean) / np.hypot(std, noise), -FARTHEST, FARTHEST))

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
        shared = output * self.shares
        begin = corrected_now(state[MEAN], np.sqrt(state[VARIANCE]), unit, shared)
        way = (corrected(mean, std, unit, shared, dt)[0] - begin) / spread
        innovation = np.clip((observed[now] - begin) / spread - way, -FARTHEST, FARTHEST)
        noise = self._parameters.measurement_noise * measurement_unit(mean)
        self.width.learn(np.abs(innovation + (1 - self.move.value) * way) * spread / np.hypot(spread, noise))
        self.move.learn(way, way + innovation)
        self.correction.learn(said, came)
        self._share()

    def _said(self, slots: Ints, since_s: NDArray[Any], time_s: float) -> tuple[NDArray[Any], ...]:
        """Which of `slots` (N,) are remembered (M,), their states (5, M, 4) and outputs (M, 20) in this frame's
        coordinates, and the seconds (M, 1) that have passed."""
        _, then, now = np.intersect1d(self._slots, slots, assume_unique=True, return_indices=True)
        same = since_s[now] <= self._said_s  # else the slot has another track
        then, now = then[same], now[same]
        state, output = self._state[:, then], self._output[then]
        if not is_identity(self._motion):
            move(state, self._motion)
            turn_output(output, self._motion)
        return now, state, output, np.full((len(then), 1), time_s - self._said_s)

    def _share(self) -> None:
        """Of the terms of the mean that grow with time, the share that comes true; all of the others."""
        self.shares[4:12] = np.tile(self.correction.value, 2)

    def _check_state(self) -> None:
        fits(self._state.shape[1] == len(self._output) == len(self._slots), "number of remembered forecasts")
        fits(len(np.unique(self._slots)) == len(self._slots), "slots of remembered forecasts")
        self._share()
