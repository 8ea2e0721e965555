"""Rows of tracks over time, and what the frames before and after say of a row: gaps filled, boxes smoothed.

Boxes are only compared in one frame, after they were moved there with the camera.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.affine import Array, inverse, moved
from tracker.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from tracker.structures import Floats, Ints, Status, Tracks

# the tracks of a frame have these, too
_OF_TRACKS = ("ids", "xyxy", "scores", "classes", "raw_classes", "status", "detection_index")
_COLUMNS = ("frames", *_OF_TRACKS)  # one value a row
SMOOTH_REACH = 3.0  # standard deviations: what is further away in time counts nothing
_FURTHEST = 1 / 3  # of a box's shorter side that smoothing moves it: it keeps about half of itself
_LARGEST = 1.5  # the same of its sides: times as long or as short


@dataclass(frozen=True, eq=False)
class TrackTable:
    """All rows of a video's tracks; letters: R rows, F frames, L tracks with an embedding.

    Attributes:
        frames: (R,) int64 position of the row's frame in `times_s`, from 0.
        ids: (R,) int64; an id has at most one row in a frame.
        xyxy: (R, 4) float32 boxes in pixels.
        scores: (R,) float32.
        classes: (R,) int64 class of the track.
        raw_classes: (R,) int64 class of the frame's detection, -1 where predicted.
        status: (R,) int64 of `Status`, CONFIRMED or PREDICTED.
        detection_index: (R,) int64 row of the detection in its frame, -1 where there is none.
        times_s: (F,) float64 time of every frame of the video, increasing.
        camera: (F, 2, 3) float64 camera motion from the frame before to each frame.
        embedding_ids: (L,) int64 ids of tracks with an embedding.
        embeddings: (L, D) float32 unit vectors: their mean.
        looked: (F,) bool, which frames were looked at. cuts: (F,) bool, which are the first behind a cut.
    """

    frames: Ints
    ids: Ints
    xyxy: Floats
    scores: Floats
    classes: Ints
    raw_classes: Ints
    status: Ints
    detection_index: Ints
    times_s: Array
    camera: Array
    embedding_ids: Ints
    embeddings: Floats
    looked: NDArray[np.bool_]
    cuts: NDArray[np.bool_]

    @classmethod
    def empty(cls) -> TrackTable:
        """No rows of no frames."""
        number, box, score = np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        camera, embeddings = np.zeros((0, 2, 3)), np.zeros((0, 0), np.float32)
        rows = number, number, box, score, number, number, number, number
        return cls(*rows, np.zeros(0), camera, number, embeddings, *np.zeros((2, 0), bool))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: NDArray[np.bool_] | Ints | slice) -> TrackTable:
        """The same columns for the rows of a mask, index array or slice."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    def at(self, frame: int, names: Mapping[int, str]) -> Tracks:
        """The tracks of one frame, of a table ordered by frame (as `post_processed` returns it)."""
        rows = self[slice(*np.searchsorted(self.frames, [frame, frame + 1]))]
        near = max(frame, 1)
        return Tracks(
            **columns(rows),
            time_s=float(self.times_s[frame]),
            interval_s=float(self.times_s[near] - self.times_s[near - 1]) if len(self.times_s) > 1 else 0.0,
            names=names,
            looked=bool(self.looked[frame]),
            cut=bool(self.cuts[frame]),
        )

    @property
    def ordered(self) -> TrackTable:
        """The same rows, ordered by id and frame."""
        return self[np.lexsort((self.frames, self.ids))]

    def stacked(self, more: TrackTable) -> TrackTable:
        """The rows of both tables."""
        both: dict[str, Any] = {c: np.concatenate([getattr(self, c), getattr(more, c)]) for c in _COLUMNS}
        return replace(self, **both)

    @property
    def row_times_s(self) -> Array:
        """(R,) time of each row."""
        return self.times_s[self.frames]

    @property
    def runs(self) -> Ints:
        """(R,) numbers, equal for rows of one track with no cut between, of a table ordered by id and frame."""
        shots = np.cumsum(self.cuts)[self.frames]
        return np.cumsum((np.diff(self.ids, prepend=-1) != 0) | (np.diff(shots, prepend=-1) != 0))


