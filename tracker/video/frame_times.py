"""The times of a stream's frames: what a next one may be, how long a step is, and where there is a gap."""

from __future__ import annotations

import math

from tracker.errors import InputError
from tracker.system.state import Stateful, fits

_GAP = 2.0  # a step so many times as long as steps are is a gap


class FrameTimes(Stateful):
    """Seconds from one frame to the next.

    Args:
        interval_s: of frames that come without a time.

    Attributes:
        interval_s: the last step.
    """

    saved = ("interval_s", "_last_s", "_usual_s")
    rebuilt = ("_assumed_s",)

    def __init__(self, interval_s: float) -> None:
        self.interval_s = self._assumed_s = interval_s
        self._last_s = -math.inf
        self._usual_s = 0.0  # a step without gaps; 0: not known yet

    @property
    def last_s(self) -> float:
        """The time of the last frame; minus infinity before the first."""
        return self._last_s

    def next(self, time_s: float | None) -> float:
        """The time of a frame that is given this one, None where it came without.

        Raises:
            InputError: not a number, or not after the last frame's.
        """
        if time_s is None:
            return 0.0 if self._last_s == -math.inf else self._last_s + self._assumed_s
        if not math.isfinite(time_s):
            raise InputError(f"time_s is {time_s}; give seconds")
        if not time_s > self._last_s:
            raise InputError(f"time_s is {time_s}, not after the last frame's {self._last_s}; times must increase")
        return float(time_s)

    def take(self, time_s: float) -> bool:
        """Go on to a frame; say whether there is a gap before it.

        Frames of a slow stream are far apart without a gap: one is where a step is longer than steps have been.
        """
        before, self._last_s = self._last_s, time_s
        if before == -math.inf:
            return False
        self.interval_s = step = time_s - before
        longest = _GAP * (self._usual_s or self._assumed_s)
        self._usual_s = min(step, longest) if self._usual_s else step
        return step > longest

    def _check_state(self) -> None:
        fits(-math.inf <= self._last_s < math.inf, "the time of the last frame")
        fits(self.interval_s > 0 and self._usual_s >= 0, "the interval between frames")
