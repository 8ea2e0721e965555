"""A Kalman filter with damped velocity for all tracks at once, in closed form.

Each of the four coordinates (centre x, centre y, log width, log height) is filtered on its own: position x and
velocity v follow the Ornstein-Uhlenbeck model

    dx = v dt + q dW1,    dv = -d v dt + s dW2,

so that a velocity fades with time instead of running on for ever, any time step is exact and the covariance is 2x2.
Sizes are logarithms: they stay positive, their noise is a share of the size, and a change of scale adds to them.
Noise of the centre is in units of the box (process: heights, measurement: widths and heights), so one set of
constants serves near and far objects. The constants are fitted on data by `tracker.train.motion.trainer`.

The functions work on NumPy arrays in use and on PyTorch tensors in training: one definition of the filter.
After Bar-Shalom, Li & Kirubarajan, "Estimation with Applications to Tracking and Navigation" (2001), ch. 6 and 8.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.affine import axis_scales, turn
from tracker.errors import WeightsError

Array = Any  # NDArray or torch.Tensor

MEAN, VELOCITY, VARIANCE, COVARIANCE, VELOCITY_VARIANCE = range(5)
"""Rows of a filter state (5, ..., 4): position, its rate, and the three entries of their 2x2 covariance."""


LARGEST_CHANGE = np.array([np.inf, np.inf, 3.0, 3.0])
"""No forecast changes a size by more than a factor e^3 = 20: a logarithm's error must not become a box of any size."""

_TURN = 3.0  # standard deviations of an observation: further away an object that can turn has done so
_CENTRE = np.array([1.0, 1.0, 0.0, 0.0])  # of the four coordinates, those in pixels


def namespace(array: Array) -> Any:
    """The module whose functions take this array: numpy or torch."""
    return np if isinstance(array, np.ndarray) else importlib.import_module("torch")


def like(constant: NDArray[np.float64], array: Array) -> Array:
    """A constant as the other array's kind."""
    if isinstance(array, np.ndarray):
        return constant
    return importlib.import_module("torch").as_tensor(constant, dtype=array.dtype, device=array.device)


@dataclass(frozen=True, eq=False)
class KalmanParameters:
    """The filter's constants, (4,) each, one a coordinate.

    Attributes:
        damping: share of the velocity lost per second, 1/s.
        velocity_noise: standard deviation of the velocity's random walk, heights (log units) per s^1.5.
        position_noise: standard deviation of the position's random walk, heights (log units) per s^0.5.
        measurement_noise: standard deviation of a detection, widths, heights, log units, log units.
        start_velocity: standard deviation of a new track's velocity, heights (log units) per second.
    """

    damping: Array
    velocity_noise: Array
    position_noise: Array
    measurement_noise: Array
    start_velocity: Array

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Array]) -> KalmanParameters:
        """Reads `kalman.damping`, ... of a weights file.

        Raises:
            WeightsError: one is missing or not four numbers.
        """
        values = {}
        for field in fields(cls):
            value = tensors.get(f"kalman.{field.name}")
            if value is None or tuple(value.shape) != (4,):
                raise WeightsError(f"kalman.{field.name} is missing or not (4,); make weights with: track train motion")
            values[field.name] = np.asarray(value, np.float64)
        return cls(**values)

    def rows(self, count: int) -> KalmanParameters:
        """The same constants (count, 4): arrays of one shape multiply several times faster than a row of four."""
        return KalmanParameters(*(np.tile(getattr(self, field.name), (count, 1)) for field in fields(self)))

    def __getitem__(self, part: slice) -> KalmanParameters:
        """Some of the `rows`."""
        return KalmanParameters(*(getattr(self, name)[part] for name in self.__dataclass_fields__))

    def to_tensors(self) -> dict[str, Array]:
        """The names and values that `from_tensors` reads."""
        return {f"kalman.{field.name}": getattr(self, field.name) for field in fields(self)}


def to_coordinates(xyxy: Array) -> Array:
    """(..., 4) corners in pixels -> (..., 4) centre x, centre y, log width, log height."""
    xp = namespace(xyxy)
    size = xyxy[..., 2:] - xyxy[..., :2]
    return xp.concatenate([(xyxy[..., 2:] + xyxy[..., :2]) / 2, xp.log(size)], -1)


