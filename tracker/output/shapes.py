"""What detections carry beside their box, drawn: masks, skeletons, oriented boxes. In place, where they are alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.columns.masks import Masks
from tracker.structures import Floats, Image

Colour = tuple[int, int, int]
"""Blue, green, red."""

# Pairs of COCO's 17 keypoints, which are drawn as limbs; of other keypoints it is not known what belongs together.
_COCO_LIMBS = (
    (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10),
    (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip
_COCO_POINTS = 17
SURE = 0.5  # confidence that a point of a skeleton has to have to be drawn
_TINT = 0.45  # how far the pixels of a mask go to its colour
_FRACTION = 4  # bits of a pixel that OpenCV is given


def draw_masks(image: Image, masks: Masks, paints: Sequence[Colour]) -> None:
    """Tint the pixels of each mask (H, W of the frame) in its colour; nothing where there is none."""
    for (covered, left, top), paint in zip(masks.crops(), paints, strict=True):
        part = image[top : top + covered.shape[0], left : left + covered.shape[1]]
        if part.size:
            inside = np.ascontiguousarray(covered[: part.shape[0], : part.shape[1]]).view(np.uint8)
            cv2.copyTo(cv2.transform(part, _tint(paint)), inside, part)


@lru_cache(maxsize=64)
def _tint(paint: Colour) -> Floats:
    """(3, 4) what tints a pixel: a share of itself, and the rest of the colour."""
    return np.column_stack([(1 - _TINT) * np.eye(3), _TINT * np.array(paint)]).astype(np.float32)


def limbs(points: int) -> tuple[tuple[int, int], ...]:
    """Which of so many keypoints are joined; none where it is not known what they are."""
    return _COCO_LIMBS if points == _COCO_POINTS else ()


def draw_skeleton(image: Image, points: Floats, paint: Colour, line: int, edge: Colour) -> None:
    """Keypoints (K, 3), and limbs between them where they are COCO's; none that is not sure."""
    known = np.isfinite(points).all(axis=1) & (points[:, 2] >= SURE)
    fixed = np.rint(np.where(known[:, None], points[:, :2], 0) * (1 << _FRACTION)).astype(np.int32)
    joined = [fixed[[a, b]] for a, b in limbs(len(points)) if known[a] and known[b]]
    if joined:
        cv2.polylines(image, joined, False, edge, line + 2, cv2.LINE_AA, _FRACTION)
        cv2.polylines(image, joined, False, paint, line, cv2.LINE_AA, _FRACTION)
    radius = (line + 1) << _FRACTION - 1
    for x, y in fixed[known].tolist():
        cv2.circle(image, (x, y), radius + (1 << _FRACTION), edge, -1, cv2.LINE_AA, _FRACTION)
        cv2.circle(image, (x, y), radius, paint, -1, cv2.LINE_AA, _FRACTION)


def draw_oriented(image: Image, corners: NDArray[np.float32], paint: Colour, line: int, edge: Colour) -> None:
    """The outline of a box with corners (4, 2)."""
    fixed = [np.rint(corners * (1 << _FRACTION)).astype(np.int32)]
    cv2.polylines(image, fixed, True, edge, line + 2, cv2.LINE_AA, _FRACTION)
    cv2.polylines(image, fixed, True, paint, line, cv2.LINE_AA, _FRACTION)
