"""The borders of lines and zones: how far from one a point is, on which side of it, and where a step crosses it.

Both are courses of straight edges, a zone's closed. Left of a line, for somebody who walks on the picture from its
first point to its last, and inside of a zone is the side 1; the other one is -1. Letters: S shapes, E edges of the one
that has most, P pairs of a point and a shape.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.analytics.zones_file import Points
from tracker.structures import Ints, Mask

Reals = NDArray[np.float64]
Sides = NDArray[np.int8]

_CELLS = 512  # of the map's longer side
_AROUND = 32  # cells around all shapes
_ROUNDING = 2.0  # cells by which a distance between cells may be too long, two being drawn and looked up roughly
_FAR = 255  # cells and beyond


class Borders:
    """The borders of S shapes in one picture.

    Args:
        courses: (P, 2) points of each in pixels.
        closed: (S,) which of them are zones.
    """

    def __init__(self, courses: Sequence[Points], closed: Mask) -> None:
        self.closed = closed
        edges = [
            (points, np.roll(points, -1, axis=0)) if whole else (points[:-1], points[1:])
            for points, whole in zip(courses, closed.tolist(), strict=True)
        ]
        most = max((len(begin) for begin, _ in edges), default=1)
        padded = [[np.pad(ends, ((0, most - len(ends)), (0, 0)), "edge") for ends in both] for both in edges]
        self._begin = np.array([begin for begin, _ in padded]).reshape(-1, most, 2)
        self._end = np.array([end for _, end in padded]).reshape(-1, most, 2)
        self._begin_x, self._begin_y = (np.ascontiguousarray(self._begin[..., axis]) for axis in (0, 1))
        along = self._end - self._begin
        self._along_x, self._along_y = (np.ascontiguousarray(along[..., axis]) for axis in (0, 1))
        self._length = np.maximum(self._along_x**2 + self._along_y**2, 1e-12)  # squared
        self._real = np.array([np.arange(most) < len(begin) for begin, _ in edges]).reshape(-1, most)
        self._map_out(courses)

    def _map_out(self, courses: Sequence[Points]) -> None:
        """Note for each cell of the picture how many cells it is at least from each border."""
        points = np.concatenate(courses) if courses else np.zeros((1, 2))
        low, high = points.min(axis=0), points.max(axis=0)
        self._cell = max(2.0, float((high - low).max()) / _CELLS)
        self._corner = low - _AROUND * self._cell
        self._size = np.ceil((high - low) / self._cell).astype(int) + 2 * _AROUND + 1
        width, height = self._size
        cells = np.zeros((height, width, len(courses)), np.uint8)
        for shape, (course, closed) in enumerate(zip(courses, self.closed.tolist(), strict=True)):
            drawn = np.ones((height, width), np.uint8)
            place = np.floor((course - self._corner) / self._cell).astype(np.int32)
            cv2.polylines(drawn, [place], closed, 0)
            apart = cv2.distanceTransform(drawn, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            cells[..., shape] = np.clip(apart - _ROUNDING, 0, _FAR)
        self._cells = cells.reshape(-1, len(courses))

    def near(self, at: Reals, reach: Reals, zone_reach: Reals) -> tuple[Ints, Ints]:
        """Pairs (P,) of a point and (P,) of a shape: all whose border is within reach, and some that lie further off.

        Args:
            at: (N, 2) points. reach: (N,) pixels from each, to a line. zone_reach: (N,) to a zone, no more than reach.
        """
        cell = ((at - self._corner) / self._cell).clip(0, self._size - 1).astype(np.intp)  # no border lies outside
        cells, zone_cells = (np.minimum(np.ceil(r / self._cell), _FAR).astype(np.uint8) for r in (reach, zone_reach))
        away = self._cells.take(cell[:, 1] * self._size[0] + cell[:, 0], axis=0)
        pair = np.flatnonzero(away <= cells[:, None])
        row, shape = np.divmod(pair, len(self.closed))
        near = np.flatnonzero((away.take(pair) <= zone_cells.take(row)) | ~self.closed.take(shape))
        return row.take(near), shape.take(near)

    def sides(self, at: Reals, shapes: Ints) -> tuple[Reals, Sides]:
        """(P,) distance of each point (P, 2) from the border of its shape (P,), and (P,) the side it is on."""
        along_x, along_y = self._along_x.take(shapes, axis=0), self._along_y.take(shapes, axis=0)
        to_x = at[:, :1] - self._begin_x.take(shapes, axis=0)
        to_y = at[:, 1:] - self._begin_y.take(shapes, axis=0)
        length = self._length.take(shapes, axis=0)
        turn = along_x * to_y - along_y * to_x  # below 0 to the left
        share = ((to_x * along_x + to_y * along_y) / length).clip(0, 1)
        squared = (to_x - share * along_x) ** 2 + (to_y - share * along_y) ** 2
        nearest = squared.min(axis=1, initial=np.inf)
        left = np.zeros(len(at), bool)
        lines = np.flatnonzero(~self.closed[shapes])
        # at a corner between two edges the one counts that the point is further off, as it were lengthened
        either = squared[lines] <= nearest[lines, None] * (1 + 1e-9) + 1e-9
        edge = np.where(either, turn[lines] ** 2 / length[lines], -1).argmax(axis=1)
        left[lines] = turn[lines, edge] <= 0
        zones = np.flatnonzero(self.closed[shapes])
        down = along_y[zones]
        above, below = to_y[zones] < 0, to_y[zones] < down  # the edge's first point is below this one, and so its last
        passes = (above != below) & ((turn[zones] > 0) == (down > 0)) & self._real[shapes[zones]]
        left[zones] = passes.sum(axis=1) % 2 == 1
        return np.sqrt(nearest), np.where(left, np.int8(1), np.int8(-1))

    def crossed(self, start: Reals, end: Reals, shapes: Ints) -> tuple[Ints, Reals, Sides]:
        """Where steps from (P, 2) to (P, 2) cross the borders of their shapes (P,), in order.

        Returns:
            (C,) the pair of each crossing, (C,) how much of its step lies before it, and (C,) the side it leads to.
        """
        begin, stop = self._begin[shapes], self._end[shapes]
        along, step = stop - begin, (end - start)[:, None]
        before, after = _turn(along, start[:, None] - begin), _turn(along, end[:, None] - begin)
        first, last = _turn(step, begin - start[:, None]) <= 0, _turn(step, stop - start[:, None]) <= 0
        hit = ((before <= 0) != (after <= 0)) & (first != last) & self._real[shapes]
        pair, edge = np.nonzero(hit)
        before, after = before[pair, edge], after[pair, edge]
        share = before / (before - after)
        order = np.lexsort((share, pair))
        return pair[order], share[order], np.where(after <= 0, 1, -1).astype(np.int8)[order]


def _turn(along: Reals, to: Reals) -> Reals:
    return np.asarray(along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0])
