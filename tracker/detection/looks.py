"""When the detector looks: at every frame, every Nth, every so many seconds, or when the tracker needs it."""

from __future__ import annotations

import math

from tracker.system.state import Stateful

_ROUNDING_S = 1e-3  # by which the times of frames are off


class Looks(Stateful):
    """The frames of a stream that are looked at.

    Args:
        every: `detector.every` of the configuration.
    """

    saved = ("_passed", "_due_s")
    rebuilt = ("_frames", "_seconds")

    def __init__(self, every: str) -> None:
        self._frames = int(every) if every.isdecimal() else 0
        self._seconds = float(every[:-1]) if every.endswith("s") else 0.0
        self._passed = 0  # frames since the last look
        self._due_s = -math.inf

    def due(self, time_s: float, passed: int = 0) -> bool:
        """Whether a frame of this time is to be looked at, after so many that are not."""
        if self._frames:
            return self._due_s == -math.inf or self._passed + passed + 1 >= self._frames
        return bool(time_s >= self._due_s - _ROUNDING_S)

    def looked(self, time_s: float) -> None:
        """The next frame was looked at."""
        self._passed = 0
        late = not 0 <= time_s - self._due_s < self._seconds
        self._due_s = (time_s if late else self._due_s) + self._seconds

    def passed(self) -> None:
        """The next frame was not looked at."""
        self._passed += 1
