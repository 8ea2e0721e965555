"""What the network is told of each observation: 47 numbers, the same in training and in use.

Everything is relative and bounded: offsets and speeds in box heights, the filter's surprise in its own standard
deviations, times in seconds, borders in heights. Nothing depends on where in the frame or how large in pixels an
object is, except through the nearness of a border and the share of the frame's height it takes.
The function takes NumPy arrays or PyTorch tensors of any leading shape.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tracker.motion.kalman import (
    MEAN,
    VARIANCE,
    VELOCITY,
    VELOCITY_VARIANCE,
    KalmanParameters,
    measurement_unit,
    namespace,
    process_unit,
)

Array = Any

GEOMETRY_SIZE = 47
FAR = 2.0  # heights: a border further away than this does not matter


class Step(NamedTuple):
    """One observation of each track and what was known before it; leading shape (...).

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


def geometry(step: Step, p: KalmanParameters) -> Array:
    """(..., 47) inputs of the network."""
    xp = namespace(step.observed)
    mean = step.filtered[MEAN]
    unit = process_unit(mean)
    dt = step.dt[..., None]
    innovation = step.observed - step.predicted[MEAN]
    noise = measurement_unit(mean) * p.measurement_noise
    surprise = innovation / xp.sqrt(step.predicted[VARIANCE] + noise**2)
    move = (step.observed - step.last) / unit
    score = step.score[..., None]
    first = xp.where(dt > 0, xp.zeros_like(dt), xp.ones_like(dt))
    return xp.concatenate(
        [
            xp.clip(surprise / 2, -3, 3),
            xp.clip(innovation / unit, -3, 3),
            xp.clip(move, -3, 3),
            _squashed(move / (dt + 1e-3)),
            _squashed(step.filtered[VELOCITY] / unit),
            2 * xp.clip((step.observed - mean) / unit, -1, 1),
            xp.log(step.filtered[VARIANCE] / unit**2) / 4 + 1.5,
            xp.log(step.filtered[VELOCITY_VARIANCE] / unit**2) / 4 + 0.5,
            xp.log(xp.clip(dt, 0.01, 100)) / 2 + 1,
            dt / (1 + dt),
            xp.log(1 + step.age[..., None]),
            first,
            2 * (score - 0.7),
            score - step.last_score[..., None],
            score - step.mean_score[..., None],
            step.has_feature[..., None],
            mean[..., 2:3] - mean[..., 3:],
            _place(mean, step.frame_size, unit),
        ],
        -1,
    )


def _squashed(speed: Array) -> Array:
    """Speeds up to about 4 heights a second nearly as they are, faster ones towards a bound of 8."""
    return speed / (1 + abs(speed) / 8)


def _place(mean: Array, frame_size: Array, unit: Array) -> Array:
    """(..., 6): distance of each edge to the frame's border in heights, is the frame known, share of its height.

    Of an unknown frame every border is far and the share is neutral.
    """
    xp = namespace(mean)
    half = xp.exp(mean[..., 2:]) / 2
    low, high = mean[..., :2] - half, frame_size - mean[..., :2] - half
    margins = xp.concatenate([low, high], -1) / unit[..., 1:2]
    known = frame_size[..., 1:] > 0  # False for NaN
    margins = xp.where(known, xp.clip(margins, -1, FAR), xp.full_like(margins, FAR))
    share = xp.log(unit[..., 1:2] / xp.where(known, frame_size[..., 1:], 8 * unit[..., 1:2])) / 2 + 1
    return xp.concatenate([margins, xp.where(known, xp.ones_like(share), xp.zeros_like(share)), share], -1)
