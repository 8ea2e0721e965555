"""What this stream's objects are like, class by class, learned from its own sure matches.

Pedestrians are upright, and between two frames they move by little of their size: their vertical extents agree better
than their horizontal ones, and a right match hardly ever overlaps little. Balls, insects, aircraft and runners at a low
frame rate are otherwise. Every class starts as pedestrians, and what its matches show moves it away from that:

- how well vertical extents agree, as such and compared with horizontal ones, says how far agreement of heights counts;
- how many sure matches overlap little says how little overlap is enough, and whether a surprise is a turn;
- how far new objects go in their first step says how far a box may be looked for that overlaps nothing.

All is bounded, and nothing changes before the stream has shown something else.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tracker.columns.classes import distinct
from tracker.structures import PREDICTED, Floats, Ints, Mask
from tracker.system.state import Names, Stateful, fits

_PRIOR = (0.1, 0.04, 0.0, 1.0)  # `means` of pedestrians, but for first steps: those may be long, until seen
_SOON, _LATER = 2, 16  # frames of which one is learned from: until enough is known, and then
_WEIGHT, _ENOUGH, _MEMORY = 25.0, 100.0, 750.0  # matches that the prior counts as, are enough, and are looked back on
_FIRST_WEIGHT, _FIRST_ENOUGH, _FIRST_MEMORY = 5.0, 12.0, 200.0  # the same of first steps
_CLASSES = 2000  # of which something is known at most; further ones stay as they start
_FAR = (0.2, 0.5)  # sizes: of whom goes so little in its first step, none is looked for afar later; so much, all are
_UPRIGHT = (0.6, 0.8)  # vertical disagreement over horizontal: heights count fully up to here, not at all from here ...
_STEADY = (0.075, 0.1)  # ... unless vertical extents agree as such: up to here they always count
_LITTLE = 0.4  # an overlap, across times down, that is rare between a pedestrian's prediction and its detection
_RARE = (0.02, 0.08)  # share of sure matches that overlap so little: gates as they are, and as low as they get
_LIFT = 3.0  # by this much at most similarities are multiplied, that is gates are lowered
_TURNS = 1.5  # lifted by more than this a class is one that turns
_SETTLED = 2  # detections after which a velocity is known


class Habits(Stateful):
    """The habits of one stream's classes.

    Attributes:
        labels: (C,) class numbers seen so far, ascending.
        means: (C, 4) disagreement (1 less overlap over union) of horizontal and of vertical extents, share of matches
            that overlap little, length of first steps in sizes.
        weights: (C, 2) how many matches and how many first steps are behind these, the prior included.
        ordinary: whether all classes are as pedestrians are, but for their first steps.
    """

    saved: ClassVar[Names] = ("labels", "means", "weights", "_frames", "_births")
    rebuilt: ClassVar[Names] = ("ordinary", "_table", "_new", "_new_steps")

    def __init__(self) -> None:
        self.labels: Ints = np.zeros(0, np.int64)
        self.means: NDArray[np.float64] = np.zeros((0, 4))
        self.weights: NDArray[np.float64] = np.zeros((0, 2))
        self._frames = self._births = 0
        self._arrange()

    def due(self, births: int) -> bool:
        """Count a frame, in which so many tracks begin that may be learned from: is this one to learn from?"""
        before, self._births = self._births, births
        self._frames += 1
        if self._frames < (_SOON if self._new else _LATER) and not (before and self._new_steps):
            return False
        self._frames = 0
        return True

    def of(self, classes: Ints, status: Ints) -> tuple[Floats | None, Floats | None]:
        """Of tracks of these classes and `Status` (N,); gates of the lost are lowered half as far.

        Returns:
            (N,) from 0 to 1, how much of the configured height power counts, and (N,) from 1, what similarities are
            multiplied by; None for both where all are ordinary.
        """
        if self.ordinary:
            return None, None
        upright, lift = self._table[:2].take(self._rows(classes), axis=1)
        lost = status == PREDICTED
        lift[lost] = (lift[lost] + 1) / 2
        return upright, lift

    def reach(self, classes: Ints, hits: Ints) -> Floats:
        """(N,) sizes of itself that a track, seen so often (N,), may usually be from where it is expected.

        Of a new object that is its first step; of one whose velocity is known less, the more sure matches have shown
        that it keeps to it.
        """
        early, late = self._table[2:].take(self._rows(classes), axis=1)
        reach: Floats = np.where(hits > _SETTLED, late, early)
        return reach

    def learn(self, classes: Ints, hits: Ints, expected: Floats, detected: Floats, sure: Mask) -> None:
        """Take in the matches of a frame.

        Args:
            classes: (N,) of the tracks. hits: (N,) detections before this one.
            expected: (N, 4) cxcywh in pixels. detected: (N, 4) xyxy in pixels.
            sure: (N,) which matches are hardly wrong.
        """
        for label in distinct(classes).tolist():
            of_class = sure & (classes == label)
            followed, first = (of_class & (hits > _SETTLED)).nonzero()[0], (of_class & (hits == 1)).nonzero()[0]
            row = self._row(label) if len(followed) or len(first) else None
            if row is None:
                continue
            if len(followed):
                shares = _overlaps(expected.take(followed, axis=0), detected.take(followed, axis=0))
                wide, tall = (len(followed) - shares.sum(axis=1)).tolist()
                sums = np.array([wide, tall, np.count_nonzero(shares[0] * shares[1] < _LITTLE)])
                weight = self.weights[row, 0] = min(self.weights[row, 0] + len(followed), _MEMORY)
                self.means[row, :3] += (sums - len(followed) * self.means[row, :3]) / max(weight, len(followed))
            if len(first):
                steps = _steps(expected.take(first, axis=0), detected.take(first, axis=0))
                weight = self.weights[row, 1] = min(self.weights[row, 1] + len(first), _FIRST_MEMORY)
                self.means[row, 3] += (steps.sum() - len(first) * self.means[row, 3]) / max(weight, len(first))
            self._table[:, row] = _entry(self.means[row].tolist(), self.weights[row].tolist())
        self._judge()

    def _row(self, label: int) -> int | None:
        """Row of a class, begun where it is new; None where there is no room for it."""
        row = int(self.labels.searchsorted(label))
        if row == len(self.labels) or self.labels[row] != label:
            if len(self.labels) >= _CLASSES:
                return None
            self.labels = np.insert(self.labels, row, label)
            self.means = np.insert(self.means, row, _PRIOR, axis=0)
            self.weights = np.insert(self.weights, row, (_WEIGHT, _FIRST_WEIGHT), axis=0)
            self._arrange()
        return row

    def _rows(self, classes: Ints) -> Ints:
        """Row of each class (N,); the one behind the last where it is unknown."""
        if len(self.labels) == 1:  # most streams hold one
            return np.asarray(classes != self.labels[0], np.int64)
        rows: Ints = self.labels.searchsorted(classes)
        if len(self.labels):
            rows[self.labels.take(rows, mode="clip") != classes] = len(self.labels)
        return rows

    def _arrange(self) -> None:
        """Work `_table` out: (4, C + 1), a column of `_entry` a class; the last is a new class's."""
        known = zip(self.means.tolist(), self.weights.tolist(), strict=True)
        entries = [*(_entry(*each) for each in known), _entry([*_PRIOR], [_WEIGHT, _FIRST_WEIGHT])]
        self._table: Floats = np.array(entries, np.float32).T.copy()
        self._judge()

    def _judge(self) -> None:
        """What holds of all classes: are they ordinary, and is there one of which enough is known?"""
        self.ordinary = not np.count_nonzero(self._table[:2] != 1)
        matches, steps = self.weights.max(axis=0, initial=0).tolist()
        self._new, self._new_steps = matches < _ENOUGH, steps < _FIRST_ENOUGH

    def _check_state(self) -> None:
        fits(len(self.labels) == len(self.means) == len(self.weights), "number of the classes' habits")
        fits(bool((np.diff(self.labels) > 0).all()), "order of the classes' habits")
        known = np.isfinite(self.means).all() and (self.means >= 0).all() and (self.weights >= _FIRST_WEIGHT).all()
        fits(bool(known), "what is known of the classes' habits")
        self._arrange()


