"""A trained network in use: the filter, corrected, behind the protocol of `predictor.py`.

A step is: filter, geometry, network, all for all tracks at once. What the network says at an observation holds until
the next: a forecast at any time is then the filter's closed form and a short polynomial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tracker.motion.adaptation.online_calibration import SETTLED, ForecastCalibration, OnlineCalibration
from tracker.motion.blas import one_thread
from tracker.motion.geometry import Step, geometry
from tracker.motion.head import OUTPUTS, corrected, corrected_now, turn_output
from tracker.motion.kalman import MEAN, VARIANCE, KalmanParameters, process_unit, warp
from tracker.motion.kalman_predictor import BoxForecast, FilterForecast, SlotFilter, in_pixels, mean_in_pixels
from tracker.motion.predictor import Observations, Prediction
from tracker.structures import FEATURE_SIZE, Floats, Ints, Mask
from tracker.system.state import Names, Stateful, fits

LONGEST_S = 4.0  # the correction stays what it is here: training hardly looks further, and a polynomial runs away


class Core(Protocol):
    """The part between input and head: the state of every slot, one batched step."""

    @property
    def capacity(self) -> int:
        """How many slots there are."""

    def fresh(self) -> Core:
        """The same weights, without a slot."""

    def reserve(self, capacity: int) -> None:
        """Have room for at least this many slots; what they hold is kept."""

    def clear(self, slots: Ints) -> None:
        """Forget what the slots hold."""

    def step(self, slots: Ints, geometry: Floats, features: Floats | None) -> Floats:
        """(N, 47), (N, 512) with rows of NaN for none -> (N, 128); the slots' states move on."""


