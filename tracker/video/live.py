"""What a live source does when it falls silent: come back, for as long as it is waited for."""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from threading import Event

from tracker.errors import SourceError
from tracker.video.clock import Clock
from tracker.video.reader import Picture

RECONNECT_S = 600.0  # how long a source may be away, unless told otherwise
PAUSE_S = 1.0  # before the first attempt: a camera that restarts needs a moment; doubles with each
LONGEST_PAUSE_S = 30.0
HEALTHY_S = 10.0  # a connection that lasted this long begins with short pauses again
LEAD_S = 10.0  # a server may send so much of the past at once; stamps further ahead of the clock were set anew

_log = logging.getLogger(__name__)


class LiveReader(ABC):
    """A reader whose source may drop and return, with another frame size too.

    Args:
        reconnect_s: seconds without a picture for which a source that has worked is tried again; inf: for ever.
    """

    live = True
    frame_count: int | None = None

    def __init__(self, shown: str, name: str, fps: float, reconnect_s: float) -> None:
        self.shown = shown
        self.name = name
        self.fps = fps
        self._reconnect_s = reconnect_s

    @abstractmethod
    def session(self) -> Iterator[Picture]:
        """Pictures of one connection; returns where the source ended by itself.

        Raises:
            SourceError: it cannot be reached or went silent.
        """

    def pictures(self, stop: Event) -> Iterator[Picture]:
        """Pictures of all connections; the time that the source was away counts in the stamps."""
        started = time.monotonic()
        seen, last_s, pause_s = 0, 0.0, PAUSE_S
        while True:
            clock, first_s = Clock(1 / self.fps), math.inf
            try:
                for stamp, image in self.session():
                    now_s = time.monotonic() - started
                    if first_s == math.inf:
                        first_s = now_s
                        if seen:
                            _log.warning("%s is back after %.1f s", self.shown, now_s - last_s)
                    seen, last_s = seen + 1, now_s
                    yield first_s + clock(stamp, now_s - first_s + LEAD_S), image
                return
            except SourceError as error:
                if not seen:
                    raise
                if first_s < math.inf:
                    _log.warning("%s; tried again for %s", error, _duration(self._reconnect_s))
            if last_s - first_s > HEALTHY_S:
                pause_s = PAUSE_S
            left_s = self._reconnect_s - (time.monotonic() - started - last_s)
            if left_s <= 0:
                raise SourceError(
                    f"{self.shown} dropped after {seen} frames and did not come back within "
                    f"{_duration(self._reconnect_s)}; check that it is on and reachable"
                )
            if stop.wait(min(pause_s, left_s)):
                return
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _duration(seconds: float) -> str:
    if seconds == math.inf:
        return "as long as it takes"
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} minutes"