def columns(rows: TrackTable | Tracks) -> dict[str, Any]:
    """What a table and the tracks of a frame both say of a row, by name: to make the one of the other."""
    return {name: getattr(rows, name) for name in _OF_TRACKS}


def filled(table: TrackTable, limit_s: float) -> TrackTable:
    """The table with the frames a track misses for at most `limit_s` filled by straight lines on the ground.

    So are those between two looks, however long these are apart, and those nearer to the first or the last
    sighting than to the look before or after, which missed the object: there the line goes on.

    Both ends of a gap are moved with the camera into each frame between, then weighted by nearness in time. The new
    rows are PREDICTED, with the score of their neighbours, weighted the same way.

    Args:
        table: ordered by id and frame.
    """
    seconds = table.row_times_s
    near = (np.diff(seconds) <= limit_s + 1e-6) | (np.diff(np.cumsum(table.looked)[table.frames]) == 1)
    before = np.flatnonzero((np.diff(table.runs) == 0) & (np.diff(table.frames) > 1) & near)
    missing = table.frames[before + 1] - table.frames[before] - 1
    left = np.repeat(before, missing)
    step = np.arange(len(left)) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    frames = table.frames[left] + step
    if not table.looked.all():
        left, frames = (np.concatenate(parts) for parts in zip((left, frames), *_beyond(table), strict=True))
    elapsed = table.times_s[frames] - seconds[left]
    share = (elapsed / (seconds[left + 1] - seconds[left]))[:, None]
    box = xyxy_to_cxcywh(table.xyxy.astype(np.float64))
    start = _carried(box[left], table.frames[left], frames, table.camera)
    stop = _carried(box[left + 1], table.frames[left + 1], frames, table.camera)
    line = (1 - share) * start + share * stop
    line[:, 2:] = np.maximum(line[:, 2:], np.minimum(start, stop)[:, 2:] / 2)  # beyond an end it may come to nothing
    between = cxcywh_to_xyxy(line)
    later = np.clip(share[:, 0], 0, 1)
    score = (1 - later) * table.scores[left] + later * table.scores[left + 1]
    more = replace(
        table[left],
        frames=frames,
        xyxy=between.astype(np.float32),
        scores=score.astype(np.float32),
        raw_classes=np.full(len(left), -1),
        status=np.full(len(left), int(Status.PREDICTED)),
        detection_index=np.full(len(left), -1),
    )
    return table.stacked(more).ordered


def _beyond(table: TrackTable) -> list[tuple[Ints, Ints]]:
    """Frames beyond tracks' ends that are nearer to them than to the look that missed the track.

    Returns:
        Before the first and behind the last sightings, each: (M,) the first row of the pair whose line goes on there,
        and (M,) the frame.
    """
    looks = np.flatnonzero(table.looked)
    new = np.diff(table.runs, prepend=-1) != 0
    first, last = np.flatnonzero(new), np.flatnonzero(np.append(new[1:], True)[: len(new)])
    several = first < last
    found = []
    for rows, line, side in ((first[several], first[several], -1), (last[several], last[several] - 1, 1)):
        at = np.searchsorted(looks, table.frames[rows]) + side
        inside = (at >= 0) & (at < len(looks))
        own, look = table.frames[rows[inside]], looks[at[inside]]
        between = np.abs(look - own) - 1
        row = np.repeat(np.arange(len(own)), between)
        frame = np.minimum(own, look)[row] + np.arange(len(row)) - np.repeat(np.cumsum(between) - between, between) + 1
        begin, end = table.times_s[own][row], table.times_s[look][row]
        nearer = (table.times_s[frame] - begin) / (end - begin) < 0.5
        found.append((line[inside][row[nearer]], frame[nearer]))
    return found


