"""A second look at a finished video: link tracklets that are one object, fill gaps, smooth boxes.

It works on one table of all rows; boxes are only compared in one frame, after they were moved there with the camera.
Linking asks the motion model twice about each pair of a track that ended and one that began later: run forwards over
the first, where would it be by then; run backwards over the second, from the future into the past, where did it come
from. Predicted rows of the first look are not used: between two sightings a line is better, behind the last one nothing
is (a hidden object that never comes back has mostly left).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tracker.association import assign
from tracker.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from tracker.config import Config
from tracker.fusion import Precision, fused
from tracker.motion import load_predictor
from tracker.motion.predictor import Observations, Predictor
from tracker.structures import FEATURE_SIZE, Detections, Floats, Ints, Status, Tracks

Array = NDArray[np.float64]
_COLUMNS = ("frames", "ids", "xyxy", "scores", "classes", "raw_classes", "status")  # one value a row
_LINK = np.array([1.82, -0.90, 1.06, -2.67, -1.60])  # constant, surprise, vagueness, log of the gap in s, growth
_OTHER_CLASS = -3.0  # what another class adds to the log-odds
_SIZE_ROWS = 10  # rows at a track's end whose sizes are averaged: one box alone is too noisy
_SMOOTH_REACH = 3.0  # standard deviations: what is further away in time counts nothing
_NOTHING = (
    np.zeros(0, np.int64),
    np.zeros((0, 4), np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
)


@dataclass(frozen=True, eq=False)
class TrackTable:
    """All rows of a video's tracks; letters: R rows, F frames, L tracks with a look.

    Attributes:
        frames: (R,) int64 position of the row's frame in `times_s`, from 0.
        ids: (R,) int64; an id has at most one row in a frame.
        xyxy: (R, 4) float32 boxes in pixels.
        scores: (R,) float32.
        classes: (R,) int64 class of the track.
        raw_classes: (R,) int64 class of the frame's detection, -1 where predicted.
        status: (R,) int64 of `Status`, CONFIRMED or PREDICTED.
        times_s: (F,) float64 time of every frame of the video, increasing.
        camera: (F, 2, 3) float64 camera motion from the frame before to each frame.
        look_ids: (L,) int64 ids of tracks with a look.
        looks: (L, 512) float32 unit vectors: their mean look.
    """

    frames: Ints
    ids: Ints
    xyxy: Floats
    scores: Floats
    classes: Ints
    raw_classes: Ints
    status: Ints
    times_s: Array
    camera: Array
    look_ids: Ints
    looks: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: NDArray[np.bool_] | Ints | slice) -> TrackTable:
        """The same columns for the rows of a mask, index array or slice."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    def at(self, frame: int, names: Mapping[int, str]) -> Tracks:
        """The tracks of one frame, of a table ordered by frame (as `second_look` returns it)."""
        rows = self[slice(*np.searchsorted(self.frames, [frame, frame + 1]))]
        near = max(frame, 1)
        return Tracks(
            ids=rows.ids,
            xyxy=rows.xyxy,
            scores=rows.scores,
            classes=rows.classes,
            raw_classes=rows.raw_classes,
            status=rows.status,
            detection_index=np.full(len(rows), -1),
            time_s=float(self.times_s[frame]),
            interval_s=float(self.times_s[near] - self.times_s[near - 1]) if len(self.times_s) > 1 else 0.0,
            names=names,
        )

    @property
    def row_times_s(self) -> Array:
        """(R,) time of each row."""
        return self.times_s[self.frames]


