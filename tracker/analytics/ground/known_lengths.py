"""The ground in a picture where no place on it is measured, but two lengths and one direction are known.

The camera is taken for one without distortion, that looks through the middle of its picture and is not tilted sideways.
Two lines of the picture that are parallel on the ground meet at its horizon, whose height then leaves the focal length
open and, with it, the camera's height. Two lengths give both. (Criminisi, Reid and Zisserman, "Single view metrology",
IJCV 2000, measure with the same: a vanishing line, a vanishing point and references.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from tracker.analytics.ground.homography import Array
from tracker.errors import InputError

_FOCAL = (0.25, 8.0)  # times the picture's longer side: from the widest to the longest lens
_STEPS = 400  # in which they are looked through
_TELLING = 0.03  # by which the ratio of both lengths has to change between these lenses, or it says nothing of them


def ground_points(
    parallel: ArrayLike, segments: ArrayLike, lengths_m: ArrayLike, size: tuple[int, int]
) -> tuple[Array, Array]:
    """Points of the picture and where they are on the ground, as `GroundPlane.from_points` takes them.

    Args:
        parallel: (2, 2, 2) ends x, y in pixels of two lines that are parallel on the ground.
        segments: (2, 2, 2) ends of two stretches of the ground; best one across the picture and one into its depth.
        lengths_m: (2,) how long these are.
        size: width and height of the picture.

    Returns:
        (8, 2) pixels, the ends of all four, and (8, 2) metres: from the point below the camera, across and ahead.

    Raises:
        InputError: lines that do not meet above the segments, lengths that do not tell the lens, or no numbers.
    """
    lines, stretches = (_four(ends, what) for ends, what in ((parallel, "parallel"), (segments, "segments")))
    lengths = np.asarray(lengths_m, np.float64)
    if lengths.shape != (2,) or not (np.isfinite(lengths) & (lengths > 0)).all():
        raise InputError("the lengths are not two numbers of metres above 0; give both")
    middle = np.array(size) / 2
    pixels = np.concatenate([lines.reshape(4, 2), stretches.reshape(4, 2)])
    horizon = _horizon(lines)
    if not (pixels[:, 1] > horizon + 1e-6 * size[1]).all():
        raise InputError(
            "the two parallel lines do not meet above all that was marked; mark two that run into the depth, such as "
            "both kerbs of a straight road"
        )

    def measured(focal: float) -> Array:
        """Lengths (2,) for a camera one metre above the ground."""
        ends = _on_ground(stretches.reshape(4, 2), focal, horizon, middle).reshape(2, 2, 2)
        apart: Array = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
        return apart

    def off(focal: float) -> float:
        return float(np.log(measured(focal)[0] / measured(focal)[1]) - np.log(lengths[0] / lengths[1]))

    tried = np.geomspace(*_FOCAL, _STEPS) * max(size)
    offs = np.array([off(focal) for focal in tried])
    if np.ptp(offs) < _TELLING:
        raise InputError(
            "the two lengths say the same of the lens; mark one stretch across the picture and one into its depth"
        )
    turns = np.flatnonzero(np.sign(offs[:-1]) != np.sign(offs[1:]))
    if len(turns) != 1:
        raise InputError("the two lengths fit no lens, or more than one; check them, and mark longer stretches")
    focal = float(brentq(off, tried[turns[0]], tried[turns[0] + 1]))
    height = float(np.exp(np.log(lengths / measured(focal)).mean()))
    return pixels, height * _on_ground(pixels, focal, horizon, middle)


def _on_ground(pixels: Array, focal: float, horizon: float, middle: Array) -> Array:
    """(N, 2) metres across and ahead, for a camera one metre above the ground, of points (N, 2) below the horizon."""
    tilt = np.arctan2(middle[1] - horizon, focal)
    across, down = (pixels - middle).T / focal
    ahead = np.cos(tilt) - down * np.sin(tilt)  # of the ray through a pixel: its part along the ground
    fall = np.sin(tilt) + down * np.cos(tilt)  # and towards it
    return np.stack([across / fall, ahead / fall], axis=1)


def _horizon(lines: Array) -> float:
    """The height y at which two lines (2, 2, 2) of the picture meet; NaN where they do not."""
    ends = np.concatenate([lines, np.ones((2, 2, 1))], axis=2)
    x, y, w = np.cross(*np.cross(ends[:, 0], ends[:, 1]))
    scale = max(abs(x), abs(y), 1e-12)
    return float(y / w) if abs(w) > 1e-12 * scale else float("nan")


def _four(ends: ArrayLike, what: str) -> Array:
    try:
        points = np.array(ends, np.float64)
    except (TypeError, ValueError):
        points = np.zeros(0)
    if points.shape != (2, 2, 2) or not np.isfinite(points).all():
        raise InputError(f"{what} are no two stretches; mark both ends of two")
    if (np.linalg.norm(points[:, 1] - points[:, 0], axis=1) < 1).any():
        raise InputError(f"one of the {what} has no length in the picture; mark both its ends")
    return points