def turns(lift: Floats) -> Mask:
    """(N,) whether a detection far from the prediction rather shows a turn than an error."""
    return np.asarray(lift > _TURNS)


def smoothness(lift: Floats) -> Floats:
    """(N,) from 0 to 1, how much of the motion model's part in a reported box there is to be."""
    return np.asarray(np.minimum(2 * (_LIFT - lift) / np.float32(_LIFT - 1), 1))


def _entry(means: list[float], weights: list[float]) -> tuple[float, float, float, float]:
    """Of a class: upright, lift, and reach before and after the velocity is known."""
    wide, tall, little, step = means
    matches, steps = weights
    upright = 1 - min(_rise(tall / max(wide, 1e-6), _UPRIGHT), _rise(tall, _STEADY))
    restless = _rise(little, _RARE)
    seen = max(step * steps - _PRIOR[3] * _FIRST_WEIGHT, 0) / max(steps - _FIRST_WEIGHT, 1)
    strays = max(restless, _rise(seen, _FAR), _WEIGHT / matches)
    return upright, 1 + (_LIFT - 1) * restless, step, step * strays


def _rise(value: float, bounds: tuple[float, float]) -> float:
    """0 up to the first bound, 1 from the second on, linear between."""
    low, high = bounds
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _overlaps(expected: Floats, detected: Floats) -> Floats:
    """(N, 4) cxcywh, (N, 4) xyxy -> (2, N) overlap over union of horizontal and of vertical extents."""
    centre, half = expected[:, :2], expected[:, 2:] / 2
    low, high = centre - half, centre + half
    begin, end = detected[:, :2], detected[:, 2:]
    common = np.minimum(high, end) - np.maximum(low, begin)
    union = np.maximum(high, end) - np.minimum(low, begin)
    shares: Floats = (np.maximum(common, 0) / union).T
    return shares


def _steps(expected: Floats, detected: Floats) -> Floats:
    """(N, 4) cxcywh, (N, 4) xyxy -> (N,) sizes between the centres."""
    off = (detected[:, :2] + detected[:, 2:]) / 2 - expected[:, :2]
    steps: Floats = np.sqrt((off * off).sum(axis=1) / (expected[:, 2] * expected[:, 3]))
    return steps
