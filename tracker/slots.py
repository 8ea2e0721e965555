"""The tracks' arrays: one row (slot) of every array a track. Slots are used again, ids never are.

`bank.py` has the rules.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tracker.boxes import area, iou
from tracker.columns.checked import widened
from tracker.structures import PREDICTED, TENTATIVE, Floats, Ints, Mask
from tracker.system.state import Names, Stateful, fits

_VOTED = 16  # classes that votes are counted of, a track
_MANY = 30  # detections after which a track is hardly a false alarm
_NEAR = 0.1  # heights: where an object is expected with less deviation, its box lies on it
_BLOCK = 256  # tracks whose embeddings are blended at once: half a megabyte, which stays in the cache
_SOONER = 0.2  # of the usual time between two embeddings passes while a track may be an old one
_LATEST = 0.1  # least weight of a new embedding beside what is remembered, from the 19th on: an exponential average


class Slots(Stateful):
    """What is known of each track, in arrays of a row (slot) each; rows of no live track hold what is left there.

    Attributes:
        ids, status, hits: (C,) int64; hits are frames in which it was detected.
        born_s, seen_s: (C,) float64 seconds of the first and of the last detection.
        pending: (C,) bool, may be an old track, re-identified: not confirmed before that is clear.
        expected, std: (C, 4) float32 predicted centre and size in pixels, and their standard deviations.
        reported: (C, 4) float32 xyxy in pixels of the last frame in which it was detected, or that was not looked at.
        mended: (C, 4) float32 sizes from the last detection's centre and size to the estimate's; 0 where none was made.
        scores, best_confidence, confidence_sum: (C,) float32 of the last detection; of the calibrated ones so far, the
            highest and all together.
        raw_classes, classes: (C,) int64 class number of the last detection, and voted.
        winner: (C,) int64 the column of `voted` that the voted class stands in.
        voted, votes: (C, 16) int64 class numbers in the order they came, and float32 sums of their scores; -inf where
            there is none.
        detections: (C,) int64 row of the last detection in its frame.
        embeddings: (C, D) float32 remembered appearance, unit vectors, NaN where there is none; D is 0 before any.
        embedding_s, embedding_counts: (C,) float64 seconds when it was last looked at, and int64 how often it was.
        contrary_s: (C,) float64 seconds since when all embeddings contradict the remembered one; inf: they do not.
        free: slots of no live track, the next to be taken last.
    """

    saved: ClassVar[Names] = ("ids", "status", "hits", "born_s", "seen_s", "pending", "expected", "std", "reported")
    saved += ("scores", "best_confidence", "confidence_sum", "raw_classes", "classes", "winner", "voted", "votes")
    saved += ("mended", "detections", "embeddings", "embedding_s", "embedding_counts", "contrary_s", "free")

    def __init__(self, count: int = 0, width: int = 0) -> None:
        self.ids, self.status, self.hits, self.detections = (np.zeros(count, np.int64) for _ in range(4))
        self.raw_classes, self.classes, self.winner, self.embedding_counts = (
            np.zeros(count, np.int64) for _ in range(4)
        )
        self.born_s, self.seen_s, self.embedding_s, self.contrary_s = (np.zeros(count) for _ in range(4))
        self.pending = np.zeros(count, bool)
        self.scores, self.best_confidence, self.confidence_sum = (np.zeros(count, np.float32) for _ in range(3))
        self.expected, self.std, self.reported, self.mended = (np.zeros((count, 4), np.float32) for _ in range(4))
        self.voted, self.votes = np.zeros((count, _VOTED), np.int64), np.zeros((count, _VOTED), np.float32)
        self.embeddings = np.zeros((count, width), np.float32)
        self.free = list(range(count - 1, -1, -1))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def width(self) -> int:
        """D, of the embeddings; 0 before any."""
        return self.embeddings.shape[1]

    def followed(self, slots: Ints, since_s: float) -> Mask:
        """(N,) which of these tracks are confirmed, were seen more than once, and since then."""
        followed = (self.status.take(slots) != TENTATIVE) & (self.hits.take(slots) > 1)
        return np.asarray(followed & (self.seen_s.take(slots) >= since_s))

    def claim(self, count: int) -> Ints:
        """`count` free slots; the arrays double when there are too few, and keep their size from then on."""
        if len(self.free) < count:
            have = len(self)
            more = Slots(max(have, count, 64 - have), self.width)
            self.free += (slot + have for slot in more.free)
            for name, array in vars(self).items():
                if isinstance(array, np.ndarray):
                    setattr(self, name, np.concatenate([array, getattr(more, name)]))
        taken = self.free[: -count - 1 : -1]
        del self.free[-count:]
        return np.array(taken, np.int64)

    def widen(self, width: int) -> None:
        """Have room for embeddings of this width from now on.

        Raises:
            InputError: there are those of another width.
        """
        self.embeddings = widened(self.embeddings, width, "the frames before")

    def vote(self, slots: Ints, classes: Ints, scores: Floats) -> None:
        """A track's class is the one with the largest sum of scores so far.

        Of a track with more classes than there is room for, the one with the smallest sum gives way to a new one.
        """
        row = np.arange(len(slots))
        if (self.classes.take(slots) == classes).all():  # the largest has more now, in most frames of all
            self.votes[slots, self.winner.take(slots)] += scores
            return
        voted, votes = self.voted.take(slots, axis=0), self.votes.take(slots, axis=0)
        equal = (voted == classes[:, None]) & (votes >= 0)
        known = equal.any(axis=1)
        place = np.where(known, equal.argmax(axis=1), votes.argmin(axis=1))
        votes[row, place] = np.where(known, votes[row, place], 0) + scores
        voted[row, place] = classes
        self.voted[slots], self.votes[slots] = voted, votes
        winner = votes.argmax(axis=1)
        self.winner[slots], self.classes[slots] = winner, voted[row, winner]

    def remember(self, slots: Ints, features: Floats, time_s: float) -> None:
        """Blend the new embeddings (N, D) into the remembered ones; a row of NaN leaves the memory as it is.

        The k-th look counts k-fold: who comes out from behind something, or into the picture, is at first seen in part.
        """
        self.widen(features.shape[1])
        given = ~np.isnan(features[:, 0])
        if not given.any():
            return
        if not given.all():
            slots, features = slots[given], features[given]
        for begin in range(0, len(slots), _BLOCK):
            self._blend(slots[begin : begin + _BLOCK], features[begin : begin + _BLOCK], time_s)

    def _blend(self, slots: Ints, features: Floats, time_s: float) -> None:
        """Blend embeddings (N, D), none of NaN."""
        count = self.embedding_counts.take(slots) + 1
        old = self.embeddings.take(slots, axis=0)
        blend = features - old
        blend *= np.maximum(2 / (count + 1), _LATEST).astype(np.float32)[:, None]
        blend += old
        first = count == 1
        blend[first] = features[first]
        blend /= np.sqrt(np.einsum("nd,nd->n", blend, blend))[:, None]
        self.embeddings[slots], self.embedding_s[slots], self.embedding_counts[slots] = blend, time_s, count

    def ages(self, slots: Ints, time_s: float) -> Floats:
        """(N,) seconds since the tracks' embeddings were taken."""
        return (time_s - self.embedding_s.take(slots)).astype(np.float32)

    def stale(self, slots: Ints, time_s: float, refresh_s: float, reid_s: float) -> Mask:
        """(N,) which tracks' looks are to be taken again: sooner while a young one may be an old one, come back."""
        doubtful = self.pending.take(slots) & (time_s - self.born_s.take(slots) <= reid_s)
        due: Mask = self.ages(slots, time_s) >= np.where(doubtful, _SOONER * refresh_s, refresh_s)
        due |= np.isnan(self.embeddings[slots, 0])
        return due

    def embedded(self, slots: Ints, time_s: float) -> Ints:
        """Those of these tracks whose embedding was taken in this frame."""
        taken = (self.embedding_s.take(slots) == time_s) & (self.embedding_counts.take(slots) > 0)
        return slots.take(np.flatnonzero(taken))

    def steady(self, slots: Ints, least_score: float) -> Mask:
        """(N,) which tracks, not seen now, a detector rather misses for a moment than that they are gone.

        It saw them in many frames, and surely in the last of them; and it is still known where they are.
        """
        steady = (self.hits.take(slots) >= _MANY) & (self.scores.take(slots) >= least_score)
        spread = self.std.take(slots, axis=0)[:, :2].max(axis=1, initial=0)
        return np.asarray(steady & (spread < _NEAR * self.expected.take(slots, axis=0)[:, 3]))

    def double(self, fresh: Ints, known: Ints, overlap: float) -> Mask:
        """(N,) which of these tracks may be a second box of a known one (M,), all just seen.

        Mostly it is the known one that has been led astray, by a box of half its object that the detector is less sure
        of than of the whole. Two objects, one behind the other, are mostly both seen surely or the new one less.

        Args:
            overlap: over union, from which on two boxes may be of one object.
        """
        double = iou(self.reported.take(fresh, axis=0), self.reported.take(known, axis=0)) > overlap
        double &= self.classes.take(fresh)[:, None] == self.classes.take(known)
        double &= self.scores.take(fresh)[:, None] > self.scores.take(known)
        return np.asarray(double.any(axis=1))

    def filling(self, slots: Ints, share: float, frame_size: tuple[float, float]) -> Mask:
        """(N,) which of these tracks fill the picture, more than so much of it.

        No border of such an object is seen, and nothing that it moves against: a detector that takes a scene for an
        object may be sure for a second.
        """
        return np.asarray(area(self.reported.take(slots, axis=0)) > share * frame_size[0] * frame_size[1])

    def _check_state(self) -> None:
        fits(
            all(len(getattr(self, name)) == len(self) for name in self.saved if name != "free"),
            "number of the tracks' slots",
        )
        fits(bool(((self.winner >= 0) & (self.winner < _VOTED)).all()), "the tracks' votes")
        fits(bool(((self.status >= TENTATIVE) & (self.status <= PREDICTED)).all()), "the tracks' status")
