"""Box formats and the IoU family, batched over all pairs at once.

Formats: `xyxy` (left, top, right, bottom), `tlwh` (left, top, width, height), `cxcywh` (centre, size); pixels.
All functions keep the dtype of their input and accept empty arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[Any]  # (..., 4), any float dtype

_MANY = 2**13  # pairs of which it pays to find out first which can overlap
_REACH = 3.0  # of `nearest_by_far`: at most so many usual steps away,
_CLEAR = 0.5  # nearer by this factor than any other,
_GROWTH = 0.3  # and with a diagonal that differs by less than a factor e to this: sides change with each turn


def xyxy_to_tlwh(xyxy: Boxes) -> Boxes:
    """(..., 4) left, top, right, bottom -> left, top, width, height."""
    return np.concatenate([xyxy[..., :2], xyxy[..., 2:] - xyxy[..., :2]], axis=-1)


def tlwh_to_xyxy(tlwh: Boxes) -> Boxes:
    """(..., 4) left, top, width, height -> left, top, right, bottom."""
    return np.concatenate([tlwh[..., :2], tlwh[..., :2] + tlwh[..., 2:]], axis=-1)


def xyxy_to_cxcywh(xyxy: Boxes) -> Boxes:
    """(..., 4) corners -> centre x, centre y, width, height."""
    return np.concatenate([(xyxy[..., :2] + xyxy[..., 2:]) / 2, xyxy[..., 2:] - xyxy[..., :2]], axis=-1)


def cxcywh_to_xyxy(cxcywh: Boxes) -> Boxes:
    """(..., 4) centre x, centre y, width, height -> corners."""
    half = cxcywh[..., 2:] / 2
    return np.concatenate([cxcywh[..., :2] - half, cxcywh[..., :2] + half], axis=-1)


def area(xyxy: Boxes) -> NDArray[Any]:
    """(..., 4) -> (...) area in square pixels."""
    size: NDArray[Any] = (xyxy[..., 2] - xyxy[..., 0]) * (xyxy[..., 3] - xyxy[..., 1])
    return size


def intersection(a: Boxes, b: Boxes) -> NDArray[Any]:
    """(N, 4), (M, 4) -> (N, M) overlap in square pixels."""
    left, top, right, bottom = np.ascontiguousarray(a.T)[..., None]
    other_left, other_top, other_right, other_bottom = np.ascontiguousarray(b.T)
    overlap = _common(left, right, other_left, other_right)
    overlap *= _common(top, bottom, other_top, other_bottom)
    return overlap


def paired_intersection(a: Boxes, b: Boxes) -> NDArray[Any]:
    """(..., 4), (..., 4), shapes broadcast -> (...) overlap of each pair in square pixels."""
    overlap = _common(a[..., 0], a[..., 2], b[..., 0], b[..., 2])
    overlap *= _common(a[..., 1], a[..., 3], b[..., 1], b[..., 3])
    return overlap


def _common(low: Boxes, high: Boxes, other_low: Boxes, other_high: Boxes) -> NDArray[Any]:
    """Common length of intervals, 0 where there is none; shapes broadcast."""
    length = np.minimum(high, other_high)
    length -= np.maximum(low, other_low)
    common: NDArray[Any] = np.maximum(length, 0, out=length)
    return common


def near(boxes: Boxes, others: Boxes, ratio: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns (P,) of the pairs that can overlap at all, found by sorting: in a crowd few of all.

    That is all of boxes (N, 4) and others (M, 4) that do once both are grown by the box's shares (N, 2) of their
    widths and heights, and some more; ordered by row.
    """
    order = others[:, 0].argsort()
    left = others[:, 0].take(order)
    widest = (others[:, 2] - others[:, 0]).max(initial=0)
    margin = ratio[:, 0] * (boxes[:, 2] - boxes[:, 0] + widest)
    first = left.searchsorted(boxes[:, 0] - margin - widest)
    count = left.searchsorted(boxes[:, 2] + margin) - first
    row = np.arange(len(boxes)).repeat(count)
    place = np.arange(len(row)) + (first - count.cumsum() + count).repeat(count)
    column = order.take(place)
    if len(row) > _MANY:  # most of those are above or below
        tallest = (others[:, 3] - others[:, 1]).max(initial=0)
        margin = ratio[:, 1] * (boxes[:, 3] - boxes[:, 1] + tallest)
        top, bottom = boxes[:, 1] - margin, boxes[:, 3] + margin
        meet = others[:, 1].take(column) <= bottom.take(row)
        meet &= others[:, 3].take(column) >= top.take(row)
        row, column = row[meet], column[meet]
    return row, column


def iou(a: Boxes, b: Boxes) -> NDArray[Any]:
    """(N, 4), (M, 4) -> (N, M) intersection over union in [0, 1]; 0 where both boxes are empty."""
    overlap = intersection(a, b)
    union = area(a)[:, None] + area(b)[None] - overlap
    return _share(overlap, union)


def paired_iou(a: Boxes, b: Boxes) -> NDArray[Any]:
    """(..., 4), (..., 4), shapes broadcast -> (...) IoU of each pair."""
    overlap = paired_intersection(a, b)
    union = area(a) + area(b) - overlap
    return _share(overlap, union)


