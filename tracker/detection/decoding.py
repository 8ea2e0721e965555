"""What a network says of each object, in the pixels of its frame: box, mask from prototypes, keypoints, angle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tracker.columns.foreign import ANGLE
from tracker.columns.masks import Masks, part_of, rectangles
from tracker.columns.oriented import corners_of, enclosing
from tracker.detection.letterbox import Letterboxed, unletterbox
from tracker.structures import Floats


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """What a network gives for B images; all places are pixels of its input.

    Attributes:
        rows: (K, 7 + E) float32 number of the image, box, score, class, and E values of what the network says beside.
        prototypes: (B, P, h, w) float32 of which a mask is a sum, weighted by a row's E = P values; None: no masks.
        of_point: values of each keypoint, 2 (x, y) or 3 (and confidence), in a row's E; 0: no keypoints.
        oriented: a row's box is the centre and the sides of an oriented one, and its E = 1 is its angle in radians.
    """

    rows: Floats
    prototypes: Floats | None = None
    of_point: int = 0
    oriented: bool = False


def boxes_of(found: NetworkOutput, rows: Floats, boxed: Letterboxed) -> Floats:
    """(N, 6 + E) rows without the image's number -> (N, 4) boxes in the frame; of oriented ones those around them.

    What an oriented box has beyond the frame is kept: clipped, it would be that of another box.
    """
    if found.oriented:
        return enclosing(_corners(rows, boxed))
    return unletterbox(rows[:, :4], boxed.frame, boxed.picture, boxed.size)


def carried(found: NetworkOutput, image: int, rows: Floats, xyxy: Floats, boxed: Letterboxed) -> dict[str, Any]:
    """The columns of detections, rows (N, 6 + E) with boxes (N, 4) in their frame, as `Detections` takes them."""
    values = rows[:, 6:]
    if found.prototypes is not None:
        return {"masks": _masks(values, found.prototypes[image], xyxy, boxed)}
    if found.of_point:
        return {"keypoints": _keypoints(values, found.of_point, boxed)}
    if found.oriented:
        return {"corners": _corners(rows, boxed), "data": {ANGLE: rows[:, 6]}}
    return {}


def _corners(rows: Floats, boxed: Letterboxed) -> Floats:
    """(N, 4, 2) of oriented boxes in the frame's pixels. The picture's two scales differ by rounding alone."""
    scale = boxed.scale.astype(np.float32)
    placed = rows[:, :4] - np.append(boxed.offset, [0, 0]).astype(np.float32)
    return np.asarray(corners_of(placed / np.tile(scale, 2), rows[:, 6]), np.float32)


def _masks(weights: Floats, prototypes: Floats, xyxy: Floats, boxed: Letterboxed) -> Masks:
    """The pixels within each box (N, 4) where the sum of prototypes (P, h, w) with weights (N, P) is above 0.

    The sum is worked out around the box alone, and brought to the frame's pixels before it is compared: so a mask's
    outline is as smooth as the frame (YOLACT: Bolya et al., ICCV 2019).
    """
    step = np.array(boxed.size[::-1]) / prototypes.shape[:0:-1]  # pixels of the letterbox to one of the prototypes
    scale, offset = boxed.scale / step, boxed.offset / step
    inside = rectangles(xyxy, boxed.frame)
    first = np.floor(inside[:, :2] * scale + offset - 1).astype(np.int64)
    last = np.ceil(inside[:, 2:] * scale + offset + 1).astype(np.int64)
    first, last = np.maximum(first, 0), np.minimum(last, prototypes.shape[:0:-1])
    parts = []
    for weight, (x, y), (right, bottom), rectangle in zip(weights, first, last, inside.tolist(), strict=True):
        near = prototypes[:, y:bottom, x:right]
        sums = (weight @ near.reshape(len(weight), -1)).reshape(near.shape[1:])
        parts.append(part_of(sums, scale, offset - (x, y), rectangle) > 0)
    return Masks.of_crops(parts, inside[:, :2].tolist(), boxed.frame)


def _keypoints(values: Floats, of_point: int, boxed: Letterboxed) -> Floats:
    """(N, K, 3) x, y in the frame's pixels and confidence, 1 where the network gives none."""
    points = values.reshape(len(values), values.shape[1] // of_point, of_point)
    keypoints = np.ones((*points.shape[:2], 3), np.float32)
    keypoints[..., :2] = (points[..., :2] - boxed.offset) / boxed.scale
    keypoints[..., 2:of_point] = points[..., 2:]
    return keypoints
