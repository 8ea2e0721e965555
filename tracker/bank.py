"""The tracks and their lives: tentative -> confirmed -> lost -> removed, one row (slot) of every array a track.

`slots.py` has the arrays, this file the rules. The embeddings of a removed track are the gallery's to remember.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tracker.appearance.comparison import Comparison
from tracker.appearance.contradiction import contrary_since, well_known
from tracker.appearance.reidentification import Departed, Sightings, motion_odds, unmet
from tracker.association.stages import FAR, WEAK, Matches, TrackPredictions
from tracker.boxes import cxcywh_to_xyxy, largest, paired_fraction, paired_iou
from tracker.config import BankConfig
from tracker.motion.adaptation.births import Births
from tracker.motion.adaptation.fusion import Mending, Precision, fused
from tracker.motion.adaptation.habits import Habits, smoothness, turns
from tracker.motion.adaptation.patience import Patience
from tracker.motion.adaptation.scene_cuts import SceneCuts
from tracker.motion.common_step import common_step
from tracker.motion.predictor import Observations, Predictor
from tracker.slots import Slots
from tracker.structures import CONFIRMED, PREDICTED, TENTATIVE, Detections, Floats, Ints, Mask, Tracks
from tracker.system.state import Names, Stateful, fits

_NO_CLASS = np.iinfo(np.int64).min  # of a track that begins, until its first vote
Size = tuple[float, float]  # width, height in pixels
FrameSize = Size | None


class TrackBank(Stateful):
    """All tracks of one stream.

    Args:
        predictor: moves them. config: the rules of their lives.
        new_ids: a count -> so many ids, higher than all before.

    Attributes:
        slots: what is known of the tracks. live: (N,) the slots of those there are, in order of their ids.
    """

    saved: ClassVar[Names] = ("_predictor", "_precision", "_mending", "_habits", "_patience", "_births", "_cuts")
    saved += ("slots", "live", "_departed", "_pending")
    rebuilt = ("_new_ids", "_config", "_renamed", "_others", "_cut")

    def __init__(self, predictor: Predictor, config: BankConfig, new_ids: Callable[[int], Ints]) -> None:
        self._predictor = predictor
        self._new_ids = new_ids
        self._config = config
        self._precision, self._mending = Precision(), Mending()
        self._habits, self._patience, self._births, self._cuts = Habits(), Patience(), Births(config), SceneCuts()
        self._renamed: dict[int, int] = {}  # of this frame
        self._cut = False  # is there one before this frame?
        self._pending: Ints = np.zeros(0, np.int64)  # slots of tracks that the last look would have confirmed otherwise
        self._others: Ints = np.zeros(0, np.int64)  # slots of tracks that are of another object from this frame on
        self.live: Ints = np.zeros(0, np.int64)
        self._departed = Departed()
        self.slots = Slots()

    def _check_state(self) -> None:
        used = np.concatenate([self.live, np.array(self.slots.free, np.int64)])
        fits(np.array_equal(np.sort(used), np.arange(len(self.slots))), "the tracks' slots")
        fits(bool((np.diff(self.ids(self.live), prepend=0) > 0).all()), "the tracks' ids")
        fits(bool(np.isin(self._pending, self.live).all()), "the pending tracks")
        try:
            self._predictor.snapshot(self.live, 0.0)
        except IndexError as error:
            raise ValueError("number of the motion's slots does not fit") from error

    def warp(self, affine: NDArray[np.float64]) -> None:
        """Move every track with the camera: (2, 3) affine, previous frame to this one."""
        self._predictor.warp(self.live, affine)

    def predict(self, time_s: float, gap: bool = False, detected: Floats | None = None) -> TrackPredictions:
        """What the matching needs to know of the live tracks at `time_s`.

        Behind a gap between frames motion knows nothing of tracks unseen for longer than `lost_s` by now: they end.
        Where what was `detected`, (M, 4) xyxy in pixels, is off them all by one step, the tracks are expected there.
        """
        if gap and (unseen := time_s - self.slots.seen_s.take(self.live) > self._config.lost_s).any():
            self._end(unseen, time_s)
        prediction = self._predictor.predict(self.live, time_s)
        own, live, xyxy = self.slots, self.live, prediction.xyxy
        own.expected[live], own.std[live] = prediction.cxcywh, prediction.std
        if detected is not None:
            followed = own.followed(live, time_s - self._config.coast_s)
            if (step := common_step(prediction.cxcywh[followed], detected)) is not None:
                own.expected[live, :2] += step
                xyxy = cxcywh_to_xyxy(own.expected.take(live, axis=0))
        status, classes = own.status.take(live), own.classes.take(live)
        return TrackPredictions(xyxy, prediction.std, status, classes, *self._habits.of(classes, status))

    def sure(self, confidence: Floats) -> Mask:
        """(M,) of calibrated scores, which are sure enough to confirm a track at once."""
        return np.asarray(confidence >= self._config.confirm_score)

    def reach(self) -> Floats:
        """(N,) sizes of itself by which each live track may be away from where it is expected; 0: not looked for afar.

        Lost tracks and those that were never seen surely are not.
        """
        own, live = self.slots, self.live
        looked_for = self.sure(own.best_confidence.take(live)) & (own.status.take(live) != PREDICTED)
        reach: Floats = self._habits.reach(own.classes.take(live), own.hits.take(live)) * looked_for
        return reach

    def cut(self, matches: Matches, found: Detections, confidence: Floats, time_s: float) -> bool:
        """Is there a cut before this frame? Then all tracks end, and nothing matches."""
        followed = self.slots.followed(self.live, time_s - self._config.coast_s)
        likely = confidence >= self._config.birth_score
        counted = followed.take(matches.tracks) & likely.take(matches.detections)
        expected = cxcywh_to_xyxy(self.slots.expected.take(self.live[matches.tracks[counted]], axis=0))
        overlap = float(paired_iou(found.xyxy[matches.detections[counted]], expected).sum())
        self._cut = self._cuts.behind(overlap, int(followed.sum()), int(likely.sum()), time_s)
        if self._cut:
            self._end(np.ones(len(self.live), bool), time_s)
        return self._cut

    def update(self, matches: Matches, found: Detections, confidence: Floats, time_s: float, size: FrameSize) -> None:
        """Continue the matched tracks and begin new ones; what is not seen is lost, or removed if never confirmed."""
        own = self.slots
        self._renamed, self._pending = {}, self._pending[:0]
        known = self.live.take(matches.tracks)
        rows = np.concatenate([matches.detections, self._newcomers(matches.detections, found, confidence)])
        missed = np.ones(len(self.live), bool)
        missed[matches.tracks] = False
        if self._births.waiting:
            fresh = (own.hits.take(self.live) == 1) & (own.status.take(self.live) != PREDICTED)
            self._births.learn(own.best_confidence.take(self.live[fresh]), ~missed[fresh])
        self._lose(missed, time_s)
        born = self._begin(len(rows) - len(known), time_s)
        slots = np.concatenate([known, born])
        if not len(slots):
            return
        if len(self._others):
            self._part(self._others, time_s)
        seen = found[rows]
        lift = self._habits.of(own.classes.take(known), own.status.take(known))[1]
        far = matches.stages == FAR
        turned = far if lift is None else far | turns(lift)
        turned = np.pad(turned, (0, len(born))) if np.count_nonzero(turned) else None
        observed = Observations(seen.xyxy, seen.scores, time_s, seen.features, size, turned)
        self._predictor.update(slots, observed, np.arange(len(slots)) >= len(known))
        own.detections[slots], own.reported[slots] = rows, seen.xyxy
        detected, expected = seen.xyxy[: len(known)], own.expected.take(known, axis=0)
        self._precision.learn(detected, expected)
        begun = confidence.take(rows[len(known) :])
        self._births.begin(begun)
        if self._habits.due(int(np.count_nonzero(self.sure(begun))) if len(born) else 0):
            sure = self.sure(confidence.take(matches.detections))
            sure &= (matches.stages != WEAK) & (own.status.take(known) != PREDICTED)
            self._patience.learn(found.xyxy)
            self._habits.learn(own.classes.take(known), own.hits.take(known), expected, detected, sure)
        if strength := self._config.smoothing * self._precision.jitter:  # else the estimate is not needed
            estimated = self._predictor.estimate(known)
            if self._mending.due():
                steps = own.mended.take(known, axis=0)
                own.mended[known] = self._mending.learn(steps, expected, detected, estimated)
            shares = strength * self._mending.shares
            own.reported[known] = fused(detected, estimated, shares, None if lift is None else smoothness(lift))
        self._see(slots, seen, confidence.take(rows), time_s, size)

    def own(self, found: Detections, matches: Matches, looks: Comparison, size: Size, time_s: float) -> Detections:
        """The detections, before `update`, without embeddings that contradict their tracks."""
        own, slots, rows = self.slots, self.live.take(matches.tracks), matches.detections
        known = well_known(own.embedding_counts.take(slots), time_s - own.born_s.take(slots))
        odds = np.where(known, looks.odds(matches.tracks, rows), np.nan)
        since_s, other = contrary_since(odds, own.contrary_s.take(slots), found, rows, size, time_s)
        self._others, own.contrary_s[slots] = slots[other], np.where(other, np.inf, since_s)
        return found.without_features(rows[np.isfinite(since_s) & ~other])

    def _part(self, slots: Ints, time_s: float) -> None:
        """These tracks are of other objects by now, under new ids."""
        own = self.slots
        self._departed.add(own.ids.take(slots), own.embedding_s.take(slots), time_s - self._config.reid_s)
        own.ids[slots], own.born_s[slots], own.embedding_counts[slots] = self._new_ids(len(slots)), time_s, 0
        self.live = self.live[np.argsort(own.ids.take(self.live))]
        self._others = slots[:0]

    def coast(self, time_s: float) -> None:
        """A frame that is not looked at: all are where they are expected; what was lost before may be removed."""
        own = self.slots
        self._renamed, self._pending, self._cut = {}, self._pending[np.isin(self._pending, self.live)], False
        self._lose(own.status.take(self.live) == PREDICTED, time_s)
        own.reported[self.live] = cxcywh_to_xyxy(own.expected.take(self.live, axis=0))

    def boxes(self) -> Floats:
        """(N, 4) xyxy in pixels of the live tracks, where they were last."""
        return self.slots.reported.take(self.live, axis=0)

    def _newcomers(self, taken: Ints, found: Detections, confidence: Floats) -> Ints:
        """Of the detections not taken, those that may begin a track: sure enough, and no double of a taken one."""
        able = confidence >= self._config.birth_score
        able[taken] = False
        rows = able.nonzero()[0]
        if len(rows):
            overlap = largest(paired_iou, found.xyxy[rows], found.xyxy[taken])
            rows = rows[overlap <= self._config.birth_overlap]
        return rows

    def sightings(self) -> Sightings:
        """Ids (K,) of the live tracks and of those that ended a moment ago, and (K,) when each was seen last.

        As far back as young tracks reach, every last sighting is known.
        """
        ids = np.concatenate([self._departed.ids, self.slots.ids.take(self.live)])
        return ids, np.concatenate([self._departed.seen_s, self.slots.seen_s.take(self.live)])

    def ids(self, slots: Ints) -> Ints:
        """Ids (N,) of the tracks in these slots."""
        return self.slots.ids.take(slots)

    def detections(self, slots: Ints) -> Ints:
        """(N,) rows of the detections that these tracks were last seen as."""
        return self.slots.detections.take(slots)

    def classes(self, slots: Ints) -> Ints:
        """Voted class numbers (N,)."""
        return self.slots.classes.take(slots)

    def _begin(self, count: int, time_s: float) -> Ints:
        """Slots of so many new tentative tracks."""
        if not count:
            return np.zeros(0, np.int64)
        slots = self.slots.claim(count)
        own = self.slots
        own.ids[slots] = self._new_ids(count)
        own.status[slots], own.born_s[slots], own.contrary_s[slots] = TENTATIVE, time_s, np.inf
        own.hits[slots] = own.pending[slots] = own.best_confidence[slots] = own.embedding_counts[slots] = 0
        own.confidence_sum[slots] = own.mended[slots] = 0
        own.classes[slots], own.votes[slots], own.embeddings[slots] = _NO_CLASS, -np.inf, np.nan
        self.live = np.concatenate([self.live, slots])
        return slots

    def report(self, time_s: float, interval_s: float, names: Mapping[int, str], order: Ints | None) -> Tracks:
        """The tracks of this frame: all that were seen, those occluded by a seen one, and those missed for a moment.

        Args:
            order: (M,) the user's number of each detection; None: the frame was not looked at. Then confirmed tracks
                that were seen when one was looked at last stand for the seen ones, all predicted.
        """
        own, live = self.slots, self.live
        seen_s, status = own.seen_s.take(live), own.status.take(live)
        seen = seen_s == time_s
        shown = here = seen if order is not None else status == CONFIRMED
        lost = ((status == PREDICTED) & (time_s - seen_s <= self._config.coast_s)).nonzero()[0]
        if len(lost):
            predicted = cxcywh_to_xyxy(own.expected.take(live.take(lost), axis=0))
            occlusion = largest(paired_fraction, predicted, own.reported.take(live[here], axis=0))
            missed = own.steady(live.take(lost), self._config.birth_score) & self._patience.inside(predicted)
            shown = here.copy()
            shown[lost[missed | (occlusion >= self._config.coast_occluded)]] = True
        slots, detected, status = live[shown], seen[shown], status[shown]
        boxes, raw_classes = own.reported.take(slots, axis=0), own.raw_classes.take(slots)
        detection_index = np.full(len(slots), -1)
        if order is not None:
            detection_index[detected] = order.take(own.detections.take(slots[detected]))
        if order is None or len(lost):
            boxes[~detected] = cxcywh_to_xyxy(own.expected.take(slots[~detected], axis=0))
            raw_classes[~detected], status[~detected] = -1, PREDICTED
        return Tracks(
            ids=own.ids.take(slots),
            xyxy=boxes,
            scores=own.scores.take(slots),
            classes=own.classes.take(slots),
            raw_classes=raw_classes,
            status=status,
            detection_index=detection_index,
            time_s=time_s,
            interval_s=interval_s,
            names=names,
            renamed=self._renamed,
            pending=own.ids.take(self._pending),
            jitter=self._jitter(),
            forecaster=self._predictor.snapshot(slots, time_s),
            looked=order is not None,
            cut=self._cut,
        )

    def _jitter(self) -> float:
        """`Tracks.jitter`: less where what is mended is no error but a turn, and as far as the classes here turn."""
        own, live = self.slots, self.live
        lift = self._habits.of(own.classes.take(live), own.status.take(live))[1] if len(live) else None
        goes_straight = 1.0 if lift is None else float(smoothness(lift).mean())
        return self._precision.jitter * self._mending.mean * goes_straight

    def _confirm(self, slots: Ints, frame_size: FrameSize) -> None:
        """Confirm the tracks, just seen, that were seen often enough and once surely enough."""
        own, config = self.slots, self._config
        tentative = own.status.take(slots) == TENTATIVE
        own.status[slots] = CONFIRMED
        if not np.count_nonzero(tentative):  # so it is in most frames
            return
        new, known = slots[tentative], slots[~tentative]
        age = own.seen_s.take(new) - own.born_s.take(new)
        embedded = bool(np.count_nonzero(own.embedding_counts.take(slots)))
        sure = self._births.enough(own.hits.take(new), own.best_confidence.take(new), age, embedded)
        waits = sure & own.pending.take(new) & (age < config.report_delay_s)
        self._pending = new[waits]
        fresh = (sure & ~waits).nonzero()[0]
        if len(fresh):  # in few frames
            doubtful = own.double(new[fresh], known, config.double_overlap) & (age[fresh] < config.double_s)
            if frame_size is not None:  # of what fills the picture all detections count, not the surest
                asked = np.interp(age[fresh], [0, 2 * config.confirm_s], [1, config.confirm_score])
                unsure = own.confidence_sum[new[fresh]] < asked * own.hits[new[fresh]]
                doubtful |= unsure & own.filling(new[fresh], config.filling, frame_size)
            sure[fresh[doubtful]] = False
        own.status[new[~sure | waits]] = TENTATIVE

    def _see(self, slots: Ints, seen: Detections, confidence: Floats, time_s: float, frame_size: FrameSize) -> None:
        """Write what was detected of each track, and confirm those that were seen often enough."""
        own = self.slots
        own.seen_s[slots] = time_s
        own.scores[slots] = seen.scores
        own.raw_classes[slots] = seen.classes
        own.hits[slots] += 1
        own.best_confidence[slots] = np.maximum(own.best_confidence.take(slots), confidence)
        own.confidence_sum[slots] += confidence
        own.vote(slots, seen.classes, seen.scores)
        if seen.features is not None:
            own.remember(slots, seen.features, time_s)
        self._confirm(slots, frame_size)

    def embedded(self, time_s: float) -> Ints:
        """Slots of confirmed tracks whose embedding was taken in this frame."""
        embedded = self.slots.embedded(self.live, time_s)
        return embedded.take(np.flatnonzero(self.slots.status.take(embedded) == CONFIRMED))

    def newly_seen(self, time_s: float, remembered: Ints) -> Ints:
        """Slots of young tracks whose embedding was taken in this frame: those that may yet be re-identified.

        That is as one of the `remembered` ids: who has met them all waits for none.
        """
        own, embedded = self.slots, self.slots.embedded(self.live, time_s)
        slots = embedded[time_s - own.born_s.take(embedded) <= self._config.reid_s]
        may = unmet(remembered, self.sightings(), own.born_s.take(slots))
        own.pending[slots[~may]] = False
        return slots[may]

    def reactivate(self, slots: Ints, ids: Ints) -> None:
        """Reactivation: young tracks are these known identities; a lost track of the same id ends in them."""
        own = self.slots
        ended = np.isin(own.ids.take(self.live), ids)
        self.slots.free.extend(self.live[ended].tolist())
        self.live = self.live[~ended]
        self._renamed = dict(zip(own.ids[slots].tolist(), ids.tolist(), strict=True))
        own.ids[slots] = ids
        own.born_s[slots] = -np.inf  # known for long
        self.live = self.live[np.argsort(own.ids.take(self.live))]

    def motion_odds(self, ids: Ints, slots: Ints) -> Floats:
        """(N, M) log-odds of motion that these ids are now where these slots are; 0 for those not lost here."""
        own = self.slots
        odds = np.zeros((len(ids), len(slots)), np.float32)
        row, column = np.nonzero(ids[:, None] == own.ids.take(self.live))
        lost = self.live[column]
        odds[row] = motion_odds(own.expected[lost], own.std[lost], own.reported[slots])
        return odds

    def set_pending(self, slots: Ints, doubtful: NDArray[np.bool_]) -> None:
        """Say of young tracks whether they may yet be re-identified: those are confirmed later, under the right id."""
        self.slots.pending[slots] = doubtful

    def _lose(self, missed: Mask, time_s: float) -> None:
        """Of the live tracks the `missed` (N,): lost; removed where never confirmed, or out of motion's reach."""
        own, config = self.slots, self._config
        slots = self.live[missed]
        confirmed = own.status.take(slots) != TENTATIVE
        if not self._births.believed:  # then what was reported at once is not waited for
            confirmed &= own.hits.take(slots) >= config.confirm_hits
        own.status[slots[confirmed]], own.mended[slots] = PREDICTED, 0
        expected, seen_s = own.expected.take(slots, axis=0), own.seen_s.take(slots)
        std, height, unseen_s = own.std.take(slots, axis=0), expected[:, 3], time_s - seen_s
        spread = np.maximum(std[:, 0], std[:, 1])
        gone = (spread > config.lost_heights * height) | (unseen_s > config.lost_s)
        if gone.any():
            times = self._patience.times(expected, seen_s - own.born_s.take(slots), config.lost_s)
            times[own.embedding_counts.take(slots) > 0] = 1  # those are recognised later, wherever they come out
            gone = (spread > times * config.lost_heights * height) | (unseen_s > times * config.lost_s)
        gone |= ~confirmed
        if gone.any():
            missed[missed] = gone
            self._end(missed, time_s)

    def _end(self, ended: Mask, time_s: float) -> None:
        """The `ended` (N,) of the live tracks are no more; of those that were confirmed, keep for a while when each
        was seen last."""
        slots = self.live[ended]
        self.slots.free.extend(slots.tolist())
        self.live = self.live[~ended]
        confirmed = slots[self.slots.status.take(slots) != TENTATIVE]
        since_s = time_s - self._config.reid_s
        self._departed.add(self.slots.ids.take(confirmed), self.slots.seen_s.take(confirmed), since_s)
