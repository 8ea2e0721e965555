"""OpenCV without its chatter."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_lock = threading.Lock()
_inside, _level = 0, 0  # how many threads are inside, and OpenCV's level before the first came in


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing from OpenCV on stderr inside: what fails is told by our own errors.

    OpenCV has one level for all threads, so the last to leave puts back what the first to come found.
    """
    global _inside, _level
    logging = cv2.utils.logging
    with _lock:
        if _inside == 0:
            _level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                logging.setLogLevel(_level)