class Recorder:
    """Remembers what a tracker reports, frame after frame, for the second look: rows of tracks, never an image."""

    def __init__(self) -> None:
        self._rows: list[tuple[Ints, Floats, Floats, Ints, Ints]] = []
        self._times_s: list[float] = []
        self._camera: list[Array] = []
        self._believed: set[int] = set()
        self._renamed: dict[int, int] = {}
        self._look_sums: dict[int, Floats] = {}
        self.names: Mapping[int, str] = {}

    def __len__(self) -> int:
        return len(self._times_s)

    def add(self, tracks: Tracks, found: Detections, camera_motion: Array, features: Floats | None) -> None:
        """Take the next frame.

        Args:
            tracks: what `Tracker.update` returned.
            found: the detections it got: their boxes are taken as they were detected, to be smoothed later.
            camera_motion: (2, 3) affine from the frame before. features: (N, 512) looks of `found`, NaN where none.
        """
        seen = tracks.detection_index >= 0
        index = tracks.detection_index[seen]
        rows = tracks[seen]
        self._rows.append((rows.ids, found.xyxy[index], rows.scores, rows.classes, rows.raw_classes))
        self._times_s.append(tracks.time_s)
        self._camera.append(np.asarray(camera_motion, np.float64))
        self._believed.update(tracks.ids[tracks.status == Status.CONFIRMED].tolist())
        self._renamed.update(tracks.renamed)
        self.names = tracks.names or self.names
        if features is not None:
            for row in np.flatnonzero(~np.isnan(features[index, 0])):  # few: only unclear crops are looked at
                key = int(rows.ids[row])
                self._look_sums[key] = self._look_sums.get(key, 0) + features[index[row]]

    def table(self) -> TrackTable:
        """The seen rows of all tracks that were believed in the end, ordered by id and frame."""
        columns = [np.concatenate(part) for part in zip(*self._rows, strict=True)] if self._rows else _NOTHING
        ids, xyxy, scores, classes, raw_classes = columns
        sums: dict[int, Floats] = {}
        for key, look in self._look_sums.items():
            known = self._final_id(key)
            sums[known] = sums.get(known, 0) + look
        looks = np.array(list(sums.values()), np.float32).reshape(-1, FEATURE_SIZE)
        ids = _replaced(ids, {key: self._final_id(key) for key in self._renamed})
        table = TrackTable(
            frames=np.repeat(np.arange(len(self)), [len(rows[0]) for rows in self._rows]),
            ids=ids,
            xyxy=xyxy,
            scores=scores,
            classes=classes,
            raw_classes=raw_classes,
            status=np.full(len(ids), int(Status.CONFIRMED)),
            times_s=np.array(self._times_s),
            camera=np.array(self._camera).reshape(-1, 2, 3),
            look_ids=np.array(list(sums), np.int64),
            looks=looks / np.linalg.norm(looks, axis=1, keepdims=True),
        )
        believed = [self._final_id(key) for key in self._believed]
        table = table[np.isin(table.ids, believed)]
        # a track that went by a provisional id before it was recognised may have been seen twice in a frame
        table = table[np.lexsort((-table.scores, table.frames, table.ids))]
        again = (np.diff(table.ids, prepend=-1) == 0) & (np.diff(table.frames, prepend=-1) == 0)
        return table[~again]

    def _final_id(self, key: int) -> int:
        while key in self._renamed:
            key = self._renamed[key]
        return key


def second_look(table: TrackTable, config: Config) -> TrackTable:
    """The tracks of a finished video, better than they could be known while it ran.

    Args:
        table: of `Recorder.table`.
        config: section `offline`, and the motion and appearance weights.

    Returns:
        Linked, filled and smoothed rows, ordered by frame and id; ids are among those that came in.
    """
    if not len(table):
        return table
    settings = config.offline
    predictor = load_predictor(config.motion.model)
    before = -1
    while before != len(np.unique(table.ids)):  # what was joined is known longer, and may be joined further
        before = len(np.unique(table.ids))
        table = voted(_linked_once(table, predictor, config))
    table = smoothed(filled(settled(table, predictor), settings.fill_s), settings.smooth_s)
    return table[np.lexsort((table.ids, table.frames))]


