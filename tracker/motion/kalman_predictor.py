"""The filter of every slot, and the predictor that is that alone: `kalman.py` behind the protocol of `predictor.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import cxcywh_to_xyxy
from tracker.motion.kalman import (
    MEAN,
    VARIANCE,
    KalmanParameters,
    correct,
    forecast,
    move,
    propagate,
    start,
    to_coordinates,
    to_cxcywh,
    turn_aside,
)
from tracker.motion.predictor import Observations, Prediction
from tracker.structures import Floats, Ints, Mask
from tracker.system.state import Names, Stateful, fits

Array = NDArray[Any]


class Ahead(NamedTuple):
    """What the filter forecasts of N tracks.

    Attributes:
        last: (N, 4) mean at the last observation. mean, std: (N, 4) by now, all in coordinates.
        dt: (N, 4) seconds in between, the same for each coordinate.
    """

    last: Array
    mean: Array
    std: Array
    dt: Array


class Filtered(NamedTuple):
    """An observation of N tracks.

    Attributes:
        observed: (N, 4) coordinates. elapsed: (N,) seconds since the last one, 0 at a first.
        before, after: (5, N, 4) filter states.
    """

    observed: Array
    elapsed: Array
    before: Array
    after: Array


class SlotFilter(Stateful):
    """The filter's state of every slot.

    Attributes:
        parameters: its constants.
    """

    saved: ClassVar[Names] = ("_state", "_time_s", "_ahead", "_ahead_s")
    rebuilt: ClassVar[Names] = ("parameters", "_rows", "_first_rows")

    def __init__(self, parameters: KalmanParameters) -> None:
        self.parameters = parameters
        self._state = np.zeros((5, 0, 4))
        self._time_s = np.zeros(0)
        self._ahead = np.zeros((5, 0, 4))  # the state propagated to the time that was last asked for ...
        self._ahead_s = np.zeros(0)  # ... which is this; NaN where the state has changed since
        self._rows = parameters.rows(0)
        self._first_rows: dict[int, KalmanParameters] = {}

    @property
    def capacity(self) -> int:
        """How many slots there are."""
        return len(self._time_s)

    def state(self, slots: Ints) -> Array:
        """(5, N, 4) as of the last observations, a copy."""
        return self._state.take(slots, axis=1)

    def elapsed(self, slots: Ints, time_s: float) -> Array:
        """(N,) seconds from the last observations to `time_s`, 0 where that is earlier."""
        return np.maximum(time_s - self._time_s.take(slots), 0)

    def constants(self, count: int) -> KalmanParameters:
        """The first `count` of the `rows` of the parameters, cut once."""
        if count not in self._first_rows:
            self._first_rows[count] = self._rows[:count]
        return self._first_rows[count]

    def predict(self, slots: Ints, time_s: float) -> Ahead:
        """Where the tracks are at `time_s`; an observation at that time has this worked out already."""
        dt = _four(self.elapsed(slots, time_s))
        state = self.state(slots)
        ahead = propagate(state, dt, self.constants(len(slots))) if dt.any() else state
        self._ahead[:, slots], self._ahead_s[slots] = ahead, time_s
        return Ahead(state[MEAN], ahead[MEAN], np.sqrt(ahead[VARIANCE]), dt)

    def observe(self, slots: Ints, seen: Observations, new: Mask) -> Filtered:
        """Step the tracks; those that are `new` (N,) begin."""
        self._reserve(int(slots.max(initial=-1)) + 1)
        observed = to_coordinates(seen.xyxy.astype(np.float64))
        elapsed = seen.time_s - self._time_s.take(slots)
        elapsed[new] = 0
        if ((self._ahead_s.take(slots) == seen.time_s) | new).all():
            before = self._ahead.take(slots, axis=1)
        else:
            before = propagate(self.state(slots), _four(elapsed), self.constants(len(slots)))
        if seen.turned is not None:
            elsewhere = before[:, seen.turned], observed[seen.turned], elapsed[seen.turned, None]
            before[:, seen.turned] = turn_aside(*elsewhere, self.parameters)
        after = correct(before, observed, self.constants(len(slots)))
        if new.any():
            after[:, new] = before[:, new] = start(observed[new], self.parameters)
        self._state[:, slots] = after
        self._time_s[slots] = seen.time_s
        self._ahead_s[slots] = np.nan
        return Filtered(observed, elapsed, before, after)

    def warp(self, slots: Ints, affine: NDArray[np.float64]) -> None:
        """Move the states by a (2, 3) affine."""
        state = self.state(slots)
        move(state, affine)
        self._state[:, slots] = state
        self._ahead_s[slots] = np.nan

    def _reserve(self, capacity: int) -> None:
        """Grow the arrays to at least `capacity` slots, doubling."""
        have = self.capacity
        if capacity > have:
            more = max(capacity, 2 * have, 16) - have
            self._state = np.pad(self._state, ((0, 0), (0, more), (0, 0)))
            self._time_s = np.pad(self._time_s, (0, more))
            self._ahead = np.pad(self._ahead, ((0, 0), (0, more), (0, 0)))
            self._ahead_s = np.pad(self._ahead_s, (0, more), constant_values=np.nan)
            self._arrange()

    def _arrange(self) -> None:
        """Lay the constants out for as many slots as there are."""
        self._rows = self.parameters.rows(self.capacity)
        self._first_rows = {}

    def _check_state(self) -> None:
        slots = self.capacity
        fits(
            self._state.shape[1] == self._ahead.shape[1] == len(self._ahead_s) == slots, "number of the motion's slots"
        )
        fits(bool(np.isfinite(self._state).all() and np.isfinite(self._time_s).all()), "a filter's state")
        self._arrange()


@dataclass(frozen=True, eq=False)
class FilterForecast:
    """What the filter forecasts of N tracks, from one moment on.

    Attributes:
        state: (5, N, 1, 4), a copy.
    """

    state: Array
    parameters: KalmanParameters

    def __call__(self, dt: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (N, H, 4) in coordinates, (N, H, 1) seconds after the last observations."""
        return forecast(self.state, dt, self.parameters)


