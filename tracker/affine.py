"""Affine maps of the plane, (2, 3): how points, boxes and vectors move with the camera."""

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
    scales = np.linalg.norm(linear, axis=-2)  # of widths and heights, as `kalman.axis_scales` has them
    alike = np.abs(np.diff(scales)) <= UNEQUAL * scales[..., 1:]
    size = box[:, 2:] * np.where(alike, np.sqrt(np.abs(np.linalg.det(linear)))[..., None], scales)
    return np.concatenate([centre, size], axis=1)


def inverse(affine: Array) -> Array:
    """(F, 2, 3) -> (F, 2, 3) the way back."""
    linear = np.linalg.inv(affine[:, :, :2])
    return np.concatenate([linear, -linear @ affine[:, :, 2:]], axis=2)


def warp(xyxy: Boxes, affine: NDArray[Any]) -> Boxes:
    """(N, 4) boxes moved by a (2, 3) affine: centres are mapped, sizes scaled by its mean scale."""
    linear = affine[:, :2]
    scale = np.sqrt(np.abs(np.linalg.det(linear)))
    box = xyxy_to_cxcywh(xyxy)
    return cxcywh_to_xyxy(np.concatenate([box[:, :2] @ linear.T + affine[:, 2], box[:, 2:] * scale], axis=1)).astype(
        xyxy.dtype
    )


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
