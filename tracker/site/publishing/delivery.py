"""From a spool to a destination: in order, and again until it was acknowledged."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterable

from tracker.site.feed import DestinationStatus
from tracker.site.messages.message import UPDATE, Message
from tracker.site.publishing.address import Destination, Refused, Unreachable
from tracker.site.publishing.spool import Spool

_AT_ONCE = 100  # messages
_BEHIND = 1000  # that wait: no updates beside them
_PAUSES_S = (0.5, 30.0)  # between two tries: the first, doubled up to the last
_PATIENCE_S = 0.7  # at the end

_log = logging.getLogger("tracker.site")


class Delivery:
    """A destination, its spool and the thread between them.

    Args:
        shown: the destination's URL without secrets.
    """

    def __init__(self, shown: str, destination: Destination, spool: Spool) -> None:
        self._shown = shown
        self._destination = destination
        self._spool = spool
        self._delivered = self._refused = self._lost = 0
        self._reachable = True  # so long as the opposite was not seen
        self._problem = ""
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"publish {shown}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def add(self, messages: Iterable[Message]) -> None:
        """Take messages; updates only where the destination is there to get them.

        What an object was like a minute ago is of no use to anybody; that it was there, and when, is.
        """
        behind = not self._reachable or len(self._spool) > _BEHIND
        kept = [message for message in messages if message.kind != UPDATE or not behind]
        if not kept:
            return
        try:
            self._spool.add(kept)
        except sqlite3.Error as error:
            self._lost += len(kept)
            self._tell(f"messages cannot be kept on disk: {error}")
        self._news.set()

    def stop(self) -> None:
        """Send what can be sent in a moment; the rest waits on disk for the next start."""
        self._stopping.set()
        self._news.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the end, so long at most."""
        self._thread.join(max(0.0, timeout_s))
        if not self._thread.is_alive():
            self._spool.close()

    def status(self) -> DestinationStatus:
        """How it is now."""
        return DestinationStatus(
            self._shown,
            self._reachable,
            len(self._spool),
            self._delivered,
            self._spool.dropped + self._lost,
            self._refused,
            self._problem,
        )

    def _run(self) -> None:
        pause_s, end_s = _PAUSES_S[0], float("inf")
        while time.monotonic() < end_s:
            if self._stopping.is_set():
                end_s = min(end_s, time.monotonic() + _PATIENCE_S)
            keys, messages = self._spool.first(_AT_ONCE)
            if not messages:
                if self._stopping.is_set():
                    break
                self._news.wait()
                self._news.clear()
                continue
            try:
                self._destination.deliver(messages)
                self._delivered += len(messages)
            except Refused as refusal:
                self._refused += len(messages)
                self._tell(f"{len(messages)} messages were refused: {refusal}")
            except Unreachable as problem:
                self._reachable = False
                self._tell(str(problem))
                if self._stopping.wait(pause_s):
                    break
                pause_s = min(2 * pause_s, _PAUSES_S[1])
                continue
            else:
                if not self._reachable:
                    _log.info("%s is there again", self._shown)
                self._problem = ""
            self._reachable, pause_s = True, _PAUSES_S[0]
            self._spool.remove(keys)
        self._destination.close()

    def _tell(self, problem: str) -> None:
        if problem != self._problem:
            _log.warning("%s: %s", self._shown, problem)
        self._problem = problem
