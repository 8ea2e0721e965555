"""A camera of this machine, by its number."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np

from tracker.errors import SourceError
from tracker.system.images import quiet
from tracker.video.live import LiveReader
from tracker.video.reader import DEFAULT_RATE, Picture


class CameraReader(LiveReader):
    """OpenCV's camera interface, which knows every system's; stamps are the clock's at arrival."""

    def __init__(self, number: int, reconnect_s: float) -> None:
        self._number = number
        self._fresh: cv2.VideoCapture | None = self._connect()
        rate = self._fresh.get(cv2.CAP_PROP_FPS)
        fps = rate if 0 < rate <= 1000 else DEFAULT_RATE
        super().__init__(f"camera {number}", f"camera{number}", fps, reconnect_s)

    def _connect(self) -> cv2.VideoCapture:
        with quiet():
            capture = cv2.VideoCapture(self._number)
        if not capture.isOpened():
            raise SourceError(
                f"camera {self._number} cannot be opened; check its number, that it is connected and that no other "
                "program uses it"
            )
        return capture

    def session(self) -> Iterator[Picture]:
        capture, self._fresh = self._fresh or self._connect(), None
        try:
            while (read := capture.read())[0]:
                yield time.monotonic(), partial(np.asarray, read[1], np.uint8)
        finally:
            capture.release()
        raise SourceError(f"camera {self._number} gives no picture; check its cable")
