"""The tracks and their lives: tentative -> confirmed -> lost -> removed, one row (slot) of every array a track.

Columns are arrays over slots; `live` lists the slots in use in order of their ids. Slots are reused, ids never are.
What a removed track looked like is the gallery's to remember.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.association import Candidates, Matches, motion_odds
from tracker.boxes import covered_fraction, cxcywh_to_xyxy, iou
from tracker.config import BankConfig
from tracker.fusion import Precision, fused
from tracker.motion.predictor import Observations, Predictor
from tracker.structures import (
    CONFIRMED,
    FEATURE_SIZE,
    PREDICTED,
    TENTATIVE,
    Detections,
    Floats,
    Ints,
    Mask,
    Tracks,
)
from tracker.system.state import Stateful, fits

_NO_CLASS = np.iinfo(np.int64).min  # of a track that begins, until its first vote
_VOTED = 16  # classes that votes are counted of, a track
_LOOKS = 10  # a remembered look is the mean of so many; then an exponential average with that memory
FrameSize = tuple[float, float] | None  # width, height in pixels


class TrackBank(Stateful):
    """All tracks of one stream.

    Args:
        predictor: moves them. config: the rules of their lives.
        new_ids: a count -> so many ids, higher than all before.
    """

    saved = ("_predictor", "_precision", "_columns", "live", "_free", "_departed", "_departed_s")
    rebuilt = ("_new_ids", "_config", "_renamed")

    def __init__(self, predictor: Predictor, config: BankConfig, new_ids: Callable[[int], Ints]) -> None:
        self._predictor = predictor
        self._new_ids = new_ids
        self._config = config
        self._precision = Precision()
        self._renamed: dict[int, int] = {}  # of this frame
        self.live: Ints = np.zeros(0, np.int64)
        self._free: list[int] = []
        self._departed: Ints = np.zeros(0, np.int64)  # ids of believed tracks that ended a moment ago ...
        self._departed_s = np.zeros(0)  # ... and when they were seen last
        self._columns: dict[str, NDArray[Any]] = {
            "id": np.zeros(0, np.int64),
            "status": np.zeros(0, np.int64),
            "hits": np.zeros(0, np.int64),
            "born_s": np.zeros(0),
            "seen_s": np.zeros(0),
            "waits": np.zeros(0, bool),  # may be a track that returns: not believed before that is clear
            "expected": np.zeros((0, 4), np.float32),  # predicted centre and size ...
            "std": np.zeros((0, 4), np.float32),  # ... and their standard deviations
            "reported": np.zeros((0, 4), np.float32),
            "score": np.zeros(0, np.float32),
            "best_trust": np.zeros(0, np.float32),
            "raw_class": np.zeros(0, np.int64),
            "class": np.zeros(0, np.int64),
            "winner": np.zeros(0, np.int64),  # the column of these that `class` stands in
            "voted": np.zeros((0, _VOTED), np.int64),  # class numbers, in the order they came ...
            "votes": np.zeros((0, _VOTED), np.float32),  # ... and the sums of their scores; -inf where there is none
            "detection": np.zeros(0, np.int64),
            "look": np.zeros((0, FEATURE_SIZE), np.float32),  # remembered appearance; NaN where there is none
            "look_s": np.zeros(0),  # when it was last seen
            "look_count": np.zeros(0, np.int64),  # how many looks there were
        }

    def column(self, name: str) -> NDArray[Any]:
        """One column of the live tracks, in order of their ids."""
        return self._of(name, self.live)

    def _of(self, name: str, slots: Ints) -> NDArray[Any]:
        """A copy of one column of these slots; of few rows `take` is several times faster than an index."""
        return self._columns[name].take(slots, axis=0)

    def _check_state(self) -> None:
        columns = self._columns
        slots = len(columns["id"])
        used = np.concatenate([self.live, np.array(self._free, np.int64)])
        fits(all(len(column) == slots for column in columns.values()), "number of the tracks' slots")
        fits(np.array_equal(np.sort(used), np.arange(slots)), "the tracks' slots")
        fits(bool((np.diff(columns["id"][self.live], prepend=0) > 0).all()), "the tracks' ids")
        status = columns["status"]
        fits(bool(((columns["winner"] >= 0) & (columns["winner"] < _VOTED)).all()), "the tracks' votes")
        fits(bool(((status >= TENTATIVE) & (status <= PREDICTED)).all()), "the tracks' status")
        fits(len(self._departed) == len(self._departed_s), "number of departed tracks")
        try:
            self._predictor.snapshot(self.live, 0.0)
        except IndexError as error:
            raise ValueError("number of the motion's slots does not fit") from error

    def warp(self, affine: NDArray[np.float64]) -> None:
        """Move every track with the camera: (2, 3) affine, previous frame to this one."""
        self._predictor.warp(self.live, affine)

    def depart(self, time_s: float) -> None:
        """Behind a gap between frames: motion knows nothing of tracks unseen for longer than `lost_s` by now."""
        unseen = time_s - self.column("seen_s") > self._config.lost_s
        if unseen.any():
            self._end(unseen, time_s)

    def predict(self, time_s: float) -> Candidates:
        """What the matching needs to know of the live tracks at `time_s`."""
        prediction = self._predictor.predict(self.live, time_s)
        self._columns["expected"][self.live] = prediction.cxcywh
        self._columns["std"][self.live] = prediction.std
        return Candidates(prediction.xyxy, prediction.std, self.column("status"), self.column("class"))

    def update(self, matches: Matches, found: Detections, trust: Floats, time_s: float, frame_size: FrameSize) -> None:
        """Continue the matched tracks and begin new ones; what is not seen is lost, or removed if never believed."""
        columns = self._columns
        self._renamed = {}
        known = self.live.take(matches.tracks)
        rows = np.concatenate([matches.detections, self._newcomers(matches.detections, found, trust)])
        missed = np.ones(len(self.live), bool)
        missed[matches.tracks] = False
        self._lose(missed, time_s)
        born = self._begin(len(rows) - len(known), time_s)
        slots = np.concatenate([known, born])
        if not len(slots):
            return
        seen = found[rows]
        self._predictor.update(
            slots,
            Observations(seen.xyxy, seen.scores, time_s, seen.features, frame_size),
            np.arange(len(slots)) >= len(known),
        )
        columns["detection"][slots] = rows
        columns["reported"][slots] = seen.xyxy
        detected = seen.xyxy[: len(known)]
        self._precision.learn(detected, self._of("expected", known))
        strength = self._config.smoothing * self._precision.shake
        if strength:  # else the estimate is not needed
            estimated = self._predictor.predict(known, time_s).cxcywh
            columns["reported"][known] = fused(detected, estimated, strength)
        self._see(slots, seen, trust.take(rows), time_s)

    def _newcomers(self, taken: Ints, found: Detections, trust: Floats) -> Ints:
        """Of the detections not taken, those that may begin a track: sure enough, and no double of a taken one."""
        able = trust >= self._config.birth_score
        able[taken] = False
        rows = np.flatnonzero(able)
        if len(rows):
            double = (iou(found.xyxy[rows], found.xyxy[taken]) > self._config.birth_overlap).any(axis=1)
            rows = rows[~double]
        return rows

    def present(self) -> Ints:
        """Ids of the live tracks that are not lost."""
        ids: Ints = self.column("id")[self.column("status") != PREDICTED]
        return ids

    def ids(self, slots: Ints) -> Ints:
        """Ids (N,) of the tracks in these slots."""
        ids: Ints = self._of("id", slots)
        return ids

    def detections(self, slots: Ints) -> Ints:
        """(N,) rows of the detections that these tracks were last seen as."""
        rows: Ints = self._of("detection", slots)
        return rows

    def classes(self, slots: Ints) -> Ints:
        """Voted class numbers (N,)."""
        voted: Ints = self._of("class", slots)
        return voted

    def looks(self, slots: Ints, time_s: float) -> tuple[Floats, Floats]:
        """Remembered looks (N, 512), rows of NaN where there is none, and seconds (N,) since they were last seen."""
        return self._of("look", slots), (time_s - self._of("look_s", slots)).astype(np.float32)

    def _begin(self, count: int, time_s: float) -> Ints:
        """Slots of so many new tentative tracks."""
        if not count:
            return np.zeros(0, np.int64)
        slots = self._take_slots(count)
        columns = self._columns
        columns["id"][slots] = self._new_ids(count)
        for name in ("hits", "waits", "best_trust", "look_count"):
            columns[name][slots] = 0
        columns["votes"][slots] = -np.inf
        columns["class"][slots] = _NO_CLASS
        columns["born_s"][slots] = time_s
        columns["status"][slots] = TENTATIVE
        columns["look"][slots] = np.nan
        self.live = np.concatenate([self.live, slots])
        return slots

    def report(self, time_s: float, interval_s: float, names: Mapping[int, str], order: Ints) -> Tracks:
        """The tracks of this frame: all that were seen, and hidden ones behind (or in front of) a seen one.

        Args:
            order: (M,) the user's number of each detection.
        """
        seen_s = self.column("seen_s")
        seen = seen_s == time_s
        shown = seen
        hidden = (~seen & (time_s - seen_s <= self._config.coast_s)).nonzero()[0]
        if len(hidden):
            predicted = cxcywh_to_xyxy(self._of("expected", self.live.take(hidden)))
            cover = covered_fraction(predicted, self._of("reported", self.live[seen])).max(axis=1, initial=0)
            shown = seen.copy()
            shown[hidden[cover >= self._config.coast_cover]] = True
        slots, detected = self.live[shown], seen[shown]
        boxes, raw_classes = self._of("reported", slots), self._of("raw_class", slots)
        detection_index = np.full(len(slots), -1)
        detection_index[detected] = order.take(self._of("detection", slots[detected]))
        if len(hidden):
            boxes[~detected] = cxcywh_to_xyxy(self._of("expected", slots[~detected]))
            raw_classes[~detected] = -1
        return Tracks(
            ids=self._of("id", slots),
            xyxy=boxes,
            scores=self._of("score", slots),
            classes=self._of("class", slots),
            raw_classes=raw_classes,
            status=self._of("status", slots),
            detection_index=detection_index,
            time_s=time_s,
            interval_s=interval_s,
            names=names,
            renamed=self._renamed,
            shake=self._precision.shake,
            forecaster=self._predictor.snapshot(slots, time_s),
        )

    def _confirm(self, slots: Ints) -> None:
        """Believe the tracks, just seen, that were seen often enough and once surely enough.

        How sure that is falls with age: what is seen frame after frame needs less and less to be believed.
        """
        config = self._config
        age = self._of("seen_s", slots) - self._of("born_s", slots)
        asked = np.interp(age, [0, config.confirm_s], [config.confirm_score, config.birth_score])
        sure = self._of("best_trust", slots) >= asked
        sure &= self._of("hits", slots) >= config.confirm_hits
        sure &= ~self._of("waits", slots) | (age >= config.report_delay_s)
        sure |= self._of("status", slots) != TENTATIVE
        self._columns["status"][slots[sure]] = CONFIRMED

    def _see(self, slots: Ints, seen: Detections, trust: Floats, time_s: float) -> None:
        """Write what was detected of each track, and believe those that were seen often enough."""
        columns = self._columns
        columns["seen_s"][slots] = time_s
        columns["score"][slots] = seen.scores
        columns["raw_class"][slots] = seen.classes
        columns["hits"][slots] += 1
        columns["best_trust"][slots] = np.maximum(self._of("best_trust", slots), trust)
        self._vote(slots, seen.classes, seen.scores)
        if seen.features is not None:
            self._look(slots, seen.features, time_s)
        self._confirm(slots)

    def _vote(self, slots: Ints, classes: Ints, scores: Floats) -> None:
        """A track's class is the one with the largest sum of scores so far.

        Of a track with more classes than there is room for, the one with the smallest sum gives way to a new one.
        """
        columns, row = self._columns, np.arange(len(slots))
        if (self._of("class", slots) == classes).all():  # who has the most has more now, in most frames of everyone
            columns["votes"][slots, self._of("winner", slots)] += scores
            return
        voted, votes = self._of("voted", slots), self._of("votes", slots)
        equal = (voted == classes[:, None]) & (votes >= 0)
        known = equal.any(axis=1)
        place = np.where(known, equal.argmax(axis=1), votes.argmin(axis=1))
        votes[row, place] = np.where(known, votes[row, place], 0) + scores
        voted[row, place] = classes
        columns["voted"][slots], columns["votes"][slots] = voted, votes
        winner = votes.argmax(axis=1)
        columns["winner"][slots], columns["class"][slots] = winner, voted[row, winner]

    def _look(self, slots: Ints, features: Floats, time_s: float) -> None:
        """Blend the new looks into the remembered ones; a row of NaN leaves the memory as it is."""
        given = ~np.isnan(features[:, 0])
        if not given.any():
            return
        if not given.all():
            slots, features = slots[given], features[given]
        count = self._of("look_count", slots) + 1
        self._columns["look_count"][slots] = count
        old = self._of("look", slots)
        blend = features - old
        blend *= (1 / np.minimum(count, _LOOKS)).astype(np.float32)[:, None]
        blend += old
        first = count == 1
        blend[first] = features[first]
        blend /= np.sqrt(np.einsum("nd,nd->n", blend, blend))[:, None]
        self._columns["look"][slots] = blend
        self._columns["look_s"][slots] = time_s

    def looked_at(self, time_s: float) -> Ints:
        """Slots of believed tracks whose look was taken in this frame."""
        fresh: Ints = self.live[(self.column("look_s") == time_s) & (self.column("status") == CONFIRMED)]
        return fresh

    def newly_seen(self, time_s: float) -> Ints:
        """Slots of young tracks whose look was taken in this frame: those that may yet be recognised."""
        young = time_s - self.column("born_s") <= self._config.recognise_s
        fresh = (self.column("look_s") == time_s) & (self.column("look_count") > 0)
        candidates: Ints = self.live[young & fresh]
        return candidates

    def met(self, ids: Ints, slots: Ints) -> Mask:
        """(N, M) which identities were seen here when, or after, these young tracks were first: nobody is two.

        Everyone's last sighting is known as far back as young tracks reach, and who was not seen since a track began
        cannot have been seen beside it.
        """
        known = np.concatenate([self._departed, self.column("id")])
        seen_s = np.concatenate([self._departed_s, self.column("seen_s")])
        row, column = np.nonzero(ids[:, None] == known)
        last_s = np.full(len(ids), -np.inf)
        np.maximum.at(last_s, row, seen_s[column])
        met: Mask = last_s[:, None] >= self._of("born_s", slots)
        return met

    def recognise(self, slots: Ints, ids: Ints) -> None:
        """Young tracks are these known identities, come back; a lost track of the same id ends in them."""
        columns = self._columns
        ended = np.isin(self.column("id"), ids)
        self._free.extend(self.live[ended].tolist())
        self.live = self.live[~ended]
        self._renamed = dict(zip(columns["id"][slots].tolist(), ids.tolist(), strict=True))
        columns["id"][slots] = ids
        columns["born_s"][slots] = -np.inf  # known for long
        self.live = self.live[np.argsort(self.column("id"))]

    def motion_odds(self, ids: Ints, slots: Ints) -> Floats:
        """(N, M) log-odds of motion that these ids are now where these slots are; 0 for who is no lost track here."""
        columns = self._columns
        odds = np.zeros((len(ids), len(slots)), np.float32)
        row, column = np.nonzero(ids[:, None] == self.column("id"))
        lost = self.live[column]
        odds[row] = motion_odds(columns["expected"][lost], columns["std"][lost], columns["reported"][slots])
        return odds

    def wait(self, slots: Ints, doubtful: NDArray[np.bool_]) -> None:
        """Say of young tracks whether they may be ones that return: those are believed later, under the right id."""
        self._columns["waits"][slots] = doubtful

    def _lose(self, missed: Mask, time_s: float) -> None:
        """Of the live tracks the `missed` (N,): lost; removed where never believed, or out of motion's reach."""
        columns, config = self._columns, self._config
        slots = self.live[missed]
        believed = self._of("status", slots) != TENTATIVE
        columns["status"][slots[believed]] = PREDICTED
        height = self._of("expected", slots)[:, 3]
        vague = self._of("std", slots)[:, :2].max(axis=1, initial=0) > config.lost_heights * height
        gone = ~believed | vague | (time_s - self._of("seen_s", slots) > config.lost_s)
        if gone.any():
            missed[missed] = gone
            self._end(missed, time_s)

    def _end(self, ended: Mask, time_s: float) -> None:
        """The `ended` (N,) of the live tracks are no more; of those that were believed, keep for a while when each
        was seen last."""
        slots = self.live[ended]
        self._free.extend(slots.tolist())
        self.live = self.live[~ended]
        believed = slots[self._of("status", slots) != TENTATIVE]
        if not len(believed):
            return
        departed_s = np.concatenate([self._departed_s, self._of("seen_s", believed)])
        lately = time_s - departed_s <= self._config.recognise_s
        self._departed = np.concatenate([self._departed, self._of("id", believed)])[lately]
        self._departed_s = departed_s[lately]

    def _take_slots(self, count: int) -> Ints:
        """`count` unused slots; the arrays double when there are too few, and keep their size from then on."""
        if len(self._free) < count:
            capacity = len(self._columns["id"])
            larger = max(2 * capacity, capacity + count, 64)
            for name, column in self._columns.items():
                self._columns[name] = np.concatenate(
                    [column, np.zeros((larger - capacity, *column.shape[1:]), column.dtype)]
                )
            self._free.extend(range(larger - 1, capacity - 1, -1))
        return np.array([self._free.pop() for _ in range(count)], np.int64)
