"""Offline post-processing of a finished video: link tracklets that are one object, fill gaps, smooth boxes.

It works on one table of all rows; boxes are only compared in one frame, after they were moved there with the camera.
Linking asks the motion model twice about each pair of a track that ended and one that began later: run forwards over
the first, where would it be by then; run backwards over the second, from the future into the past, where did it come
from. Predicted rows of the online pass are not used: between two sightings a line is better, behind the last one
nothing is (an occluded object that never comes back has mostly left).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tracker.affine import inverse
from tracker.association import assign
from tracker.boxes import xyxy_to_cxcywh
from tracker.config import Config
from tracker.fusion import Precision, fused
from tracker.motion.load import load_predictor
from tracker.motion.predictor import Observations, Predictor
from tracker.smoothing.track_table import TrackTable, filled, smoothed
from tracker.structures import FEATURE_SIZE, Detections, Floats, Ints, Status, Tracks

Array = NDArray[np.float64]
_LINK = np.array([1.82, -0.90, 1.06, -2.67, -1.60])  # constant, innovation, uncertainty, log of the gap in s, growth
_OTHER_CLASS = -3.0  # what another class adds to the log-odds
_SIZE_ROWS = 10  # rows at a track's end whose sizes are averaged: one box alone is too noisy
_NONE = np.zeros(0, np.int64)
_NOTHING = (_NONE, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), _NONE, _NONE)


class Recorder:
    """Remembers what a tracker reports, frame after frame, for post-processing: rows of tracks, never an image."""

    def __init__(self) -> None:
        self._rows: list[tuple[Ints, Floats, Floats, Ints, Ints]] = []
        self._times_s: list[float] = []
        self._camera: list[Array] = []
        self._confirmed: set[int] = set()
        self._renamed: list[tuple[int, int, int]] = []  # before which frame, which id, became which
        self._embedding_sums: dict[int, Floats] = {}
        self.names: Mapping[int, str] = {}

    def __len__(self) -> int:
        return len(self._times_s)

    def add(self, tracks: Tracks, found: Detections, camera_motion: Array, features: Floats | None) -> None:
        """Take the next frame.

        Args:
            tracks: what `Tracker.update` returned.
            found: the detections it got: their boxes are taken as they were detected, to be smoothed later.
            camera_motion: (2, 3) affine from the frame before. features: (N, 512) embeddings of `found`, NaN where
                none.
        """
        for provisional, known in tracks.renamed.items():
            self._renamed.append((len(self), provisional, known))
            if provisional in self._confirmed:
                self._confirmed.remove(provisional)
                self._confirmed.add(known)
            if provisional in self._embedding_sums:
                self._embedding_sums[known] = self._embedding_sums.get(known, 0) + self._embedding_sums.pop(provisional)
        seen = tracks.detection_index >= 0
        index = tracks.detection_index[seen]
        rows = tracks[seen]
        self._rows.append((rows.ids, found.xyxy[index], rows.scores, rows.classes, rows.raw_classes))
        self._times_s.append(tracks.time_s)
        self._camera.append(np.asarray(camera_motion, np.float64))
        self._confirmed.update(tracks.ids[tracks.status == Status.CONFIRMED].tolist())
        self.names = tracks.names or self.names
        if features is not None:
            for row in np.flatnonzero(~np.isnan(features[index, 0])):  # few: only unclear crops are embedded
                key = int(rows.ids[row])
                self._embedding_sums[key] = self._embedding_sums.get(key, 0) + features[index[row]]

    def table(self) -> TrackTable:
        """The seen rows of all tracks that were confirmed in the end, ordered by id and frame."""
        columns = [np.concatenate(part) for part in zip(*self._rows, strict=True)] if self._rows else _NOTHING
        ids, xyxy, scores, classes, raw_classes = columns
        embeddings = np.array(list(self._embedding_sums.values()), np.float32).reshape(-1, FEATURE_SIZE)
        frames = np.repeat(np.arange(len(self)), [len(rows[0]) for rows in self._rows])
        table = TrackTable(
            frames=frames,
            ids=self._reidentified(ids, frames),
            xyxy=xyxy,
            scores=scores,
            classes=classes,
            raw_classes=raw_classes,
            status=np.full(len(ids), int(Status.CONFIRMED)),
            times_s=np.array(self._times_s),
            camera=np.array(self._camera).reshape(-1, 2, 3),
            embedding_ids=np.array(list(self._embedding_sums), np.int64),
            embeddings=embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
        )
        return table[np.isin(table.ids, list(self._confirmed))].ordered

    def _reidentified(self, ids: Ints, frames: Ints) -> Ints:
        """The ids (R,) of rows in these frames (R,) as they turned out to be later.

        An id that was given up here may come back as another object's, from a camera that shares the gallery: so a name
        counts for the rows before it was given alone.
        """
        rows = np.flatnonzero(np.isin(ids, [provisional for _, provisional, _ in self._renamed]))
        own, when = ids[rows], frames[rows]
        for frame, provisional, known in self._renamed:
            own[(own == provisional) & (when < frame)] = known
        ids = ids.copy()
        ids[rows] = own
        return ids


def post_processed(table: TrackTable, config: Config) -> TrackTable:
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
    table, jitter = settled(table, predictor)
    table = smoothed(filled(table, settings.fill_s), settings.smooth_s * jitter)
    return table[np.lexsort((table.ids, table.frames))]


def _linked_once(table: TrackTable, predictor: Predictor, config: Config) -> TrackTable:
    found = pairs(table, predictor, config.offline.link_s)
    odds = link_odds(found) + appearance_odds(table, found, config)
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
        backwards = np.concatenate([np.eye(2, 3)[None], inverse(table.camera[:0:-1])])
        return (
            cls(table.frames, ends, table.times_s, table.camera),
            cls(
                len(table.times_s) - 1 - table.frames,
                _Ends(ends.track, ends.last, ends.first),
                -table.times_s[::-1],
                backwards,
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


def settled(table: TrackTable, predictor: Predictor) -> tuple[TrackTable, float]:
    """The table with boxes moved towards where the motion model has the objects, having seen them from both sides.

    It runs forwards and backwards over the whole tracks; the mean of what it says then of each row knows past and
    future (two-filter smoothing: Fraser & Potter, IEEE Transactions on Automatic Control, 1969).

    Args:
        table: seen rows, ordered by id and frame.

    Returns:
        The same rows, and how much the boxes shook (`fusion.Precision`).
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
    return replace(table, xyxy=fused(table.xyxy, said / np.float32(2), precision.jitter)), precision.jitter


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


