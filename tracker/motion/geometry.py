"""What the network is told of each observation: 47 numbers, the same in training and in use.

Everything is relative and bounded: offsets and speeds in box heights, the filter's surprise in its own standard
deviations, times in seconds, borders in heights. Nothing depends on where in the frame or how large in pixels an
object is, except through the nearness of a border and the share of the frame's height it takes.
The function takes arrays of any leading shape: all windows of a batch in training, all tracks of a frame in use.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.motion.kalman import (
    MEAN,
    VARIANCE,
    VELOCITY,
    VELOCITY_VARIANCE,
    KalmanParameters,
    measurement_unit,
    process_unit,
)

Array = NDArray[Any]

GEOMETRY_SIZE = 47
HAS_FEATURE = 39  # the column that says whether there is an appearance vector
FAR = 2.0  # heights: a border further away than this does not matter


class Step(NamedTuple):
    """One observation of each track and what was known before it; shapes (...) or what broadcasts to them.

    Attributes:
        observed: (..., 4) coordinates seen.
        last: (..., 4) coordinates seen before; `observed` itself at a track's first step.
        predicted: (5, ..., 4) filter state before the observation; of a first step, the state it starts with.
        filtered: (5, ..., 4) filter state after it.
        dt: (...,) seconds since the last observation, 0 at a first step.
        age: (...,) seconds since the first observation.
        score: (...,) detection score.
        last_score: (...,) the score before; `score` itself at a first step.
        mean_score: (...,) running mean of the scores before.
        has_feature: (...,) 1 where there is an appearance vector, else 0.
        frame_size: (..., 2) width and height of the frame in pixels; NaN where unknown.
    """

    observed: Array
    last: Array
    predicted: Array
    filtered: Array
    dt: Array
    age: Array
    score: Array
    last_score: Array
    mean_score: Array
    has_feature: Array
    frame_size: Array


def geometry(step: Step, p: KalmanParameters) -> NDArray[np.float32]:
    """(..., 47) inputs of the network."""
    mean = step.filtered[MEAN]
    unit = process_unit(mean)
    dt = step.dt[..., None]
    noise = (measurement_unit(mean) * p.measurement_noise) ** 2
    g = np.empty((*mean.shape[:-1], GEOMETRY_SIZE), np.float32)
    innovation = step.observed - step.predicted[MEAN]
    g[..., 0:4] = innovation / np.sqrt(step.predicted[VARIANCE] + noise)
    g[..., 4:8] = innovation
    g[..., 8:12] = g[..., 12:16] = step.observed - step.last
    g[..., 16:20] = step.filtered[VELOCITY]
    g[..., 20:24] = step.observed - mean
    g[..., 24:28] = step.filtered[VARIANCE] / unit
    g[..., 28:32] = step.filtered[VELOCITY_VARIANCE] / unit
    in_pixels = g[..., 4:32].reshape(*mean.shape[:-1], 7, 4)  # a view
    in_pixels /= unit[..., None, :]
    g[..., 12:16] /= dt + 1e-3
    g[..., 12:20] /= 1 + np.abs(g[..., 12:20]) / 8  # speeds to 4 heights/s nearly as they are, faster ones below 8
    g[..., 32:33] = np.maximum(dt, 0.01)
    np.log(g[..., 24:33], out=g[..., 24:33])
    g[..., 33:34] = dt / (1 + dt)
    g[..., 34] = np.log1p(step.age)
    g[..., 35:36] = dt == 0
    g[..., 36] = step.score
    g[..., 37] = step.score - step.last_score
    g[..., 38] = step.score - step.mean_score
    g[..., HAS_FEATURE] = step.has_feature
    g[..., 40] = mean[..., 2] - mean[..., 3]
    _place(g[..., 41:], mean, step.frame_size, unit)
    g *= _SCALE
    g += _SHIFT
    np.maximum(g, _LOW, out=g)
    return np.minimum(g, _HIGH, out=g)


def _place(out: NDArray[np.float32], mean: Array, frame_size: Array, unit: Array) -> None:
    """Distance of the four edges to the frame's border, is the frame known, and the share of its height taken.

    Of an unknown frame every border is far and the share is neutral.
    """
    known = np.isfinite(frame_size[..., 1:])
    if not known.any():
        out[..., :4], out[..., 4], out[..., 5] = FAR, 0, np.log(1 / 8)
        return
    half = np.exp(mean[..., 2:]) / 2
    height = unit[..., 1:2]
    out[..., 0:2] = (mean[..., :2] - half) / height
    out[..., 2:4] = (frame_size - mean[..., :2] - half) / height
    np.copyto(out[..., :4], np.float32(FAR), where=~known)
    out[..., 4:5] = known
    out[..., 5:6] = np.log(np.where(known, height / frame_size[..., 1:], 1 / 8))


def _columns(*parts: tuple[int, float]) -> NDArray[np.float32]:
    """(47,) numbers from (count, value) pairs."""
    counts, values = zip(*parts, strict=True)
    return np.repeat(np.array(values, np.float32), counts)


# The columns of `geometry` in order, as (how many, value): surprise, innovation, move, two speeds, filtered offset,
# two log variances, log time step, time step, log age, first, score and its two trends, has a feature, aspect; place.
_SCALE = _columns((4, 0.5), (16, 1), (4, 2), (8, 0.25), (1, 0.5), (3, 1), (1, 2), (9, 1), (1, 0.5))
_SHIFT = _columns((24, 0), (4, 1.5), (4, 0.5), (1, 1), (3, 0), (1, -1.4), (9, 0), (1, 1))
_LOW = _columns((12, -3), (8, -8), (4, -2), (17, -10), (4, -1), (2, -10))
_HIGH = _columns((12, 3), (8, 8), (4, 2), (17, 10), (4, FAR), (2, 10))
