"""Why a track did what it did in one frame, found by doing the run again up to there: seconds to minutes.

One question at a time: a newer one ends the older, whose asker has gone on to look at something else.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from tracker.errors import TrackerError
from tracker.jobs.explain import explain

_KEPT = 256  # answers
_PATIENCE_S = 20.0  # to load the networks, which nothing ends, and for a frame

_log = logging.getLogger(__name__)


class _Superseded(Exception):
    """Nobody waits for this answer any more."""


class Explanations:
    """Answers of `track explain`.

    Args:
        run: folder of the run.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._answers: OrderedDict[tuple[int, int], dict[str, Any]] = OrderedDict()
        self._asked: tuple[int, int] | None = None  # the question that is worked on
        self._frame = 0
        self._lock = threading.Lock()
        self._one = threading.Lock()  # held by the thread that works

    def ask(self, track: int, frame: int) -> dict[str, Any]:
        """The answer, `{"done": true, ...}`, or how far it is, `{"done": false, "frame": 12, "of": 120}`."""
        question = track, frame
        with self._lock:
            if question in self._answers:
                return self._answers[question]
            if self._asked != question:
                self._asked, self._frame = question, 0
                threading.Thread(target=self._work, args=(question,), name="explain", daemon=True).start()
            return {"done": False, "frame": self._frame, "of": frame}

    def close(self) -> None:
        """Nobody asks any more. It is waited for who works: a thread that the end of the process meets in a network
        takes the process with it, as if it had crashed.
        """
        self._asked = None
        if self._one.acquire(timeout=_PATIENCE_S):
            self._one.release()

    def _work(self, question: tuple[int, int]) -> None:
        with self._one:
            try:
                self._go_on(question, 0)  # while it waited for the one before, a newer one may have come
                answer = explain(self._run, *question, progress=lambda frame: self._go_on(question, frame)).to_dict()
            except _Superseded:
                return
            except TrackerError as error:
                answer = {"problem": str(error)}
            except Exception:
                _log.exception("track %d in frame %d cannot be explained", *question)
                answer = {"problem": "it cannot be told; try track explain in a terminal"}
        with self._lock:
            self._answers[question] = {"done": True, **answer}
            while len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
            if self._asked == question:
                self._asked = None

    def _go_on(self, question: tuple[int, int], frame: int) -> None:
        if self._asked != question:
            raise _Superseded
        self._frame = frame
