"""The inside of a worker process: it gets ready once, then does the tasks that come through its pipe.

It never outlives who started it, and hears of an end as `track` does: by a signal, which the task that is running
attends to, or notices when it tells of its progress.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from tracker.system.signal_handling import ENDING

READY, UNFIT, NEWS, DONE, FAILED = "ready", "unfit", "news", "done", "failed"
Tell = Callable[[Any], None]
Work = Callable[[Any, Tell], Any]  # a task, and whom to tell of progress -> its result

_NEWS_S = 0.2  # between two pieces of news at least


def serve(pipe: Connection, prepare: Callable[[], Work]) -> None:
    """Do what comes through the pipe until it is closed. The signals that end a process are blocked until here."""
    stopped: list[int] = []
    for number in ENDING:
        signal.signal(number, lambda number, _: stopped.append(number))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")  # what libraries have to say to programmers
    try:
        work = prepare()
    except Exception as error:
        pipe.send((UNFIT, _sendable(error)))
        return
    pipe.send((READY, None))
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        said: tuple[str, Any]
        try:
            said = DONE, work(task, _News(pipe, stopped))
        except (Exception, KeyboardInterrupt) as error:
            said = FAILED, _sendable(error)
        stopped.clear()
        pipe.send(said)


class _News:
    """Sends what it is told, now and then; raises KeyboardInterrupt where the task is to end."""

    def __init__(self, pipe: Connection, stopped: list[int]) -> None:
        self._pipe, self._stopped = pipe, stopped
        self._due = 0.0

    def __call__(self, news: Any) -> None:
        if self._stopped:
            raise KeyboardInterrupt
        if time.monotonic() >= self._due:
            self._pipe.send((NEWS, news))
            self._due = time.monotonic() + _NEWS_S


def _end_with_parent() -> None:
    """Nobody waits for what an orphan does, and who starts the work again would find it writing to the same files."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _sendable(error: BaseException) -> BaseException:
    """An error as another process can take it, with where it came from as a note."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # of any kind: what cannot be pickled raises what it likes
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
