"""What the log is told of a camera or destination: each change once, and no more than a disk can hold for years."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

MOST, WITHIN_S = 10, 60.0  # lines of one, in so long

_log = logging.getLogger("tracker.site")


class BoundedLog:
    """The lines of one, from any thread; beyond `MOST` in `WITHIN_S` they are left out, and counted.

    Args:
        name: of the camera or destination, without secrets, with which each line begins.

    Attributes:
        name: that.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lately: deque[float] = deque(maxlen=MOST)  # when
        self._left_out = 0
        self._lock = threading.Lock()

    def __call__(self, level: int, text: str, trace: bool = False) -> None:
        """Say that it `text`; `trace`: with that of the exception that is handled."""
        now_s = time.monotonic()
        with self._lock:
            if len(self._lately) == MOST and now_s - self._lately[0] < WITHIN_S:
                self._left_out += 1
                return
            self._lately.append(now_s)
            more, self._left_out = self._left_out, 0
        after = f" (and {more} lines before it that were left out)" if more else ""
        _log.log(level, "%s%s%s", self.name, text, after, exc_info=trace)