def to_cxcywh(mean: Array, std: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (..., 4) in coordinates -> the same of centre and size in pixels."""
    xp = namespace(mean)
    size = xp.exp(mean[..., 2:])
    return (
        xp.concatenate([mean[..., :2], size], -1),
        xp.concatenate([std[..., :2], size * std[..., 2:]], -1),
    )


def process_unit(coordinates: Array) -> Array:
    """(..., 4) -> (..., 4) pixels (or log units) that one unit of process noise and velocity is: heights."""
    return namespace(coordinates).exp(coordinates[..., 3:] * like(_CENTRE, coordinates))


def measurement_unit(coordinates: Array) -> Array:
    """(..., 4) -> (..., 4) pixels (or log units) that one unit of measurement noise is: width, height."""
    xp = namespace(coordinates)
    unit = xp.ones_like(coordinates)
    unit[..., :2] = xp.exp(coordinates[..., 2:])
    return unit


def start(observed: Array, p: KalmanParameters) -> Array:
    """State (5, ..., 4) of tracks first seen at `observed` (..., 4)."""
    xp = namespace(observed)
    zero = xp.zeros_like(observed)
    noise = (p.measurement_noise * measurement_unit(observed)) ** 2
    return xp.stack([observed, zero, noise, zero, (p.start_velocity * process_unit(observed)) ** 2])


def forecast(state: Array, dt: Array, p: KalmanParameters) -> tuple[Array, Array]:
    """Mean and standard deviation (..., 4) of the position `dt` (..., 1) seconds later, in coordinates."""
    mean, variance, *_ = _propagated_position(state, dt, p)
    return mean, namespace(state).sqrt(variance)


def propagate(state: Array, dt: Array, p: KalmanParameters) -> Array:
    """State (5, ..., 4) `dt` (..., 1) seconds later."""
    mean, variance, decay, travel, noise = _propagated_position(state, dt, p)
    covariance = decay * (state[COVARIANCE] + travel * state[VELOCITY_VARIANCE]) + noise * (travel * travel / 2)
    squared = decay * decay
    velocity_variance = squared * state[VELOCITY_VARIANCE] + noise * ((1 - squared) / (2 * p.damping))
    return _stacked(mean, decay * state[VELOCITY], variance, covariance, velocity_variance)


def _propagated_position(state: Array, dt: Array, p: KalmanParameters) -> tuple[Array, ...]:
    """Mean, variance, decay of the velocity, way per unit of velocity and squared velocity noise."""
    xp = namespace(state)
    decay = xp.exp(-p.damping * dt)
    travel = (1 - decay) / p.damping
    squared_unit = process_unit(state[MEAN]) ** 2
    noise = p.velocity_noise**2 * squared_unit
    drift = (dt - travel * (2 - (1 + decay) / 2)) / p.damping**2
    variance = (
        state[VARIANCE]
        + travel * (2 * state[COVARIANCE] + travel * state[VELOCITY_VARIANCE])
        + squared_unit * (p.velocity_noise**2 * drift + p.position_noise**2 * dt)
    )
    limit = like(LARGEST_CHANGE, state)
    way = xp.minimum(xp.maximum(travel * state[VELOCITY], -limit), limit)
    return state[MEAN] + way, variance, decay, travel, noise


def correct(predicted: Array, observed: Array, p: KalmanParameters) -> Array:
    """State (5, ..., 4) after the predicted state was observed at (..., 4)."""
    return observe(predicted, observed, p.measurement_noise * measurement_unit(predicted[MEAN]))


def turn_aside(predicted: NDArray[Any], observed: NDArray[Any], dt: NDArray[Any], p: KalmanParameters) -> NDArray[Any]:
    """State (5, N, 4), predicted over `dt` (N, 1) seconds, of objects that may have turned at the time before.

    Where the centre is observed (N, 4) further away than the filter can explain, its velocity was another one: that is
    made so uncertain that the distance is no surprise, and the correction that follows finds it.
    """
    explained = _TURN**2 * (predicted[VARIANCE] + (p.measurement_noise * measurement_unit(predicted[MEAN])) ** 2)
    more = np.maximum((observed - predicted[MEAN]) ** 2 - explained, 0) * _CENTRE
    travel = (1 - np.exp(-p.damping * dt)) / p.damping
    turned = predicted.copy()
    turned[VARIANCE] += more
    turned[COVARIANCE] += more / travel
    turned[VELOCITY_VARIANCE] += more / travel**2
    return turned


def observe(predicted: Array, observed: Array, noise: Array) -> Array:
    """State (5, ..., 4) after the predicted state was observed at (..., 4) with a standard deviation of (..., 4)."""
    mean, velocity, variance, covariance, velocity_variance = predicted
    total = variance + noise**2
    innovation = observed - mean
    gain = variance / total
    velocity_gain = covariance / total
    return _stacked(
        mean + gain * innovation,
        velocity + velocity_gain * innovation,
        (1 - gain) * variance,
        (1 - gain) * covariance,
        velocity_variance - velocity_gain * covariance,
    )


def _stacked(*parts: Array) -> Array:
    """A state (5, ..., 4) of its parts."""
    xp = namespace(parts[0])
    stacked: Array = np.array(parts) if xp is np else xp.stack(parts)  # of arrays several times quicker than `np.stack`
    return stacked


def warp(coordinates: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """Move (..., 4) coordinates by a (2, 3) affine, in place: centres are mapped, sizes scaled."""
    turn(coordinates, affine)
    _shift(coordinates, affine)


def _shift(coordinates: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """The rest of `warp`, of coordinates that are turned."""
    coordinates[..., :2] += affine[:, 2]
    width, height = axis_scales(affine)
    if width == height:  # as almost always
        coordinates[..., 2:] += math.log(width)
    else:
        coordinates[..., 2:] += np.log([width, height])


def move(state: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """Filter states (5, N, 4) after the camera has moved by a (2, 3) affine, in place."""
    turn(state[:VARIANCE], affine)  # mean and velocity
    _shift(state[MEAN], affine)
    # rotation of the noise is neglected: cameras roll little between frames
    width, height = axis_scales(affine)
    state[VARIANCE:, :, 0] *= width**2
    state[VARIANCE:, :, 1] *= height**2