@dataclass(frozen=True, eq=False)
class BoxForecast:
    """The boxes of a forecast: a `tracker.structures.Forecaster`.

    Attributes:
        ahead: seconds (N, H, 1) after the last observations -> mean and standard deviation (N, H, 4) in coordinates.
        elapsed: (N, 1) seconds since each track was seen last.
    """

    ahead: Callable[[Array], tuple[Array, Array]]
    elapsed: Array

    def __call__(self, seconds: Floats) -> tuple[Floats, Floats]:
        box, spread = to_cxcywh(*self.ahead((self.elapsed + np.asarray(seconds, np.float64))[..., None]))
        edge = np.sqrt(spread[..., :2] ** 2 + spread[..., 2:] ** 2 / 4)
        return cxcywh_to_xyxy(box).astype(np.float32), np.concatenate([edge, edge], -1).astype(np.float32)


def in_pixels(mean: Array, std: Array) -> Prediction:
    """Of mean and standard deviation (N, 4) in coordinates."""
    centre, spread = to_cxcywh(mean, std)
    return Prediction(centre.astype(np.float32), spread.astype(np.float32))


def mean_in_pixels(mean: Array) -> Floats:
    """(N, 4) coordinates -> (N, 4) float32 centre and size."""
    box = mean.copy()
    np.exp(box[:, 2:], out=box[:, 2:])
    return box.astype(np.float32)


class KalmanPredictor(Stateful):
    """The fitted filter alone."""

    saved: ClassVar[Names] = ("filter",)

    def __init__(self, parameters: KalmanParameters) -> None:
        self.filter = SlotFilter(parameters)

    @property
    def parameters(self) -> KalmanParameters:
        return self.filter.parameters

    def fresh(self) -> KalmanPredictor:
        return KalmanPredictor(self.parameters)

    def predict(self, slots: Ints, time_s: float) -> Prediction:
        ahead = self.filter.predict(slots, time_s)
        return in_pixels(ahead.mean, ahead.std)

    def forecast(self, slots: Ints, time_s: float) -> Prediction:
        return self.predict(slots, time_s)

    def estimate(self, slots: Ints) -> Floats:
        return mean_in_pixels(self.filter.state(slots)[MEAN])

    def update(self, slots: Ints, seen: Observations, new: Mask) -> None:
        self.filter.observe(slots, seen, new)

    def warp(self, slots: Ints, affine: NDArray[np.float64]) -> None:
        self.filter.warp(slots, affine)

    def snapshot(self, slots: Ints, time_s: float) -> BoxForecast:
        ahead = FilterForecast(self.filter.state(slots)[:, :, None], self.parameters)
        return BoxForecast(ahead, self.filter.elapsed(slots, time_s)[:, None])


def _four(values: Array) -> Array:
    """(N,) -> (N, 4), the same for each coordinate."""
    return values[:, None].repeat(4, axis=1)
