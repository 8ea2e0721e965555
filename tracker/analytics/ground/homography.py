"""The map from pixels to a plane: fitted to points whose places are known, and how far it carries errors.

Letters: P points, N mapped ones. Both sides are normalised before the fit (Hartley, "In defense of the eight-point
algorithm", PAMI 1997), so that it is the same whatever the units and wherever their origin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError

Array = NDArray[np.float64]

FEWEST = 4  # points that fix a homography
_RANK = 1e-6  # of the largest singular value: below, the points leave the map open
_ONE_PLANE = 0.2  # of the points' own extent that they may be off a plane


def fitted(pixels: Array, metres: Array) -> Array:
    """The homography (3, 3) from pixels (P, 2) to metres (P, 2), by least squares where there are more than four.

    It is scaled so that the third coordinate of what it maps is positive on this side of the horizon.

    Raises:
        InputError: too few points, three of four on one line, or points of no one plane.
    """
    if len(pixels) < FEWEST:
        raise InputError(f"{len(pixels)} points do not fix the ground; give at least {FEWEST}")
    to_unit, unit_pixels = _normalised(pixels, "pixels")
    to_metres, unit_metres = _normalised(metres, "metres")
    unit, fixed = _solved(unit_pixels, unit_metres)
    if not fixed:
        raise InputError(
            "the points do not fix the ground: too many lie on one line; give four of which no three do, far apart"
        )
    if not _off(unit, unit_pixels, unit_metres) < _ONE_PLANE:
        raise InputError(f"the points are not of one plane: {_culprit(unit_pixels, unit_metres)}")
    homography: Array = np.linalg.inv(to_metres) @ unit @ to_unit
    return homography


def _solved(pixels: Array, metres: Array) -> tuple[Array, bool]:
    """The homography (3, 3) of normalised points, and whether they fix it."""
    (x, y), (u, v) = pixels.T, metres.T
    nothing, one = np.zeros_like(x), np.ones_like(x)
    rows = [
        np.stack([x, y, one, nothing, nothing, nothing, -u * x, -u * y, -u], axis=1),
        np.stack([nothing, nothing, nothing, x, y, one, -v * x, -v * y, -v], axis=1),
    ]
    _, strength, right = np.linalg.svd(np.concatenate([*rows, np.zeros((1, 9))]), full_matrices=False)
    unit = right[-1].reshape(3, 3)
    depth = pixels @ unit[2, :2] + unit[2, 2]
    fixed = strength[7] > _RANK * strength[0] and np.linalg.svd(unit, compute_uv=False)[2] > _RANK
    return unit * np.sign(depth[np.abs(depth).argmax()]), bool(fixed)


def _off(homography: Array, pixels: Array, metres: Array) -> float:
    """Root mean square error; infinite where a point is beyond the horizon of the others."""
    found, depth = mapped(homography, pixels)
    return float(np.sqrt(((found - metres) ** 2).mean())) if (depth > 0).all() else np.inf


def _culprit(pixels: Array, metres: Array) -> str:
    """Which point is to be corrected: without it the others fit best. Of five or fewer, all do without any of them."""
    if len(pixels) <= FEWEST + 1:
        return "check each one's place, and whether two are swapped"
    rest = [np.arange(len(pixels)) != left_out for left_out in range(len(pixels))]
    errors = [_off(_solved(pixels[rows], metres[rows])[0], pixels[rows], metres[rows]) for rows in rest]
    return f"point {int(np.argmin(errors)) + 1} does not fit the others; correct it, or leave it out"


def mapped(homography: Array, points: Array) -> tuple[Array, Array]:
    """Points (N, 2) on the plane, and their third coordinate (N,): positive on this side of the horizon."""
    whole = points @ homography[:, :2].T + homography[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        return whole[:, :2] / whole[:, 2:], whole[:, 2]


def jacobian(homography: Array, points: Array) -> Array:
    """(N, 2, 2) by how many metres (rows) a mapped point moves for each pixel to the right and down (columns)."""
    place, depth = mapped(homography, points)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope: Array = (homography[:2, :2] - place[:, :, None] * homography[2, :2]) / depth[:, None, None]
    return slope


def _normalised(points: Array, what: str) -> tuple[Array, Array]:
    """The similarity (3, 3) that moves points (P, 2) around the origin, sqrt(2) away on average, and they there."""
    middle = points.mean(axis=0)
    away = np.sqrt(((points - middle) ** 2).sum(axis=1).mean() / 2)
    if not away > 1e-9 * max(1.0, np.abs(middle).max()):
        raise InputError(f"all points have the same {what}; give four of which no three lie on one line, far apart")
    there = np.array([[1 / away, 0, -middle[0] / away], [0, 1 / away, -middle[1] / away], [0, 0, 1]])
    return there, (points - middle) / away
