"""Frames that show the picture before them once more: 25 frames/s in a file of 30 repeat every sixth.

Nothing is to be seen in such a frame that was not seen already, and who looks at it sees everything stand still for a
moment. Encoding leaves small differences in it, which are told from motion by how much frames of this stream differ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.structures import Image
from tracker.system.snapshots.resumable import Resumable

if TYPE_CHECKING:
    from tracker.video.source import Frame

Difference = NDArray[np.float64]  # of two pictures in grey levels: (2,) largest of any block, mean

_ROWS = 135  # of the picture that are compared, about: every 8th at 1080p
_BLOCK = (4, 2)  # compared points, across and down, that a difference is averaged over: 16 x 16 px at 1080p
_SHARE = np.array([0.15, 0.5])  # of what any of the frames before it differed by, a repeat differs by less; measured
# are up to .11 and .44, and where everything but noise has just left the picture from .06 and .9 on
_FRAMES = 4  # so many frames before it, not counting what turned out to be repeats,
_KEPT = 6  # of the last so many
_MOVING = 8.0  # grey levels: where any of them differed less, there is no motion to tell a repeat from
_LONGEST_S = 0.15  # a picture that stands is looked at again after so long
_REGULAR = 0.02  # spans between repeats that differ by a smaller share are one rhythm


class Repeats(Resumable):
    """Marks the frames of a stream: those that are repeats say so, and the others how much earlier they were captured.

    Args:
        wanted: whether any is to be marked.
    """

    saved = ("_found", "_rhythm")
    rebuilt = ("_wanted",)

    def __init__(self, wanted: bool = True) -> None:
        self._wanted = wanted
        self._found, self._rhythm = _Repeats(), _Rhythm()

    def __copy__(self) -> Repeats:
        """As it is now, whatever comes."""
        same = Repeats(self._wanted)
        same._found, same._rhythm = copy(self._found), copy(self._rhythm)
        return same

    def mark(self, frame: Frame) -> Frame:
        """Take the next frame."""
        if not self._wanted:
            return frame
        if self._found(frame.image, frame.time_s):
            self._rhythm.repeat()
            return replace(frame, repeated=True)
        return replace(frame, late_s=self._rhythm.late_s(frame.time_s))


def marked(frames: Iterable[Frame], wanted: bool = True) -> Iterator[Frame]:
    """The frames; where `wanted` they are marked."""
    return map(Repeats(wanted).mark, frames)


class _Repeats(Resumable):
    """Tells repeats from standing scenes.

    A repeat differs much less from the last frame that was looked at than those before it differed from theirs: where
    it differs most, which is where something moves, and on average. Where nothing moves all differ equally little, and
    none is taken for a repeat. What creeps differs more with every frame.
    """

    saved = ("_points", "_time_s", "_differences")

    def __init__(self) -> None:
        self._points = np.zeros((0, 0), np.uint8)  # of the last frame that was looked at
        self._time_s = 0.0
        self._differences: deque[Difference] = deque(maxlen=_KEPT)

    def __copy__(self) -> _Repeats:
        same = _Repeats()
        same._points, same._time_s, same._differences = self._points, self._time_s, self._differences.copy()
        return same

    def __call__(self, image: Image, time_s: float) -> bool:
        """Is the next frame a repeat?"""
        points = _points(image)
        if points.shape != self._points.shape:
            self._differences.clear()
        else:
            apart = cv2.absdiff(points, self._points)
            difference = np.array([cv2.blur(apart, _BLOCK).max(), cv2.mean(apart)[0]])
            if time_s - self._time_s < _LONGEST_S and self._is_small(difference):
                return True
            self._learn(difference)
        self._points, self._time_s = points, time_s
        return False

    def _is_small(self, difference: Difference) -> bool:
        """Is it that of a repeat?"""
        if len(self._differences) < _FRAMES:
            return False
        usual = np.min(list(self._differences)[-_FRAMES:], axis=0)
        return _is_dip(difference, usual)

    def _learn(self, difference: Difference) -> None:
        """Take that of a frame that was looked at; it may tell that those before it were repeats."""
        while self._differences and _is_dip(self._differences[-1], difference):
            self._differences.pop()
        self._differences.append(difference)


def _is_dip(difference: Difference, usual: Difference) -> bool:
    return bool(usual[0] >= _MOVING and (difference < _SHARE * usual).all())


def _points(image: Image) -> Image:
    """The green of every so many pixels: for motion to be seen it is as good as all."""
    step = max(1, min(image.shape[:2]) // _ROWS)
    return np.ascontiguousarray(image[step // 2 :: step, :: max(1, step // 2), 1])


class _Rhythm(Resumable):
    """When frames were captured: evenly, although the frames of the file that show them are not even.

    Of frames 1 2 3 4 5 5 6 7 8 9 10 10 ..., each a 30th of a second, every number is a 25th of a second. That is known
    when two spans from one repeat to the next were alike: so the frames of a span are spread over its length, the last
    one at its own time and those before it earlier. What breaks the rhythm has its own time.
    """

    saved = ("_begun_s", "_span_s", "_count", "_reach_s", "_step_s", "_here", "_last_s", "_repeated")

    def __init__(self) -> None:
        self._begun_s = -np.inf  # the first frame after the last repeat
        self._span_s = np.inf  # from that after the repeat before
        self._count = 0  # frames in that span
        self._reach_s = 0.0  # from its first frame to its last
        self._step_s = 0.0  # from one capture to the next; 0: there is no rhythm
        self._here = 0  # frames since the last repeat
        self._last_s = 0.0
        self._repeated = False

    def repeat(self) -> None:
        """The next frame is a repeat."""
        self._repeated = True

    def late_s(self, time_s: float) -> float:
        """By how many seconds the next frame, which is none, is shown later than its capture; 0: not known."""
        if self._repeated:
            self._begin(time_s)
        place, self._here, self._last_s = self._here, self._here + 1, time_s
        if not self._step_s or place >= self._count:
            return 0.0
        captured_s = self._begun_s + self._reach_s - (self._count - 1 - place) * self._step_s
        return max(0.0, time_s - captured_s)

    def _begin(self, time_s: float) -> None:
        """A span has ended with a repeat."""
        span_s = time_s - self._begun_s
        regular = self._here == self._count and abs(span_s - self._span_s) <= _REGULAR * span_s
        self._step_s = span_s / self._count if regular else 0.0
        self._reach_s, self._count, self._span_s = self._last_s - self._begun_s, self._here, span_s
        self._begun_s, self._here, self._repeated = time_s, 0, False
