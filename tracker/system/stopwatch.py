"""The seconds that stages of the work take, added up by name."""

from __future__ import annotations

import time


class Timed:
    """Within it, time counts for a stage: `with Timed(seconds, "detect"):` adds to `seconds["detect"]`.

    Of two, one in the other, the outer is named in the inner as what it is `within`, and what the inner takes does not
    count for it. What ends in an error does not count. A class, not a generator, which would take three times as long.
    """

    __slots__ = ("_seconds", "_stage", "_start", "_within")

    def __init__(self, seconds: dict[str, float], stage: str, within: str = "") -> None:
        self._seconds, self._stage, self._within = seconds, stage, within

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            seconds = time.perf_counter() - self._start
            self._seconds[self._stage] += seconds
            if self._within:
                self._seconds[self._within] -= seconds
