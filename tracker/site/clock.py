"""The times of live cameras' frames: the wall clock's, at the even pace of each camera's stamps."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from tracker.video.clock import Clock

SETTLING_S = 2.0  # a difference to the wall clock goes to a third in so long ...
PACE = 0.2, 5.0  # ... but a frame is no shorter or longer than so many times what its stamp says,
LONGEST_S = 5.0  # unless the wall clock is ahead by more than this: then it is right,
BACK_PACE = 0.95  # or behind by more, as where it was set back: until it is made up for, seconds are so long
FURTHEST_S = 86400.0  # a time that is further ahead of the wall clock is a plug-in's own, and no clock's


class SteadyClock:
    """Unix seconds of all cameras of this process: the wall clock's, but never going back.

    Where the wall clock is set back, seconds go on to be nearly seconds until it has caught up, an hour within 20:
    frames would otherwise come at a fifth of their pace, and those of cameras that share a gallery an hour apart.

    Args:
        wall, steady: clocks in seconds; the second knows no setting.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._lock = threading.Lock()
        self._now_s, self._steady_s = -math.inf, steady()

    def __call__(self) -> float:
        """The time now, no earlier than any before."""
        with self._lock:
            steady_s, wall_s = self._steady(), self._wall()
            back_s = self._now_s + BACK_PACE * (steady_s - self._steady_s)
            self._now_s, self._steady_s = max(wall_s, back_s), steady_s
            return self._now_s

    def not_before(self, time_s: float) -> None:
        """Go on from where an earlier process was, that had come to this time."""
        with self._lock:
            if time_s - self._wall() < FURTHEST_S:
                self._now_s = max(self._now_s, time_s)


unix_now = SteadyClock()


class WallClock:
    """Unix seconds of one camera's frames, always advancing, over lost connections, too.

    Arrival alone would shake with the network; stamps alone run as fast as the camera's crystal, or as its lies: after
    a day they are seconds off, and cameras that share a gallery or an hour's folder need one clock. So steps are those
    of the stamps, drawn to the time of arrival.

    Args:
        after_s: the first frame is later than this.
    """

    def __init__(self, after_s: float = -math.inf) -> None:
        self._last_s = after_s
        self._now_s = -math.inf
        self._elapsed_s = 0.0
        self.connect(1.0)

    def connect(self, interval_s: float) -> None:
        """Stamps are of another connection from here on, whose frames are nominally so far apart."""
        self._interval_s = interval_s
        self._stamps: Clock | None = None

    def __call__(self, stamp_s: float | None, now_s: float) -> float:
        """The time of the next frame, that arrived at `now_s` (Unix seconds)."""
        first = self._stamps is None
        stamps = self._stamps = self._stamps or Clock(self._interval_s)
        elapsed_s = stamps(stamp_s)
        step_s, waited_s = elapsed_s - self._elapsed_s, max(now_s - self._now_s, 0.0)
        self._elapsed_s, self._now_s = elapsed_s, now_s
        if first:
            time_s = now_s
        else:
            time_s = self._last_s + step_s
            behind_s = now_s - time_s
            if behind_s > LONGEST_S:
                time_s = now_s
            else:
                drawn_s = behind_s * -math.expm1(-waited_s / SETTLING_S)
                slowest = BACK_PACE if behind_s < -LONGEST_S else PACE[0]
                time_s = self._last_s + min(max(step_s + drawn_s, slowest * step_s), PACE[1] * step_s)
        if not time_s > self._last_s:  # as where the wall clock was set back
            time_s = max(self._last_s + PACE[0] * self._interval_s, math.nextafter(self._last_s, math.inf))
        self._last_s = time_s
        return time_s