@dataclass(frozen=True, eq=False)
class LearnedForecast:
    """What filter and network forecast of N tracks, from one moment on.

    Attributes:
        filtered: the filter's. output: (N, 1, 20) of the network, a copy.
        calibration: what the stream has shown by then.
    """

    filtered: FilterForecast
    output: NDArray[Any]
    calibration: ForecastCalibration

    def __call__(self, dt: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Mean and standard deviation (N, H, 4) in coordinates, (N, H, 1) seconds after the last observations."""
        mean, std = self.filtered.state[MEAN], np.sqrt(self.filtered.state[VARIANCE])
        unit = process_unit(mean)
        ahead = corrected(*self.filtered(dt), unit, self.output, np.minimum(dt, LONGEST_S))
        return self.calibration(corrected_now(mean, std, unit, self.output), *ahead, dt)


class LearnedPredictor(Stateful):
    """A fitted filter, the network that corrects it, and how far that is followed.

    Attributes:
        filter: of every slot. core: of the network.

    Args:
        appearance: whether features of the right width are those of the network that the motion model was trained with.
    """

    saved: ClassVar[Names] = ("filter", "core", "_output", "_last", "_begin_s", "_scores", "_calibration")
    rebuilt: ClassVar[Names] = ("_head", "_head_bias", "_appearance")

    def __init__(
        self, parameters: KalmanParameters, core: Core, head: Floats, head_bias: Floats, appearance: bool = True
    ) -> None:
        self.filter = SlotFilter(parameters)
        self.core = core
        self._head, self._head_bias = np.ascontiguousarray(head.T), head_bias
        self._output = np.zeros((0, OUTPUTS))
        self._last = np.zeros((0, 4))
        self._begin_s = np.zeros(0)
        self._scores = np.zeros((3, 0))  # last, sum and count
        self._calibration = OnlineCalibration(parameters)
        self._appearance = appearance

    @property
    def parameters(self) -> KalmanParameters:
        return self.filter.parameters

    def fresh(self) -> LearnedPredictor:
        return LearnedPredictor(self.parameters, self.core.fresh(), self._head.T, self._head_bias, self._appearance)

    def predict(self, slots: Ints, time_s: float) -> Prediction:
        last, mean, std, dt = self.filter.predict(slots, time_s)
        output = self._output.take(slots, axis=0)
        return in_pixels(*corrected(mean, std, process_unit(last), output, np.minimum(dt, LONGEST_S)))

    def forecast(self, slots: Ints, time_s: float) -> Prediction:
        snapshot = self.snapshot(slots, time_s)
        mean, std = snapshot.ahead(snapshot.elapsed[..., None])
        return in_pixels(mean[:, 0], std[:, 0])

    def estimate(self, slots: Ints) -> Floats:
        state = self.filter.state(slots)
        mean, output = state[MEAN], self._output.take(slots, axis=0)
        return mean_in_pixels(corrected_now(mean, np.sqrt(state[VARIANCE]), process_unit(mean), output))

    def update(self, slots: Ints, seen: Observations, new: Mask) -> None:
        observed, elapsed, before, after = self.filter.observe(slots, seen, new)
        self._reserve()
        if new.any():
            begin = slots[new]
            self.core.clear(begin)
            self._begin_s[begin] = seen.time_s
            self._last[begin] = observed[new]
            self._scores[:2, begin] = seen.scores[new]
            self._scores[2, begin] = 1
        features = self._known(seen.features)
        last_score, total, count = self._scores.take(slots, axis=1)
        step = Step(
            observed=observed,
            last=self._last.take(slots, axis=0),
            predicted=before,
            filtered=after,
            dt=elapsed,
            age=seen.time_s - self._begin_s.take(slots),
            score=seen.scores,
            last_score=last_score,
            mean_score=total / count,
            has_feature=np.zeros(1) if features is None else ~np.isnan(features[:, 0]) * 1.0,
            frame_size=np.array(seen.frame_size or (np.nan, np.nan)),
        )
        inputs = geometry(step, self.filter.constants(len(slots)))
        with one_thread():
            output = self.core.step(slots, inputs, features) @ self._head + self._head_bias
        self._last[slots] = observed
        known = ~new
        count += known
        self._scores[:, slots] = seen.scores, total + seen.scores * known, count
        if self._calibration.due(seen.time_s):
            self._calibration.compare(slots, observed, self._begin_s[slots], seen.time_s)
            settled = count >= SETTLED
            self._calibration.remember(slots[settled], after[:, settled], output[settled], seen.time_s)
        else:
            self._calibration.learn_shape(slots, observed, self._begin_s[slots], seen.time_s)
        self._output[slots] = output * self._calibration.shares

    def _known(self, features: Floats | None) -> Floats | None:
        """Features (N, D) that are those of the network it was trained with; None: it takes its learned "none"."""
        own = self._appearance and features is not None and features.shape[1] == FEATURE_SIZE
        return features if own else None

    def warp(self, slots: Ints, affine: NDArray[np.float64]) -> None:
        self.filter.warp(slots, affine)
        last = self._last.take(slots, axis=0)
        warp(last, affine)
        self._last[slots] = last
        output = self._output.take(slots, axis=0)
        turn_output(output, affine)
        self._output[slots] = output
        self._calibration.warp(affine)

    def snapshot(self, slots: Ints, time_s: float) -> BoxForecast:
        filtered = FilterForecast(self.filter.state(slots)[:, :, None], self.parameters)
        output = self._output.take(slots, axis=0)[:, None]
        ahead = LearnedForecast(filtered, output, self._calibration.snapshot())
        return BoxForecast(ahead, self.filter.elapsed(slots, time_s)[:, None])

    def _reserve(self) -> None:
        """Have as many slots as the filter has."""
        more = self.filter.capacity - len(self._begin_s)
        if more:
            self._output = np.pad(self._output, ((0, more), (0, 0)))
            self._last = np.pad(self._last, ((0, more), (0, 0)))
            self._begin_s = np.pad(self._begin_s, (0, more))
            self._scores = np.pad(self._scores, ((0, 0), (0, more)))
            self.core.reserve(self.filter.capacity)

    def _check_state(self) -> None:
        slots = self.filter.capacity
        fits(len(self._output) == len(self._last) == len(self._begin_s) == slots, "number of the network's slots")
        fits(self._scores.shape[1] == self.core.capacity == slots, "number of the network's slots")
