"""Time from the time stamps of a container."""

from __future__ import annotations

import math

from tracker.system.snapshots.resumable import Resumable

SETTLED_S = 1.0  # stamps that left their line and went on for this long do not return to it
LONGEST_GAP_S = 30 * 86400.0  # a recording may pause for days; what is longer is a damaged stamp

_RUBBISH_S = 1e11  # 3000 years; beyond it a float cannot tell frames apart


class Clock(Resumable):
    """Seconds since the first frame, always advancing, from stamps that may be missing, repeat, jump or start over.

    The stamps lie on a line: time = stamp - origin. What does not:

    - A missing stamp is the nominal interval after the frame before it.
    - A stamp that repeats, or steps back by no more than an interval, is jitter: the time creeps on until the line has
      caught up.
    - A stamp that steps back further begins a line of its own, an interval after the frame before it and as fast as its
      stamps, whether it stepped back by a tenth of a second or by hours: so concatenated segments run at their own
      speed. For `SETTLED_S` the stamps may return to the line they left, where that is nearer: then they were wrong.
    - A jump ahead is a gap and is kept, be it of hours. Beyond what can be (`latest_s`) it begins a new line too.

    Args:
        interval_s: nominal seconds from frame to frame.
    """

    saved = ("_interval_s", "_origin_s", "_left_s", "_since_s", "_stamp_s", "_last_s", "_creeping")

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._origin_s: float | None = None
        self._left_s: float | None = None  # the origin of the line that was left, and when that was
        self._since_s = 0.0
        self._stamp_s = 0.0
        self._last_s = -interval_s
        self._creeping = False

    def __call__(self, stamp_s: float | None, latest_s: float = math.inf) -> float:
        """The time of the next frame; a jump by over `SETTLED_S` to a time past `latest_s` is not believed."""
        if stamp_s is None or not abs(stamp_s) < _RUBBISH_S:
            self._last_s += self._interval_s
            return self._last_s
        if self._origin_s is None:
            self._origin_s = stamp_s - (self._last_s + self._interval_s)
            self._stamp_s = stamp_s - self._interval_s
        self._settle_or_return(stamp_s, self._origin_s)
        step_s, self._stamp_s = stamp_s - self._stamp_s, stamp_s
        time_s = stamp_s - self._origin_s
        if not self._believable(step_s, time_s, latest_s):
            if self._left_s is None:
                self._left_s, self._since_s = self._origin_s, self._last_s
            time_s = self._last_s + self._interval_s
            self._origin_s = stamp_s - time_s
        creeping = time_s <= self._last_s
        if creeping:  # equal stamps are full intervals apart after the first half; others let the line catch up
            share = 1.0 if self._creeping and step_s == 0 else 0.5
            pace_s = self._interval_s if step_s <= 0 else min(step_s, self._interval_s)
            time_s = max(self._last_s + share * pace_s, math.nextafter(self._last_s, math.inf))
        self._creeping = creeping
        self._last_s = time_s
        return time_s

    def _believable(self, step_s: float, time_s: float, latest_s: float) -> bool:
        """Whether a stamp may lie on the present line, that far from the stamp before."""
        ahead_s = time_s - self._last_s
        if ahead_s > SETTLED_S:
            return ahead_s <= LONGEST_GAP_S and time_s <= latest_s
        return ahead_s >= -SETTLED_S and step_s >= -1.001 * self._interval_s  # a stamp is rounded to its time base

    def _settle_or_return(self, stamp_s: float, origin_s: float) -> None:
        """Whether the line that was left is given up, or taken again because it leads nearer to the last time."""
        if self._left_s is None:
            return
        if self._last_s - self._since_s > SETTLED_S:
            self._left_s = None
            return
        back_s, on_s = (stamp_s - line_s - self._last_s for line_s in (self._left_s, origin_s))
        if -self._interval_s < back_s and abs(back_s) < abs(on_s):
            self._origin_s, self._left_s = self._left_s, None