def _linked_once(table: TrackTable, predictor: Predictor, config: Config) -> TrackTable:
    found = pairs(table, predictor, config.offline.link_s)
    odds = link_odds(found) + look_odds(table, found, config)
    return linked(table, found, odds, config.offline.link_odds)


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of a track that ended and one that began later, and how well the motion model joins them.

    Attributes:
        ended, began: (P,) track numbers.
        gap_s: (P,) seconds between.
        ahead, back: (P, 2) distance of the later track's first centre from the forecast of the earlier track, and of
            the earlier one's last centre from the forecast of the later one run backwards, in standard deviations.
        spread: (P,) log of the forecasts' uncertainty of the centre in box heights, mean of both directions.
        growth: (P,) change of log width plus change of log height from one to the other, each without its sign.
    """

    ended: Ints
    began: Ints
    gap_s: Array
    ahead: Array
    back: Array
    spread: Array
    growth: Array


@dataclass(frozen=True, eq=False)
class _Ends:
    """Seen rows in order of track and frame, and where each of T tracks begins and ends in them."""

    track: Ints  # (R,) number of the row's track, 0 to T - 1
    first: Ints  # (T,) first row
    last: Ints  # (T,) last row

    @classmethod
    def of(cls, table: TrackTable) -> _Ends:
        """Of a table ordered by id and frame."""
        new = np.flatnonzero(np.diff(table.ids, prepend=-1))
        track = np.repeat(np.arange(len(new)), np.diff(new, append=len(table)))
        return cls(track, new, np.append(new[1:], len(table)) - 1 if len(new) else new)


@dataclass(frozen=True, eq=False)
class _Way:
    """A table of R rows, T tracks and F frames in one direction of time."""

    frames: Ints  # (R,) position of the row's frame
    ends: _Ends
    times_s: Array  # (F,) increasing
    camera: Array  # (F, 2, 3) from the frame before to each frame

    @property
    def begin(self) -> Ints:
        """(T,) frame in which each track begins."""
        return self.frames[self.ends.first]

    @property
    def end(self) -> Ints:
        """(T,) frame in which each track ends."""
        return self.frames[self.ends.last]

    @classmethod
    def both(cls, table: TrackTable) -> tuple[_Way, _Way]:
        """Forwards and backwards, from the future into the past, of a table ordered by id and frame."""
        ends = _Ends.of(table)
        inverse = np.concatenate([np.eye(2, 3)[None], _inverse(table.camera[:0:-1])])
        return (
            cls(table.frames, ends, table.times_s, table.camera),
            cls(
                len(table.times_s) - 1 - table.frames,
                _Ends(ends.track, ends.last, ends.first),
                -table.times_s[::-1],
                inverse,
            ),
        )

    def steps(self, last: int) -> Iterator[tuple[int, float, Ints, Array | None]]:
        """Frame, time, rows, and how the camera moved into it (None: not): from the first row's frame to `last`."""
        order = np.argsort(self.frames, kind="stable")
        cuts = np.searchsorted(self.frames[order], np.arange(len(self.times_s) + 1))
        moved = ~(self.camera == np.eye(2, 3)).all(axis=(1, 2))
        for frame in range(int(self.frames.min()), last + 1):
            rows = order[cuts[frame] : cuts[frame + 1]]
            yield frame, float(self.times_s[frame]), rows, self.camera[frame] if moved[frame] else None


def _forecasts(
    xyxy: Floats, scores: Floats, way: _Way, predictor: Predictor, max_gap_s: float
) -> tuple[Ints, Ints, Array, Array]:
    """Run the motion model over all tracks in order of time; ask at each beginning for all that ended shortly before.

    Returns:
        (P,) tracks that ended, (P,) tracks that began, (P, 4) centre and size forecast for the former in the frame in
        which the latter began, (P, 4) its standard deviations.
    """
    track, begin, end = way.ends.track, way.begin, way.end
    end_s = way.times_s[end]
    parts: list[tuple[Ints, Ints, Floats, Floats]] = []
    for frame, time_s, rows, camera in way.steps(int(begin.max())):  # behind the last beginning nothing is asked
        reach = (begin < frame) & (time_s - end_s <= max_gap_s)
        if camera is not None and reach.any():
            predictor.warp(np.flatnonzero(reach), camera)
        if not len(rows):
            continue
        starts = begin[track[rows]] == frame
        gone = np.flatnonzero(reach & (end < frame))
        if starts.any() and len(gone):
            fresh = track[rows[starts]]
            prediction = predictor.predict(gone, time_s)
            ended = np.repeat(np.arange(len(gone)), len(fresh))
            parts.append(
                (gone[ended], np.tile(fresh, len(gone)), prediction.cxcywh[ended], prediction.std[ended]),
            )
        predictor.update(track[rows], Observations(xyxy[rows], scores[rows], time_s), starts)
    if not parts:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros((0, 4)), np.zeros((0, 4))
    ended, began, mean, std = (np.concatenate(part) for part in zip(*parts, strict=True))
    return ended, began, mean.astype(np.float64), std.astype(np.float64)


