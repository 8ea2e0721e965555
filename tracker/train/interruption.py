"""Interruptions of a training wait for the end of a step, so that what is left on disk can be gone on from."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C, and other signals that have a handler in Python, take effect at the end of the block."""
    if threading.current_thread() is not threading.main_thread():  # signals only reach that one
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.getsignal(number) for number in _ENDING}
    deferred = {number: handler for number, handler in handlers.items() if callable(handler)}
    for kind in deferred:
        signal.signal(kind, lambda *what: came.append(what))
    try:
        yield
    finally:
        for kind, handler in deferred.items():
            signal.signal(kind, handler)
    for number, frame in came:
        deferred[signal.Signals(number)](number, frame)
