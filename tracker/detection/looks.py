"""When the detector looks: at every frame, every Nth, every so many seconds, or when the tracker needs it.

What an object does between two looks is forecast. How far that can be trusted differs from stream to stream, by more
than speed or crowding tell: dancers hardly move and are unpredictable, cars move and are predictable. So with `auto`
the tracker's own forecasts are compared with what is detected later. Their overlap falls with the time ahead, on a
straight line in all kinds of data; how steeply says how many frames can be left out for a small loss. Before enough was
seen that is none. Where nothing is tracked, newcomers alone decide.

What that loss says of boxes it does not say of identities: two of seven dancers who meet once, and whom a look skipped
then lets go on under each other's id, cost more than all boxes between looks. So where the forecasts of two tracks are
not told apart by their own uncertainty, the next frame is looked at. Where that is so for much of the time, in a crowd,
it would be every frame and mends nothing: those who meet there are not kept apart by every frame either.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from tracker.affine import Affine, moved_corners
from tracker.boxes import area, near, paired_intersection
from tracker.structures import CONFIRMED, Floats, Ints, Tracks
from tracker.system.state import Names, Stateful, fits

LONGEST_S = 0.15  # between two looks where something is tracked, on average, ...
_LONGER = 1.2  # ... and at most so many times as long, where frames do not divide it, ...
_LONGER_SURE = 4 / 3  # ... or so many, two frames of ten a second, where forecasts are good for as long
_ROUNDING_S = 1e-3  # by which the times of frames are off
_LOSS = 0.07  # overlap that may be lost from one look to the next
_POOR = 0.5  # where forecasts overlap less on average, 0 where the object was lost, all frames are looked at
_AHEAD = 18  # frames of which forecasts are compared at most, ...
_AHEAD_S = 2 * LONGEST_S  # ... and seconds
_MEMORY_S = 8.0  # what is compared counts e times less after so long ...
_SURPRISE = 0.35  # ... and half where so much less overlaps than before, times the root of the number of objects
# Two points before anything was seen, each worth 20 objects: the overlap now, and how much is left at the longest time.
_PRIOR = 20 * np.array([2, LONGEST_S, 0.9 + 0.54, LONGEST_S**2, LONGEST_S * 0.54, 2])
_APART = 2.0  # standard deviations of their difference by which the edges of two forecasts differ, or they are alike
_CROWD = 0.25  # share of the time in which two are alike: from here on it is a crowd
_CROWD_MEMORY_S = 60.0  # what was seen of that counts e times less after so long
_CROWD_PRIOR_S = 5 * np.array([0.2, 1.0])  # before anything was seen: seconds in which two were alike, and all seconds


class Looks(Stateful):
    """The frames of a stream that are looked at.

    Args:
        every: `detector.every` of the configuration.
        within_s: `detector.look_within_s`: a newcomer is looked at twice within this, and so can be confirmed.

    Attributes:
        adaptive: which they are depends on what is tracked.
    """

    saved: ClassVar[Names] = ("_passed", "_looked_s", "_due_s", "_wait", "_sums", "_compared_s", "_ids", "_boxes")
    saved += ("_said_s", "_step_s", "_left_s", "_alike_s")
    rebuilt = ("_frames", "_seconds", "adaptive", "_within_s")

    def __init__(self, every: str, within_s: float) -> None:
        self.adaptive, self._within_s = every == "auto", within_s
        self._frames = int(every) if every.isdecimal() else 0
        self._seconds = float(every[:-1]) if every.endswith("s") else 0.0
        self._passed = 0  # frames since the last look
        self._looked_s = -math.inf
        self._due_s = -math.inf  # not before
        self._wait = 1  # frames from the last look to the next
        self._left_s = 0.0  # by which it came early: frames do not divide the longest time
        self._alike_s = _CROWD_PRIOR_S  # seconds in which two tracks were alike, and all seconds
        # of forecasts compared: number, seconds ahead x, overlap y, x squared, x times y; and number with lost ones
        self._sums = np.zeros(6)
        self._compared_s = -math.inf
        self._ids: Ints = np.zeros(0, np.int64)  # tracks that were forecast ...
        self._boxes: Floats = np.zeros((0, _AHEAD, 4), np.float32)  # ... to be here, by this frame's coordinates, ...
        self._said_s, self._step_s = -math.inf, 1.0  # ... in steps of this from that time on

    def due(self, time_s: float, passed: int = 0) -> bool:
        """Whether a frame of this time is to be looked at, after so many that are not."""
        if self._looked_s == -math.inf:
            return True
        frames = self._passed + passed + 1
        if self._frames:
            return frames >= self._frames
        if self.adaptive and time_s - self._looked_s >= self._within_s:  # also behind a gap
            return True
        waited = frames >= self._wait or time_s - self._looked_s >= _LONGER * LONGEST_S  # frames may be further apart
        return bool(waited and time_s >= self._due_s - _ROUNDING_S)

    def passed(self) -> None:
        """The next frame was not looked at."""
        self._passed += 1

    def looked(self, time_s: float) -> None:
        """The next frame was looked at."""
        self._passed, self._looked_s, self._due_s = 0, time_s, time_s + self._seconds

    def warp(self, affine: Affine) -> None:
        """The camera has moved: (2, 3), previous frame to this one."""
        if len(self._boxes):
            self._boxes = moved_corners(self._boxes.reshape(-1, 4), affine).reshape(self._boxes.shape)

    def learn(self, tracks: Tracks, xyxy: Floats, given: Ints) -> None:
        """The next frame was looked at: when to look next, by what is tracked in it.

        Args:
            xyxy: (M, 4) boxes that were detected. given: (M,) their `detection_index`.
        """
        time_s, step_s, before_s = tracks.time_s, tracks.interval_s, self._looked_s
        self.looked(time_s)
        if not self.adaptive or step_s <= 0:
            return
        self._compare(tracks, xyxy[np.argsort(given)])
        confirmed = tracks[tracks.status == CONFIRMED]
        if time_s >= self._said_s + min(_AHEAD * self._step_s, _AHEAD_S) - _ROUNDING_S or not len(self._ids):
            self._ids, self._said_s, self._step_s = confirmed.ids, time_s, step_s
            self._boxes = confirmed.forecast(_AHEAD, step_s).xyxy
        self._due_s = time_s if len(tracks) else time_s + self._within_s - LONGEST_S
        self._wait = 1 if self._meet(confirmed, min(time_s - before_s, _AHEAD_S)) else self._affordable(step_s)

    def _affordable(self, step_s: float) -> int:
        """The frames from a look to the next, for the loss that may be."""
        _, slope, found = self._line()
        if found < _POOR:
            return 1
        affordable_s = _LOSS / max(-slope, 1e-6)
        if affordable_s < LONGEST_S:
            return max(int(affordable_s / step_s + _ROUNDING_S), 1)
        most_s = min(max(affordable_s, _LONGER * LONGEST_S), _LONGER_SURE * LONGEST_S)
        affordable_s = min(LONGEST_S + self._left_s, most_s)
        frames = max(int(affordable_s / step_s + _ROUNDING_S), 1)
        self._left_s = min(max(affordable_s - frames * step_s, 0.0), step_s)
        return frames

    def _meet(self, tracks: Tracks, seconds: float) -> bool:
        """Whether two of these tracks may be taken for each other at the next look, and it is no crowd.

        Args:
            seconds: since the last look.
        """
        said = tracks.forecast(1, LONGEST_S)
        xyxy, variance = said.xyxy[:, 0], said.std[:, 0] ** 2
        row, column = near(xyxy, xyxy, np.full((len(xyxy), 2), 0.5, np.float32))
        row, column = row[row < column], column[row < column]
        apart = (xyxy[row] - xyxy[column]) ** 2 / np.maximum(variance[row] + variance[column], 1e-9)
        alike = bool((apart.mean(axis=1) < _APART**2).any())
        self._alike_s = self._alike_s * math.exp(-seconds / _CROWD_MEMORY_S) + (alike * seconds, seconds)
        return alike and bool(self._alike_s[0] <= _CROWD * self._alike_s[1])

    def _line(self) -> tuple[float, float, float]:
        """Overlap now and what it gains a second, by least squares; and its mean with 0 for those that were lost."""
        number, x, y, xx, xy, asked = (self._sums + _PRIOR).tolist()
        slope = (number * xy - x * y) / (number * xx - x * x)
        return (y - slope * x) / number, slope, y / asked

    def _compare(self, tracks: Tracks, xyxy: Floats) -> None:
        """Learn from where the tracks that were forecast are detected now."""
        seconds = tracks.time_s - self._said_s
        steps = seconds / self._step_s
        ahead = round(steps) if steps <= _AHEAD else 0
        if not ahead or abs(steps - ahead) > 0.25:
            return
        seen = (tracks.detection_index >= 0) & (tracks.status == CONFIRMED)
        _, then, now = np.intersect1d(self._ids, tracks.ids[seen], assume_unique=True, return_indices=True)
        said, came = self._boxes[then, ahead - 1], xyxy[tracks.detection_index[seen][now]]
        common = paired_intersection(said, came)
        overlap = float((common / (area(said) + area(came) - common)).sum())
        number, (begin, slope, _) = len(now), self._line()
        surprised = number * (begin + slope * seconds) - overlap > _SURPRISE * math.sqrt(number)
        self._sums *= math.exp((self._compared_s - tracks.time_s) / _MEMORY_S) / (2 if surprised else 1)
        self._sums += number, number * seconds, overlap, number * seconds**2, seconds * overlap, len(self._ids)
        self._compared_s = tracks.time_s

    def _check_state(self) -> None:
        fits(len(self._ids) == len(self._boxes), "number of tracks that were forecast")
        fits(bool(np.isfinite(self._sums).all()), "what is known of forecasts")
        fits(self._alike_s.shape == (2,), "what is known of who meets")