def link_odds(found: Pairs) -> Array:
    """(P,) log-odds that a pair is one object, by motion alone: see `_LINK`.

    The innovation of the forecasts, in their own standard deviations and with heavy tails, so that one bad end does not
    decide; their positional uncertainty; the time between, since a track that begins where and when another ends is
    seldom new; and the change of size.
    """
    innovation = np.log1p(np.abs(np.concatenate([found.ahead, found.back], axis=1))).sum(axis=1)
    terms = np.stack([np.ones_like(innovation), innovation, found.spread, np.log(found.gap_s), found.growth])
    odds: Array = _LINK @ terms
    return odds


def appearance_odds(table: TrackTable, found: Pairs, config: Config) -> Array:
    """(P,) log-odds that a pair is one object by appearance and class; 0 where an embedding is missing."""
    ends = _Ends.of(table)
    classes = table.classes[ends.first]
    odds = np.where(classes[found.ended] == classes[found.began], 0.0, _OTHER_CLASS)
    if len(table.embedding_ids):
        from tracker.appearance.similarity import load_calibration

        embeddings = np.full((len(ends.first), FEATURE_SIZE), np.nan, np.float32)
        ids = table.ids[ends.first]
        known = np.isin(table.embedding_ids, ids)
        embeddings[np.searchsorted(ids, table.embedding_ids[known])] = table.embeddings[known]
        similarity = np.einsum("pf,pf->p", embeddings[found.ended], embeddings[found.began])
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
    return replace(table, ids=table.ids[ends.first[part_of]][ends.track]).ordered
