"""What the network sees of each observation: 47 numbers, the same in training and in use.

Everything is relative and bounded: offsets and speeds in box heights, the filter's innovation in its own standard
deviations, times in seconds, borders in heights. Nothing depends on where in the frame or how large in pixels an
object is, except through the nearness of a border and the share of the frame's height it takes.
The function takes arrays of any leading shape: all windows of a batch in training, all tracks of a frame in use.
"""

from __future__ import annotations

from itertools import accumulate
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

FAR = 2.0  # heights: a border further away than this does not matter


class Column(NamedTuple):
    """Numbers of one kind that stand side by side: what they are becomes `scale` * it + `shift`, cut to the bounds.

    Attributes:
        name: of the kind. width: how many there are; of four, one a coordinate or an edge.
        scale, shift: bring it to a mean near 0 and a deviation near 1. low, high: bounds of the result.
    """

    name: str
    width: int
    scale: float = 1
    shift: float = 0
    low: float = -10
    high: float = 10


COLUMNS = (
    Column("normalised_innovation", 4, scale=0.5, low=-3, high=3),  # innovation in its own standard deviations
    Column("innovation", 4, low=-3, high=3),  # seen less predicted, heights (log units)
    Column("move", 4, low=-3, high=3),  # seen less seen before, heights
    Column("speed", 4, low=-8, high=8),  # the same per second
    Column("velocity", 4, low=-8, high=8),  # the filter's, heights/s
    Column("residual", 4, scale=2, low=-2, high=2),  # seen less filtered, heights
    Column("log_variance", 4, scale=0.25, shift=1.5),  # the filter's, of squared heights
    Column("log_velocity_variance", 4, scale=0.25, shift=0.5),
    Column("log_time_step", 1, scale=0.5, shift=1),  # of seconds since the last observation
    Column("time_step", 1),  # dt / (1 + dt): 0 now, 1 long ago
    Column("log_age", 1),  # of 1 + seconds since the first observation
    Column("first", 1),  # 1 at the first observation
    Column("score", 1, scale=2, shift=-1.4),
    Column("score_change", 1),  # since the last observation
    Column("score_trend", 1),  # against the mean before
    Column("has_feature", 1),  # 1 where there is an appearance vector
    Column("aspect", 1),  # log width less log height
    Column("border", 4, low=-1, high=FAR),  # left, top, right, bottom edge to the frame's, heights
    Column("frame_known", 1),
    Column("frame_share", 1, scale=0.5, shift=1),  # log share of the frame's height
)
GEOMETRY_SIZE = sum(column.width for column in COLUMNS)


def _each(field: str) -> NDArray[np.float32]:
    """(47,) what the table says of every number."""
    return np.repeat(np.array([getattr(c, field) for c in COLUMNS], np.float32), [c.width for c in COLUMNS])


_SCALE, _SHIFT, _LOW, _HIGH = map(_each, ("scale", "shift", "low", "high"))
AT = {  # where each kind stands
    c.name: slice(end - c.width, end) for c, end in zip(COLUMNS, accumulate(c.width for c in COLUMNS), strict=True)
}


def _span(first: str, last: str) -> slice:
    """Where the kinds from one to another stand."""
    return slice(AT[first].start, AT[last].stop)


_IN_PIXELS = _span("innovation", "log_velocity_variance")  # before they become heights
_SPEEDS = _span("speed", "velocity")
_LOGARITHMS = _span("log_variance", "log_time_step")


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
    """(..., 47) inputs of the network, as `COLUMNS` says."""
    mean = step.filtered[MEAN]
    unit = process_unit(mean)
    dt = step.dt[..., None]
    noise = (measurement_unit(mean) * p.measurement_noise) ** 2
    g = np.empty((*mean.shape[:-1], GEOMETRY_SIZE), np.float32)
    innovation = step.observed - step.predicted[MEAN]
    g[..., AT["normalised_innovation"]] = innovation / np.sqrt(step.predicted[VARIANCE] + noise)
    g[..., AT["innovation"]] = innovation
    g[..., AT["move"]] = g[..., AT["speed"]] = step.observed - step.last
    g[..., AT["velocity"]] = step.filtered[VELOCITY]
    g[..., AT["residual"]] = step.observed - mean
    g[..., AT["log_variance"]] = step.filtered[VARIANCE] / unit
    g[..., AT["log_velocity_variance"]] = step.filtered[VELOCITY_VARIANCE] / unit
    in_pixels = g[..., _IN_PIXELS]
    by_coordinate = in_pixels.reshape(*mean.shape[:-1], in_pixels.shape[-1] // 4, 4)  # a view
    by_coordinate /= unit[..., None, :]
    g[..., AT["speed"]] /= dt + 1e-3
    g[..., _SPEEDS] /= 1 + np.abs(g[..., _SPEEDS]) / 8  # to 4 heights/s nearly as they are, faster ones below 8
    g[..., AT["log_time_step"]] = np.maximum(dt, 0.01)
    np.log(g[..., _LOGARITHMS], out=g[..., _LOGARITHMS])
    g[..., AT["time_step"]] = dt / (1 + dt)
    g[..., AT["log_age"]] = np.log1p(step.age)[..., None]
    g[..., AT["first"]] = dt == 0
    g[..., AT["score"]] = step.score[..., None]
    g[..., AT["score_change"]] = (step.score - step.last_score)[..., None]
    g[..., AT["score_trend"]] = (step.score - step.mean_score)[..., None]
    g[..., AT["has_feature"]] = step.has_feature[..., None]
    g[..., AT["aspect"]] = mean[..., 2:3] - mean[..., 3:]
    _place(g, mean, step.frame_size, unit)
    g *= _SCALE
    g += _SHIFT
    np.maximum(g, _LOW, out=g)
    return np.minimum(g, _HIGH, out=g)


def _place(g: NDArray[np.float32], mean: Array, frame_size: Array, unit: Array) -> None:
    """Distance of the four edges to the frame's border, is the frame known, and the share of its height taken.

    Of an unknown frame every border is far and the share is neutral.
    """
    border = g[..., AT["border"]]
    known = np.isfinite(frame_size[..., 1:])
    g[..., AT["frame_known"]] = known
    if not known.any():
        border[...], g[..., AT["frame_share"]] = FAR, np.log(1 / 8)
        return
    half = np.exp(mean[..., 2:]) / 2
    height = unit[..., 1:2]
    border[..., :2] = (mean[..., :2] - half) / height
    border[..., 2:] = (frame_size - mean[..., :2] - half) / height
    np.copyto(border, np.float32(FAR), where=~known)
    g[..., AT["frame_share"]] = np.log(np.where(known, height / frame_size[..., 1:], 1 / 8))
