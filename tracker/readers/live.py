"""What a live source does when it falls silent: come back, a few times."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from threading import Event

from tracker.errors import SourceError
from tracker.readers import Picture
from tracker.readers.clock import Clock

TRIES = 3  # attempts to reconnect before the source counts as gone
PAUSE_S = 1.0  # before each attempt: a camera that restarts needs a moment
HEALTHY_S = 10.0  # a connection that lasted this long renews the tries


class LiveReader(ABC):
    """A reader whose source may drop and return, with another frame size too."""

    live = True
    frame_count: int | None = None

    def __init__(self, shown: str, name: str, fps: float) -> None:
        self.shown = shown
        self.name = name
        self.fps = fps

    @abstractmethod
    def _session(self) -> Iterator[Picture]:
        """Pictures of one connection; returns where the source ended by itself.

        Raises:
            SourceError: it cannot be reached or went silent.
        """

    def pictures(self, stop: Event) -> Iterator[Picture]:
        """Pictures of all connections; the time a reconnection took counts in the stamps."""
        started = time.monotonic()
        seen, tries = 0, TRIES
        while True:
            clock, first_s = Clock(1 / self.fps), None
            try:
                for stamp, image in self._session():
                    seen += 1
                    if first_s is None:
                        first_s = time.monotonic() - started
                    yield first_s + clock(stamp), image
                return
            except SourceError:
                if not seen:
                    raise
                if first_s is not None and time.monotonic() - started - first_s > HEALTHY_S:
                    tries = TRIES
                if tries == 0:
                    raise SourceError(
                        f"{self.shown} dropped after {seen} frames and did not come back in {TRIES} tries; check that "
                        "it is on and reachable"
                    ) from None
            tries -= 1
            if stop.wait(PAUSE_S):
                return
