"""The frames of one camera as they come: a thread connects, for ever, and keeps what the tracker has not taken yet.

A machine that is behind tracks the newest frame and drops those before it. As long as it keeps up on the whole, a few
frames may wait, so that one that takes longer costs none.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tracker.errors import TrackerError
from tracker.site.clock import WallClock, unix_now
from tracker.site.connection import Connection, connected
from tracker.site.feed import AWAY, CONNECTING, ENDED, LIVE, SILENT
from tracker.site.said import BoundedLog
from tracker.structures import Image
from tracker.video.clock import Clock
from tracker.video.live import HEALTHY_S, LONGEST_PAUSE_S, PAUSE_S
from tracker.video.source import Frame

SILENT_S = 2.0  # a connection without a picture for longer is said to be silent
WAITS_S = 0.3  # a frame that waited longer means that the machine is behind ...
MOST = 16  # ... and so does this number of them
BEHIND_S = 2.0  # it is behind until no frame was dropped for so long
AHEAD = 2  # frames of a recording that wait, none of which is dropped


@dataclass(frozen=True, eq=False)
class _Arrival:
    number: int
    time_s: float
    image: Callable[[], Image]
    arrived_s: float  # by the monotonic clock


class Intake:
    """A camera's frames, the newest first where not all can be taken.

    Args:
        say: tells the log what becomes of the camera.
        source: as of `SiteCamera`.
        number, after_s: frames are counted on from this number, and are later than this time.

    Attributes:
        received, dropped: frames that arrived, and those of them that will not be tracked.
        connections: how often there was a picture after there had been none.
        problem: why there is no connection; "" where there is one.
        arrived_s: when the frame that was taken last arrived, by the monotonic clock.
        last_s: when the last frame arrived, in Unix seconds; None: none yet.
    """

    def __init__(self, say: BoundedLog, source: Any, number: int = 0, after_s: float = -math.inf) -> None:
        self._say, self._source = say, source
        self._number = number
        self._clock = WallClock(after_s)
        unix_now.not_before(after_s)
        self._last_time_s = after_s
        self._waiting: deque[_Arrival] = deque()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._behind_until_s = -math.inf
        self._live = True
        self._over = False
        self._state, self._since_s = CONNECTING, time.monotonic()
        self._begun_s = self._heard_s = time.monotonic()
        self.received = self.dropped = self.connections = 0
        self.problem = ""
        self.arrived_s = -math.inf
        self.last_s: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"read {say.name}", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more frames; a thread that waits for the network ends with its time-out."""
        with self._changed:
            self._stop.set()
            self._waiting.clear()
            self._changed.notify_all()

    @property
    def state(self) -> tuple[str, float]:
        """Its state, and since how many seconds."""
        now_s, state, since_s = time.monotonic(), self._state, self._since_s
        if state == LIVE and self._live and now_s - self._heard_s > SILENT_S:
            return SILENT, now_s - self._heard_s
        return state, now_s - since_s

    @property
    def silent_s(self) -> float:
        """Seconds since the last frame arrived, or since the beginning."""
        return time.monotonic() - self._heard_s

    def wait(self) -> bool:
        """Wait for a frame; False: there will be none, it was stopped or a recording has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over or self._stop.is_set())
            return bool(self._waiting)

    def take(self) -> Frame | None:
        """The frame to be tracked next; None where none waits any more."""
        with self._changed:
            if not self._waiting:
                return None
            taken = self._waiting.popleft()
            self._changed.notify_all()
        self.arrived_s = taken.arrived_s
        return Frame(taken.image(), taken.number, taken.time_s)

    def _run(self) -> None:
        pause_s = PAUSE_S
        while not self._stop.is_set():
            begun_s, again, problem = time.monotonic(), True, ""
            try:
                connection = connected(self._source, self._stop)
                again = connection.again
                self._read(connection)
            except TrackerError as error:
                problem = str(error)
            except Exception:  # not the user's to mend: reported, and the camera is tried again
                self._say(logging.ERROR, " cannot be read", trace=True)
                problem = "it cannot be read, see the log"
            if self._stop.is_set():
                return
            if not again:
                break
            if self._state == LIVE and time.monotonic() - begun_s > HEALTHY_S:
                pause_s = PAUSE_S
            self._lost(problem or "the source ended")
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._say(logging.INFO, f" has ended{': ' if problem else ''}{problem}")
        with self._changed:
            self._over = True
            self._enter(ENDED, problem)
            self._changed.notify_all()

    def _read(self, connection: Connection) -> None:
        """The pictures of one connection."""
        self._live = connection.live
        self._clock.connect(connection.interval_s)
        time_of = self._given if connection.timed else self._clock if connection.live else self._recorded(connection)
        for stamp, image in connection.pictures:
            if self._stop.is_set():
                return
            if self._state != LIVE:
                self.connections += 1
                away_s = time.monotonic() - self._heard_s
                news = f" is back after {away_s:.1f} s" if self.connections > 1 else f" is {LIVE} after {away_s:.1f} s"
                self._say(logging.INFO, news)
                self._enter(LIVE, "")
            self._heard_s, self.last_s = time.monotonic(), time.time()
            time_s = time_of(stamp, unix_now())
            self._number += 1
            self.received += 1
            if not time_s > self._last_time_s:  # a plug-in's own that does not advance, as one that begins anew
                self.dropped += 1
                continue
            self._last_time_s = time_s
            self._put(_Arrival(self._number, time_s, image, self._heard_s))

    def _given(self, stamp_s: float | None, _: float) -> float:
        return math.nan if stamp_s is None else stamp_s

    def _recorded(self, connection: Connection) -> Callable[[float | None, float], float]:
        """Times of a recording: from now on, at its own pace."""
        clock, begun_s = Clock(connection.interval_s), max(unix_now(), self._last_time_s + connection.interval_s)
        return lambda stamp, _: begun_s + clock(stamp)

    def _put(self, arrival: _Arrival) -> None:
        waiting = self._waiting
        with self._changed:
            if not self._live:
                self._changed.wait_for(lambda: len(waiting) < AHEAD or self._stop.is_set())
            elif waiting:
                now_s = arrival.arrived_s
                if len(waiting) == MOST or now_s - waiting[0].arrived_s > WAITS_S or now_s < self._behind_until_s:
                    self.dropped += len(waiting)
                    waiting.clear()
                    self._behind_until_s = now_s + BEHIND_S
            if not self._stop.is_set():
                waiting.append(arrival)
            self._changed.notify_all()

    def _lost(self, problem: str) -> None:
        if self._state != AWAY and problem != self.problem:
            self._say(logging.WARNING, f": {problem}; tried again for as long as it takes")
        self._enter(CONNECTING if not self.connections else AWAY, problem)

    def _enter(self, state: str, problem: str) -> None:
        if state != self._state:
            self._state, self._since_s = state, time.monotonic()
        self.problem = problem
