"""How tracks go just before and just after each of their boxes, by half a second each; and which of them met."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import area, paired_intersection, paired_iou
from tracker.datasets.annotations import Annotations
from tracker.structures import Ints

Reals = NDArray[np.float64]

WINDOW_S = 0.5  # of rows that a line is fitted to
AHEAD_S = 0.5  # so far ahead two courses are compared: where a line leads to, not only where it is
LEAST_ROWS = 4  # of a line
MEET = 0.15  # overlap from which on two tracks meet
APART_S = 0.5  # not overlapping for longer, two tracks meet anew
LONGEST_S = 3.0  # of a meeting, after which no line says where an object has gone
_USUAL = 2.0  # times its median turn that is usual for a track
_EDGE = 5.0  # pixels: a box so near to the frame's edge is cut off by it
ASIDE = 0.7  # of one's box in the other, from which on they may be one object though their overlap is small


@dataclass(frozen=True, eq=False)
class Course:
    """Lines through R windows.

    Attributes:
        at: (R, 4) at the row's time: centre in pixels, and log of width and height. speed: (R, 4) the same a second.
        known: (R,) whether there are enough rows, and none that the frame's edge cuts off.
    """

    at: Reals
    speed: Reals
    known: NDArray[np.bool_]

    def __getitem__(self, rows: Ints) -> Course:
        return Course(self.at[rows], self.speed[rows], self.known[rows])


@dataclass(frozen=True, eq=False)
class Courses:
    """Rows in order of id and frame, and how their tracks go up to each and on from each."""

    rows: Annotations
    times_s: Reals
    before: Course
    after: Course

    @classmethod
    def of(cls, rows: Annotations) -> Courses:
        """Of rows ordered by id and frame."""
        times = rows.times_s[rows.frames - 1]
        new = np.append(True, np.diff(rows.ids) != 0)
        start = np.flatnonzero(new)[np.cumsum(new) - 1]
        stop = np.append(np.flatnonzero(new)[1:], len(rows))[np.cumsum(new) - 1]
        key = np.cumsum(new) * (times.max() + 10 * WINDOW_S) + times  # one increasing number for track and time
        here = np.arange(len(rows))
        low = np.maximum(np.searchsorted(key, key - WINDOW_S - 1e-6), start)
        high = np.minimum(np.searchsorted(key, key + WINDOW_S + 1e-6), stop)
        return cls(rows, times, _fitted(rows, times, low, here + 1), _fitted(rows, times, here, high))

    def turns(self) -> tuple[Reals, Ints]:
        """(T,) how much more than usual each track leaves its course at its sharpest place, (T,) the row from there on.

        What comes nearer goes faster and faster: that is usual, and told from a turn by the median of the track.
        """
        ids = self.rows.ids
        pair = np.flatnonzero((ids[1:] == ids[:-1]) & (np.diff(self.times_s) < APART_S))
        turn = _apart(self.before[pair], self.after[pair + 1], np.diff(self.times_s)[pair])
        pair, turn = pair[np.isfinite(turn)], turn[np.isfinite(turn)]
        order = np.lexsort((turn, ids[pair]))
        pair, turn = pair[order], turn[order]
        _, least, count = np.unique(ids[pair], return_index=True, return_counts=True)
        sharpest = least + count - 1
        return turn[sharpest] - _USUAL * turn[least + count // 2], pair[sharpest] + 1

    def kept(self, met: Meetings) -> Reals:
        """(M,) how far both tracks of a meeting leave their courses; NaN where too little is known."""
        return self._cost(met, 0, 0) + self._cost(met, 1, 1)

    def swapped(self, met: Meetings) -> Reals:
        """(M,) the same if each went on as the other."""
        return self._cost(met, 0, 1) + self._cost(met, 1, 0)

    def exchanged(self, one: Ints, two: Ints) -> Reals:
        """(P,) how much better two tracks go on if each goes on as the other from rows (P,) and (P,) of one frame on.

        -inf where too little is known.
        """
        ids, before_one, before_two = self.rows.ids, np.maximum(one - 1, 0), np.maximum(two - 1, 0)
        cost = np.zeros(len(one))
        for sign, old, new in ((1, one, one), (1, two, two), (-1, one, two), (-1, two, one)):
            last = np.maximum(old - 1, 0)
            cost += sign * _apart(self.before[last], self.after[new], self.times_s[new] - self.times_s[last])
        begins = (ids[before_one] != ids[one]) | (ids[before_two] != ids[two]) | (one == 0) | (two == 0)
        away = np.maximum(self.times_s[one] - self.times_s[before_one], self.times_s[two] - self.times_s[before_two])
        return np.where(begins | (away > APART_S) | ~np.isfinite(cost), -np.inf, cost)

    def _cost(self, met: Meetings, one: int, other: int) -> Reals:
        first, last = met.first[:, one], met.last[:, other]
        cost = _apart(self.before[first], self.after[last], self.times_s[last] - self.times_s[first])
        cost[self.times_s[last] - self.times_s[first] > LONGEST_S] = np.nan
        return cost


def _fitted(rows: Annotations, times: Reals, low: Ints, high: Ints) -> Course:
    """Lines through rows `low` to `high` (R,), the latter not in."""
    side = np.maximum(rows.xyxy[:, 2:] - rows.xyxy[:, :2], 1e-3)
    values = np.column_stack([(rows.xyxy[:, :2] + rows.xyxy[:, 2:]) / 2, np.log(side)])
    cut = (rows.xyxy[:, :2] < _EDGE).any(axis=1) | (rows.xyxy[:, 2:] > np.array(rows.size) - _EDGE).any(axis=1)
    columns = np.column_stack([np.ones_like(times), times, times**2, cut, values, values * times[:, None]])
    sums = np.concatenate([np.zeros((1, columns.shape[1])), np.cumsum(columns, axis=0)])
    count, mean = (high - low)[:, None], (sums[high] - sums[low]) / (high - low)[:, None]
    middle, spread = mean[:, 1:2], mean[:, 2:3] - mean[:, 1:2] ** 2
    covariance = mean[:, 8:] - middle * mean[:, 4:8]
    speed = np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 1e-9)
    at = mean[:, 4:8] + speed * (times[:, None] - middle)
    return Course(at, speed, (count[:, 0] >= LEAST_ROWS) & (mean[:, 3] < 0.5 / count[:, 0]))


def _apart(before: Course, after: Course, seconds: Reals) -> Reals:
    """(M,) how little one course goes on as another, `seconds` later: in heights, and in the logarithm of sizes.

    Places are compared half-way, and half a second on, where velocities differ; NaN where too little is known.
    """
    half = seconds[:, None] / 2
    gap = (before.at + before.speed * half) - (after.at - after.speed * half)
    turn = np.linalg.norm(before.speed[:, :2] - after.speed[:, :2], axis=1) * AHEAD_S
    height = np.exp((before.at[:, 3] + after.at[:, 3]) / 2)
    cost: Reals = (np.linalg.norm(gap[:, :2], axis=1) + turn) / height + 2 * np.abs(gap[:, 2:]).sum(axis=1)
    return np.where(before.known & after.known, cost, np.nan)


@dataclass(frozen=True, eq=False)
class Meetings:
    """M times two tracks overlapped.

    Attributes:
        one, two: (M,) ids, the smaller first. first, last: (M, 2) rows of both in the first and in the last frame.
        overlap: (M,) sum of overlaps.
        exchange: (M,) the most of `Courses.exchanged` of their frames. turn: (M,) the row of the first track there.
    """

    one: Ints
    two: Ints
    first: Ints
    last: Ints
    overlap: Reals
    exchange: Reals
    turn: Ints

    def doubles(self, rows: Annotations) -> Iterator[tuple[int, int, int, float, float]]:
        """Pairs of which one lies on the other: elder, younger, frame, overlap over the shorter's life, its seconds."""
        tracks, begin, length = np.unique(rows.ids, return_index=True, return_counts=True)
        pairs, place = np.unique(np.column_stack([self.one, self.two]), axis=0, return_inverse=True)
        overlap = np.bincount(place.ravel(), self.overlap, len(pairs))
        at = np.searchsorted(tracks, pairs)
        shorter = np.take_along_axis(at, length[at].argmin(axis=1)[:, None], axis=1)[:, 0]
        elder = rows.frames[begin[at]].argmin(axis=1)
        for n, (ids, share) in enumerate(zip(pairs.tolist(), (overlap / length[shorter]).tolist(), strict=True)):
            first, last = begin[shorter[n]], begin[shorter[n]] + length[shorter[n]] - 1
            seconds = float(rows.times_s[rows.frames[last] - 1] - rows.times_s[rows.frames[first] - 1])
            yield ids[elder[n]], ids[1 - elder[n]], int(rows.frames[first]), share, seconds


