"""Oriented boxes: their corners, and the upright box around them.

Corners stand in order around a box, in pixels of the frame; angles are radians from the x axis towards the y axis:
clockwise as one sees it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def corners_of(cxcywh: Array, angle: Array) -> Array:
    """Centres and sides (N, 4), angles of the width (N,) -> (N, 4, 2) corners, as Ultralytics orders them."""
    along = cxcywh[:, 2:3] / 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    across = cxcywh[:, 3:4] / 2 * np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    corners: Array = np.stack([along + across, along - across, -along - across, across - along], axis=1)
    return corners + cxcywh[:, None, :2]


def enclosing(corners: Array) -> Array:
    """(N, 4, 2) -> (N, 4) the smallest xyxy around each."""
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
