"""Settings of which a library has one for the whole process, changed for a moment by any number of threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ProcessWide(Generic[Value]):
    """Within a call of it the setting is changed; the last thread to leave puts back what the first to come found.

    Args:
        change: changes it and returns what it was. put_back: takes that.
    """

    def __init__(self, change: Callable[[], Value], put_back: Callable[[Value], object]) -> None:
        self._change, self._put_back = change, put_back
        self._lock = threading.Lock()
        self._inside = 0  # how many threads, or calls within calls

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """To be used by `with`, or as a decorator."""
        with self._lock:
            if self._inside == 0:
                self._before = self._change()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._put_back(self._before)
