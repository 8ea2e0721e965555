"""Affine maps of the plane, (2, 3): how points, boxes and vectors move with the camera.

Centres are mapped; sizes are scaled by the mean scale, or each by its own where a frame of another shape makes these
unequal. A filter's coordinates, whose sizes are logarithms, move by the same rule (`motion.kalman.warp`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import Boxes, cxcywh_to_xyxy, xyxy_to_cxcywh

Affine = NDArray[np.float64]  # (2, 3): a point of the previous frame -> the same point of the world in this frame
Array = NDArray[np.float64]

UNEQUAL = 0.01  # share by which an affine scales widths more (less) than heights before it counts


def identity() -> Affine:
    """The affine of a camera that did not move."""
    return np.eye(2, 3)


def is_identity(affine: Affine) -> bool:
    return bool((affine == np.eye(2, 3)).all())


def moved(box: Array, affine: Array) -> Array:
    """(N, 4) centres and sizes after the camera has moved by affines (2, 3) or (N, 2, 3)."""
    linear, shift = affine[..., :2], affine[..., 2]
    centre = (linear @ box[:, :2, None])[..., 0] + shift
    scales = np.linalg.norm(linear, axis=-2)  # of widths and heights, as `axis_scales` has them
    alike = np.abs(np.diff(scales)) <= UNEQUAL * scales[..., 1:]
    size = box[:, 2:] * np.where(alike, np.sqrt(np.abs(np.linalg.det(linear)))[..., None], scales)
    return np.concatenate([centre, size], axis=1)


def composed(first: Array, second: Affine) -> Array:
    """Affines (2, 3) or (F, 2, 3), and then another (2, 3), as one each."""
    affine: Array = second[:, :2] @ first
    affine[..., 2] += second[:, 2]
    return affine


def inverse(affine: Array) -> Array:
    """(F, 2, 3) -> (F, 2, 3) the way back."""
    linear = np.linalg.inv(affine[:, :, :2])
    return np.concatenate([linear, -linear @ affine[:, :, 2:]], axis=2)


def moved_corners(xyxy: Boxes, affine: Affine) -> Boxes:
    """(N, 4) corners after the camera has moved by a (2, 3) affine, as `moved` has it, in the dtype they came in."""
    if is_identity(affine):
        return xyxy
    return cxcywh_to_xyxy(moved(xyxy_to_cxcywh(xyxy.astype(np.float64)), affine)).astype(xyxy.dtype)


def turn(vectors: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """Turn and scale (..., 2 or more) vectors' first two numbers by a (2, 3) affine, in place."""
    (a, b, _), (c, d, _) = affine.tolist()  # for a few vectors quicker than a matrix product
    x, y = vectors[..., 0], vectors[..., 1]
    turned = a * x + b * y
    y *= d
    y += c * x
    vectors[..., 0] = turned


def affine_scale(affine: NDArray[np.float64]) -> float:
    """Mean scale of a (2, 3) affine."""
    (a, b, _), (c, d, _) = affine.tolist()
    return math.sqrt(abs(a * d - b * c))


def axis_scales(affine: NDArray[np.float64]) -> tuple[float, float]:
    """By what a (2, 3) affine scales widths and heights: as `moved` does, of one affine and quicker.

    A camera's own motion scales both alike, and what differs is rounding; a frame of another shape than the one before
    does not.
    """
    (a, b, _), (c, d, _) = affine.tolist()
    width, height = math.hypot(a, c), math.hypot(b, d)
    if abs(width - height) > UNEQUAL * height:
        return width, height
    return (affine_scale(affine),) * 2
