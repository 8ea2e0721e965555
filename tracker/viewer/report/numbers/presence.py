"""How many objects there were, over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker.datasets.annotations import Annotations
from tracker.viewer.report.numbers.objects import Objects
from tracker.viewer.report.numbers.timeline import Ints, Reals, Timeline


@dataclass(frozen=True, eq=False)
class PresenceNumbers:
    """By C classes, in the order of `Objects.class_order`, and B bins of time.

    Attributes:
        new: (C, B) objects first seen in the bin; they add up to all objects.
        mean: (C, B) how many are in the picture at once, over the time that was filmed; 0 where none was.
        most: (B,) how many at most, of all classes.
        peak: the most of all. peak_s: when that was first.
    """

    new: Ints
    mean: Reals
    most: Ints
    peak: int
    peak_s: float

    @classmethod
    def of(cls, annotations: Annotations, objects: Objects, time: Timeline) -> PresenceNumbers:
        """Of the rows of a run and its objects."""
        order = objects.class_order
        row_of = {number: row for row, number in enumerate(order)}
        class_of = np.array([row_of[number] for number in objects.classes.tolist()], np.int64)
        frame = time.frame_of(annotations.frames)
        bins = time.bin_of(time.times_s)
        shape = (len(order), time.bins)

        def spread(classes: Ints, bins: Ints, weights: Reals | None = None) -> Reals:
            flat = np.bincount(classes * time.bins + bins, weights, len(order) * time.bins)
            return np.asarray(flat.reshape(shape), np.float64)

        of_row = class_of[np.searchsorted(objects.ids, annotations.ids)]
        seconds = spread(of_row, bins[frame], time.seconds[frame]) if len(frame) else np.zeros(shape)
        at_once = np.bincount(frame, minlength=len(time.times_s))
        most = np.zeros(time.bins, np.int64)
        np.maximum.at(most, bins, at_once)
        peak = int(at_once.argmax()) if len(at_once) else 0
        return cls(
            new=spread(class_of, time.bin_of(objects.first_s)).astype(np.int64),
            mean=np.divide(seconds, time.watched_s, out=np.zeros(shape), where=time.watched_s > 0),
            most=most,
            peak=int(at_once[peak]) if len(at_once) else 0,
            peak_s=float(time.times_s[peak]) if len(at_once) else 0.0,
        )
