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
from tracker.site.said import BoundedLog

_AT_ONCE = 100  # messages; fewer where so many were refused
_BEHIND = 1000  # that wait: no updates beside them
_PAUSES_S = (0.5, 30.0)  # between two tries: the first, doubled up to the last
_PATIENCE_S = 0.7  # at the end


class Delivery:
    """A destination, its spool and the thread between them.

    Args:
        shown: the destination's URL without secrets.
    """

    def __init__(self, shown: str, destination: Destination, spool: Spool) -> None:
        self._shown, self._say = shown, BoundedLog(shown)
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
        pause_s, end_s, at_once = _PAUSES_S[0], float("inf"), _AT_ONCE
        while time.monotonic() < end_s:
            if self._stopping.is_set():
                end_s = min(end_s, time.monotonic() + _PATIENCE_S)
            try:
                sent = self._send(at_once)
            except Refused:
                at_once = max(1, at_once // 2)
                continue
            except (Unreachable, sqlite3.Error) as problem:
                self._fails(str(problem) if isinstance(problem, Unreachable) else f"its messages on disk: {problem}")
            except Exception as error:  # not to be foreseen: said, and tried again, as nothing else would begin anew
                if not self._problem:
                    self._say(logging.ERROR, ": messages cannot be sent", trace=True)
                self._fails(f"messages cannot be sent ({type(error).__name__}), see the log")
            else:
                pause_s, at_once = _PAUSES_S[0], min(2 * at_once, _AT_ONCE)
                if not sent:
                    if self._stopping.is_set():
                        break
                    self._news.wait()
                    self._news.clear()
                continue
            if self._stopping.wait(pause_s):
                break
            pause_s = min(2 * pause_s, _PAUSES_S[1])
        self._destination.close()

    def _send(self, number: int) -> bool:
        """The oldest messages, so many at most; were there any?

        Raises:
            Refused: several at once were. Unreachable, sqlite3.Error: all stay.
        """
        keys, messages = self._spool.first(number)
        if not messages:
            return False
        try:
            self._destination.deliver(messages)
        except Refused as refusal:
            if len(messages) > 1:  # which of them?
                raise
            self._spool.remove(keys)
            self._refused += 1
            self._tell(f"a message was refused: {refusal}")
        else:
            self._spool.remove(keys)
            self._delivered += len(messages)
            if not self._reachable:
                self._say(logging.INFO, " is there again")
            self._problem = ""
        self._reachable = True
        return True

    def _fails(self, problem: str) -> None:
        self._reachable = False
        self._tell(problem)

    def _tell(self, problem: str) -> None:
        if problem != self._problem:
            self._say(logging.WARNING, f": {problem}")
        self._problem = problem
