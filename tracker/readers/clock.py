"""Time from the time stamps of a container."""

from __future__ import annotations

RESTART_S = 1.0  # a step back in time by more is a new start of the stamps, by less a wrong stamp


class Clock:
    """Seconds since the first frame, always advancing, from time stamps that may be missing, repeat or start over."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._origin_s: float | None = None
        self._last_s = -interval_s

    def __call__(self, stamp_s: float | None) -> float:
        time_s = self._last_s + self._interval_s
        if stamp_s is not None:
            if self._origin_s is None or stamp_s - self._origin_s < self._last_s - RESTART_S:
                self._origin_s = stamp_s - time_s
            time_s = stamp_s - self._origin_s
        if time_s <= self._last_s:
            time_s = self._last_s + self._interval_s / 2
        self._last_s = time_s
        return time_s