def smoothed(table: TrackTable, sigma_s: float, frame: int | None = None) -> TrackTable:
    """The table with every box replaced by a straight line through its neighbours in time, on the ground.

    Neighbours are moved with the camera into the box's own frame; each counts by its score and, as a Gaussian, by its
    nearness in time. In the middle of a track that is a Gaussian mean; a line, not a mean, because a mean would pull
    the ends of a moving track inwards (Cleveland, JASA 1979). Widths and heights are averaged. A box that the line
    would take away from where it was seen, as at a cut, stays there.

    Args:
        table: ordered by id and frame.
        frame: only the rows of this frame are asked for.
    """
    reach_s = SMOOTH_REACH * sigma_s
    if frame is not None:
        table = table[np.abs(table.row_times_s - table.times_s[frame]) <= reach_s]
    wanted = np.ones(len(table), bool) if frame is None else table.frames == frame
    if not wanted.any() or not sigma_s:
        return table[wanted]
    box = xyxy_to_cxcywh(table.xyxy.astype(np.float64))
    seconds = table.row_times_s
    score = np.maximum(table.scores.astype(np.float64), 1e-3)
    weight = np.stack([score, np.zeros_like(score), np.zeros_like(score)], axis=1)  # sums of w, w dt, w dt^2
    total = np.stack([box * score[:, None], np.zeros_like(box)], axis=1)  # sums of w x, w dt x
    for to, source in _neighbours(table, reach_s) if frame is None else [_neighbours_of(table, np.flatnonzero(wanted))]:
        apart = (seconds[source] - seconds[to]) / sigma_s
        share = score[source] * np.exp(-0.5 * apart**2)
        powers = share[:, None] * np.stack([np.ones_like(apart), apart, apart**2], axis=1)
        there = _carried(box[source], table.frames[source], table.frames[to], table.camera)
        np.add.at(weight, to, powers)
        np.add.at(total, to, powers[:, :2, None] * there[:, None])
    zeroth, first, second = weight.T[:, :, None]
    mean = total[:, 0] / zeroth
    spread = zeroth * second - first**2
    line = (second * total[:, 0] - first * total[:, 1]) / np.maximum(spread, 1e-12)
    mean[:, :2] = np.where(spread > 1e-6 * zeroth**2, line, mean)[:, :2]
    away = np.hypot(*(mean[:, :2] - box[:, :2]).T) > _FURTHEST * box[:, 2:].min(axis=1)
    away |= (np.abs(np.log(np.maximum(mean[:, 2:], 1e-9) / np.maximum(box[:, 2:], 1e-9))) > np.log(_LARGEST)).any(
        axis=1
    )
    return replace(table, xyxy=np.where(away[:, None], table.xyxy, cxcywh_to_xyxy(mean).astype(np.float32)))[wanted]


def _neighbours(table: TrackTable, reach_s: float) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of rows (P,), (P,) of one track in one shot, and not further apart in time, of a table by id and frame."""
    seconds, runs = table.row_times_s, table.runs
    for step in range(1, len(table)):
        near = np.flatnonzero((runs[step:] == runs[:-step]) & (seconds[step:] - seconds[:-step] <= reach_s))
        if not len(near):
            break
        yield near, near + step
        yield near + step, near


def _neighbours_of(table: TrackTable, rows: Ints) -> tuple[Ints, Ints]:
    """The same of these rows (N,), which are of one frame, and all others of their tracks."""
    runs = table.runs
    own = runs[rows]
    place = np.minimum(np.searchsorted(own, runs), len(own) - 1)
    source = np.flatnonzero((own[place] == runs) & (rows[place] != np.arange(len(table))))
    return rows[place[source]], source


def _carried(box: Array, source: Ints, target: Ints, camera: Array) -> Array:
    """(N, 4) centres and sizes moved with the camera from their frames (N,) to others (N,), forwards or backwards."""
    if (camera == np.eye(2, 3)).all():
        return box
    back_again = inverse(camera)
    box = box.copy()
    at = source.copy()
    while True:
        on, back = np.flatnonzero(at < target), np.flatnonzero(at > target)
        if not len(on) and not len(back):
            return box
        for rows, affine in ((on, camera[at[on] + 1]), (back, back_again[at[back]])):
            box[rows] = moved(box[rows], affine)
        at[on] += 1
        at[back] -= 1


def renamed(ids: Ints, names: Mapping[int, int]) -> Ints:
    """Ids, those in `names` by another."""
    if not names:
        return ids
    old = np.array(sorted(names), np.int64)
    new = np.array([names[key] for key in old.tolist()], np.int64)
    at = np.minimum(np.searchsorted(old, ids), len(old) - 1)
    return np.where(old[at] == ids, new[at], ids)
