"""Interruptions of a training wait for the end of a step, so that what is left on disk can be gone on from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tracker.system.signal_handling import handled


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C, and other signals that have a handler in Python, take effect at the end of the block."""
    came: list[tuple[int, FrameType | None]] = []
    with handled(lambda *what: came.append(what)) as handlers:
        yield
    for number, frame in came:
        handlers[number](number, frame)