def settled(table: TrackTable, predictor: Predictor) -> TrackTable:
    """The table with boxes moved towards where the motion model has the objects, having seen them from both sides.

    It runs forwards and backwards over the whole tracks; the mean of what it says then of each row knows past and
    future (two-filter smoothing: Fraser & Potter, IEEE Transactions on Automatic Control, 1969).

    Args:
        table: seen rows, ordered by id and frame.
    """
    said = np.zeros((len(table), 4), np.float32)
    precision = Precision()
    for way in _Way.both(table):
        track, begin, end = way.ends.track, way.begin, way.end
        model = predictor.fresh()
        for frame, time_s, rows, camera in way.steps(int(end.max())):
            if camera is not None:
                model.warp(np.flatnonzero((begin < frame) & (frame <= end)), camera)
            if not len(rows):
                continue
            slots = track[rows]
            starts = begin[slots] == frame
            precision.learn(table.xyxy[rows[~starts]], model.predict(slots[~starts], time_s).cxcywh)
            model.update(slots, Observations(table.xyxy[rows], table.scores[rows], time_s), starts)
            said[rows] += model.predict(slots, time_s).cxcywh
    return replace(table, xyxy=fused(table.xyxy, said / np.float32(2), precision.strength))


def pairs(table: TrackTable, predictor: Predictor, max_gap_s: float) -> Pairs:
    """All pairs of tracks with at most `max_gap_s` between the end of one and the beginning of the other.

    Args:
        table: seen rows, ordered by id and frame.
        predictor: a motion model, run afresh in each direction of time.
    """
    forwards, backwards = _Way.both(table)
    ends = forwards.ends
    if not len(ends.first):
        none = np.zeros(0)
        return Pairs(ends.first, ends.first, none, np.zeros((0, 2)), np.zeros((0, 2)), none, none)
    ended, began, mean, std = _forecasts(table.xyxy, table.scores, forwards, predictor.fresh(), max_gap_s)
    later, earlier, back_mean, back_std = _forecasts(table.xyxy, table.scores, backwards, predictor.fresh(), max_gap_s)
    order, back_order = np.lexsort((began, ended)), np.lexsort((later, earlier))
    ended, began, mean, std = ended[order], began[order], mean[order], std[order]
    assert np.array_equal(ended, earlier[back_order]) and np.array_equal(began, later[back_order])
    back_mean, back_std = back_mean[back_order], back_std[back_order]
    box = xyxy_to_cxcywh(table.xyxy.astype(np.float64))
    spread = [np.log(s[:, :2].mean(axis=1) / m[:, 3]) for m, s in ((mean, std), (back_mean, back_std))]
    size = np.log(box[:, 2:])
    growth = _mean_of(size, ends.first, np.minimum(ends.last, ends.first + _SIZE_ROWS - 1))[began]
    growth -= _mean_of(size, np.maximum(ends.first, ends.last - _SIZE_ROWS + 1), ends.last)[ended]
    seconds = table.row_times_s
    return Pairs(
        ended,
        began,
        seconds[ends.first[began]] - seconds[ends.last[ended]],
        (box[ends.first[began], :2] - mean[:, :2]) / std[:, :2],
        (box[ends.last[ended], :2] - back_mean[:, :2]) / back_std[:, :2],
        (spread[0] + spread[1]) / 2,
        np.abs(growth).sum(axis=1),
    )