def height_overlap(a: Boxes, b: Boxes) -> NDArray[Any]:
    """(..., 4), (..., 4), shapes broadcast -> (...) overlap of the vertical extents over their union, in [0, 1].

    The factor of height-modulated IoU (Hybrid-SORT, Yang et al., AAAI 2024): people who cross differ in height.
    """
    union = np.maximum(a[..., 3], b[..., 3]) - np.minimum(a[..., 1], b[..., 1])
    return _share(_common(a[..., 1], a[..., 3], b[..., 1], b[..., 3]), union)


def alike_in_height(a: Boxes, b: Boxes, factor: float) -> NDArray[np.bool_]:
    """(..., 4), (..., 4) of one shape -> (...) whether neither is taller than the other by more than a factor."""
    ratio = (a[..., 3] - a[..., 1]) / (b[..., 3] - b[..., 1])
    middle = (factor + 1 / factor) / 2
    alike: NDArray[np.bool_] = np.abs(ratio - middle) <= factor - middle
    return alike


def grown_iou(tracks: Boxes, found: Boxes, ratio: NDArray[Any]) -> NDArray[Any]:
    """IoU of tracks (..., 4) and detections (..., 4), both grown by the track's (..., 2) share of their own size.

    Buffered IoU (Yang et al., WACV 2023) with a buffer of its own for each track. Shapes broadcast.
    """
    size, other = tracks[..., 2:] - tracks[..., :2], found[..., 2:] - found[..., :2]
    margin, other_margin = ratio * size, ratio * other
    common = np.minimum(tracks[..., 2:] + margin, found[..., 2:] + other_margin)
    common -= np.maximum(tracks[..., :2] - margin, found[..., :2] - other_margin)
    np.maximum(common, 0, out=common)
    overlap = _product(common)
    grown: NDArray[Any] = overlap / ((_product(size) + _product(other)) * _product(1 + 2 * ratio) - overlap)
    return grown


def _product(pairs: NDArray[Any]) -> NDArray[Any]:
    product: NDArray[Any] = pairs[..., 0] * pairs[..., 1]  # quicker than a reduction over two
    return product


def nearest_by_far(
    own: Boxes, found: Boxes, reach: NDArray[Any], weight: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of boxes that are nearest to each other by far, and of much the same size.

    Args:
        own: (N, 4), N > 0. found: (M, 4), M > 0. reach: (N,) sizes of itself that one may usually be away.
        weight: (N, M) what distances are multiplied by.

    Returns:
        (K,) rows of `own` and (K,) of `found`, ordered by the former.
    """
    size, others = own[:, 2:] - own[:, :2], found[:, 2:] - found[:, :2]
    off = (own[:, None, :2] + own[:, None, 2:] - found[:, :2] - found[:, 2:]) / 2
    distance = np.sqrt((off * off).sum(-1) / size.prod(1)[:, None]) * weight
    column = distance.argmin(1)
    row = (distance.argmin(0)[column] == np.arange(len(own))).nonzero()[0]
    column = column[row]
    nearest = distance[row, column]
    distance[row, column] = np.inf
    rival = np.minimum(distance[row].min(1), distance[:, column].min(0))
    growth = np.abs(np.log((others[column] ** 2).sum(1) / (size[row] ** 2).sum(1))) / 2
    sure = (nearest < _CLEAR * rival) & (nearest < _REACH * reach[row]) & (growth < _GROWTH)
    return row[sure], column[sure]


def largest(measure: Callable[[Boxes, Boxes], NDArray[Any]], boxes: Boxes, others: Boxes) -> NDArray[Any]:
    """(N, 4), (M, 4) -> (N,) the largest measure of each box with any other; 0 where it overlaps none.

    Args:
        measure: (..., 4), (..., 4), shapes broadcast -> (...), 0 where two boxes do not overlap.
    """
    most: NDArray[Any]
    if len(boxes) * len(others) <= _MANY:
        most = measure(boxes[:, None], others).max(axis=1, initial=0)
        return most
    row, column = near(boxes, others, np.zeros((len(boxes), 2), boxes.dtype))
    most = np.zeros(len(boxes), boxes.dtype)
    np.maximum.at(most, row, measure(boxes[row], others[column]))
    return most


def occluded_fraction(boxes: Boxes, others: Boxes) -> NDArray[Any]:
    """(N, 4), (M, 4) -> (N, M) share of each box that lies inside each other box, in [0, 1]."""
    return paired_fraction(boxes[:, None], others)


def paired_fraction(boxes: Boxes, others: Boxes) -> NDArray[Any]:
    """(..., 4), (..., 4), shapes broadcast -> (...) share of each box that lies inside the other, in [0, 1]."""
    return _share(paired_intersection(boxes, others), area(boxes))


def occluded_share(xyxy: Boxes) -> NDArray[Any]:
    """(N,) share of each box that one other occludes: of two that overlap, the one that reaches lower is nearer."""
    row, column = near(xyxy, xyxy, np.zeros((len(xyxy), 2), xyxy.dtype))
    behind = xyxy[row, 3] < xyxy[column, 3]
    row, column = row[behind], column[behind]
    occluded = np.zeros(len(xyxy), xyxy.dtype)
    np.maximum.at(occluded, row, paired_intersection(xyxy[row], xyxy[column]))
    occluded /= area(xyxy)
    return occluded


def _share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
    """part / whole, and 0 where there is no whole."""
    share: NDArray[Any] = part / np.where(whole > 0, whole, np.asarray(np.inf, part.dtype))
    return share
