"""A trained network in use: the filter, corrected, behind the protocol of `predictor.py`.

A step is: filter, geometry, network, all for all tracks at once. What the network says at an observation holds until
the next: a forecast at any time is then the filter's closed form and a short polynomial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tracker.motion.blas import one_thread
from tracker.motion.geometry import Step, geometry
from tracker.motion.head import OUTPUTS, corrected, turn_output
from tracker.motion.kalman import (
    MEAN,
    KalmanForecast,
    KalmanParameters,
    KalmanPredictor,
    process_unit,
    to_cxcywh,
    warp,
)
from tracker.motion.online_calibration import SETTLED, ForecastCalibration, OnlineCalibration
from tracker.motion.predictor import Observations, Prediction
from tracker.structures import Floats, Ints, Mask
from tracker.system.state import fits

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
class LearnedForecast(KalmanForecast):
    """What filter and network say of N tracks, from one moment on.

    Attributes:
        output: (N, 1, 20) of the network, a copy. calibration: what the stream has shown by then.
    """

    output: NDArray[Any]
    calibration: ForecastCalibration

    def ahead(self, dt: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        begin, _ = self._said(np.zeros(1))
        return self.calibration(begin, *self._said(dt), dt)

    def _said(self, dt: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        mean, std = super().ahead(dt)
        return corrected(mean, std, process_unit(self.state[MEAN]), self.output, np.minimum(dt, LONGEST_S))


class LearnedPredictor(KalmanPredictor):
    """A fitted filter and the network that corrects it."""

    saved = (*KalmanPredictor.saved, "core", "_output", "_last", "_begin_s", "_scores", "_calibration")
    rebuilt = (*KalmanPredictor.rebuilt, "_head", "_head_bias")

    def __init__(self, parameters: KalmanParameters, core: Core, head: Floats, head_bias: Floats) -> None:
        super().__init__(parameters)
        self.core = core
        self._head, self._head_bias = np.ascontiguousarray(head.T), head_bias
        self._output = np.zeros((0, OUTPUTS))
        self._last = np.zeros((0, 4))
        self._begin_s = np.zeros(0)
        self._scores = np.zeros((3, 0))  # last, sum and count
        self._calibration = OnlineCalibration(parameters)

    def fresh(self) -> Self:
        return type(self)(self.parameters, self.core.fresh(), self._head.T, self._head_bias)

    def forecast(self, slots: Ints, time_s: float) -> Prediction:
        forecaster = self.snapshot(slots, time_s)
        mean, std = to_cxcywh(*forecaster.ahead(forecaster.elapsed[..., None]))
        return Prediction(mean[:, 0].astype(np.float32), std[:, 0].astype(np.float32))

    def update(self, slots: Ints, seen: Observations, new: Mask) -> None:
        observed, elapsed, predicted, filtered = self._filter(slots, seen, new)
        if new.any():
            begin = slots[new]
            self.core.clear(begin)
            self._begin_s[begin] = seen.time_s
            self._last[begin] = observed[new]
            self._scores[:2, begin] = seen.scores[new]
            self._scores[2, begin] = 1
        features = seen.features
        last_score, total, count = self._scores.take(slots, axis=1)
        step = Step(
            observed=observed,
            last=self._last.take(slots, axis=0),
            predicted=predicted,
            filtered=filtered,
            dt=elapsed,
            age=seen.time_s - self._begin_s.take(slots),
            score=seen.scores,
            last_score=last_score,
            mean_score=total / count,
            has_feature=np.zeros(1) if features is None else ~np.isnan(features[:, 0]) * 1.0,
            frame_size=np.array(seen.frame_size or (np.nan, np.nan)),
        )
        inputs = geometry(step, self._constants(len(slots)))
        with one_thread():
            output = self.core.step(slots, inputs, features) @ self._head + self._head_bias
        self._last[slots] = observed
        known = ~new
        self._scores[0, slots] = seen.scores
        self._scores[1, slots] += seen.scores * known
        self._scores[2, slots] += known
        if self._calibration.due(seen.time_s):
            self._calibration.compare(slots, observed, self._begin_s[slots], seen.time_s)
            settled = self._scores[2, slots] >= SETTLED
            self._calibration.remember(slots[settled], filtered[:, settled], output[settled], seen.time_s)
        else:
            self._calibration.look(slots, observed, self._begin_s[slots], seen.time_s)
        self._output[slots] = output * self._calibration.shares

    def warp(self, slots: Ints, affine: NDArray[np.float64]) -> None:
        super().warp(slots, affine)
        last = self._last.take(slots, axis=0)
        warp(last, affine)
        self._last[slots] = last
        output = self._output.take(slots, axis=0)
        turn_output(output, affine)
        self._output[slots] = output
        self._calibration.warp(affine)

    def _corrected(
        self, slots: Ints, last: NDArray[Any], mean: NDArray[Any], std: NDArray[Any], dt: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        return corrected(mean, std, process_unit(last), self._output.take(slots, axis=0), np.minimum(dt, LONGEST_S))

    def snapshot(self, slots: Ints, time_s: float) -> LearnedForecast:
        filtered = super().snapshot(slots, time_s)
        output, calibration = self._output.take(slots, axis=0)[:, None], self._calibration.snapshot()
        return LearnedForecast(filtered.state, filtered.elapsed, self.parameters, output, calibration)

    def _reserve(self, capacity: int) -> None:
        super()._reserve(capacity)
        more = len(self._time_s) - len(self._begin_s)
        if more:
            self._output = np.pad(self._output, ((0, more), (0, 0)))
            self._last = np.pad(self._last, ((0, more), (0, 0)))
            self._begin_s = np.pad(self._begin_s, (0, more))
            self._scores = np.pad(self._scores, ((0, 0), (0, more)))
            self.core.reserve(len(self._time_s))

    def _check_state(self) -> None:
        super()._check_state()
        slots = len(self._time_s)
        fits(len(self._output) == len(self._last) == len(self._begin_s) == slots, "number of the network's slots")
        fits(self._scores.shape[1] == self.core.capacity == slots, "number of the network's slots")
