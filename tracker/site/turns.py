"""So many cameras at work at once as there are cores for, each when it is its turn."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class Turns:
    """A context that so many threads are in at once; those that wait come in the order they came in.

    A camera takes its newest frame when its turn comes. If all worked at once, each frame would wait for the others
    while it is at work, and be as late as all of them together take. `threading.Semaphore` lets whoever just left come
    in again before those that wait.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        turn = threading.Event()
        with self._lock:
            if self._free:
                self._free -= 1
                return
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
