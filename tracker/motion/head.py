"""How the network's output corrects the filter's forecast: a short polynomial in time and a factor, both bounded.

Of each coordinate the network gives five numbers, valid until the next observation and at any horizon. Zero output is
the filter unchanged. The forecast's error is Laplace distributed: sharper in the middle and heavier in the tails than a
normal distribution, as the errors of forecasts are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.affine import affine_scale, turn
from tracker.motion.kalman import LARGEST_CHANGE, like, namespace

Array = Any

TERMS = 5  # three of the mean, two of the standard deviation
OUTPUTS = 4 * TERMS
REACH = 4.0  # the mean moves by at most this many of the filter's standard deviations
_NOW = 0.05  # units that one of what the network says of the moment is
STRETCH = 1.6  # the standard deviation changes by at most a factor e^1.6 = 5 either way


def corrected(mean: Array, std: Array, unit: Array, output: Array, dt: Array) -> tuple[Array, Array]:
    """The filter's forecast, corrected.

    Args:
        mean, std: (..., 4) of the filter `dt` seconds after the last observation.
        unit: (..., 4) pixels (or log units) of one unit of output: the box's height at the last observation.
        output: (..., 20) of the network at the last observation.
        dt: (..., 1) seconds.

    Returns:
        mean and standard deviation (..., 4).
    """
    xp = namespace(mean)
    offset, drift, bend, stretch, growth = (output[..., 4 * i : 4 * i + 4] for i in range(TERMS))
    shift = unit * (_NOW * offset + dt * drift + dt * dt / (1 + dt) * bend)
    factor = xp.exp(STRETCH * xp.tanh((stretch + growth * xp.log(dt + 0.1)) / STRETCH))
    return _moved(mean, std, shift), std * factor


def corrected_now(mean: Array, std: Array, unit: Array, output: Array) -> Array:
    """The mean (..., 4) of `corrected` at the last observation itself, 0 seconds after it."""
    return _moved(mean, std, unit * (_NOW * output[..., :4]))


def _moved(mean: Array, std: Array, shift: Array) -> Array:
    """The filter's mean, moved as far as its standard deviation allows."""
    xp = namespace(mean)
    reach = xp.minimum(REACH * std, like(LARGEST_CHANGE, std))
    return mean + reach * xp.tanh(shift / reach)


def turn_output(output: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """After the camera has moved by a (2, 3) affine, in place: directions (N, 20) turn, heights are what they were."""
    terms = output.reshape(len(output), TERMS, 4)
    turn(terms[:, :3], affine / affine_scale(affine))
