"""The seconds that stages of the work take, added up by name."""

from __future__ import annotations

import time


class Timed:
    """Within it, time counts for a stage: `with Timed(seconds, "detect"):` adds to `seconds["detect"]`.

    What ends in an error does not count. A class, not a generator, which would take three times as long.
    """

    __slots__ = ("_seconds", "_stage", "_start")

    def __init__(self, seconds: dict[str, float], stage: str) -> None:
        self._seconds, self._stage = seconds, stage

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._seconds[self._stage] += time.perf_counter() - self._start