def _mean_of(values: Array, first: Ints, last: Ints) -> Array:
    """(R, K) -> (T, K) means of rows `first` to `last` inclusive."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    mean: Array = (total[last + 1] - total[first]) / (last + 1 - first)[:, None]
    return mean


def _inverse(affine: Array) -> Array:
    """(F, 2, 3) -> (F, 2, 3) the way back."""
    linear = np.linalg.inv(affine[:, :, :2])
    return np.concatenate([linear, -linear @ affine[:, :, 2:]], axis=2)


def link_odds(found: Pairs) -> Array:
    """(P,) log-odds that a pair is one object, by motion alone: see `_LINK`.

    The surprise of the forecasts, in their own standard deviations and with heavy tails, so that one bad end does not
    decide; their vagueness; the time between, since a track that begins where and when another ends is seldom new; and
    the change of size.
    """
    surprise = np.log1p(np.abs(np.concatenate([found.ahead, found.back], axis=1))).sum(axis=1)
    terms = np.stack([np.ones_like(surprise), surprise, found.spread, np.log(found.gap_s), found.growth])
    odds: Array = _LINK @ terms
    return odds


def look_odds(table: TrackTable, found: Pairs, config: Config) -> Array:
    """(P,) log-odds that a pair is one object by look and class; 0 where a look is missing."""
    ends = _Ends.of(table)
    classes = table.classes[ends.first]
    odds = np.where(classes[found.ended] == classes[found.began], 0.0, _OTHER_CLASS)
    if len(table.look_ids):
        from tracker.likeness import load_calibration

        looks = np.full((len(ends.first), FEATURE_SIZE), np.nan, np.float32)
        ids = table.ids[ends.first]
        known = np.isin(table.look_ids, ids)
        looks[np.searchsorted(ids, table.look_ids[known])] = table.looks[known]
        similarity = np.einsum("pf,pf->p", looks[found.ended], looks[found.began])
        odds += load_calibration(config.appearance.model).log_odds(similarity, found.gap_s)
    return odds


def voted(table: TrackTable) -> TrackTable:
    """The table with one class a track: that with the largest sum of scores.

    Args:
        table: ordered by id and frame.
    """
    track = _Ends.of(table).track
    values, column = np.unique(table.raw_classes, return_inverse=True)
    votes = np.zeros((int(track.max(initial=-1)) + 1, len(values)))
    np.add.at(votes, (track, column), table.scores)
    return replace(table, classes=values[votes.argmax(axis=1)][track]) if len(table) else table


def linked(table: TrackTable, found: Pairs, odds: Array, least_odds: float) -> TrackTable:
    """The table with joined tracks under the id of their first part; one optimal assignment of ends to beginnings.

    Each end and each beginning is used at most once and a beginning lies after its end, so chains form by themselves
    and no id gets two boxes in a frame.

    Args:
        table: seen rows, ordered by id and frame, that `found` was made of.
        odds: (P,) of the pairs.
    """
    good = odds > least_odds
    rows, row = np.unique(found.ended[good], return_inverse=True)
    columns, column = np.unique(found.began[good], return_inverse=True)
    similarity = np.full((len(rows), len(columns)), least_odds)
    similarity[row, column] = odds[good]
    left, right = assign(similarity, least_odds)
    ends = _Ends.of(table)
    part_of = np.arange(len(ends.first))
    part_of[columns[right]] = rows[left]
    while (part_of != part_of[part_of]).any():
        part_of = part_of[part_of]
    return _ordered(replace(table, ids=table.ids[ends.first[part_of]][ends.track]))


def filled(table: TrackTable, limit_s: float) -> TrackTable:
    """The table with the frames a track misses for at most `limit_s` filled by straight lines on the ground.

    Both ends of a gap are moved with the camera into each frame between, then weighted by nearness in time. The new
    rows are PREDICTED, with the score of their neighbours, weighted the same way.

    Args:
        table: ordered by id and frame.
    """
    seconds = table.row_times_s
    before = np.flatnonzero(
        (np.diff(table.ids) == 0) & (np.diff(table.frames) > 1) & (np.diff(seconds) <= limit_s + 1e-6)
    )
    missing = table.frames[before + 1] - table.frames[before] - 1
    left = np.repeat(before, missing)
    step = np.arange(len(left)) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    frames = table.frames[left] + step
    elapsed = table.times_s[frames] - seconds[left]
    share = (elapsed / (seconds[left + 1] - seconds[left]))[:, None]
    box = xyxy_to_cxcywh(table.xyxy.astype(np.float64))
    start = _carried(box[left], table.frames[left], frames, table.camera)
    stop = _carried(box[left + 1], table.frames[left + 1], frames, table.camera)
    between = cxcywh_to_xyxy((1 - share) * start + share * stop)
    score = (1 - share[:, 0]) * table.scores[left] + share[:, 0] * table.scores[left + 1]
    more = replace(
        table[left],
        frames=frames,
        xyxy=between.astype(np.float32),
        scores=score.astype(np.float32),
        raw_classes=np.full(len(left), -1),
        status=np.full(len(left), int(Status.PREDICTED)),
    )
    return _ordered(_stacked(table, more))


def smoothed(table: TrackTable, sigma_s: float) -> TrackTable:
    """The table with every box replaced by a straight line through its neighbours in time, on the ground.

    Neighbours are moved with the camera into the box's own frame; each counts by its score and, as a Gaussian, by its
    nearness in time. In the middle of a track that is a Gaussian mean; a line, not a mean, because a mean would pull
    the ends of a moving track inwards (Cleveland, JASA 1979). Widths and heights are averaged.

    Args:
        table: ordered by id and frame.
    """
    if not len(table) or not sigma_s:
        return table
    box = xyxy_to_cxcywh(table.xyxy.astype(np.float64))
    seconds = table.row_times_s
    trust = np.maximum(table.scores.astype(np.float64), 1e-3)
    weight = np.stack([trust, np.zeros_like(trust), np.zeros_like(trust)])  # sums of w, w dt, w dt^2
    total = np.stack([box * trust[:, None], np.zeros_like(box)])  # sums of w x, w dt x
    for step in range(1, len(table)):
        near = np.flatnonzero(
            (table.ids[step:] == table.ids[:-step]) & (seconds[step:] - seconds[:-step] <= _SMOOTH_REACH * sigma_s)
        )
        if not len(near):
            break
        for to, source in ((near, near + step), (near + step, near)):
            apart = (seconds[source] - seconds[to]) / sigma_s
            share = trust[source] * np.exp(-0.5 * apart**2)
            there = _carried(box[source], table.frames[source], table.frames[to], table.camera)
            weight[:, to] += share * np.stack([np.ones_like(apart), apart, apart**2])
            total[:, to] += share[:, None] * np.stack([there, apart[:, None] * there])
    mean = total[0] / weight[0][:, None]
    spread = weight[0] * weight[2] - weight[1] ** 2
    line = (weight[2][:, None] * total[0] - weight[1][:, None] * total[1]) / np.maximum(spread, 1e-12)[:, None]
    mean[:, :2] = np.where((spread > 1e-6 * weight[0] ** 2)[:, None], line, mean)[:, :2]
    return replace(table, xyxy=cxcywh_to_xyxy(mean).astype(np.float32))


def _carried(box: Array, source: Ints, target: Ints, camera: Array) -> Array:
    """(N, 4) centres and sizes moved with the camera from their frames (N,) to others (N,), forwards or backwards."""
    moved = ~(camera == np.eye(2, 3)).all(axis=(1, 2))
    if not moved.any():
        return box
    inverse = _inverse(camera)
    box = box.copy()
    at = source.copy()
    while True:
        on, back = np.flatnonzero(at < target), np.flatnonzero(at > target)
        if not len(on) and not len(back):
            return box
        for rows, affine in ((on, camera[at[on] + 1]), (back, inverse[at[back]])):
            centre, linear = box[rows, :2, None], affine[:, :, :2]
            box[rows, :2] = (linear @ centre)[..., 0] + affine[:, :, 2]
            box[rows, 2:] *= np.sqrt(np.abs(np.linalg.det(linear)))[:, None]
        at[on] += 1
        at[back] -= 1


def _ordered(table: TrackTable) -> TrackTable:
    """The same rows, ordered by id and frame."""
    return table[np.lexsort((table.frames, table.ids))]


def _replaced(ids: Ints, names: Mapping[int, int]) -> Ints:
    """Ids, those in `names` by another."""
    if not names:
        return ids
    old = np.array(sorted(names), np.int64)
    new = np.array([names[key] for key in old.tolist()], np.int64)
    at = np.minimum(np.searchsorted(old, ids), len(old) - 1)
    return np.where(old[at] == ids, new[at], ids)


def _stacked(table: TrackTable, more: TrackTable) -> TrackTable:
    """The rows of both tables."""
    return replace(table, **{c: np.concatenate([getattr(table, c), getattr(more, c)]) for c in _COLUMNS})