def meetings(courses: Courses) -> Meetings:
    """All times that two tracks overlapped."""
    rows = courses.rows
    order = np.argsort(rows.frames, kind="stable")
    frames = rows.frames[order]
    parts: list[tuple[Ints, Ints, Reals]] = [(order[:0], order[:0], np.zeros(0))]
    for step in range(1, len(order)):
        same = np.flatnonzero(frames[step:] == frames[:-step])
        if not len(same):
            break
        one, two = order[same], order[same + step]  # by id, so the smaller first
        boxes, others = rows.xyxy[one], rows.xyxy[two]
        overlap = paired_iou(boxes, others)
        inside = paired_intersection(boxes, others) / np.maximum(np.minimum(area(boxes), area(others)), 1e-9)
        near = (overlap > MEET) | (inside > ASIDE)
        parts.append((one[near], two[near], np.where(inside > ASIDE, np.maximum(overlap, inside / 2), overlap)[near]))
    one, two, overlap = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((rows.frames[one], rows.ids[two], rows.ids[one]))
    one, two, overlap = one[order], two[order], overlap[order]
    changed = (np.diff(rows.ids[one]) != 0) | (np.diff(rows.ids[two]) != 0) | (np.diff(courses.times_s[one]) > APART_S)
    first = np.flatnonzero(np.append(True, changed)) if len(one) else np.zeros(0, np.int64)
    last = np.append(first[1:], len(one)) - 1 if len(one) else first
    exchange = courses.exchanged(one, two)
    sharpest = np.lexsort((exchange, np.repeat(np.arange(len(first)), last - first + 1)))[last]
    return Meetings(
        rows.ids[one[first]],
        rows.ids[two[first]],
        np.column_stack([one[first], two[first]]),
        np.column_stack([one[last], two[last]]),
        np.add.reduceat(overlap, first) if len(first) else np.zeros(0),
        exchange[sharpest],
        one[sharpest],
    )
