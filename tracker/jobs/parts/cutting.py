"""Where a long video is cut: parts of one length, each tracked from before its beginning until behind its end.

What a tracker knows when a part begins, it has learned from the seconds before. Objects are followed over the cut by
what both neighbours say of them in the frames that both have tracked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracker.affine import Array
from tracker.structures import Ints
from tracker.video.bookmark import Bookmark
from tracker.video.recorded.cuts import SourceIndex

WARM_UP_S = 10.0  # longer than a lost track is searched for by its motion
BEYOND_S = 2.0  # until what is new at the cut is confirmed, and the frames before it are settled


@dataclass(frozen=True, eq=False)
class VideoPart:
    """A part of a video.

    Attributes:
        number: from 1.
        first, last: numbers of its first and last frame. end: that of the last one that is tracked for it.
        begin: the frame at which its tracking begins.
    """

    number: int
    first: int
    last: int
    end: int
    begin: Bookmark

    @property
    def tracked(self) -> int:
        """How many frames of the video lie between the ends of its tracking."""
        return self.end - self.begin.index

    def to_dict(self) -> dict[str, Any]:
        """Which frames, ready for YAML."""
        said = {name: value for name, value in vars(self).items() if name != "begin"}
        return said | {"begin": self.begin.index + 1}


def cut(source: Any, part_s: float, vid_stride: int = 1, fps: float | None = None) -> list[VideoPart]:
    """The parts of a video, as few as are no longer than `part_s`; none of one that is short, or cannot be cut.

    Args:
        source, vid_stride, fps: as for `open_source`.

    Raises:
        SourceError: it cannot be read.
    """
    index = SourceIndex.of(source, fps)
    if index is None:
        return []
    begin, first, last, end = spans(index.times_s[::vid_stride], part_s) * vid_stride
    if len(first) < 2:
        return []
    own = zip(*(number.tolist() for number in (first + 1, last + 1, end + 1)), strict=True)
    marks = index.bookmarks(begin)
    return [VideoPart(k, a, b, c, mark) for k, ((a, b, c), mark) in enumerate(zip(own, marks, strict=True), 1)]


def spans(times_s: Array, part_s: float) -> Ints:
    """(4, P) of each part where it begins to be tracked, its first and its last frame, and where that ends.

    Args:
        times_s: (F,) of all frames that are tracked.

    Returns:
        Positions among these frames.
    """
    length = times_s[-1] - times_s[0]
    count = max(math.ceil(length / part_s - 1e-6), 1)
    first = np.unique(np.searchsorted(times_s, times_s[0] + np.arange(count) * (length / count)))
    begin = np.searchsorted(times_s, times_s[first] - WARM_UP_S)
    begin[0] = 0
    last = np.append(first[1:], len(times_s)) - 1
    end = np.append(np.searchsorted(times_s, times_s[first[1:]] + BEYOND_S, "right"), len(times_s)) - 1
    found: Ints = np.stack([begin, first, last, end])
    return found
