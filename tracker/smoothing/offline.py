"""Offline post-processing of a finished video: link tracklets that are one object, fill gaps, smooth boxes.

It works on one table of all rows; boxes are only compared in one frame, after they were moved there with the camera.
Predicted rows of the online pass are not used: between two sightings a line is better, behind the last one nothing is
(an occluded object that never comes back has mostly left).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.affine import Array
from tracker.config import Config
from tracker.motion.adaptation.fusion import Precision, fused
from tracker.motion.load import load_predictor
from tracker.motion.predictor import Observations, Predictor
from tracker.smoothing.direction import Direction, Ends
from tracker.smoothing.doubles import merged
from tracker.smoothing.linking import appearance_odds, link_odds, linked, pairs
from tracker.smoothing.track_table import TrackTable, filled, smoothed
from tracker.structures import Detections, Floats, Ints, Mask, Status, Tracks

_ROWS = ("ids", "xyxy", "scores", "classes", "raw_classes", "index")  # of what is noted of a frame
_NONE = np.zeros(0, np.int64)
_NOTHING = (_NONE, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), _NONE, _NONE, _NONE)


class Recorder:
    """Remembers what a tracker reports, frame after frame, for post-processing: rows of tracks, never an image."""

    def __init__(self) -> None:
        self._rows: list[tuple[NDArray[Any], ...]] = []
        self._times_s: list[float] = []
        self._camera: list[Array] = []
        self._confirmed: set[int] = set()
        self._pending: set[int] = set()  # of the last frame
        self._renamed: list[tuple[int, int, int]] = []  # before which frame, which id, became which
        self._looked: list[bool] = []
        self._cuts: list[bool] = []
        self._embedding_sums: dict[int, Floats] = {}
        self.names: Mapping[int, str] = {}
        self.shown: list[int] = []  # of each frame of the source, which of those taken it shows

    def __len__(self) -> int:
        return len(self._times_s)

    def add(
        self, tracks: Tracks, found: Detections | None, camera_motion: Array, features: Floats | None
    ) -> dict[str, NDArray[Any]]:
        """Take the next frame; returns what is remembered of it (`again`).

        Args:
            tracks: what `Tracker.update` returned.
            found: the detections it got: their boxes are taken as they were detected, to be smoothed later. Any
                where it was not looked at. None: the frame shows the picture before it once more.
            camera_motion: (2, 3) affine from the frame before. features: (N, D) embeddings of `found`, NaN where
                none.
        """
        if found is None:
            self.again({})
            return {}
        seen = tracks.detection_index >= 0
        index = tracks.detection_index[seen]
        rows = tracks[seen]
        known = np.zeros(0, np.int64)  # few: only unclear crops are embedded
        if features is not None:
            known = np.flatnonzero(~np.isnan(features[index, 0]))
            features = features[index[known]]
        self.names = tracks.names or self.names
        noted = {
            "ids": rows.ids,
            "xyxy": found.xyxy[index],
            "scores": rows.scores,
            "classes": rows.classes,
            "raw_classes": rows.raw_classes,
            "index": index,
            "renamed": np.array(list(tracks.renamed.items()), np.int64).reshape(-1, 2),
            "confirmed": tracks.ids[tracks.status == Status.CONFIRMED],
            "pending": tracks.pending,
            "time_s": np.array([tracks.time_s]),
            "looked": np.array([tracks.looked]),
            "cut": np.array([tracks.cut]),
            "camera": np.asarray(camera_motion, np.float64),
            "embedded": rows.ids[known],
            "embeddings": np.zeros((0, 0), np.float32) if features is None else features,
        }
        self.again(noted)
        return noted

    def again(self, noted: Mapping[str, NDArray[Any]]) -> None:
        """Take a frame as `add` has noted it."""
        if not noted:
            self.shown.append(len(self) - 1)
            return
        for provisional, known in noted["renamed"].tolist():
            self._renamed.append((len(self), provisional, known))
            if provisional in self._confirmed:
                self._confirmed.remove(provisional)
                self._confirmed.add(known)
            if provisional in self._embedding_sums:
                self._embedding_sums[known] = self._embedding_sums.get(known, 0) + self._embedding_sums.pop(provisional)
        self._rows.append(tuple(noted[name] for name in _ROWS))
        self.shown.append(len(self))
        self._looked.append(bool(noted["looked"][0]))
        self._cuts.append(bool(noted["cut"][0]))
        self._times_s.append(float(noted["time_s"][0]))
        self._camera.append(noted["camera"])
        self._confirmed.update(noted["confirmed"].tolist())
        self._pending = set(noted["pending"].tolist())
        for key, embedding in zip(noted["embedded"].tolist(), noted["embeddings"], strict=True):
            self._embedding_sums[key] = self._embedding_sums.get(key, 0) + embedding

    def table(self) -> TrackTable:
        """The seen rows of all tracks that were confirmed in the end, or only waited for that, by id and frame."""
        columns = [np.concatenate(part) for part in zip(*self._rows, strict=True)] if self._rows else _NOTHING
        ids, xyxy, scores, classes, raw_classes, detection_index = columns
        embeddings = np.array(list(self._embedding_sums.values()), np.float32)
        embeddings = embeddings.reshape(len(embeddings), -1 if len(embeddings) else 0)
        frames = np.repeat(np.arange(len(self)), [len(rows[0]) for rows in self._rows])
        ids, one = self._reidentified(ids, frames)
        table = TrackTable(
            frames=frames,
            ids=ids,
            xyxy=xyxy,
            scores=scores,
            classes=classes,
            raw_classes=raw_classes,
            status=np.full(len(ids), int(Status.CONFIRMED)),
            detection_index=detection_index,
            times_s=np.array(self._times_s),
            camera=np.array(self._camera).reshape(-1, 2, 3),
            embedding_ids=np.array(list(self._embedding_sums), np.int64),
            embeddings=embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
            looked=np.array(self._looked, bool),
            cuts=np.array(self._cuts, bool),
        )
        return table[one & np.isin(table.ids, list(self._confirmed | self._pending))].ordered

    def _reidentified(self, ids: Ints, frames: Ints) -> tuple[Ints, Mask]:
        """The ids (R,) of rows in these frames (R,) as they turned out to be later, and which rows (R,) still hold.

        An id that was given up here may come back as another object's, from a camera that shares the gallery: so a name
        counts for the rows before it was given alone. While somebody went by a provisional id, a row under its own was
        another's, whose box its track had slid to.
        """
        ids, holds = ids.copy(), np.ones(len(ids), bool)
        rows = np.flatnonzero(np.isin(ids, [name for _, *names in self._renamed for name in names]))
        own, when, held = ids[rows], frames[rows], holds[rows]
        for frame, provisional, known in self._renamed:
            row = held & (own == provisional) & (when < frame)
            held &= (own != known) | ~np.isin(when, when[row])
            own[row] = known
        ids[rows], holds[rows] = own, held
        return ids, holds


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
    table = merged(voted(table), settings)
    before = -1
    while before != len(np.unique(table.ids)):  # what was joined is known longer, and may be joined further
        before = len(np.unique(table.ids))
        table = voted(_linked_once(table, predictor, config))
    table = lasting(table, settings.least_s)
    if not len(table):
        return table
    table, jitter = settled(table, predictor)
    table = smoothed(filled(table, settings.fill_s), settings.smooth_s * jitter)
    return table[np.lexsort((table.ids, table.frames))]


def _linked_once(table: TrackTable, predictor: Predictor, config: Config) -> TrackTable:
    found = pairs(table, predictor, config.offline.link_s)
    odds = link_odds(found) + appearance_odds(table, found, config)
    return linked(table, found, odds, config.offline.link_odds)


def lasting(table: TrackTable, least_s: float) -> TrackTable:
    """The table without tracks that were seen for less than this from first to last, mostly false alarms.

    But those that are there in the video's first or last frame: how long they are is not known.

    Args:
        table: ordered by id and frame.
    """
    ends, seconds = Ends.of(table), table.row_times_s
    kept = seconds[ends.last] - seconds[ends.first] >= least_s - 1e-6
    kept |= (table.frames[ends.first] == 0) | (table.frames[ends.last] == len(table.times_s) - 1)
    return table[kept[ends.track]]


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
    for direction in Direction.both(table):
        track, begin, end = direction.ends.track, direction.begin, direction.end
        model = predictor.fresh()
        for frame, time_s, rows, camera in direction.steps(int(end.max())):
            if camera is not None:
                model.warp(np.flatnonzero((begin < frame) & (frame <= end)), camera)
            if not len(rows):
                continue
            slots = track[rows]
            starts = begin[slots] == frame
            precision.learn(table.xyxy[rows[~starts]], model.predict(slots[~starts], time_s).cxcywh)
            model.update(slots, Observations(table.xyxy[rows], table.scores[rows], time_s), starts)
            said[rows] += model.estimate(slots)
    return replace(table, xyxy=fused(table.xyxy, said / np.float32(2), precision.jitter)), precision.jitter


def voted(table: TrackTable) -> TrackTable:
    """The table with one class a track: that with the largest sum of scores.

    Args:
        table: ordered by id and frame.
    """
    track = Ends.of(table).track
    values, column = np.unique(table.raw_classes, return_inverse=True)
    votes = np.zeros((int(track.max(initial=-1)) + 1, len(values)))
    np.add.at(votes, (track, column), table.scores)
    return replace(table, classes=values[votes.argmax(axis=1)][track]) if len(table) else table
