"""When something was looked at, and the bins of time that numbers are told by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tracker.datasets.annotations import Annotations

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

_STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_MOST_BINS = 48
_GAP = 3.0  # times the usual time between frames; what is longer is a gap, in which nothing was filmed


@dataclass(frozen=True, eq=False)
class Timeline:
    """The F frames that were tracked, and B bins of one width that hold them.

    Attributes:
        times_s: (F,) when each was, increasing.
        seconds: (F,) for how long it stands: until the next one, but not over a gap.
        stride: of the source's frames every how many-th was tracked.
        step_s: width of a bin: a round number, so that there are at most 48.
        edges_s: (B + 1,) of the bins, the first at the first frame.
    """

    times_s: Reals
    seconds: Reals
    stride: int
    step_s: float
    edges_s: Reals

    @classmethod
    def of(cls, annotations: Annotations, stride: int = 1) -> Timeline:
        """The frames of a video of which every `stride`-th was tracked."""
        times_s = annotations.times_s[:: max(1, stride)]
        if not len(times_s):
            return cls(times_s, times_s, max(1, stride), _STEPS_S[0], np.array([0.0, _STEPS_S[0]]))
        apart = np.diff(times_s)
        usual = float(np.median(apart)) if len(apart) else 1 / annotations.frames_per_s
        seconds = np.minimum(np.append(apart, usual), _GAP * usual)
        length = float(times_s[-1] - times_s[0]) + usual
        step_s = float(next((step for step in _STEPS_S if length <= step * _MOST_BINS), _round_up(length)))
        count = max(1, int(np.ceil(length / step_s - 1e-9)))
        return cls(times_s, seconds, max(1, stride), step_s, times_s[0] + step_s * np.arange(count + 1))

    @property
    def bins(self) -> int:
        return len(self.edges_s) - 1

    @property
    def end_s(self) -> float:
        """When the last frame ends."""
        return float(self.times_s[-1] + self.seconds[-1]) if len(self.times_s) else 0.0

    @cached_property
    def watched_s(self) -> Reals:
        """(B,) for how long each bin was filmed."""
        return np.asarray(np.bincount(self.bin_of(self.times_s), self.seconds, self.bins), np.float64)

    def bin_of(self, times_s: Reals) -> Ints:
        """(N,) the bin that each moment (N,) is in; what lies before or after is in the first or last one."""
        bins: Ints = ((times_s - self.edges_s[0]) / self.step_s + 1e-9).astype(np.int64)
        return bins.clip(0, self.bins - 1)

    def frame_of(self, numbers: Ints) -> Ints:
        """(N,) places in `times_s` of frames by their numbers in the source (N,)."""
        places: Ints = (numbers - 1) // self.stride
        return places.clip(0, max(0, len(self.times_s) - 1))


def _round_up(length: float) -> float:
    """Whole days of which `_MOST_BINS` hold so many seconds."""
    return float(np.ceil(length / _MOST_BINS / 86400) * 86400)
